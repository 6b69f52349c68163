"""One round of a run: train on some folds, choose on another, score the rest."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning import seed_everything

from astrid_ml.build import build
from astrid_ml.checkpoint.load import save_model
from astrid_ml.checkpoint.record import Record, TrainingDigest
from astrid_ml.contracts.scoring import ModelData, ModelTask
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.judge import Judge
from astrid_ml.run.training.fit import fit
from astrid_ml.run.versions import versions

# Nodes of the configuration that a prediction needs; all else stays in the run's config.yaml.
PREDICTION_NODES = ("preprocessing", "channels", "datamodule", "model", "evaluation")


@dataclass(frozen=True)
class Round:
    """What one training and its predictions leave.

    Args:
        validation: predictions of the validation fold, with ``label``.
        test: predictions of the test fold; empty where there is none.
        history: one row an epoch.
        record: the checkpoint's record.
        checkpoint: ``best.ckpt``.
        fit_seconds: the training's wall time.
        forward_seconds: the wall time of the forward passes over both folds.
        datamodule: with the dataset attached, for pictures.
        is_global_zero: False in further DDP processes, which have nothing to write.
    """

    validation: pd.DataFrame
    test: pd.DataFrame
    history: pd.DataFrame
    record: Record | None
    checkpoint: Path
    fit_seconds: float
    forward_seconds: float
    datamodule: ModelData
    is_global_zero: bool = True


def run_round(
    config: dict[str, Any],
    dataset: PreparedDataset,
    folds: pd.DataFrame,
    judge: Judge,
    loggers: list[Any],
    folder: Path,
) -> Round:
    """Train, keep the best weights, fit calibration and threshold on validation, score validation and test."""
    trust = config.get("trust", [])
    seed_everything(int(config["seed"]), workers=True, verbose=False)
    datamodule: ModelData = build(config["datamodule"], trust)
    datamodule.attach(dataset, folds, seed=int(config["seed"]))
    check_folds(datamodule, dataset)
    task: ModelTask = build(config["model"]["task"], trust)
    task.prepare_for(datamodule)
    started = time.perf_counter()
    outcome = fit(task, datamodule, config["trainer"], config["callbacks"], loggers, folder)
    fitted_at = time.perf_counter()
    checkpoint = folder / "checkpoints" / "best.ckpt"
    if not outcome.is_global_zero:
        empty = pd.DataFrame()
        return Round(empty, empty, outcome.history, None, checkpoint, fitted_at - started, 0.0, datamodule, False)
    task.load_state_dict(outcome.state_dict)
    validation, test = (predictions(task, datamodule, dataset, fold) for fold in ("val", "test"))
    scored_at = time.perf_counter()
    calibration = judge.fit(validation)
    record = make_record(config, dataset, datamodule, folds, calibration)
    save_model(checkpoint, outcome.state_dict, record)
    forget_candidates(checkpoint.parent)
    return Round(
        judge.apply(validation, calibration),
        judge.apply(test, calibration) if len(test) else test,
        outcome.history,
        record,
        checkpoint,
        fitted_at - started,
        scored_at - fitted_at,
        datamodule,
    )


def predictions(task: ModelTask, datamodule: ModelData, dataset: PreparedDataset, fold: str) -> pd.DataFrame:
    """The task's table for a fold beside the index columns (``label`` included)."""
    rows = datamodule.rows[fold]
    table = task.predict_table(datamodule, dataset, rows)
    if not len(table):
        return pd.DataFrame()
    index = dataset.index.iloc[table["row"].to_numpy()].reset_index(drop=True)
    index = index.drop(columns=[name for name in ("array",) if name in index])
    return pd.concat([index.drop(columns="row"), table.rename(columns={"row": "index_row"})], axis=1)


def check_folds(datamodule: ModelData, dataset: PreparedDataset) -> None:
    """A training or validation fold with one class only cannot teach or choose anything: say so before the fit."""
    for fold in ("train", "val"):
        rows = datamodule.rows[fold]
        classes = datamodule.count_classes(dataset, rows)
        if classes < 2:
            raise UserError(
                f"at least two classes in the {fold} fold",
                f"{len(rows)} labelled samples of {classes} class(es)",
                "give labels of both classes, more data, or another split or split.seed",
            )


def make_record(
    config: dict[str, Any],
    dataset: PreparedDataset,
    datamodule: ModelData,
    folds: pd.DataFrame,
    calibration: dict[str, Any],
) -> Record:
    """The checkpoint's entry. The digest covers training and validation: both shaped the model."""
    seen = folds.loc[folds["fold"].isin(["train", "val"]), "id"]
    index = dataset.index[dataset.index["id"].isin(seen)]
    return Record(
        domain=str(dataset.meta.get("domain")),
        config={name: config.get(name) for name in PREDICTION_NODES},
        channels=list(dataset.meta.get("description", {}).get("channels", [])),
        statistics=datamodule.statistics,
        calibration=calibration,
        calibrated=bool(calibration.get("calibrated", False)),
        dataset_fingerprint=dataset.fingerprint,
        digest=TrainingDigest.of(index, folds.loc[folds["fold"] == "test", "id"]),
        classes=datamodule.classes,
        versions=versions(),
    )


def forget_candidates(folder: Path) -> None:
    """Lightning's own best file has done its work: ``best.ckpt`` holds its weights."""
    for path in folder.glob("candidate*.ckpt"):
        path.unlink()
