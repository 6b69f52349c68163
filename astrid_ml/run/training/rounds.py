"""One round of a run: train on some folds, choose on another, score the rest."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import seed_everything

from astrid_ml.build import build
from astrid_ml.checkpoint.begin import Beginning, begin, seen_before
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import save_model
from astrid_ml.checkpoint.novelty import with_novelty
from astrid_ml.checkpoint.record import ChannelRecord, Record, TrainingDigest
from astrid_ml.contracts.columns import columns_of, rows_of
from astrid_ml.contracts.programs import FitsItself
from astrid_ml.contracts.scoring import HasExample, ModelData, ModelTask
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.judge import Judge
from astrid_ml.run.marks import FOLDER, Mark, Marks
from astrid_ml.run.prediction.baselines import fit_baselines, with_baselines
from astrid_ml.run.prediction.domain import beside, domain_of_rows, fit_validity
from astrid_ml.run.prediction.sky import sky_of
from astrid_ml.run.stages import Stage, StageLog, table_digest
from astrid_ml.run.told.dataset import simulated_of
from astrid_ml.run.training.classes import check_folds
from astrid_ml.run.training.fit import FitOutcome, fit, settled
from astrid_ml.run.training.resume import FITTED, keep_weights, kept_record, kept_weights
from astrid_ml.run.trial import try_first_batch
from astrid_ml.run.versions import versions
from astrid_ml.splits.folds import FOLDS, KEPT, TRAIN, VAL, folds_of
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.table_files import write_table
from astrid_ml.validity.domain import ORIGIN

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
        task: what was trained.
        is_global_zero: False in further DDP processes, which have nothing to write.
        begun: what the network began with, if anything.
    """

    validation: pd.DataFrame
    test: pd.DataFrame
    history: pd.DataFrame
    record: Record | None
    checkpoint: Path
    fit_seconds: float
    forward_seconds: float
    datamodule: ModelData
    task: ModelTask
    is_global_zero: bool = True
    begun: Beginning | None = None


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
        writes: False in further processes of one training, which have nothing to write.
        begun: what the network began with, if anything.
    """

    config: dict[str, Any]
    dataset: PreparedDataset
    plan: SplitPlan
    number: int
    judge: Judge
    log: StageLog
    writes: bool = True
    begun: Beginning | None = None

    @property
    def folds(self) -> pd.DataFrame:
        """``id`` and ``fold`` of this round."""
        return self.plan.rounds[self.number]


def run_round(work: RoundWork, loggers: list[Any], folder: Path) -> Round:
    """Train, keep the best weights, fit calibration and threshold on validation, score validation and test.

    What was done before in the folder is taken over.
    """
    config, dataset = work.config, work.dataset
    trust = config.get("trust", [])
    seed_everything(int(config["seed"]), workers=True, verbose=False)
    datamodule: ModelData = build(config["datamodule"], trust)
    datamodule.attach(dataset, work.folds, seed=int(config["seed"]))
    check_folds(datamodule, dataset, work.judge)
    make_task = None if isinstance(datamodule, HasExample) else partial(build, config["model"]["task"], trust)
    try_first_batch(datamodule, dataset, work.judge, make_task)
    marks, checkpoint = Marks(folder, work.writes), folder / "checkpoints" / "best.ckpt"
    task: ModelTask = build(config["model"]["task"], trust)
    task.prepare_for(datamodule)
    if (begun := begin(task, config)) is not None:
        work = replace(work, begun=replace(begun, seen=seen_before(config, dataset, datamodule.rows["test"])))
    if work.writes and work.number == 0:
        work.plan.keep(dataset.path)  # no sooner: nothing of a run that is refused stays in the store
    fitted = trained(work, task, datamodule, marks, loggers)
    if fitted is None:
        empty = pd.DataFrame()
        return Round(empty, empty, empty, None, checkpoint, 0.0, 0.0, datamodule, task, False)
    mark, weights = fitted
    scoring, validation, test = scored(work, task, weights, datamodule, marks)
    task.load_state_dict(weights)  # what asks the network from here on is answered by the weights that are kept
    task.eval()
    record = calibrated(work, task, weights, datamodule, marks, validation)
    forget_fitted(checkpoint.parent)
    return Round(
        told(work, record, task, datamodule, validation),
        told(work, record, task, datamodule, test),
        pd.DataFrame(mark.kept["history"]).astype(float),
        record,
        checkpoint,
        mark.stage.seconds,
        scoring.seconds,
        datamodule,
        task,
        begun=work.begun,
    )


def told(work: RoundWork, record: Record, task: ModelTask, datamodule: ModelData, table: pd.DataFrame) -> pd.DataFrame:
    """Raw scores with all that the record says of them: probabilities, decisions, baselines, the domain."""
    if not len(table):
        return table
    table = with_baselines(table, record.baselines, datamodule, work.dataset)
    rows, at = np.unique(table["index_row"].to_numpy(dtype=np.int64), return_inverse=True)
    found = domain_of_rows(record.validity, (task, datamodule), work.dataset, rows, simulated_of(work.dataset.meta))
    positions = table["index_row"].to_numpy(dtype=np.int64)
    table = beside(table, found, at)
    table = with_novelty(table, record.validity, (task, datamodule), work.dataset, rows, positions)
    return work.judge.apply(table, record.calibration)


def trained(
    work: RoundWork, task: ModelTask, datamodule: ModelData, marks: Marks, loggers: list[Any]
) -> tuple[Mark, dict[str, Any]] | None:
    """The mark of the fit and the weights that it chose; None in further processes of one training."""
    checkpoints = marks.folder / "checkpoints"
    inputs = {"dataset": work.dataset.fingerprint, "plan": work.plan.hash}
    mark = marks.find("fit", **inputs)
    weights = kept_weights(checkpoints, mark.stage.outputs["weights"]) if mark is not None else None
    if mark is not None and weights is not None:
        work.log.skip(mark.stage)
        return (mark, weights) if marks.writes else None
    if marks.writes and mark is not None:
        print(f"fit is done again: its weights in {checkpoints} are lost or damaged", file=sys.stderr)
    with work.log.stage("fit", work.number, **inputs) as stage:
        config, data = work.config, f"{work.dataset.fingerprint} {work.plan.hash}"
        if isinstance(task, FitsItself):
            task.fit_fold(datamodule)
            outcome = FitOutcome(task.state_dict(), pd.DataFrame(), None, work.writes)
        else:
            outcome = fit(
                task,
                datamodule,
                config["trainer"],
                config["callbacks"],
                loggers,
                marks.folder,
                int(config["seed"]),
                data,
            )
            outcome = settled(task, datamodule, outcome)
        stage.outputs["weights"] = digest_of(dict(outcome.state_dict))
    if not outcome.is_global_zero:
        return None
    keep_weights(checkpoints, outcome.state_dict)
    marks.leave(stage, kept={"history": outcome.history.to_dict("list"), "best_score": outcome.best_score})
    return Mark(stage, {}, {"history": outcome.history.to_dict("list")}), dict(outcome.state_dict)


def scored(
    work: RoundWork, task: ModelTask, weights: dict[str, Any], datamodule: ModelData, marks: Marks
) -> tuple[Stage, pd.DataFrame, pd.DataFrame]:
    """The stage and the raw scores of validation and test: as they are on disk, whoever wrote them."""
    inputs = {"weights": digest_of(weights)}
    files = {fold: marks.folder / FOLDER / f"scores_{fold}.parquet" for fold in ("val", "test")}
    mark = marks.find("predict", **inputs)
    if mark is not None:
        work.log.skip(mark.stage)
        validation, test = (pd.read_parquet(path) if path.is_file() else pd.DataFrame() for path in files.values())
        return mark.stage, validation, test
    with work.log.stage("predict", work.number, **inputs) as stage:
        task.load_state_dict(weights)
        tables = {}
        for fold, path in files.items():
            table = predictions(task, datamodule, work.dataset, fold)
            path.unlink(missing_ok=True)
            if len(table):
                write_table(table, path)
                table = pd.read_parquet(path)
            tables[fold] = table
        stage.outputs |= {fold: table_digest(table) for fold, table in tables.items()}
    marks.leave(stage, [path for path in files.values() if path.is_file()])
    return stage, tables["val"], tables["test"]


def calibrated(
    work: RoundWork,
    task: ModelTask,
    weights: dict[str, Any],
    datamodule: ModelData,
    marks: Marks,
    validation: pd.DataFrame,
) -> Record:
    """The record of ``best.ckpt``, which is written unless it stands there already."""
    outputs = {stage.name: stage.outputs for stage in work.log.stages if stage.round == work.number}
    checkpoint = marks.folder / "checkpoints" / "best.ckpt"
    inputs = {"weights": outputs["fit"]["weights"], "val": outputs["predict"]["val"]}
    mark = marks.find("calibrate", **inputs)
    record = kept_record(checkpoint, work.dataset.fingerprint, work.plan.hash, outputs)
    if mark is not None and record is not None:
        work.log.skip(mark.stage)
        return record
    with work.log.stage("calibrate", work.number, **inputs) as stage:
        if record is None:
            calibration = work.judge.fit(validation)
            record = make_record(work, datamodule, calibration, baselines_of(work, datamodule))
            record = replace(record, validity=validity_of(work, record, task, datamodule))
            save_model(checkpoint, weights, record)
        stage.outputs["calibration"] = digest_of(record.calibration)
    marks.leave(stage, [checkpoint])
    return record


def predictions(task: ModelTask, datamodule: ModelData, dataset: PreparedDataset, fold: str) -> pd.DataFrame:
    """The task's table for a fold beside the index columns (``label`` included)."""
    rows = datamodule.rows[fold]
    table = task.predict_table(datamodule, dataset, rows)
    if not len(table):
        return pd.DataFrame()
    index = rows_of(dataset, table["row"].to_numpy()).reset_index(drop=True)
    index = index.drop(columns=[name for name in ("array",) if name in index])
    return pd.concat([index.drop(columns="row"), table.rename(columns={"row": "index_row"})], axis=1)


