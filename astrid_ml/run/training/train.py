"""``astrid train``: prepare, split, audit, fit, calibrate, join, evaluate, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.build import build
from astrid_ml.checkpoint.begin import with_digest
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.predictions import write_predictions
from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.scoring import HasPurpose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.baselines.fit import comparable
from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.evaluation.judge import Judge
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.interrupts import end_with_parent, name_parent
from astrid_ml.places import check_name
from astrid_ml.printable import printable
from astrid_ml.run.folder import LiveRecord, is_first_process, open_run_folder, owned_folder
from astrid_ml.run.marks import Marks
from astrid_ml.run.parts import check_parts
from astrid_ml.run.stages import StageLog, table_digest
from astrid_ml.run.told.dataset import failed_in_words, labels_in_words
from astrid_ml.run.training.join import join_rounds
from astrid_ml.run.training.publish import Publication, publish
from astrid_ml.run.training.requeue import requeued
from astrid_ml.run.training.resume import audit_of, dataset_of, finish, plan_of
from astrid_ml.run.training.rounds import Round, RoundWork, run_round
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.tracking.cost import CostMeter
from astrid_ml.tracking.loggers import build_loggers, check_trackers, ended_trackers


def train(config: dict[str, Any], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Run a training, from raw files to a report; what the same run did before in its folder is taken over.

    Args:
        config: the composed configuration as plain containers.
        overrides: what the user typed, for the record.

    Returns:
        The content of ``metrics.json`` with ``run_dir`` and ``summary`` (lines for the terminal) beside it.

    Raises:
        UserError: anything in the data or the configuration that the user can fix.
        KeyboardInterrupt: stopped; the same command carries on.
    """
    if is_first_process():
        name_parent()
    else:
        end_with_parent()
    check_name(str(config["name"]))
    check_parts(config)
    check_trackers(config["logger"])
    config = with_digest(config)
    folder = Path(config["paths"]["run_dir"])
    with owned_folder(folder):
        finished = open_run_folder(folder, config)
        if finished is not None:
            return {**finished, "run_dir": str(folder), "summary": [f"already finished: {folder / 'report.html'}"]}
        live = LiveRecord(folder, config, list(overrides))
        with requeued(config["trainer"]), CostMeter() as meter, live.running() as log:
            return _train(config, list(overrides), folder, meter, log)


def _train(
    config: dict[str, Any], overrides: list[str], folder: Path, meter: CostMeter, log: StageLog
) -> dict[str, Any]:
    marks = Marks(folder, is_first_process())
    dataset = said_dataset(dataset_of(config, marks, log), marks)
    plan = plan_of(config, dataset, marks, log)
    audit = audit_of(config, dataset, plan, marks, log)
    judge: Judge = build(config["evaluation"], config.get("trust", []))
    loggers = build_loggers(config["logger"], folder, config["name"])
    with ended_trackers(loggers):
        rounds = []
        for number in range(len(plan.rounds)):
            target = folder if len(plan.rounds) == 1 else folder / f"fold_{number}"
            work = RoundWork(config, dataset, plan, number, judge, log, marks.writes)
            for logger in loggers:
                logger.prefix = "" if target == folder else f"{target.name}/"
            rounds.append(run_round(work, loggers, target))
        if not all(done.is_global_zero for done in rounds):
            return {"run_dir": str(folder), "summary": []}
        validation, test = pooled(rounds)
        joined = join_rounds(dataset, judge, rounds, (validation, test), marks, log)
        results, metrics = evaluated(judge, validation, test, marks, log, plan, dataset.meta.get("description", {}))
        report = marks.find("report", metrics=metrics)
        if report is None:
            results = results or evaluate_folds(judge, validation, test, plan)
            cost = meter.account()
            done = Publication(
                config,
                overrides,
                folder,
                dataset,
                judge,
                plan,
                audit,
                rounds,
                results,
                validation,
                test,
                loggers,
                cost,
                log,
                joined,
            )
            report = publish(done, marks, metrics)
        else:
            log.skip(report.stage)
            for logger in loggers:
                logger.end("done")
        log.say_skipped()
        return finish(folder, report)


