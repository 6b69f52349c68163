"""The table of a sweep: one row a job, read from the jobs' own folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.files import read_note, whole, write_text
from astrid_ml.report.sweep_page import sweep_page

METRIC = ("test/", "val/", "data/")  # how the names of metrics begin; other columns are what was swept
FIXED = ("job", "status", "reason", "run_dir")


def write_sweep(folder: Path) -> tuple[Path, Path]:
    """Read the jobs of a multirun and write ``sweep.parquet`` and ``sweep.html``.

    Args:
        folder: with one folder a job, each with ``run.json`` and, where it finished, ``metrics.json``.

    Returns:
        The two files.
    """
    jobs = read_jobs(folder)
    table = folder / "sweep.parquet"
    with whole(table) as part:
        jobs.to_parquet(part, index=False)
    page = folder / "sweep.html"
    write_text(page, sweep_page(folder, jobs, varied(jobs)))
    return table, page


def read_jobs(folder: Path) -> pd.DataFrame:
    """One row a job: job, status, reason, run_dir, a column for each override, all metrics.

    A job is ``done`` where its ``metrics.json`` stands (the run's last file), ``failed`` with its reason where it
    recorded one, else ``unfinished``: it was killed before it could say anything.
    """
    places = [
        path for path in folder.iterdir() if path.is_dir() and (path.name.isdigit() or (path / "run.json").is_file())
    ]
    rows = [read_job(path) for path in sorted(places, key=_job_order)]
    table = pd.DataFrame(rows, columns=_columns(rows))
    for name in table.columns:
        if name.startswith(METRIC):
            table[name] = pd.to_numeric(table[name], errors="coerce").astype("Float64")
        else:
            # An override that some jobs lack is null there; texts stay texts.
            table[name] = (table[name] if name in FIXED else _typed(table[name])).convert_dtypes()
    return table


def read_job(place: Path) -> dict[str, Any]:
    """The row of one job; a damaged file is a reason, not an error of the sweep."""
    row: dict[str, Any] = {"job": place.name, "status": "unfinished", "reason": None, "run_dir": str(place)}
    try:
        record = _json(place / "run.json")
        metrics = _json(place / "metrics.json")
        said = (record or {}).get("overrides") or []
        if not (isinstance(said, list) and all(isinstance(text, str) for text in said)):
            raise ValueError("its overrides are no list of texts")
    except (ValueError, OSError) as error:
        return row | {"status": "failed", "reason": f"its record cannot be read: {error}"}
    if metrics is not None:
        row["status"] = "done"
    elif record is not None and record.get("status") != "done":
        row |= {"status": record.get("status", "failed"), "reason": record.get("reason")}
    if row["status"] == "unfinished":
        row["reason"] = "it ended before it could say why"
    overrides = dict(override(text) for text in said)
    row |= {name: value for name, value in overrides.items() if name not in FIXED}
    # A metric is a number or null; what else a damaged file holds in its place is no column.
    row |= {name: value for name, value in (metrics or {}).items() if value is None or isinstance(value, int | float)}
    return row | _held_out_column(overrides.get("split.held_out"), row)


def _held_out_column(held_out: str | None, row: dict[str, Any]) -> dict[str, Any]:
    """A test fold of the one mission that was held out is not broken down: its AUCPR is that mission's."""
    if held_out in (None, "none", "null") or f"test/aucpr/{held_out}" in row or "test/aucpr" not in row:
        return {}
    return {
        f"test/aucpr/{held_out}{end}": row[f"test/aucpr{end}"]
        for end in ("", "_low", "_high")
        if f"test/aucpr{end}" in row
    }


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content = read_note(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is no object of JSON")
    return content


def _job_order(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdigit() else 10**9, path.name)


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Fixed columns, overrides, metrics; each in the order in which it came."""
    found = list(dict.fromkeys(name for row in rows for name in row))
    metrics = [name for name in found if name.startswith(METRIC)]
    return [*FIXED, *(name for name in found if name not in FIXED and name not in metrics), *metrics]


def override(text: str) -> tuple[str, str]:
    """``+split.held_out="ZTF"`` -> (``split.held_out``, ``ZTF``); a deletion (``~key``) keeps its sign."""
    key, _, value = text.partition("=")
    return key.lstrip("+"), value.strip("\"'")


def _typed(values: pd.Series) -> pd.Series:
    """Numbers where all of them are, texts otherwise."""
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers if bool((numbers.notna() == values.notna()).all()) else values.astype("string")


def varied(jobs: pd.DataFrame) -> list[str]:
    """Overrides that differ between jobs; one that was killed has left none to compare."""
    jobs = jobs[jobs["status"] != "unfinished"]
    names = [name for name in jobs.columns if name not in FIXED and not name.startswith(METRIC)]
    return [name for name in names if jobs[name].nunique(dropna=False) > 1]
