"""``astrid recalibrate``: probabilities, sets and a domain for samples of another origin, from labelled ones of it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel, load_model, save_model
from astrid_ml.checkpoint.predictions import write_predictions
from astrid_ml.contracts.columns import rows_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.devices import device_of
from astrid_ml.errors import UserError
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.files import write_json
from astrid_ml.metrics.shares import effective
from astrid_ml.report.content import RunReport
from astrid_ml.report.write import write_model_card, write_report
from astrid_ml.run.prediction.evaluate import NOT_SHOWN, evaluation_record, lines_of, refuse_own_score, scores_of
from astrid_ml.run.prediction.recalibrate import (
    PARTS,
    difference_of_losses,
    out_of_part,
    parts_by_group,
    recalibrated,
)
from astrid_ml.run.prediction.sealed import Asked, usable_rows
from astrid_ml.run.told.pictures import notable
from astrid_ml.types import Ints
from astrid_ml.validity.domain import IN_DOMAIN, OUTSIDE, in_words

LEAST = 100  # independent labelled samples; below, sets and probabilities would be a guess
COMPARED = ("aucpr", "nll", "brier", "ece", "set_coverage_real", "set_coverage_bogus", "set_coverage", "set_given")
IN_PARTS = f"Each sample was judged by what the other {PARTS - 1} of {PARTS} parts of these samples fitted."

MADE = "These samples made the domain of validity: how many new ones lie in it is not measured here."


@dataclass(frozen=True)
class RecalibrateCommand:
    """Fit calibration, threshold, prediction sets and domain of a trained network anew, on labelled samples.

    Args:
        ckpt_path: ``best.ckpt`` of one network.
        dataset: a prepared dataset of the new origin, with labels.
        output_dir: gets ``recalibrated.ckpt``, ``metrics.json``, ``predictions.parquet``, ``report.html``.
        device: where the network computes: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        trust: classes outside this project that the checkpoint may name.
    """

    ckpt_path: str
    dataset: str
    output_dir: str
    device: str = "auto"
    trust: Sequence[str] = ()

    def run(self) -> dict[str, Any]:
        """Write the checkpoint and the report of it.

        Raises:
            UserError: the checkpoint joins several networks, the dataset is that of its training, or too few samples.
        """
        started = time.perf_counter()
        model = load_model(Path(self.ckpt_path), self.trust, device=device_of(self.device))
        dataset = PreparedDataset(Path(self.dataset))
        refuse_joined(model)
        refuse_own_score(model.record, dataset.meta.get("labels") or {})
        rows, account = usable_samples(model, dataset)
        judge = build(model.record.config["evaluation"], self.trust)
        scores = scores_of(model, dataset, rows).drop(columns=[IN_DOMAIN, OUTSIDE])
        record = recalibrated(model, dataset, rows, judge, scores)
        before = judge.apply(scores, model.record.calibration)
        after = out_of_part(judge, scores, parts_by_group(scores))
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder / "recalibrated.ckpt", _weights(model), record)
        about = dataset.meta.get("description")
        write_predictions(after.assign(set="test"), folder / "predictions.parquet", description=about)
        told = evaluation_record(model, dataset, account, time.perf_counter() - started, folder)
        told |= {"domain_of_validity": {"trained_on": in_words(record.validity), "share_inside": None, "words": MADE}}
        told |= {"calibration": {name: value for name, value in record.calibration.items() if name not in NOT_SHOWN}}
        told |= {"joined": {"members": PARTS, "of_members": True, "words": IN_PARTS}}
        results = [judge.evaluate(table) for table in (before, after)]
        report = RunReport(
            f"{model.path.stem} recalibrated on {dataset.path.name}",
            told,
            {"test": results[1]},
            samples=notable(judge, after, dataset, model.datamodule),
            repeat=f"astrid recalibrate {shlex.join(self._typed)}",
            cross={"As trained, and recalibrated": table_of(results)},
        )
        write_report(folder / "report.html", report)
        write_model_card(folder, report)
        losses = difference_of_losses(before, after)
        write_json(folder / "run.json", told)
        write_json(folder / "metrics.json", {**results[1].flat("test"), **_named(losses)})
        words = {} if losses is None else {"log-loss": _loss_words(losses)}
        first, *notes = lines_of(report)
        found = {
            "result": first.replace("\n", " "),
            **{f"note {i}": text[6:] for i, text in enumerate(notes, 1)},
            **words,
        }
        found |= _coverage_words(results[1])
        return {**found, "checkpoint": str(folder / "recalibrated.ckpt"), "report": str(folder / "report.html")}

    @property
    def _typed(self) -> list[str]:
        return [f"ckpt_path={self.ckpt_path}", f"dataset={self.dataset}", f"output_dir={self.output_dir}"]


def refuse_joined(model: LoadedModel) -> None:
    """Several networks have a calibration each, chosen on what each never saw.

    Raises:
        UserError: the checkpoint joins them.
    """
    if model.record.members is not None:
        got = f"{model.path}, which joins {model.record.count} networks"
        raise UserError("a checkpoint of one network", got, "give the best.ckpt of one of the folds")


def usable_samples(model: LoadedModel, dataset: PreparedDataset) -> tuple[Ints, dict[str, Any]]:
    """Labelled samples that training never saw, and what was left out.

    Raises:
        UserError: the dataset is that of the training, or its samples are too few or of one class.
    """
    if dataset.fingerprint == model.record.dataset_fingerprint:
        got = "the dataset that the checkpoint was trained on"
        raise UserError("labelled samples of another origin", got, "prepare a dataset of the new mission")
    rows, account = usable_rows(model, dataset, Asked())
    groups = rows_of(dataset, rows, ["group_id"])["group_id"]
    worth = effective(pd.factorize(groups)[0].astype(np.int64))
    if worth < LEAST:
        got = f"{len(rows):,} of {groups.nunique():,} groups, which are worth {worth:.0f} (a group's samples are alike)"
        fix = "label more objects; until then sets and probabilities outside the domain stay null"
        raise UserError(f"labelled samples worth {LEAST} independent ones", got, fix)
    classes = model.datamodule.count_classes(dataset, rows)
    if classes < 2:
        raise UserError("samples of two classes or more", f"{len(rows):,} of one class", "label samples of the other")
    return rows, account | {"worth_independent": round(worth, 1)}


def table_of(results: Sequence[EvaluationResult]) -> pd.DataFrame:
    """The metrics of both calibrations side by side, where either has them."""
    rows = []
    for name in COMPARED:
        values = [result.metrics.get(name) for result in results]
        if any(value is not None for value in values):
            rows.append({"metric": name, "as trained": values[0], "recalibrated": values[1]})
    return pd.DataFrame(rows, columns=["metric", "as trained", "recalibrated"])


def _coverage_words(result: EvaluationResult) -> dict[str, str]:
    """What the sets of held-out parts cover, which is measured and not promised."""
    parts = []
    for name, value in result.metrics.items():
        if name.startswith("set_coverage") and value is not None and name.count("_low") + name.count("_high") == 0:
            interval = result.intervals.get(name)
            reach = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            parts.append(f"{name.removeprefix('set_coverage').strip('_') or 'all'} {value:.3f}{reach}")
    return {"sets hold their class, measured": ", ".join(parts)} if parts else {}


def _weights(model: LoadedModel) -> dict[str, Any]:
    return dict(model.tasks[0].state_dict())


def _named(losses: dict[str, float] | None) -> dict[str, float]:
    return {} if losses is None else {f"recalibration/nll_{name}": value for name, value in losses.items()}


def _loss_words(losses: dict[str, float]) -> str:
    gain = f"{losses['gain']:+.4f} (95 % interval {losses['low']:+.4f} to {losses['high']:+.4f})"
    worse = "" if losses["low"] > 0 else "; it is not shown to help"
    return f"{losses['before']:.4f} as trained, smaller by {gain}{worse}"
