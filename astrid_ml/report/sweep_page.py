"""The page of a sweep: its table with intervals drawn and, where missions were held out, the cross-mission matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.report import names, views
from astrid_ml.report.names import fixed, missing, show, span
from astrid_ml.report.pages import linked, page
from astrid_ml.report.svg import whisker
from astrid_ml.report.views import SectionView, TableView

# Shown if present; every metric stands in sweep.parquet.
METRICS = ("prevalence", "baseline_column_aucpr", "baseline_trees_aucpr", "precision", "recall", "f1", "ece")

BASELINES = {"baseline_column_aucpr": "one column", "baseline_trees_aucpr": "boosted trees"}


def sweep_page(folder: Path, jobs: pd.DataFrame, keys: Sequence[str]) -> str:
    """The page.

    Args:
        folder: of the sweep.
        jobs: one row a job.
        keys: what was swept.
    """
    failed = jobs[jobs["status"] != "done"]
    words = f"{len(jobs)} jobs, {len(jobs) - len(failed)} done, {len(failed)} not."
    matrix = cross_missions(jobs)
    return page(
        "sweep.html",
        title=f"Sweep {folder.name}",
        kicker="astrid_ml sweep",
        heading=f"Sweep over {', '.join(keys) or 'nothing'}",
        lede=f"{words} {best_job(jobs, keys)}".strip(),
        failures=[f"Job {row['job']} {row['status']}: {row['reason']}" for row in failed.to_dict("records")],
        jobs=table(jobs, keys, folder),
        sections=[] if matrix is None else [_matrix(matrix)],
        folder=str(folder),
    )


def headline_of(jobs: pd.DataFrame) -> str | None:
    """``test/aucpr``, else the first test metric with an interval, else the same on validation; None without any."""
    found = [str(name) for name in jobs]
    with_interval = [name for name in found if f"{name}_low" in found]
    order = ["test/aucpr", *[n for n in with_interval if n.startswith("test/")], "val/aucpr", *with_interval]
    return next((name for name in order if name in found and jobs[name].notna().any()), None)


def best_job(jobs: pd.DataFrame, keys: Sequence[str]) -> str:
    """The highest headline in words, and that choosing by it is choosing on test."""
    name = headline_of(jobs)
    # Jobs that split differently are tested on different samples: none of them is the best.
    split_varies = any(key.startswith("split.") or key == "split" for key in keys)
    if name is None or split_varies or jobs[name].notna().sum() < 2:
        return ""
    row = jobs.sort_values(name, ascending=False, kind="stable", na_position="last").to_dict("records")[0]
    what = ", ".join(f"{key}={show(row[key])}" for key in keys if not missing(row[key]))
    text = f"The highest {name} is {float(row[name]):.3f}, job {row['job']}" + (f" ({what})." if what else ".")
    warning = " To choose between jobs, compare them on validation: a choice made on test spends the test."
    return text + (warning if name.startswith("test/") else "")


def table(jobs: pd.DataFrame, keys: Sequence[str], folder: Path) -> TableView:
    """Sortable; one row a job, whose name leads to its report, with the headline's interval drawn.

    Args:
        jobs: one row a job, in a folder of its name.
        keys: what was swept.
        folder: of the sweep and its page.
    """
    name = headline_of(jobs)
    shown = jobs[["job", "status", *keys]].copy()
    drawings = {"job": [linked(str(job), folder / str(job) / "report.html", folder) for job in jobs["job"]]}
    if name is not None:
        fold, _, metric = name.partition("/")
        ends = pd.DataFrame({key: _column(jobs, f"{name}{key}") for key in ("", "_low", "_high")})
        shown[f"{names.short(metric)}, {names.fold(fold)}"] = [fixed(value) for value in ends[""]]
        shown["95 % interval"] = [span(_pair(low, high)) for low, high in zip(ends["_low"], ends["_high"], strict=True)]
        if "data/completeness" in jobs:
            shown["known sources detected"] = [fixed(v) for v in _column(jobs, "data/completeness")]
        scale, whiskers = _whiskers(ends)
        shown[scale], drawings[scale] = "", whiskers
        for other in METRICS:
            if f"{fold}/{other}" in jobs:
                title = BASELINES.get(other, names.metric(other).split(" (")[0])
                shown[title] = [fixed(v) for v in _column(jobs, f"{fold}/{other}")]
        if fold == "test" and f"val/{metric}" in jobs:
            shown[f"{names.short(metric)}, validation"] = [fixed(v) for v in _column(jobs, f"val/{metric}")]
    caption = "One row a job; its number opens its report. A click on a heading sorts."

    def row_class(row: Mapping[Any, Any]) -> str:
        return "" if row["status"] == "done" else "failed"

    return views.table(shown, caption, row_class=row_class, css="sortable", drawings=drawings)


def _column(jobs: pd.DataFrame, name: str) -> list[float]:
    return (
        jobs[name].astype("Float64").to_numpy(dtype=float, na_value=math.nan).tolist()
        if name in jobs
        else [math.nan] * len(jobs)
    )


def _pair(low: float, high: float) -> tuple[float, float] | None:
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _whiskers(ends: pd.DataFrame) -> tuple[str, list[str]]:
    """The head of the column and a drawing for each job, all on one scale."""
    known = [value for value in ends.to_numpy(dtype=float).ravel().tolist() if math.isfinite(value)]
    low, high = math.floor(10 * min(known)) / 10, max(1.0, math.ceil(10 * max(known)) / 10)
    rows = ends.to_numpy(dtype=float).tolist()
    whiskers = [whisker(a, b, c, (low, high), None, f"{a:.3f}, {b:.3f} to {c:.3f}") for a, b, c in rows]
    return f"{low:.2g} to {high:.2g}", whiskers


def cross_missions(jobs: pd.DataFrame) -> pd.DataFrame | None:
    """Rows: what was held out; columns: the mission tested; values AUCPR. None where no mission was held out.

    Jobs that differ in something else too (a seed) are averaged.
    """
    if "split.held_out" not in jobs or jobs["split.held_out"].nunique(dropna=False) < 2:
        return None
    found = [str(name) for name in jobs]
    columns = [n for n in found if n.startswith("test/aucpr/") and not n.endswith(("_low", "_high"))]
    if not columns:
        return None
    done = jobs[jobs["status"] == "done"]
    values = pd.DataFrame({name.removeprefix("test/aucpr/"): _column(done, name) for name in columns})
    if not values.notna().to_numpy().any():
        return None
    values["held_out"] = done["split.held_out"].fillna("none").astype(str).to_numpy()
    return values.groupby("held_out", sort=False).mean()


def _matrix(matrix: pd.DataFrame) -> SectionView:
    """A heat map as a table: the darker, the higher; a mission that was not tested is empty."""
    known = [value for value in matrix.to_numpy(dtype=float).ravel().tolist() if math.isfinite(value)]
    low, high = min(known), max(known)
    cells = [
        [
            (fixed(value), 0.15 + 0.85 * (value - low) / (high - low) if high > low else 1.0)
            if math.isfinite(value)
            else ("", None)
            for value in row
        ]
        for row in matrix.to_numpy(dtype=float).tolist()
    ]
    side = ["none (pooled)" if str(held) == "none" else f"{held} held out" for held in matrix.index]
    caption = (
        "AUCPR on each mission, the stronger the colour the higher. "
        "A held-out mission is scored by a model that never saw it; the pooled row is what it loses against."
    )
    shown = views.heat(cells, [str(name) for name in matrix.columns], side, caption)
    return SectionView("Across missions", "pieces", {"pieces": [shown]})
