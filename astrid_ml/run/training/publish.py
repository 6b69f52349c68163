"""What a run leaves: the record, the metrics, the report, the mirrors; ``resume.finish`` writes the end of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.audit import AuditResult
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.schema import SCHEMA
from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.scoring import Draws
from astrid_ml.dataset.croissant import write_croissant
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.judge import Judge
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.files import json_text
from astrid_ml.report import sections_head
from astrid_ml.report.content import RunReport, SamplePicture
from astrid_ml.report.write import write_model_card, write_report
from astrid_ml.run.environment import environment, run_identity
from astrid_ml.run.marks import Mark, Marks
from astrid_ml.run.prediction.domain import counted, domain_record
from astrid_ml.run.stages import StageLog
from astrid_ml.run.told.completeness import found_in_data, put_end_to_end
from astrid_ml.run.told.dataset import dataset_record
from astrid_ml.run.told.headline import headline
from astrid_ml.run.told.pictures import notable
from astrid_ml.run.training.rounds import Round
from astrid_ml.run.versions import versions
from astrid_ml.splits.folds import places_in
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.tracking.figures import tracker_figures
from astrid_ml.tracking.lineage import lineage_of
from astrid_ml.tracking.mirror import mirror

# Keys of run.json when a run has ended.
RECORD = (
    "schema", "status", "identity", "name", "overrides", "run_dir", "seeds", "dataset", "labels", "split", "audit",
    "calibration", "domain_of_validity", "joined", "epochs", "cost", "remarks", "versions", "environment", "stages",
)  # fmt: skip


@dataclass(frozen=True)
class Publication:
    """Everything that a finished run knows.

    Args:
        config: resolved, as plain containers.
        overrides: of the command line.
        folder: of the run.
        dataset: what it was trained on.
        judge: what evaluated it.
        plan: the split.
        audit: of dataset and split.
        rounds: one, or k of them for k-fold.
        results: ``val`` and, where there is a test fold, ``test``.
        validation, test: predictions of all rounds; ``test`` is empty where there is none.
        loggers: trackers.
        cost: seconds and memory, by name.
        log: stages with their times.
        joined: of a run with several rounds, what is to be said of the checkpoint of all their networks.
    """

    config: dict[str, Any]
    overrides: list[str]
    folder: Path
    dataset: PreparedDataset
    judge: Judge
    plan: SplitPlan
    audit: AuditResult
    rounds: list[Round]
    results: dict[str, EvaluationResult]
    validation: pd.DataFrame
    test: pd.DataFrame
    loggers: list[Any]
    cost: dict[str, float]
    log: StageLog
    joined: dict[str, Any] | None = None


def publish(run: Publication, marks: Marks, results: str) -> Mark:
    """Write the report and mirror the end of the run; the mark that is left is what :func:`finish` ends the run with.

    Args:
        run: what is known of it.
        marks: of its folder.
        results: the digest of the evaluation, by which the mark is found again.

    Returns:
        The mark of the report, with ``record`` (``run.json``), ``metrics`` and ``summary`` (lines for the terminal).
    """
    metrics = metrics_of(run.results, run.dataset.meta["counts"])
    record = run_record(run)
    with run.log.stage("report", metrics=results) as stage:
        report = run_report(run, record)
        write_report(run.folder / "report.html", report)
        write_model_card(run.folder, report)
        stage.outputs["metrics"] = digest_of(metrics)
    mirror(run.loggers, run.config, metrics, tracker_figures(run.results), lineage_of(record))
    describe_dataset(run)
    kept = {"record": record | {"stages": run.log.plain()}, "metrics": metrics, "summary": summary(run, record, report)}
    files = [run.folder / name for name in ("report.html", "model_card.md", "model_card.json")]
    plain = json.loads(json_text(kept))  # as it will be read again: numbers that are not finite are null
    marks.leave(stage, files, plain)
    return Mark(stage, {}, plain)


def metrics_of(results: dict[str, EvaluationResult], counts: dict[str, Any]) -> dict[str, Any]:
    """The content of ``metrics.json``; each result gets its end-to-end completeness.

    Args:
        results: of each fold.
        counts: of the dataset.
    """
    metrics: dict[str, Any] = {}
    for fold, result in results.items():
        put_end_to_end(result, counts)
        metrics |= result.flat(fold)
    return metrics | found_in_data(counts)


def run_report(run: Publication, record: dict[str, Any]) -> RunReport:
    """The report's content, the test fold first."""
    order: list[str] = [fold for fold in ("test", "val") if fold in run.results]
    results = {fold: run.results[fold] for fold in order}
    predictions = run.test if len(run.test) else run.validation
    datamodule = run.rounds[0].datamodule
    samples = notable(run.judge, predictions, run.dataset, datamodule)
    history = joined_history([done.history for done in run.rounds])
    return RunReport(
        str(run.config["name"]),
        record,
        results,
        history,
        samples,
        repeat_command(run.config, run.overrides),
        audit_pictures=leak_pictures(run.audit, run.dataset, datamodule),
        config=run.config,
        cross=datamodule.report_tables(),
    )


