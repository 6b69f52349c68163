"""``astrid forced``, ``astrid associate``, ``astrid depth``: what many difference images say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.pipeline.executors import Executor, Serial


def find_files(places: str | Sequence[str], pattern: str) -> list[Path]:
    """Files that are named, and those of that pattern inside folders that are named, in order.

    Raises:
        UserError: nothing at a place, or no file at all.
    """
    found: list[Path] = []
    for place in [places] if isinstance(places, str) else list(places):
        path = Path(place)
        if not path.exists():
            raise UserError("input=FILE or FOLDER that exists", f"nothing at {path}", "check the path")
        found += sorted(path.rglob(pattern)) if path.is_dir() else [path]
    if not found:
        raise UserError(f"files named {pattern}", f"none in {places}", "make them with astrid difference")
    return list(dict.fromkeys(found))


def read_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table from CSV, ECSV or parquet that must have some columns.

    Raises:
        UserError: an unreadable file, or a column is missing.
    """
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, comment="#", sep=r"\s+" if path.suffix == ".ecsv" else ",")
    except (ValueError, OSError) as error:
        raise UserError(f"a table with {', '.join(columns)}", f"{path}: {str(error)[:120]}", "check it") from error
    absent = [name for name in columns if name not in table]
    if absent:
        raise UserError(f"the columns {', '.join(columns)}", f"{path} without {', '.join(absent)}", "add them")
    return table


def run_all(
    executor: Executor | None, work: Callable[[Any], Any], jobs: Sequence[Any], names: Sequence[str]
) -> tuple[list[Any], list[dict[str, str]]]:
    """Results in the order of the jobs, and what failed with its reason.

    Raises:
        UserError: where every job failed, the first one's own message.
    """
    results = dict((executor or Serial()).map(work, jobs))
    failed = [i for i in range(len(jobs)) if isinstance(results[i], BaseException)]
    if len(failed) == len(jobs):
        raise results[failed[0]]
    done = [results[i] for i in range(len(jobs)) if i not in set(failed)]
    return done, [{"source": names[i], "reason": f"{type(results[i]).__name__}: {results[i]}"} for i in failed]


def write_report(path: Path, report: dict[str, Any]) -> None:
    """``report.json``."""
    from astrid_ml.files import write_json

    write_json(path, report)
