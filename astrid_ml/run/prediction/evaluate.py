"""``astrid evaluate``: any checkpoint on any compatible dataset, never on what it learned from."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel, load_model
from astrid_ml.checkpoint.novelty import with_novelty
from astrid_ml.checkpoint.predictions import write_predictions
from astrid_ml.checkpoint.record import Record
from astrid_ml.checkpoint.schema import SCHEMA
from astrid_ml.contracts.columns import columns_of, rows_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.described.formats import formats_of
from astrid_ml.devices import device_of
from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.fit import comparable
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.files import write_json
from astrid_ml.report import sections_head
from astrid_ml.report.content import RunReport
from astrid_ml.report.write import write_model_card, write_report
from astrid_ml.run.prediction.assumed import settled_calibration, with_prevalence
from astrid_ml.run.prediction.baselines import with_baselines
from astrid_ml.run.prediction.domain import (
    beside,
    counted,
    domain_of,
    domain_record,
    without_outside,
)
from astrid_ml.run.prediction.sealed import Asked, usable_rows
from astrid_ml.run.told.dataset import dataset_record, simulated_of
from astrid_ml.run.told.headline import headline
from astrid_ml.run.told.pictures import notable
from astrid_ml.types import Ints
from astrid_ml.validity.drift import drift_table

NOT_SHOWN = ("parameters", "members", "counts")  # of a calibration: long lists
ONE_EACH = "Each sample was scored by the one member that never saw it."
AS_TRAINED = Asked()
ALL_SEEN = "the joined model was not judged, since it saw all of these samples."


def evaluate(
    ckpt_path: Path,
    dataset_path: Path,
    output_dir: Path,
    trust: Sequence[str] = (),
    device: str = "cpu",
    format: str | Sequence[str] | None = None,
    asked: Asked = AS_TRAINED,
) -> dict[str, Any]:
    """Evaluate and write ``metrics.json``, ``predictions.parquet``, ``report.html``, the model card.

    Args:
        ckpt_path: ``best.ckpt``.
        dataset_path: a prepared dataset with labels. On the training dataset only the run's test fold counts (of a
            checkpoint of all folds: each row by the member that never saw it); on another, all rows but those whose
            id, group or position the training folds held.
        output_dir: gets the files.
        trust: classes outside this project that the checkpoint may name.
        device: where its networks compute: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        format: of the predictions beside parquet: ``ecsv``, ``votable``, ``fits``, or several.
        asked: another prevalence, what lies outside the domain, the sealed samples.

    Returns:
        The metrics, with ``summary`` (lines for the terminal).

    Raises:
        UserError: the dataset is of another kind, has no labels, or nothing is left of it.
    """
    started = time.perf_counter()
    where, formats = device_of(device), formats_of(format)
    model, dataset = load_model(ckpt_path, trust, device=where), PreparedDataset(dataset_path)
    refuse_own_score(model.record, dataset.meta.get("labels") or {})
    rows, account = usable_rows(model, dataset, asked)
    config = with_prevalence(model.record.config, asked.prevalence)
    judge, fitted = build(config["evaluation"], trust), settled_calibration(config, model.record.calibration, trust)
    predictions, words, of_members = scored_rows(model, dataset, rows, judge, asked)
    opened = asked.open(dataset, ckpt_path, rows)
    # Of held-out rows of the training dataset the probability is what was measured: it stays.
    own = dataset.fingerprint == model.record.dataset_fingerprint
    allowed = asked.allow_outside or own
    shown = without_outside(predictions, allowed).assign(set="test")
    result = judge.evaluate(shown if isinstance(judge, BinaryJudge) else predictions)
    output_dir.mkdir(parents=True, exist_ok=True)
    write_predictions(shown, output_dir / "predictions.parquet", formats, dataset.meta.get("description"))
    record = evaluation_record(model, dataset, account, time.perf_counter() - started, output_dir)
    record |= {"domain_of_validity": domain_record(model.record, counted(predictions), allowed, own)}
    record |= {"calibration": {name: value for name, value in fitted.items() if name not in NOT_SHOWN}}
    record |= {"sealed": opened} if opened else {}
    record |= {"joined": {"members": model.record.count, "of_members": of_members, "words": words}} if words else {}
    drift = drift_table(model.record.statistics.get("inputs"), dataset, rows)
    typed = [f"ckpt_path={ckpt_path}", f"dataset={dataset_path}", f"output_dir={output_dir}"]
    typed += asked.typed
    report = RunReport(
        f"{ckpt_path.parent.parent.name or ckpt_path.stem} on {dataset_path.name}",
        record,
        {"test": result},
        samples=notable(judge, predictions, dataset, model.datamodule),
        repeat=f"astrid evaluate {shlex.join(typed)}",
        cross={} if drift is None else {"Drift of the inputs against training": drift},
    )
    write_report(output_dir / "report.html", report)
    write_model_card(output_dir, report)
    metrics = result.flat("test")
    write_json(output_dir / "run.json", record)
    write_json(output_dir / "metrics.json", metrics)
    lines = [*lines_of(report), *(f"{name.replace('_', ' ')}: {value}" for name, value in account.items())]
    return {**metrics, "summary": [*lines, f"report: {output_dir / 'report.html'}"]}


def lines_of(report: RunReport) -> list[str]:
    """The headline and all notes of the page, for the terminal."""
    where = "simulated, evaluated" if sections_head.simulated(report) else "evaluated"
    notes = [*sections_head.alarms(report), *sections_head.remarks(report)]
    return [headline(report.headline, where), *(f"note: {note}" for note in notes)]


def scored_rows(
    model: LoadedModel, dataset: PreparedDataset, rows: Ints, judge: Any, asked: Asked
) -> tuple[pd.DataFrame, str, bool]:
    """Predictions, what is to be said of a checkpoint of several members, and whether single members made them."""
    if (
        model.record.members is not None
        and not asked.sealed
        and dataset.fingerprint == model.record.dataset_fingerprint
    ):
        words = f"{ONE_EACH} The numbers are those of single members, as in the run's report; {ALL_SEEN}"
        return out_of_fold(model, dataset, rows, judge), words, True
    return judged(model, dataset, rows, judge), model.record.note if model.record.members is not None else "", False


def judged(model: LoadedModel, dataset: PreparedDataset, rows: Ints, judge: Any) -> pd.DataFrame:
    """Scores, probabilities and decisions of chosen samples, beside their index columns; see :func:`scores_of`."""
    out: pd.DataFrame = judge.apply(scores_of(model, dataset, rows), model.record.calibration)
    return out


def scores_of(model: LoadedModel, dataset: PreparedDataset, rows: Ints) -> pd.DataFrame:
    """Scores of chosen samples, of network and baselines, their place in its domain, and their index columns.

    Raises:
        UserError: the dataset is of another kind.
    """
    try:
        table = model.score(dataset, rows)
    except KeyError as error:
        raise UserError(
            f"a dataset of the checkpoint's kind ({model.record.domain})",
            f"{dataset.meta.get('domain')} without {error}",
            "prepare the data with a pipeline of that kind",
        ) from error
    index = rows_of(dataset, table["row"].to_numpy()).reset_index(drop=True)
    joined = pd.concat([index.drop(columns=["array", "row"]), table.rename(columns={"row": "index_row"})], axis=1)
    rows, at = np.unique(joined["index_row"].to_numpy(dtype=np.int64), return_inverse=True)
    joined = beside(joined, domain_of(model, dataset, rows, simulated_of(dataset.meta)), at)
    asked, positions = (model.tasks[0], model.datamodule), joined["index_row"].to_numpy(dtype=np.int64)
    joined = with_novelty(joined, model.record.validity, asked, dataset, rows, positions)
    return with_baselines(joined, model.record.baselines, model.datamodule, dataset)


def out_of_fold(model: LoadedModel, dataset: PreparedDataset, rows: Ints, judge: Any) -> pd.DataFrame:
    """Each sample of the training dataset by the member that never saw it: the run's own held-out predictions."""
    parts = []
    for number in range(model.record.count):
        member = model.member(number)
        assert member.record.digest is not None
        own = rows[member.record.digest.in_test(columns_of(dataset))[rows]]
        if len(own):
            parts.append(judged(member, dataset, own, judge).assign(round=number))
    return comparable(pd.concat(parts, ignore_index=True), "round")


def refuse_own_score(record: Record, labels: dict[str, Any]) -> None:
    """Labels cut from the very score that is judged would praise it for agreeing with itself.

    Raises:
        UserError: they are.
    """
    if labels.get("score") in record.known_as:
        raise UserError(
            "labels from another source than the score that is judged",
            f"labels {labels['source']}, and this checkpoint is what computes {labels['score']}",
            "prepare the dataset with other labels (label=table label.path=...)",
        )


def evaluation_record(
    model: LoadedModel, dataset: PreparedDataset, account: dict[str, Any], seconds: float, folder: Path
) -> dict[str, Any]:
    """The content of ``run.json`` of an evaluation."""
    record: Record = model.record
    return {
        "schema": SCHEMA,
        "status": "done",
        "name": f"evaluation of {model.path}",
        "run_dir": str(folder),
        "checkpoint": {"path": str(model.path), "note": record.note, "trained_on": record.dataset_fingerprint},
        "dataset": dataset_record(dataset, account),
        "labels": dataset.meta.get("labels"),
        "cost": {"wall_seconds": round(seconds, 2)},
        "versions": record.versions,
    }
