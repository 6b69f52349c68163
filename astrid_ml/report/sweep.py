"""The table of a sweep: one row a job, and, where a mission was held out in turn, the cross-mission matrix."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.report import html
from astrid_ml.report.svg import Line, plot
from astrid_ml.report.write import write_whole


def sort_script() -> str:
    """The script that sorts tables by a click."""
    return (Path(__file__).parent / "sort.js").read_text(encoding="utf-8")


def write_sweep(folder: Path) -> tuple[Path, Path]:
    """Read the jobs of a multirun and write ``sweep.parquet`` and ``sweep.html``.

    Args:
        folder: with one folder a job, each with ``run.json`` and, where it finished, ``metrics.json``.

    Returns:
        The two files.
    """
    jobs = read_jobs(folder)
    table = folder / "sweep.parquet"
    temporary = table.with_name(f".{table.name}.{os.getpid()}")
    jobs.to_parquet(temporary, index=False)
    os.replace(temporary, table)
    page = folder / "sweep.html"
    write_whole(page, html.page(f"Sweep {folder.name}", body(folder, jobs), sort_script()))
    return table, page


def read_jobs(folder: Path) -> pd.DataFrame:
    """One row a job: job, status, reason, run_dir, a column for each override, all metrics."""
    rows = []
    for record_file in sorted(folder.glob("*/run.json"), key=_job_order):
        record: dict[str, Any] = json.loads(record_file.read_text(encoding="utf-8"))
        metrics_file = record_file.parent / "metrics.json"
        finished = metrics_file.is_file()
        row: dict[str, Any] = {
            "job": record_file.parent.name,
            "status": "done" if finished else record.get("status", "failed"),
        }
        row |= {"reason": record.get("reason"), "run_dir": str(record_file.parent)}
        row |= dict(_override(text) for text in record.get("overrides", []))
        if finished:
            metrics = json.loads(metrics_file.read_text(encoding="utf-8"))
            row |= {name: value for name, value in metrics.items() if not name.endswith("/why")}
        rows.append(row)
    table = pd.DataFrame(rows)
    # An override that some jobs lack, or a metric that is undefined, is null there; texts stay texts.
    return table.convert_dtypes()


def _job_order(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name) if name.isdigit() else 10**9, name)


def _override(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.lstrip("+"), value.strip('"')


def varied(jobs: pd.DataFrame) -> list[str]:
    """Overrides that differ between jobs."""
    fixed = {"job", "status", "reason", "run_dir"}
    names = [name for name in jobs.columns if name not in fixed and not name.startswith(("test/", "val/"))]
    return [name for name in names if jobs[name].nunique(dropna=False) > 1]


def body(folder: Path, jobs: pd.DataFrame) -> str:
    """The page's content."""
    failed = jobs[jobs["status"] != "done"]
    keys = varied(jobs)
    wanted = [
        "test/aucpr",
        "test/aucpr_low",
        "test/aucpr_high",
        "test/prevalence",
        "test/baseline_aucpr",
        "test/recall",
        "test/precision",
        "val/aucpr",
    ]
    metrics = [name for name in wanted if name in jobs]
    if not metrics:
        metrics = [str(name) for name in jobs if str(name).startswith("test/")][:8]
    title = f"Sweep over {', '.join(keys) or 'nothing'}"
    facts = f"{len(jobs)} jobs, {len(failed)} failed. {folder}"
    parts = [f"<h1>{escape(title)}</h1><p class=soft>{escape(facts)}</p>"]
    if len(failed):
        parts.append(html.remarks([f"Job {row['job']} failed: {row['reason']}" for row in failed.to_dict("records")]))
    shown = jobs[["job", "status", *keys, *metrics]].copy()
    for name in metrics:
        shown[name] = shown[name].astype(float)
    text = html.table(shown, "A click on a heading sorts. Low and high are ends of 95 % intervals.", css="sortable")
    parts.append(text + _bars(jobs, keys))
    matrix = cross_missions(jobs)
    if matrix is not None:
        parts.append(_matrix(matrix))
    return "".join(parts)


def _bars(jobs: pd.DataFrame, keys: list[str]) -> str:
    """AUCPR of each job with its interval."""
    done = jobs[(jobs["status"] == "done")]
    if "test/aucpr" not in done or done["test/aucpr"].isna().all():
        return ""
    place = [float(i) for i in range(len(done))]
    values, low, high = (
        done[name].astype(float).tolist() for name in ("test/aucpr", "test/aucpr_low", "test/aucpr_high")
    )
    floor = max(0.0, np.nanmin([*low, *values]) - 0.05)
    drawn = plot(
        [Line(place, values, "", "a", points=True, low=low, high=high)],
        f"job ({', '.join(keys) or 'all alike'})",
        "AUCPR, held out",
        "AUCPR of each job with its 95 % interval",
        (-0.5, len(done) - 0.5),
        (floor, 1.0),
    )
    caption = "Held-out AUCPR of each job, in the order of the table."
    return f"<div class=grid2><figure>{drawn}<figcaption>{caption}</figcaption></figure></div>"


def cross_missions(jobs: pd.DataFrame) -> pd.DataFrame | None:
    """Rows: what was held out; columns: the mission tested; values AUCPR. None where no mission was held out."""
    if "split.held_out" not in jobs:
        return None
    names = [str(name) for name in jobs]
    columns = [name for name in names if name.startswith("test/aucpr/") and not name.endswith(("_low", "_high"))]
    if not columns:
        return None
    done = jobs[jobs["status"] == "done"]
    table = done.set_index("split.held_out")[columns].astype(float)
    return table.rename(columns=lambda name: name.removeprefix("test/aucpr/"))


def _matrix(matrix: pd.DataFrame) -> str:
    """A heat map as a table: the darker, the higher; a cell that cannot exist is empty."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in matrix.columns)
    lines = []
    for held, row in matrix.iterrows():
        cells = ""
        for value in row:
            known = not np.isnan(value)
            strength = round(max(0.0, (value - 0.3) / 0.7) * 60) if known else 0
            style = f"background: color-mix(in srgb, var(--a) {strength}%, transparent)" if known else ""
            cells += f'<td class=cell style="{style}">{f"{value:.3f}" if known else ""}</td>'
        words = "none held out (pooled)" if str(held) == "none" else f"{held} held out"
        lines.append(f'<tr><th scope="row">{escape(words)}</th>{cells}</tr>')
    caption = (
        "AUCPR on each mission. A held-out mission is tested by a model that never saw it; "
        "the pooled row is what it loses against."
    )
    return (
        f"<h2>Across missions</h2><div class=scroll><table><caption>{caption}</caption>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
