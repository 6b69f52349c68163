"""All folds of a run as one model: the mean of its members, each as its own fold left it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from scipy.special import expit, logit

from astrid_ml.build import build, plain
from astrid_ml.checkpoint.joined import JoinedTask, can_join, joined_weights, refuse_unlike, weights_of_members
from astrid_ml.checkpoint.load import LoadedModel, load_model, read_checkpoint, read_record, save_model
from astrid_ml.checkpoint.score import score_source
from astrid_ml.commands.fsck import FsckCommand
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.models.tasks.task import Task
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork
from astrid_ml.run.prediction.evaluate import evaluate
from astrid_ml.run.training.join import calibration_of_members
from astrid_ml.run.training.train import train

WORDS = [
    "experiment=realbogus_triplets",
    "simulate.n=180",
    "simulate.prevalence=0.3",
    "channels.size=31",
    "model=fusion",
    "model.network.trunk.in_channels=3",
    "model.network.n_features=2",
    "datamodule.features=[snr]",
    "trainer.precision=32-true",
    "trainer.max_epochs=1",
    "trainer.enable_progress_bar=false",
    "evaluation.evaluation.bootstrap.replicates=20",
    "logger=none",
    "calibration=temperature",  # the default leaves folds as small as these alone
    "audit=warn",
    "split=kfold",
    "split.k=3",
]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")


def composed(folder: Path, *words: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    places = [f'paths.data="{folder / "store"}"', f'paths.run_dir="{folder / "run"}"', "paths.sweep_dir=none"]
    config: dict[str, Any] = plain(compose("train", [*WORDS, *places, *words]))
    return config


@dataclass(frozen=True)
class Finished:
    """A run of three folds, and its dataset."""

    config: dict[str, Any]
    said: dict[str, Any]
    run: Path
    dataset: PreparedDataset

    @property
    def checkpoint(self) -> Path:
        return self.run / "checkpoints" / "best.ckpt"

    def members(self) -> list[LoadedModel]:
        return [load_model(self.run / f"fold_{i}" / "checkpoints" / "best.ckpt") for i in range(3)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("k-fold")
    config = composed(folder)
    said = train(config)
    record = json.loads((folder / "run" / "run.json").read_text())
    return Finished(config, said, folder / "run", PreparedDataset(record["dataset"]["path"]))


def scored(model: LoadedModel, dataset: PreparedDataset) -> pd.DataFrame:
    judge = build(model.record.config["evaluation"])
    return score_source(model, judge, model.record.calibration, dataset)


def test_the_joined_model_is_the_mean_of_its_members(finished: Finished) -> None:
    own = [scored(model, finished.dataset) for model in finished.members()]
    joined = scored(load_model(finished.checkpoint), finished.dataset)
    assert len({tuple(table["probability"].round(6)) for table in own}) == 3
    for name in ("score", "probability"):
        odds = [logit(table[name].to_numpy(np.float64)) for table in own]
        np.testing.assert_allclose(joined[name], expit(np.mean(odds, axis=0)), atol=1e-6)
    np.testing.assert_allclose(joined["logit"], np.mean([t["logit"] for t in own], axis=0), atol=1e-5)
    for number, table in enumerate(own):
        np.testing.assert_array_equal(joined[f"score_fold_{number}"], table["score"])
    assert (joined["decision"] == (joined["probability"] >= joined["threshold"])).all()


def test_each_member_keeps_the_statistics_of_its_own_training_samples(finished: Finished) -> None:
    model, members = load_model(finished.checkpoint), finished.members()
    assert isinstance(model.task, JoinedTask)
    assert model.task.statistics == [one.record.statistics for one in members]
    means = [one.record.statistics["mean"][0] for one in members]
    assert len(set(means)) == 3
    # Statistics that are far apart: a member that got another's would answer otherwise.
    for number, statistics in enumerate(model.task.statistics):
        statistics["mean"] = [means[number] + 5.0 * number]
    moved = model.score(finished.dataset)
    for number, one in enumerate(members):
        one.datamodule.statistics["mean"] = [means[number] + 5.0 * number]
        np.testing.assert_array_equal(moved[f"score_fold_{number}"], one.score(finished.dataset)["score"])


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_a_prediction_does_not_depend_on_the_size_of_its_batches(finished: Finished, batch: int) -> None:
    model = load_model(finished.checkpoint)
    rows = np.arange(20)
    expected = model.score(finished.dataset, rows)
    model.datamodule.eval_batch_size = batch  # type: ignore[attr-defined]
    found = model.score(finished.dataset, rows)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-6)
    turned = model.score(finished.dataset, rows[::-1].copy())
    np.testing.assert_allclose(turned["score"][::-1], expected["score"], atol=1e-6)


def test_the_threshold_is_chosen_on_predictions_of_unseen_samples(finished: Finished) -> None:
    record, _ = read_record(finished.checkpoint)
    test = pd.read_parquet(finished.run / "predictions" / "test.parquet")
    judge = build(finished.config["evaluation"])
    threshold, rule = judge.threshold.choose(test["probability"], test["label"].astype(int))
    assert record.calibration["threshold"] == threshold
    assert record.calibration["rule"] == rule.replace("validation", "out-of-fold predictions of the members")
    assert record.calibration["chosen_on"] == "out-of-fold predictions of the members"
    assert record.calibrated is True
    assert "not calibrated again" in record.note


def test_what_any_member_saw_is_known_as_seen(finished: Finished) -> None:
    record, _ = read_record(finished.checkpoint)
    assert record.digest is not None
    assert record.members is not None
    index = finished.dataset.index
    assert record.digest.seen(index).all()
    assert record.digest.in_test(index).all()
    for number in range(3):
        [split] = (finished.run / "splits").glob(f"*_{number}.parquet")
        folds = pd.read_parquet(split).set_index("id")["fold"]
        digest = record.member(number).digest
        assert digest is not None
        assert (digest.in_test(index) == (index["id"].map(folds) == "test").to_numpy()).all()


def test_evaluate_on_the_training_dataset_gives_the_runs_own_numbers(finished: Finished, tmp_path: Path) -> None:
    found = evaluate(finished.checkpoint, finished.dataset.path, tmp_path / "out")
    own = {name: value for name, value in finished.said.items() if name.startswith("test/")}
    for name, value in own.items():
        assert found[name] == pytest.approx(value, abs=1e-6) if isinstance(value, float) else found[name] == value, name
    said = "\n".join(found["summary"])
    assert "the one member that never saw it" in said
    assert "the joined model was not judged" in said
    tested = pd.read_parquet(finished.run / "predictions" / "test.parquet").set_index("id")
    again = pd.read_parquet(tmp_path / "out" / "predictions.parquet").set_index("id").loc[tested.index]
    np.testing.assert_allclose(again["probability"], tested["probability"], atol=1e-6)
    assert (again["round"] == tested["round"]).all()
    assert "the joined model was not judged" in (tmp_path / "out" / "model_card.md").read_text()


def test_evaluate_elsewhere_judges_the_joined_model(finished: Finished, tmp_path: Path) -> None:
    record, _ = read_record(finished.checkpoint)
    assert record.digest is not None
    empty = record.digest.of(finished.dataset.index.iloc[:100])
    weights = read_record(finished.checkpoint)[1]
    elsewhere = replace(record, dataset_fingerprint="another", digest=empty)
    save_model(tmp_path / "checkpoints" / "best.ckpt", weights, elsewhere)
    found = evaluate(tmp_path / "checkpoints" / "best.ckpt", finished.dataset.path, tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert len(table) < len(finished.dataset.index)
    joined = scored(load_model(finished.checkpoint), finished.dataset).set_index("id").loc[table["id"]]
    np.testing.assert_allclose(table["probability"], joined["probability"], atol=1e-6)
    assert any("not calibrated again" in line for line in found["summary"])


def test_the_report_and_the_card_say_what_the_checkpoint_is(finished: Finished) -> None:
    assert f"all folds as one: {finished.checkpoint}" in finished.said["summary"]
    for name in ("report.html", "model_card.md"):
        text = (finished.run / name).read_text()
        assert "holds the networks of all 3 folds as one" in text
        assert "single members, each on the fold that it never saw and at its own threshold" in text
    assert "With each fold's own threshold the recall" in (finished.run / "model_card.md").read_text()
    record = json.loads((finished.run / "run.json").read_text())
    assert record["joined"]["members"] == 3
    kept = read_record(finished.checkpoint)[0].calibration
    assert (record["calibration"]["threshold"], record["calibration"]["rule"]) == (kept["threshold"], kept["rule"])
    assert not {"members", "parameters"} & set(record["calibration"])
    assert [stage["name"] for stage in record["stages"] if stage["round"] == 0].count("join") == 1


def test_a_lost_or_damaged_joined_checkpoint_is_found_and_made_again(finished: Finished, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    config = finished.config | {"paths": finished.config["paths"] | {"run_dir": str(run)}}
    target, stood = run / "checkpoints" / "best.ckpt", finished.checkpoint.read_bytes()
    folds = {path: path.stat().st_mtime_ns for path in run.glob("fold_*/checkpoints/best.ckpt")}
    changed = bytearray(stood)
    changed[len(changed) // 2] ^= 1
    for content in (None, bytes(changed), stood[:-100]):
        target.unlink() if content is None else target.write_bytes(content)
        assert FsckCommand(str(run)).run()["failed"] >= 1
        train(config)
        assert target.read_bytes() == stood
    assert {path: path.stat().st_mtime_ns for path in folds} == folds
    assert FsckCommand(str(run)).run()["failed"] == 0
    written = target.stat().st_mtime_ns
    assert "already finished" in train(config)["summary"][0]
    assert target.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "before",
    [
        "checkpoints/best.ckpt",
        pytest.param("stages/join.json", marks=pytest.mark.slow),
        pytest.param("predictions/val.parquet", marks=pytest.mark.slow),
    ],
)
def test_killed_at_the_joining_it_ends_with_the_same_bytes(finished: Finished, tmp_path: Path, before: str) -> None:
    """The state of a run whose process was killed just before a file appeared, then the same command again."""
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    config = finished.config | {"paths": finished.config["paths"] | {"run_dir": str(run)}}
    late = ["checkpoints/best.ckpt", "stages/join.json", "predictions/val.parquet", "predictions/test.parquet"]
    late += ["stages/evaluate.json", "report.html", "model_card.md", "model_card.json", "stages/report.json"]
    for name in [*late[late.index(before) :], "metrics.json"]:
        (run / name).unlink()
    target = run / "checkpoints" / "best.ckpt"
    stood = target.stat().st_mtime_ns if target.exists() else None
    child = os.fork()
    if child == 0:  # in a process of its own, as the second command is
        code = 1
        try:
            train(config)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert target.read_bytes() == finished.checkpoint.read_bytes()
    assert stood is None or target.stat().st_mtime_ns == stood
    assert (run / "metrics.json").read_bytes() == (finished.run / "metrics.json").read_bytes()


def test_a_changed_member_is_found_by_its_digest(finished: Finished, tmp_path: Path) -> None:
    content = read_checkpoint(finished.checkpoint)
    name = next(name for name in content["state_dict"] if name.startswith("members.2.") and "weight" in name)
    for change, words in ((0.001, "another digest"), (float("nan"), "another digest")):
        damaged = dict(content["state_dict"])
        damaged[name] = damaged[name] + change
        torch.save({**content, "state_dict": damaged}, tmp_path / "best.ckpt")
        with pytest.raises(UserError, match=words):
            load_model(tmp_path / "best.ckpt")
    record, weights = read_record(finished.checkpoint)
    save_model(tmp_path / "best.ckpt", weights | {name: weights[name] * float("inf")}, record)
    with pytest.raises(UserError, match=f"NaN or infinity at {name}"):
        load_model(tmp_path / "best.ckpt")


def test_a_member_that_is_not_whole_is_refused(finished: Finished, tmp_path: Path) -> None:
    record, weights = read_record(finished.checkpoint)
    assert record.members is not None
    fitted = record.calibration
    one = fitted["members"][0]
    turned = {**one, "parameters": {"temperature": -1.0, "offset": 0.0}}
    for wrong, words in (
        (replace(record, members=record.members[:2]), "each with its calibration"),
        (replace(record, members=[*record.members[:2], {}]), "member 2 without"),
        (replace(record, members=None), "members that are not there"),
        (replace(record, calibration={**fitted, "members": [turned, one, one]}), "a temperature of -1.0"),
        (replace(record, calibration={**fitted, "members": [fitted, one, one]}), "no single network"),
    ):
        with pytest.raises(UserError, match=words):
            save_model(tmp_path / "best.ckpt", weights, wrong)
    save_model(tmp_path / "best.ckpt", {n: w for n, w in weights.items() if not n.startswith("members.1.")}, record)
    with pytest.raises(UserError, match="weights that fit the recorded network"):
        load_model(tmp_path / "best.ckpt")
    save_model(tmp_path / "best.ckpt", weights | {"members.3.network.x": torch.zeros(1)}, record)
    with pytest.raises(UserError, match="weights of 3 members"):
        load_model(tmp_path / "best.ckpt")
    with pytest.raises(UserError, match="weights of 2 members"):
        weights_of_members(joined_weights([{"a": torch.zeros(1)}] * 3), 2, "x")


def test_folds_that_know_other_things_are_refused(finished: Finished) -> None:
    records, weights = zip(*(read_record(one.path) for one in finished.members()), strict=True)
    refuse_unlike(records, weights)
    for other, words in (
        (replace(records[1], classes=["a", "b"]), "another classes in fold 1"),
        (replace(records[1], dataset_fingerprint="f00d"), "another dataset in fold 1"),
        (replace(records[1], sets={"hash": "beef"}), "another split in fold 1"),
        (replace(records[1], config={**records[1].config, "model": {}}), "another configuration in fold 1"),
    ):
        with pytest.raises(UserError, match=words):
            refuse_unlike([records[0], other, records[2]], weights)
    with pytest.raises(UserError, match="another network in fold 2"):
        refuse_unlike(records, [*weights[:2], {**weights[2], "network.more": torch.zeros(1)}])


class Plain:
    """A judge of a user, which knows nothing of members."""


def test_a_judge_that_cannot_join_leaves_no_checkpoint_and_says_so(finished: Finished) -> None:
    task, judge = finished.members()[0].task, build(finished.config["evaluation"])
    assert "Plain has no fit_members" in can_join(task, Plain())
    plain_task: Any = Plain()
    assert "Plain has no predict_members" in can_join(plain_task, judge)
    assert can_join(task, judge) == ""
    test = pd.read_parquet(finished.run / "predictions" / "test.parquet")
    rounds: Any = [SimpleNamespace(task=task)]
    of_each = read_record(finished.checkpoint)[0].calibration["members"]
    assert calibration_of_members(Plain(), rounds, of_each, test, test) == ({}, "Plain has no fit_members")
    # A run that can be judged in no way that chooses a threshold still ends, and says why.
    real = test[test["label"].astype(int) == 1]
    fitted, why = calibration_of_members(judge, rounds, of_each, test, real)
    assert fitted == {}
    assert "both classes" in why
    fitted, why = calibration_of_members(judge, rounds, of_each, test, real.head(0))
    assert why == ""
    assert fitted["chosen_on"] == "validation of the members"


def test_without_calibration_the_probability_is_null(finished: Finished) -> None:
    record, _ = read_record(finished.checkpoint)
    model = load_model(finished.checkpoint)
    judge = build(finished.config["evaluation"])
    first, *others = record.calibration["members"]
    none = {"kind": "none", "parameters": {}, "calibrated": False, "threshold": 0.5, "rule": "given"}
    test = pd.read_parquet(finished.run / "predictions" / "test.parquet")
    fitted = judge.fit_members([none, *others], test)
    assert fitted["calibrated"] is False
    threshold, _ = judge.threshold.choose(test["score"], test["label"].astype(int))
    assert fitted["threshold"] == threshold
    table = judge.apply(model.score(finished.dataset, np.arange(9)), fitted)
    assert table["probability"].isna().all()
    assert set(table["threshold_on"]) == {"score"}
    assert first["kind"] == "temperature"
    with pytest.raises(UserError, match="the scores of each member"):
        judge.apply(table.drop(columns="score_fold_1"), fitted)


def test_tables_of_a_task_of_ones_own_are_joined_by_their_columns() -> None:
    task = Task(torch.nn.Linear(1, 1))
    tables = [
        pd.DataFrame({"row": [0, 1], "score": np.array([share, 0.5], np.float32), "width": [share, 2.0], "n": [3, 4]})
        for share in (0.1, 0.9, 0.99)
    ]
    found = task.join_tables(tables)
    np.testing.assert_allclose(found["score"], expit(np.mean(logit([[0.1, 0.5], [0.9, 0.5], [0.99, 0.5]]), 0)), 1e-6)
    np.testing.assert_allclose(found["width"], [1.99 / 3, 2.0])
    assert found[["row", "n"]].to_dict("list") == {"row": [0, 1], "n": [3, 4]}
    assert (found.dtypes == tables[0].dtypes).all()


SMALL = {
    "curves": (
        *("experiment=lightcurves_sim", "simulate.n=300", "simulate.templates=5", "evaluation.bootstrap.replicates=20"),
    ),
    "ramps": (
        *("experiment=ramp_anomalies", "simulate.n=10", "simulate.image_shape=[72,72]", "simulate.num_frames=16"),
        *("simulate.exp_time=1600", "simulate.cosmic_ray_per_exp_range=[40,60]", "simulate.rtn_per_exp_range=[25,30]"),
        *("simulate.rtn_period_range=[6,10]", "simulate.snowball_radius_range=[4,5]", "preprocessing.tile=32"),
        *("model.network.widths=[4,8]", "preprocessing.group_by=exposure", "datamodule.crop=24", "split.val=0.3"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_trees_and_ramps_leave_one_checkpoint_too(kind: str, tmp_path: Path) -> None:
    GlobalHydra.instance().clear()
    places = [f'paths.data="{tmp_path / "store"}"', f'paths.run_dir="{tmp_path / "run"}"', "paths.sweep_dir=none"]
    common = ["split=kfold", "split.k=2", "trainer.max_epochs=1", "trainer.enable_progress_bar=false", "logger=none"]
    said = train(plain(compose("train", [*SMALL[kind], *common, *places])))
    run = tmp_path / "run"
    record = json.loads((run / "run.json").read_text())
    dataset = PreparedDataset(record["dataset"]["path"])
    found = evaluate(run / "checkpoints" / "best.ckpt", dataset.path, tmp_path / "out")
    for name, value in said.items():
        if name.startswith("test/") and not name.endswith("/why"):
            assert found[name] == pytest.approx(value, abs=1e-6), name
    paths = [run / place / "checkpoints" / "best.ckpt" for place in ("fold_0", "fold_1", "")]
    if kind == "ramps":
        one, two, joined = (RampNetwork.load(path, "fp32") for path in paths)
        cube, times = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(0)).cumsum(1), torch.arange(16)
        mean = (one.score(cube, times) + two.score(cube, times)) / 2
        np.testing.assert_allclose(joined.score(cube, times), mean, atol=1e-6)
        # Fitted on the evidence of all exposures, each of which one network never saw.
        assert joined.fusions["fusion"].account["n_cosmic_ray"] > one.fusions["fusion"].account["n_cosmic_ray"]
        raw = next(iter(sorted((tmp_path / "store" / "raw").glob("*/*.fits"))))
        PredictRamps(str(raw), str(tmp_path / "exposure"), ckpt_path=str(paths[2])).run()
        jumps = pd.read_parquet(next((tmp_path / "exposure").glob("*/jumps.parquet")))
        assert len(jumps)
        assert jumps["probability"].between(0, 1).all()
        return
    one_p, two_p, joined_p = (scored(load_model(path), dataset) for path in paths)
    tree = build(load_model(paths[2]).record.config["evaluation"]).tree
    for siblings in tree.sibling_groups:
        parent = f"p_{tree.nodes[int(tree.parent[siblings[0]])]}"
        shares = [
            np.stack([table[f"p_{tree.nodes[k]}"] / table[parent] for k in siblings])
            for table in (one_p, two_p, joined_p)
        ]
        mean = np.sqrt(shares[0] * shares[1])
        np.testing.assert_allclose(shares[2], mean / mean.sum(axis=0), atol=1e-6)
