"""Boosted trees on features as a task: fitted on a fold, kept in a checkpoint, the same answers afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.api import load
from astrid_ml.build import build, plain
from astrid_ml.checkpoint.load import load_model, save_model
from astrid_ml.checkpoint.record import Record
from astrid_ml.config import compose
from astrid_ml.contracts.programs import Settles
from astrid_ml.errors import UserError
from astrid_ml.models.lightcurves.boosting import asked_rows
from astrid_ml.models.lightcurves.trees import CurveTrees, table_of
from astrid_ml.models.tasks.hybrid import HybridTask
from astrid_ml.models.tasks.trees import TreesTask
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.run.training.rounds import PREDICTION_NODES

KINDS = {"SNIa-SALT3": (0.0, 200.0), "RRL": (80.0, 90.0), "KN_K17": (0.0, 20.0)}  # first flux and that of the maximum


def source(n: int = 120) -> MemorySource:
    random = np.random.default_rng(0)
    curves, labels = [], []
    for number in range(n):
        label = list(KINDS)[number % 3]
        low, high = KINDS[label]
        days = np.sort(random.uniform(0, 80, random.integers(4, 30)))
        flux = low + (high - low) * np.exp(-0.5 * ((days - 20) / 15) ** 2) + random.normal(0, 3, len(days))
        columns = (days, flux, np.full(len(days), 3.0), days >= 0, random.choice([0.48, 0.622], len(days)))
        curves.append(np.stack(columns, axis=1).astype(np.float32))
        labels.append(label)
    names = [f"o{i}" for i in range(n)]
    table = pd.DataFrame({"id": names, "group_id": names, "label": labels})
    table["MWEBV"] = np.where(np.arange(n) % 2, np.nan, random.uniform(0, 1, n))
    writer = MemoryUnitWriter()
    writer.add_ragged(table, {"epochs": curves})
    return writer.source()


@pytest.fixture(scope="module")
def parts() -> tuple[dict[str, Any], TreesTask, Any, MemorySource]:
    words = ["experiment=lightcurves_sim", "model=lightcurve_trees", "datamodule.windows=[4,16,64]",
             "datamodule.static=[MWEBV]", "datamodule.log_static=[]", "datamodule.redshift=[]",
             "paths.run_dir=run", "paths.sweep_dir=sweep", "model.boosting.trees=20"]  # fmt: skip
    config: dict[str, Any] = plain(compose("train", words))
    task, data, made = build(config["model"]["task"]), build(config["datamodule"]), source()
    fold = np.array(["train", "train", "val", "test"])[np.arange(120) // 3 % 4]
    data.attach(made, pd.DataFrame({"id": made.index["id"], "fold": fold}))
    task.prepare_for(data)
    task.fit_fold(data)
    return config, task, data, made


def test_it_learns_and_a_checkpoint_gives_the_same_answers(
    parts: tuple[dict[str, Any], TreesTask, Any, MemorySource], tmp_path: Path
) -> None:
    config, task, data, made = parts
    rows = data.rows["test"]
    table = task.predict_table(data, made, rows)
    late = table[table["days"] == 64]
    scores = late[[f"score_{name}" for name in task.taxonomy.leaves]].to_numpy()
    called = np.array(task.taxonomy.leaves)[scores.argmax(axis=1)]
    truth = made.index["label"].iloc[late["row"]].map(task.taxonomy.node_of_label).to_numpy()
    assert np.mean(called == truth) > 0.9
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    record = Record("lightcurves", {name: config[name] for name in PREDICTION_NODES}, statistics=data.statistics)
    save_model(tmp_path / "best.ckpt", task.state_dict(), record)
    again = load_model(tmp_path / "best.ckpt")
    pd.testing.assert_frame_equal(again.score(made, rows), table)
    assert (tmp_path / "best.ckpt").stat().st_size < 400_000


def test_a_notebook_predicts_a_table_of_epochs_as_its_file(
    parts: tuple[dict[str, Any], TreesTask, Any, MemorySource], tmp_path: Path
) -> None:
    config, task, data, _ = parts
    record = Record("lightcurves", {name: config[name] for name in PREDICTION_NODES}, statistics=data.statistics)
    save_model(tmp_path / "best.ckpt", task.state_dict(), record)
    n = 30
    rise = 100.0 * np.exp(-((np.arange(n) - 12.0) ** 2) / 40)
    epochs = pd.DataFrame(
        {
            "object_id": np.repeat(["a", "b"], n),
            "mjd": np.tile(59000.0 + 2 * np.arange(n), 2),
            "filter": np.tile(["g", "r"], n),
            "survey": "ztf",
            "flux": np.concatenate([rise, 3 * rise]),
            "flux_err": 2.0,
            "zp": 27.5,
        }
    )
    model = load(tmp_path / "best.ckpt")
    words = {"overrides": {"preprocessing": {"selection": {"rule": "snr"}}}, "allow_outside": True}
    own = model.predict(epochs, **words)
    assert sorted(own.id.unique()) == ["a", "b"] and own["class"].notna().all()
    folder = tmp_path / "files"
    folder.mkdir()
    epochs.to_csv(folder / "curves.csv", index=False)
    filed = model.predict(folder, **words)
    scores = [name for name in own if str(name).startswith("score_")]
    np.testing.assert_allclose(own[scores], filed[scores], atol=1e-6)
    with pytest.raises(UserError, match="an array of 4x3x31x31 for a checkpoint of lightcurves"):
        model.predict(np.zeros((4, 3, 31, 31)))


def test_a_fit_is_the_same_again_and_sees_no_test_object(
    parts: tuple[dict[str, Any], TreesTask, Any, MemorySource],
) -> None:
    config, task, data, _ = parts
    other: TreesTask = build(config["model"]["task"])
    other.prepare_for(data)
    seen: list[np.ndarray] = []
    own = data.make_batch

    def watched(source: MemorySource, rows: np.ndarray, *rest: Any) -> Any:
        seen.append(rows)
        return own(source, rows, *rest)

    data.make_batch = watched
    other.fit_fold(data)
    data.make_batch = own
    assert not set(np.concatenate(seen).tolist()) & set(data.rows["test"].tolist())
    for name, value in task.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_missing_values_are_missing_and_questions_are_drawn(
    parts: tuple[dict[str, Any], TreesTask, Any, MemorySource],
) -> None:
    _, _, data, _ = parts
    x, y = asked_rows(data, "train", 2, np.random.default_rng(0), False)
    assert len(x) == len(y) == 2 * len(data.rows["train"])
    assert np.isnan(x[:, -1]).mean() == pytest.approx(0.5, abs=0.1)  # MWEBV
    features, static = torch.tensor([[[1.0, 5.0, 0.0, 1.0]]]), torch.tensor([[7.0, 0.0]])
    np.testing.assert_array_equal(table_of(features, static), [[1.0, np.nan, 7.0]])


def test_what_cannot_be_is_refused(parts: tuple[dict[str, Any], TreesTask, Any, MemorySource]) -> None:
    _, task, data, _ = parts
    with pytest.raises(UserError, match="model=lightcurve_trees, which sets both"):
        task.try_on({name: value for name, value in data.example().items() if name != "features"})
    task.try_on(data.example())
    empty = CurveTrees(["MWEBV"], "elasticc2", CurveFeatures())
    with pytest.raises(UserError, match="trees that were fitted"):
        print(empty.trees)
    with pytest.raises(UserError, match="columns over leaves"):
        CurveTrees([], "elasticc2", CurveFeatures()).load_state_dict(task.network.state_dict())
    with pytest.raises(UserError, match="columns over leaves"):
        CurveTrees(["MWEBV"], "transient_periodic", CurveFeatures()).load_state_dict(task.network.state_dict())


def test_network_and_trees_answer_as_one(
    parts: tuple[dict[str, Any], TreesTask, Any, MemorySource], tmp_path: Path
) -> None:
    """The weighted mean of log-probabilities in each family, its share chosen on validation and kept."""
    _, trees, data, made = parts
    words = ["experiment=lightcurves_sim", "model=lightcurve_hybrid_small", "datamodule.windows=[4,16,64]",
             "datamodule.static=[MWEBV]", "datamodule.log_static=[]", "datamodule.redshift=[]",
             "paths.run_dir=run", "paths.sweep_dir=sweep", "model.boosting.trees=20"]  # fmt: skip
    config: dict[str, Any] = plain(compose("train", words))
    torch.manual_seed(0)
    task: HybridTask = build(config["model"]["task"])
    assert isinstance(task, Settles) and not isinstance(trees, Settles)
    task.prepare_for(data)
    rows = data.rows["test"]
    fresh = task.predict_table(data, made, rows)  # as in training: the network alone
    task.settle(data)
    assert 0 <= float(task.share) < 0.5  # the network has learned nothing
    for name, value in trees.network.state_dict().items():
        assert torch.equal(value, task.trees.state_dict()[name]), name
    leaves = [f"score_{name}" for name in task.taxonomy.leaves]
    truth = made.index["label"].iloc[data.rows["val"]].map(task.taxonomy.node_of_label)

    def loss(share: float) -> float:
        task.share.fill_(share)
        table = task.predict_table(data, made, data.rows["val"]).set_index("row")
        p = [float(table.loc[row, f"score_{node}"].map(np.log).mean()) for row, node in truth.items()]
        return -float(np.mean(p))

    chosen = float(task.share)
    others = {share: loss(share) for share in (0.0, 0.25, 0.5, 1.0)}
    assert loss(chosen) < min(others.values()) + 0.02  # the loss of the choice is over all levels of the tree
    task.share.fill_(1.0)
    pd.testing.assert_frame_equal(task.predict_table(data, made, rows), fresh)
    task.share.fill_(0.0)
    pd.testing.assert_frame_equal(task.predict_table(data, made, rows), trees.predict_table(data, made, rows))
    task.share.fill_(0.3)
    table = task.predict_table(data, made, rows)
    np.testing.assert_allclose(table[leaves].sum(axis=1), 1, atol=1e-6)
    record = Record("lightcurves", {name: config[name] for name in PREDICTION_NODES}, statistics=data.statistics)
    save_model(tmp_path / "best.ckpt", task.state_dict(), record)
    pd.testing.assert_frame_equal(load_model(tmp_path / "best.ckpt").score(made, rows), table)
