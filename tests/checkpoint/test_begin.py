"""``init=``: what is taken over, what is held, what is refused, and what a run says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from astrid_ml.build import build, plain
from astrid_ml.checkpoint.begin import begin, layers_of, seen_before, with_digest
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import load_model, read_record, save_model
from astrid_ml.checkpoint.record import Record, TrainingDigest
from astrid_ml.config import compose
from astrid_ml.contracts.columns import columns_of
from astrid_ml.errors import UserError
from astrid_ml.models.tasks.hierarchy import asked
from astrid_ml.run.environment import run_identity
from astrid_ml.run.training.rounds import PREDICTION_NODES
from astrid_ml.run.training.train import train
from astrid_ml.shipped import network_file
from tests.made.untrained import WORDS, Untrained, untrained

PLACES = ["paths.run_dir=run", "paths.sweep_dir=sweep"]
CURVES = ["experiment=lightcurves_sim", "model=lightcurve_gru_small", *PLACES]


def saved(folder: Path, words: list[str]) -> Path:
    """A checkpoint of random weights of this configuration."""
    config = plain(compose("train", words))
    torch.manual_seed(7)
    task = build(config["model"]["task"])
    record = Record("lightcurves", {name: config[name] for name in PREDICTION_NODES}, dataset_fingerprint="f" * 64)
    save_model(folder / "best.ckpt", task.state_dict(), record)
    return folder / "best.ckpt"


def begun(path: Path, words: list[str], mode: str) -> tuple[Any, Any]:
    config: dict[str, Any] = plain(compose("train", [*words, f"init_mode={mode}"])) | {"init": str(path)}
    task = build(config["model"]["task"])
    return task, begin(task, config)


MODELS = {
    "gru": CURVES,
    "transformer": ["experiment=lightcurves_sim", "model=lightcurve_transformer", *PLACES],
    "hybrid": ["experiment=lightcurves_sim", "model=lightcurve_hybrid_small", *PLACES],
    "braai": ["experiment=realbogus_triplets", "model=braai_wide_bn", *PLACES],
    "fusion": ["experiment=realbogus_triplets", "model=fusion", *PLACES],
    "unet": ["experiment=ramp_anomalies", "model=unet3d", *PLACES],
}


@pytest.mark.parametrize("mode", ["full", "partial", "frozen"])
@pytest.mark.parametrize("name", MODELS)
def test_weights_are_taken_over_and_held(name: str, mode: str, tmp_path: Path) -> None:
    path = saved(tmp_path, MODELS[name])
    task, found = begun(path, MODELS[name], mode)
    for key, value in read_record(path)[1].items():
        if key.startswith("network."):
            assert torch.equal(task.state_dict()[key], value), key
    order = layers_of(task.network)
    free = [at for at, layer in order if any(weight.requires_grad for weight in layer.parameters(recurse=False))]
    assert free == {"full": [at for at, _ in order], "partial": [at for at, _ in order[len(order) // 2 :]],
                    "frozen": [order[-1][0]]}[mode]  # fmt: skip
    assert found.weights == digest_of({k[8:]: v for k, v in read_record(path)[1].items() if k.startswith("network.")})
    assert found.fresh == () and found.loaded > found.held >= 0 and (found.held == 0) == (mode == "full")
    assert found.dataset == "f" * 64 and found.weights[:12] in found.words()
    task.train()
    assert all(not layer.training for at, layer in order if at not in free)
    optimizer = task.configure_optimizers()
    optimizer = optimizer["optimizer"] if isinstance(optimizer, dict) else optimizer
    trained = sum(weight.numel() for group in optimizer.param_groups for weight in group["params"])
    assert trained == sum(weight.numel() for weight in task.network.parameters()) - found.held


def test_the_last_layer_alone_may_answer_other_classes(tmp_path: Path) -> None:
    path = saved(tmp_path, CURVES)
    task, found = begun(path, [*CURVES, "datamodule.taxonomy=transient_periodic"], "frozen")
    assert found.fresh == ("head.layers.6",)
    given = read_record(path)[1]
    assert torch.equal(task.network.state_dict()["token.1.weight"], given["network.token.1.weight"])
    assert len(task.network.state_dict()["head.layers.6.bias"]) != len(given["network.head.layers.6.bias"])


@pytest.mark.parametrize("mode", ["full", "partial", "frozen"])
def test_a_network_with_features_begins_as_one_without_and_answers_alike(mode: str, tmp_path: Path) -> None:
    path = saved(tmp_path, CURVES)
    task, found = begun(path, [*CURVES, "model=lightcurve_hybrid_small"], mode)
    small = load_model(path).task
    batch = build(plain(compose("train", [*CURVES, "model=lightcurve_hybrid_small"]))["datamodule"]).example()
    batch["features"] = torch.randn_like(batch["features"])
    task.eval()
    with torch.no_grad():
        ours = task.network(*asked(batch))
        theirs = small.network(*asked({k: v for k, v in batch.items() if k != "features"}))  # type: ignore[attr-defined]
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert found.fresh == ("computed",)
    for part in (task.network.computed, task.network.head.layers[0]):  # what is new, and what has to heed it
        assert all(weight.requires_grad for weight in part.parameters())
    assert found.loaded == sum(v.numel() for k, v in read_record(path)[1].items() if k.startswith("network."))


@pytest.mark.parametrize("model", ["lightcurve_gru_small", "lightcurve_gru_small_dropout", "lightcurve_hybrid_small"])
def test_the_packages_encoder_is_known_by_its_name_and_answers_nothing_yet(model: str) -> None:
    config: dict[str, Any] = plain(compose("train", [*CURVES, f"model={model}", "init=lightcurve_encoder"]))
    task = build(config["model"]["task"])
    found = begin(task, config)
    assert found is not None and found.loaded > 30_000 and set(found.fresh) <= {"computed"}
    assert not any(weight.any() for weight in task.network.head.layers[-1].parameters())
    assert with_digest(config)["init_weights"] == found.weights
    assert network_file("lightcurve_encoder").stat().st_size < 5e6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model.network.hidden=32"], "model.network.hidden=48"),
        (["model=lightcurve_transformer"], "model.network._target_=astrid_ml.models.lightcurves.network.CurveGRU"),
        (["datamodule.static=[MWEBV]", "datamodule.log_static=[]"], "model.network.static="),
        (["model=lightcurve_trees"], "leave out init="),
        (["model=lightcurve_hybrid"], "model.network.width=48"),
    ],
)
def test_another_architecture_is_refused_with_what_to_set(words: list[str], told: str, tmp_path: Path) -> None:
    path = saved(tmp_path, CURVES)
    with pytest.raises(UserError) as caught:
        begun(path, [*CURVES, *words], "full")
    assert told in str(caught.value) and caught.value.fix


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"best\.ckpt of a run"):
        begun(tmp_path / "absent.ckpt", CURVES, "full")
    (tmp_path / "text.ckpt").write_text("no weights")
    with pytest.raises(UserError, match="init=FILE, the checkpoint of a run; got a text file"):
        begun(tmp_path / "text.ckpt", CURVES, "full")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("untrained"))


def test_other_weights_are_another_run_wherever_their_file_lies(made: Untrained, tmp_path: Path) -> None:
    plainly = run_identity(made.config)
    assert run_identity({**made.config, "init": None, "init_mode": "full", "init_weights": None}) == plainly
    config = with_digest({**made.config, "init": str(made.checkpoint)})
    (tmp_path / "moved.ckpt").write_bytes(made.checkpoint.read_bytes())
    moved = with_digest({**made.config, "init": str(tmp_path / "moved.ckpt")})
    assert run_identity(config) == run_identity(moved) != plainly
    assert run_identity({**config, "init_mode": "frozen"}) != run_identity(config)
    with pytest.raises(UserError, match="init= with the weights 000000000000"):
        with_digest({**config, "init_weights": "0" * 64})


def test_samples_of_the_test_fold_that_it_knew_stop_a_run(made: Untrained, tmp_path: Path) -> None:
    test = made.datamodule.rows["test"]
    record, weights = read_record(made.checkpoint)
    knew = TrainingDigest.of(columns_of(made.dataset))
    save_model(tmp_path / "knew.ckpt", weights, Record(record.domain, record.config, digest=knew))
    config = {**made.config, "init": str(tmp_path / "knew.ckpt")}
    with pytest.raises(UserError, match=f"{len(test)} of {len(test)} in the training"):
        seen_before({**config, "audit": {"mode": "fail"}}, made.dataset, test)
    assert seen_before({**config, "audit": {"mode": "warn"}}, made.dataset, test) == len(test)
    assert seen_before(made.config, made.dataset, test) == 0


def test_a_run_says_what_it_began_with_and_holds_it(made: Untrained, tmp_path: Path) -> None:
    words = [*WORDS, "trainer.max_epochs=1", "init_mode=frozen", "audit=warn", "callbacks.weight_averaging=0.5"]
    config = plain(compose("train", [*words, f"init={made.checkpoint}", f"paths.run_dir={tmp_path / 'run'}",
                                     f"paths.data={made.dataset.path.parent}"]))  # fmt: skip
    train(config, words)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["init"]["mode"] == "frozen" and record["init"]["held"] > 0
    kept, weights = read_record(tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert record["init"]["weights"][:12] in kept.note
    assert "Weights began as" in (tmp_path / "run" / "model_card.md").read_text()
    before = read_record(made.checkpoint)[1]
    last = layers_of(build(config["model"]["task"]).network)[-1][0]
    changed = {key for key in before if key.startswith("network.") and not torch.equal(before[key], weights[key])}
    assert changed == {f"network.{last}.weight", f"network.{last}.bias"}