def joined_history(histories: list[pd.DataFrame]) -> pd.DataFrame:
    """The epochs of all rounds, with a column ``round`` where there is more than one.

    Args:
        histories: of each round.
    """
    parts = [history.assign(round=number) for number, history in enumerate(histories)]
    return parts[0].drop(columns="round") if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def leak_pictures(
    audit: AuditResult, dataset: PreparedDataset, datamodule: Draws, most: int = 6
) -> list[SamplePicture]:
    """The first leaking pairs, drawn side by side: training left, test right.

    Args:
        audit: what was found.
        dataset: the samples.
        datamodule: draws them.
        most: pairs of each kind.
    """
    pairs = [(f.kind, pair) for f in audit.findings for pair in f.pairs.head(most).to_dict("records")]
    shown = _leaks(pairs)
    if not shown:
        return []
    names = pd.Series([name for *_, name in shown], dtype=str)
    places = places_in(names, columns_of(dataset)["id"])
    out = []
    for (kind, fold, name), place in zip(shown, range(len(names)) if places is None else places, strict=True):
        if place >= 0:
            drawn = datamodule.draw(dataset, np.array([place], dtype=np.int64))
            out += [SamplePicture(f"{kind}, {fold}: {name}", png) for png in drawn]
    return out[: 2 * most]


def _leaks(pairs: list[tuple[str, Any]]) -> list[tuple[str, str, str]]:
    """(kind, fold, id) of either sample of each pair."""
    return [(kind, fold, str(pair[fold])) for kind, pair in pairs for fold in ("train", "test")]


def leak_captions(findings: list[dict[str, Any]], ids: Collection[str], most: int = 6) -> list[str]:
    """What stands under the pictures of :func:`leak_pictures`.

    Args:
        findings: of the audit, as ``run.json`` has them.
        ids: of the samples; what else a pair names (a group) has no picture.
        most: pairs of each kind.
    """
    pairs = [(found["kind"], pair) for found in findings for pair in found["pairs"][:most]]
    return [f"{kind}, {fold}: {name}" for kind, fold, name in _leaks(pairs) if name in ids][: 2 * most]


def repeat_command(config: dict[str, Any], typed: list[str]) -> str:
    """What to type to run it again."""
    overrides = typed or [f"experiment={config['name']}"]
    return "astrid train " + " ".join(shlex.quote(text) for text in overrides)


def describe_dataset(run: Publication) -> None:
    """The first run's split becomes the split RecordSet of the dataset's Croissant file."""
    described = run.dataset.path / "croissant.json"
    if described.is_file() and '"table-split"' not in described.read_text(encoding="utf-8"):
        write_croissant(run.dataset.path, splits=run.plan.rounds)


def begun_with(rounds: list[Round]) -> dict[str, Any]:
    """``init`` of ``run.json``: what the networks began with; nothing where it was at random."""
    begun = [done.begun for done in rounds if done.begun is not None]
    return {"init": {**begun[0].plain(), "seen": sum(one.seen for one in begun)}} if begun else {}


def run_record(run: Publication) -> dict[str, Any]:
    """The content of ``run.json``."""
    meta = run.dataset.meta
    return {
        "schema": SCHEMA,
        "status": "done",
        "identity": run_identity(run.config),
        "name": run.config["name"],
        "overrides": run.overrides,
        "run_dir": str(run.folder),
        "seeds": {
            "seed": run.config["seed"],
            "data.seed": run.config["data"]["seed"],
            "split.seed": run.config["split"].get("seed"),
        },
        "dataset": dataset_record(run.dataset),
        "labels": meta.get("labels"),
        **begun_with(run.rounds),
        "split": {
            "name": run.plan.name,
            "hash": run.plan.hash,
            "account": run.plan.account,
            "counts": run.plan.counts(columns_of(run.dataset)).to_dict("records"),
        },
        "audit": run.audit.to_plain(),
        "calibration": calibration_shown(run),
        "domain_of_validity": domain_shown(run),
        "joined": None if run.joined is None else {k: v for k, v in run.joined.items() if k != "calibration"},
        "epochs": [len(done.history) for done in run.rounds],
        "cost": {
            **run.cost,
            "fit_seconds": round(sum(done.fit_seconds for done in run.rounds), 2),
            "forward_seconds": round(sum(done.forward_seconds for done in run.rounds), 2),
        },
        "remarks": {fold: [*result.alarms, *result.remarks] for fold, result in run.results.items()},
        "versions": versions(),
        "environment": environment(),
        "stages": run.log.plain(),
    }


def domain_shown(run: Publication) -> dict[str, Any] | None:
    """The first network's domain, and how many held-out samples lie in that of the network that scored them."""
    first = run.rounds[0].record
    table = run.test if len(run.test) else run.validation
    return None if first is None else domain_record(first, counted(table), own=True)


def calibration_shown(run: Publication) -> dict[str, Any]:
    """That of the run's checkpoint, without long lists of parameters."""
    if run.joined is not None and run.joined["checkpoint"]:
        return dict(run.joined["calibration"])
    first = run.rounds[0].record
    return without_long_lists(first.calibration if first is not None else {})


def without_long_lists(calibration: dict[str, Any]) -> dict[str, Any]:
    """A calibration as ``run.json`` shows it."""
    short = calibration.get("kind") in ("temperature", "beta")
    hidden = ("counts",) if short else ("counts", "parameters")
    return {name: value for name, value in calibration.items() if name not in hidden}


def summary(run: Publication, record: dict[str, Any], report: RunReport) -> list[str]:
    """What the terminal shows: the headline with its interval, prevalence and baselines; where the report is."""
    fold = "test" if "test" in run.results else "val"
    result = run.results[fold]
    where = "held-out" if fold == "test" else "validation (no test fold)"
    lines = [headline(result, f"simulated, {where}" if record["dataset"]["simulated"] else where)]
    # The same sentences as on the page and on the card, all of them.
    lines += [f"note: {said}" for said in (*sections_head.alarms(report), *sections_head.remarks(report))]
    if run.joined is not None and run.joined["checkpoint"]:
        lines.append(f"all folds as one: {run.folder / run.joined['checkpoint']}")
    lines.append(f"report: {run.folder / 'report.html'}")
    return lines
