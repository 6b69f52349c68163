"""``astrid forced``, ``astrid associate``, ``astrid depth``: what many difference images say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.found import none_in
from astrid_ml.pipeline.contract import each_once
from astrid_ml.tables import UserTable, read_table
from astrid_ml.walk import walk


def find_files(places: str | Sequence[str], pattern: str) -> list[Path]:
    """Files that are named, and those of that pattern inside folders that are named, in order.

    Raises:
        UserError: nothing at a place, or no file at all.
    """
    found = walk(places, lambda path: fnmatch(path.name, pattern))
    if not found:
        raise UserError(f"files named {pattern}", none_in(places), "make them with astrid difference")
    return found


def read_positions(path: Path) -> UserTable:
    """A user's table of objects: object_id, ra and dec in degrees (or another unit that the table states).

    Raises:
        UserError: no table, a column is missing, or no row can be used.
    """
    read = read_table(path, {"object_id": "text", "ra": "deg", "dec": "deg"})
    if read.rows.empty:
        got = f"{path}, row {read.dropped[0][0]}: {read.dropped[0][1]}" if read.dropped else f"{path} without a row"
        raise UserError("at least one row with object_id, ra, dec", got, "correct the table")
    return read


def run_all(
    executor: Executor | None, work: Callable[[Any], Any], jobs: Sequence[Any], names: Sequence[str]
) -> tuple[list[Any], list[dict[str, str]]]:
    """Results in the order of the jobs, and what failed with its reason; both empty where there are no jobs.

    Raises:
        UserError: where every job failed, the first one's own message.
    """
    results = dict(each_once(executor or Serial(), work, jobs))
    failed = [i for i in range(len(jobs)) if isinstance(results[i], BaseException)]
    if jobs and len(failed) == len(jobs):
        raise results[failed[0]]
    done = [results[i] for i in range(len(jobs)) if i not in set(failed)]
    return done, [{"source": names[i], "reason": f"{type(results[i]).__name__}: {results[i]}"} for i in failed]


def write_report(path: Path, report: dict[str, Any]) -> None:
    """``report.json``."""
    from astrid_ml.files import write_json

    write_json(path, report)
