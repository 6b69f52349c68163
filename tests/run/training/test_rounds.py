"""Around one training: folds that can teach, predictions beside their index, a record that says what was seen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch
from made.untrained import Untrained, untrained

from astrid_ml.build import build
from astrid_ml.checkpoint.load import load_model, save_model
from astrid_ml.contracts.scoring import ModelData
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.run.stages import StageLog
from astrid_ml.run.training import rounds
from astrid_ml.run.training.classes import check_folds
from astrid_ml.run.training.rounds import (
    PREDICTION_NODES,
    RoundWork,
    forget_fitted,
    make_record,
    predictions,
    validity_of,
)
from astrid_ml.splits.plan import SplitPlan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("fold", ["train", "val", "test"])
def test_predictions_stand_beside_the_index_of_their_samples(made: Untrained, fold: str) -> None:
    table = predictions(made.task.eval(), made.datamodule, made.dataset, fold)
    assert set(table["id"]) == set(made.folds.loc[made.folds["fold"] == fold, "id"])
    index = made.dataset.index.iloc[table["index_row"].to_numpy()].reset_index(drop=True)
    pd.testing.assert_frame_equal(table[index.columns.drop(["array", "row"])], index.drop(columns=["array", "row"]))
    [alone] = made.datamodule.batches(made.dataset, table["index_row"].to_numpy()[:1])
    with torch.no_grad():
        logit = float(made.task.network(alone[1]["x"]).ravel()[0])
    assert table["score"].iloc[0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_baselines_have_the_whole_training_fold_whatever_the_network_draws(
    made: Untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = build({**made.config["datamodule"], "balance": "undersample", "undersample_ratio": 1.0})
    data.attach(made.dataset, made.folds)
    assert len(data.rows["train"]) < len(data.training_fold) == int((made.folds["fold"] == "train").sum())
    monkeypatch.setattr(rounds, "fit_baselines", lambda judge, data, source, train, val: {"train": train, "val": val})
    work = SimpleNamespace(judge=None, dataset=made.dataset)
    asked = rounds.baselines_of(cast(RoundWork, work), data)
    assert asked is not None
    np.testing.assert_array_equal(asked["train"], data.training_fold)
    np.testing.assert_array_equal(asked["val"], data.rows["val"])


def test_an_empty_fold_has_no_predictions(made: Untrained) -> None:
    datamodule = build(made.config["datamodule"])
    datamodule.attach(made.dataset, made.folds.replace({"fold": {"test": "unused"}}))
    assert len(predictions(made.task, datamodule, made.dataset, "test")) == 0


@pytest.mark.parametrize("fold", ["train", "val"])
def test_a_fold_of_one_class_is_refused_before_the_fit(made: Untrained, fold: str) -> None:
    check_folds(made.datamodule, made.dataset)
    real = made.dataset.index.loc[made.dataset.index["label"] == 1, "id"]
    folds = made.folds.copy()
    folds.loc[(folds["fold"] == fold) & folds["id"].isin(real), "fold"] = "unused"
    datamodule = build(made.config["datamodule"])
    datamodule.attach(made.dataset, folds)
    bogus = int((folds["fold"] == fold).sum())
    with pytest.raises(UserError, match=f"two classes in the {fold} fold; got {bogus} labelled samples of 1 class"):
        check_folds(datamodule, made.dataset)


def test_labels_that_the_task_cannot_use_are_named(made: Untrained) -> None:
    """A student's classes were none of the tree's: "0 labelled samples" told him nothing."""
    columns = pd.DataFrame({"label": ["SN Ia-pec"] * 3 + ["Nova?"] + [None]})
    dataset = SimpleNamespace(index=columns)
    strange = SimpleNamespace(
        rows={"train": np.arange(0), "val": np.arange(0)},
        usable=lambda index: np.zeros(len(index["label"]), dtype=bool),
        count_classes=lambda source, rows: 0,
    )
    with pytest.raises(UserError, match=r"does not know: SN Ia-pec \(3\), Nova\? \(1\)"):
        check_folds(cast(ModelData, strange), cast(PreparedDataset, dataset))


def test_the_record_knows_what_was_seen_and_what_was_kept_for_the_test(made: Untrained, tmp_path: Path) -> None:
    fitted = {"kind": "temperature", "parameters": {"temperature": 1.3}, "calibrated": True, "threshold": 0.3}
    plan = SplitPlan("group", [made.folds], {})
    judge = build(made.config["evaluation"])
    work = RoundWork(made.config, made.dataset, plan, 0, judge, StageLog())
    record = make_record(work, made.datamodule, fitted)
    save_model(tmp_path / "best.ckpt", made.task.state_dict(), record)
    read = load_model(tmp_path / "best.ckpt").record
    assert read.digest is not None
    index = made.dataset.index
    tested = index["id"].map(made.folds.set_index("id")["fold"]) == "test"
    assert (read.digest.in_test(index) == tested).all()
    assert not read.digest.seen(index)[tested].any()
    assert read.digest.seen(index)[~tested].all()
    assert (read.domain, read.calibrated, read.calibration) == ("triplets", True, fitted)
    assert read.dataset_fingerprint == made.dataset.fingerprint
    assert set(read.config) == set(PREDICTION_NODES)
    assert read.classes is None
    assert read.sets is not None and read.sets["counts"] == made.folds["fold"].value_counts().to_dict()
    domain = validity_of(work, record, made.task, made.datamodule)
    assert domain["values"]["mission"] == ["galex", "ps1", "swift", "ztf"]
    assert domain["values"]["filter"] == sorted(index["filter"][~tested].unique())
    assert domain["ranges"]["snr"] == [index["snr"][~tested].min(), index["snr"][~tested].max()]
    assert domain["simulated"] is True
    assert read.prevalence is not None
    assert read.prevalence["test"] == pytest.approx(index.loc[tested, "label"].astype(float).mean())


def test_only_what_was_kept_until_best_is_forgotten(tmp_path: Path) -> None:
    for name in ("fitted.ckpt", "best.ckpt", "last.ckpt"):
        (tmp_path / name).touch()
    forget_fitted(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]
