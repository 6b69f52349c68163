"""One round of a run: train on some folds, choose on another, score the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning import seed_everything

from astrid_ml.build import build
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import save_model
from astrid_ml.checkpoint.record import ChannelRecord, Record, TrainingDigest
from astrid_ml.contracts.scoring import ModelData, ModelTask
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.judge import Judge
from astrid_ml.run.stages import StageLog, table_digest
from astrid_ml.run.training.fit import fit
from astrid_ml.run.versions import versions
from astrid_ml.splits.plan import SplitPlan

# Nodes of the configuration that a prediction needs; all else stays in the run's config.yaml.
PREDICTION_NODES = ("preprocessing", "channels", "datamodule", "model", "evaluation")
# Columns that say where a sample is from.
ORIGIN = ("mission", "survey", "filter", "detector")


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


@dataclass(frozen=True)
class RoundWork:
    """What a round works on.

    Args:
        config: the run's.
        dataset: the samples.
        plan: of the split.
        number: which of its rounds.
        judge: of the task.
        log: of the run's stages.
    """

    config: dict[str, Any]
    dataset: PreparedDataset
    plan: SplitPlan
    number: int
    judge: Judge
    log: StageLog

    @property
    def folds(self) -> pd.DataFrame:
        """``id`` and ``fold`` of this round."""
        return self.plan.rounds[self.number]


def run_round(work: RoundWork, loggers: list[Any], folder: Path) -> Round:
    """Train, keep the best weights, fit calibration and threshold on validation, score validation and test."""
    config, dataset, log, number = work.config, work.dataset, work.log, work.number
    trust = config.get("trust", [])
    seed_everything(int(config["seed"]), workers=True, verbose=False)
    datamodule: ModelData = build(config["datamodule"], trust)
    datamodule.attach(dataset, work.folds, seed=int(config["seed"]))
    check_folds(datamodule, dataset)
    task: ModelTask = build(config["model"]["task"], trust)
    task.prepare_for(datamodule)
    checkpoint = folder / "checkpoints" / "best.ckpt"
    with log.stage("fit", number, dataset=dataset.fingerprint, plan=work.plan.hash) as fitting:
        data = f"{dataset.fingerprint} {work.plan.hash}"
        outcome = fit(
            task, datamodule, config["trainer"], config["callbacks"], loggers, folder, int(config["seed"]), data
        )
        fitting.outputs["weights"] = digest_of(dict(outcome.state_dict))
    if not outcome.is_global_zero:
        empty = pd.DataFrame()
        return Round(empty, empty, outcome.history, None, checkpoint, fitting.seconds, 0.0, datamodule, False)
    task.load_state_dict(outcome.state_dict)
    with log.stage("predict", number, weights=fitting.outputs["weights"]) as scoring:
        validation, test = (predictions(task, datamodule, dataset, fold) for fold in ("val", "test"))
        scoring.outputs |= {"val": table_digest(validation), "test": table_digest(test)}
    with log.stage("calibrate", number, val=scoring.outputs["val"]) as calibrating:
        calibration = work.judge.fit(validation)
        calibrating.outputs["calibration"] = digest_of(calibration)
    record = make_record(work, datamodule, calibration)
    save_model(checkpoint, outcome.state_dict, record)
    forget_candidates(checkpoint.parent)
    return Round(
        work.judge.apply(validation, calibration),
        work.judge.apply(test, calibration) if len(test) else test,
        outcome.history,
        record,
        checkpoint,
        fitting.seconds,
        scoring.seconds,
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


def make_record(work: RoundWork, datamodule: ModelData, calibration: dict[str, Any]) -> Record:
    """The checkpoint's entry. The digest covers training and validation: both shaped the model."""
    dataset, folds = work.dataset, work.folds
    seen = folds.loc[folds["fold"].isin(["train", "val"]), "id"]
    index = dataset.index[dataset.index["id"].isin(seen)]
    description = dataset.meta.get("description", {})
    counts = {str(name): int(n) for name, n in folds["fold"].value_counts().sort_index().items()}
    return Record(
        domain=str(dataset.meta.get("domain")),
        config={name: work.config.get(name) for name in PREDICTION_NODES},
        channels=ChannelRecord(list(description.get("channels", [])), description.get("sky")),
        statistics=datamodule.statistics,
        calibration=calibration,
        calibrated=bool(calibration.get("calibrated", False)),
        dataset_fingerprint=dataset.fingerprint,
        digest=TrainingDigest.of(index, folds.loc[folds["fold"] == "test", "id"]),
        classes=datamodule.classes,
        versions=versions(),
        validity=validity_of(index),
        prevalence=prevalence_of(work) if datamodule.classes is None else None,
        sets={"counts": counts, "split": work.plan.name, "hash": work.plan.hash},
        stages=[stage for stage in work.log.plain() if stage["round"] in (0, work.number)],
    )


def validity_of(index: pd.DataFrame) -> dict[str, Any]:
    """Column -> the values that training and validation held, of the columns that say where a sample is from."""
    found = {name: sorted(index[name].dropna().astype(str).unique()) for name in ORIGIN if name in index}
    return {name: values for name, values in found.items() if values}


def prevalence_of(work: RoundWork) -> dict[str, float]:
    """Set -> share of positives among its labelled samples."""
    table = work.folds.merge(work.dataset.index[["id", "label"]], on="id")
    known = table[table["label"].notna() & (table["fold"] != "unused")]
    return {
        str(name): float(share) for name, share in known["label"].astype(float).groupby(known["fold"]).mean().items()
    }


def forget_candidates(folder: Path) -> None:
    """Lightning's own best file has done its work: ``best.ckpt`` holds its weights."""
    for path in folder.glob("candidate*.ckpt"):
        path.unlink()