def baselines_of(work: RoundWork, datamodule: ModelData) -> dict[str, Any] | None:
    """What the network is compared with, from its training and validation folds whole: a balance is the network's."""
    return fit_baselines(work.judge, datamodule, work.dataset, datamodule.training_fold, datamodule.rows["val"])


def make_record(
    work: RoundWork, datamodule: ModelData, calibration: dict[str, Any], baselines: dict[str, Any] | None = None
) -> Record:
    """The checkpoint's entry. The digest covers training and validation: both shaped the model."""
    dataset, folds = work.dataset, work.folds
    places = folds_of(columns_of(dataset)["id"], folds)
    seen = np.flatnonzero((places == TRAIN) | (places == VAL)).astype(np.int64)
    index = rows_of(dataset, seen, ("id", "group_id", "ra", "dec", *ORIGIN))
    kept = np.flatnonzero(places == KEPT).astype(np.int64)
    sealed = rows_of(dataset, kept, ("id", "group_id")) if len(kept) else None
    description = dataset.meta.get("description", {})
    counts = {str(name): int(n) for name, n in folds["fold"].value_counts().sort_index().items()}
    return Record(
        domain=str(dataset.meta.get("domain")),
        config={name: work.config.get(name) for name in PREDICTION_NODES},
        channels=ChannelRecord(list(description.get("channels", [])), sky_of(description.get("sky"), index)),
        statistics=datamodule.statistics,
        calibration=calibration,
        calibrated=bool(calibration.get("calibrated", False)),
        dataset_fingerprint=dataset.fingerprint,
        digest=TrainingDigest.of(index, folds.loc[folds["fold"] == "test", "id"], sealed),
        classes=datamodule.classes,
        versions=versions(),
        prevalence=prevalence_of(work) if datamodule.classes is None else None,
        sets={"counts": counts, "split": work.plan.name, "hash": work.plan.hash},
        stages=[stage for stage in work.log.plain() if stage["round"] in (0, work.number)],
        baselines=baselines,
        note="" if work.begun is None else work.begun.words(),
    )


def validity_of(work: RoundWork, record: Record, task: ModelTask, datamodule: ModelData) -> dict[str, Any]:
    """Where the network is valid, by its training and validation folds."""
    folds = [datamodule.training_fold, datamodule.rows["val"]]
    simulated = simulated_of(work.dataset.meta)
    return fit_validity(task, datamodule, work.dataset, folds, record.channels.sky, simulated, datamodule.rows["train"])


def prevalence_of(work: RoundWork) -> dict[str, float]:
    """Set -> share of positives among its labelled samples."""
    index = columns_of(work.dataset)
    labels = pd.to_numeric(index["label"]).to_numpy(dtype=np.float64, na_value=np.nan)
    folds = folds_of(index["id"], work.folds)
    known = {name: labels[(folds == place) & np.isfinite(labels)] for place, name in enumerate(FOLDS)}
    return {name: float(values.mean()) for name, values in sorted(known.items()) if len(values)}


def forget_fitted(folder: Path) -> None:
    """What was kept of the fit has done its work: ``best.ckpt`` holds its weights."""
    (folder / FITTED).unlink(missing_ok=True)
