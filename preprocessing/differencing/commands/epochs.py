"""``astrid forced``, ``astrid associate``, ``astrid depth``: what many difference images say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import whole
from astrid_ml.fingerprint import fingerprint
from astrid_ml.found import none_in
from astrid_ml.pipeline.parts import PARTS, Part, do_parts, forget_other_parts, in_short, mark_of
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


@dataclass(frozen=True)
class ImageToMeasure:
    """A difference image, and where its table goes.

    Args:
        path: of the image.
        mark: of its table, below ``parts/``.
    """

    path: Path
    mark: str


@dataclass(frozen=True)
class MeasureImage:
    """The work of a command over many images: a table of each is kept.

    Args:
        measure: gives what is to be said of an image (JSON), and its table.
        folder: of the results.
    """

    measure: Callable[[Path], tuple[dict[str, Any], pd.DataFrame]]
    folder: Path

    def __call__(self, image: ImageToMeasure) -> tuple[dict[str, Any], list[Path]]:
        """Measure an image in whatever process."""
        said, table = self.measure(image.path)
        path = table_of(self.folder, image.mark)
        with whole(path) as at:
            table.to_parquet(at, index=False)
        return said, [path]


def table_of(folder: Path, mark: str) -> Path:
    """Where the table of an image is kept.

    Args:
        folder: of the results.
        mark: of the image.
    """
    return folder / PARTS / f"{mark}.parquet"


def measure_all(
    work: MeasureImage,
    files: Sequence[Path],
    settings: Sequence[Any],
    executor: Executor | None,
    further: Sequence[Path] = (),
) -> tuple[list[tuple[dict[str, Any], pd.DataFrame]], list[dict[str, str]]]:
    """What is said of each image and its table, in the order of the files, and what failed with its reason.

    Images that were measured before, with the same settings, are not measured again.

    Args:
        work: what is done with each.
        files: the images.
        settings: that decide the tables.
        executor: where they are measured; None is one after the other in this process.
        further: files that each of them needs.

    Raises:
        UserError: every image failed: the first one's own message.
    """
    work.folder.mkdir(parents=True, exist_ok=True)
    own, parts = fingerprint(settings), []
    for path in files:
        part = Part(str(path), None, (path, *further))
        parts.append(replace(part, item=ImageToMeasure(path, mark_of(part, own))))
    results = do_parts(work, parts, work.folder, settings=settings, executor=executor or Serial(), what="measuring")
    assert results is not None  # there are no shares
    forget_other_parts(work.folder, {part.item.mark for part in parts})
    lost = [(part, result) for part, result in zip(parts, results, strict=True) if isinstance(result, Exception)]
    if lost and len(lost) == len(parts):
        error = lost[0][1]
        fix = "check the files, or raise executor.limits"
        raise error if isinstance(error, UserError) else UserError("an image that can be read", in_short(error), fix)
    done = [(part, result) for part, result in zip(parts, results, strict=True) if isinstance(result, dict)]
    tables = [(result, pd.read_parquet(table_of(work.folder, part.item.mark))) for part, result in done]
    failed = [{"source": part.name, "reason": in_short(error)} for part, error in lost]
    return tables, failed


def write_report(path: Path, report: dict[str, Any]) -> None:
    """``report.json``."""
    from astrid_ml.files import write_json

    write_json(path, report)