def evaluated(
    judge: Judge,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    marks: Marks,
    log: StageLog,
    plan: SplitPlan,
    description: Mapping[str, Any],
) -> tuple[dict[str, EvaluationResult] | None, str]:
    """Evaluate and write the predictions, unless that is done; the results (None if not computed now), their digest."""
    digest = table_digest(pd.concat([validation, test]))
    mark = marks.find("evaluate", predictions=digest)
    if mark is not None:
        log.skip(mark.stage)
        return None, mark.stage.outputs["metrics"]
    files = []
    with log.stage("evaluate", predictions=digest) as stage:
        results = evaluate_folds(judge, validation, test, plan)
        stage.outputs["metrics"] = digest_of({fold: result.flat(fold) for fold, result in results.items()})
        for fold, table in (("val", validation), ("test", test)):
            path = marks.folder / "predictions" / f"{fold}.parquet"
            if len(table):
                files.append(path)
                if not marks.holds("evaluate", path):
                    write_predictions(table.assign(set=fold), path, description=description)
    marks.leave(stage, files)
    return results, stage.outputs["metrics"]


def pooled(rounds: Sequence[Round]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of all rounds: each sample of a k-fold split is tested by the one model that never saw it."""
    return joined_tables([done.validation for done in rounds], [done.test for done in rounds])


def joined_tables(
    validations: Sequence[pd.DataFrame], tests: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of each round as two tables; where one round has no probabilities, none has."""
    validation, test = (
        pd.concat([part.assign(round=i) for i, part in enumerate(parts) if len(part)], ignore_index=True)
        if any(len(part) for part in parts)
        else pd.DataFrame()
        for parts in (validations, tests)
    )
    left = uncalibrated(validation) | uncalibrated(test)
    if left:  # a mixture of probabilities and nulls is neither
        validation, test = (table.assign(probability=np.nan) if len(table) else table for table in (validation, test))
    return comparable(validation, "round"), comparable(test, "round")


def uncalibrated(table: pd.DataFrame) -> set[int]:
    """Rounds without probabilities while others have them.

    Example:
        >>> uncalibrated(pd.DataFrame({"round": [0, 0, 1], "probability": [0.2, 0.4, np.nan]}))
        {1}
    """
    if "probability" not in table or not len(table):
        return set()
    known = table["probability"].notna().groupby(table["round"]).any()
    return {int(number) for number in known.index[~known]} if known.any() else set()


def evaluate_folds(
    judge: Judge, validation: pd.DataFrame, test: pd.DataFrame, plan: SplitPlan
) -> dict[str, EvaluationResult]:
    """The evaluation of each fold that has predictions."""
    results = {"val": judge.evaluate(validation)}
    if len(test):
        results["test"] = judge.evaluate(test)
        column = plan.account.get("column")
        if plan.name == f"column {column}":
            results["test"].remarks.extend(over_values(judge, test, str(column)))
    return results


def over_values(judge: Judge, test: pd.DataFrame, column: str) -> list[str]:
    """What the intervals of a test set of few whole values of a column do not hold.

    Args:
        judge: of the task.
        test: predictions.
        column: whose values are held out whole.

    Returns:
        One sentence; none where the column is absent.
    """
    if column not in test:
        return []
    count = test[column].nunique()
    these, them = (f"{count} {column}s", "them") if count > 1 else (f"one {column}", "it")
    said = f"The test set is {these}: the intervals are for new objects within {them}, not for new {column}s."
    known = test[test["label"].notna()]
    ranked = isinstance(judge, HasPurpose) and judge.purpose == "binary" and known["label"].nunique() == 2
    ends = area_interval(known["score"], known["label"], known[column]) if ranked else None
    if ends is None:
        return [said]
    return [f"{said} With the {column}s as what varies, that of AUCPR is {ends[0]:.3f} to {ends[1]:.3f}."]


def said_dataset(dataset: PreparedDataset, marks: Marks) -> PreparedDataset:
    """Tell the console what there is to learn from, before it takes time: a fault of the labels is seen here."""
    if not marks.writes:
        return dataset
    lines = [f"dataset: {len(columns_of(dataset)):,} samples"]
    if words := labels_in_words(dataset.meta):
        lines[0] += f": {words}"
    for line in [*lines, *failed_in_words(dataset.meta, str(dataset.path / "dataset.json"))]:
        print(printable(line), file=sys.stderr, flush=True)
    return dataset
