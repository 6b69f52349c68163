"""Pairs of FITS files: from a table, a folder that holds one, or two files that are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.executors.within import within_memory
from astrid_ml.found import none_in
from astrid_ml.preprocessing.differencing.frame.apart import one_image
from astrid_ml.preprocessing.differencing.frame.chips import by_chip
from astrid_ml.preprocessing.differencing.frame.hdus import split_name
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.pair import Pair
from astrid_ml.tables import read_table
from astrid_ml.values import fields_of, fits, words_of
from astrid_ml.walk import walk

FILES = ("path", "psf", "noise", "variance", "mask")  # of a frame
NAMES = ("manifest.csv", "manifest.parquet")
_FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".fit.gz", ".fts.gz", ".img", ".img.gz")
_HINTS = fields_of(Frame)
_NUMBERS = tuple(name for name, hint in _HINTS.items() if fits(1.0, hint, None))
_EITHER = tuple(f.name for f in fields(Frame) if f.name not in ("path", "filter", "mission"))


def is_fits(path: Path) -> bool:
    """Whether a file's name is one of a FITS file."""
    return path.name.lower().endswith(_FITS)


@within_memory("a manifest")
def find_pairs(raw: Sequence[Path]) -> list[Pair]:
    """Pairs in files and folders, names unique, in the order of the tables.

    Raises:
        UserError: neither a manifest nor two FITS files, a table without the two columns, one image as both.
    """
    files = [path for path in raw if path.is_file()]
    if len(files) == 2 and len(raw) == 2 and all(is_fits(path) for path in files):
        sides: list[dict[str, Any]] = [{"path": str(path)} for path in files]
        if one_image(*sides):
            got = f"one file twice: {files[0]} and {files[1]}"
            raise UserError("two FITS files, science and reference", got, "give two files")
        return by_chip([Pair(files[0].name.split(".")[0], sides[0], sides[1])])
    tables = [path for path in files if path.suffix in (".csv", ".parquet")]
    for folder in (path for path in raw if path.is_dir()):
        tables += _once(walk(folder, lambda path: path.name in NAMES))
    if not tables:
        fix = "give a CSV or parquet table with the columns science, reference and optionally truth, mission, filter"
        if any(is_fits(path) for path in files):
            fix = "give both images of a pair: astrid difference science=FILE reference=FILE"
        raise UserError("a manifest of FITS pairs, or two FITS files", none_in(raw), fix)
    return _unique(by_chip([pair for table in tables for pair in read_manifest(table)]))


def _once(tables: Sequence[Path]) -> list[Path]:
    """Tables of a folder; one that lies there as CSV and as parquet is read once.

    Raises:
        UserError: the two do not say the same.
    """
    twins = {table for table in tables if table.suffix == ".parquet" and table.with_suffix(".csv") in tables}
    for table in sorted(twins):
        if read_manifest(table) != read_manifest(table.with_suffix(".csv")):
            got = f"{table} with other pairs than {table.with_suffix('.csv').name}"
            raise UserError("one manifest, as CSV, as parquet or alike as both", got, "remove the one that is old")
    return [table for table in tables if table not in twins]


def read_manifest(path: Path) -> list[Pair]:
    """Pairs of a table. Paths are relative to it; ``science_gain``, ``reference_psf`` and the like set a frame's value.

    Raises:
        UserError: an unreadable table, one without science and reference, or a row with one image as both.
    """
    try:
        numbers = {f"{side}_{name}": "number" for side in ("science", "reference") for name in _NUMBERS}
        read = read_table(path, {"science": "text", "reference": "text"}, numbers)
    except UserError as error:
        raise UserError("a manifest with the columns science and reference", error.got, error.fix) from error
    if read.rows.empty and not read.dropped:
        raise UserError("a manifest with a row for each pair", f"{path} without a row", "add them")
    table = read.rows.astype({"science": object, "reference": object})
    lines = table.to_dict("records")
    gone = {row for row, _ in read.dropped}
    rows = [row for row in range(1, len(lines) + len(gone) + 1) if row not in gone]
    pairs, wrong = [], [*read.dropped]
    for row, line in zip(rows, lines, strict=True):
        if any("\0" in value for value in line.values() if isinstance(value, str)):
            wrong.append((row, "a name with a null character"))
            continue
        pairs.append(pair := pair_of(line, path.parent))
        wrong += [(row, reason) for reason in _no_numbers(pair)]
        if one_image(pair.science, pair.reference):
            wrong.append((row, f"{pair.science['path']} as both"))
    wrong.sort()
    if wrong:
        listed = "; ".join(f"row {row}: {reason}" for row, reason in wrong[:5])
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        need = "a manifest with two images, science and reference, in every row"
        raise UserError(need, f"{path}, {listed}{more}", "correct these rows, or take them out")
    return pairs


def _no_numbers(pair: Pair) -> Iterator[str]:
    """What a line gives as a gain, a date or another number of a frame, and is none that it can be."""
    for side, given in (("science", pair.science), ("reference", pair.reference)):
        for name in (name for name in _NUMBERS if name in given):
            if not fits(given[name], _HINTS[name], None):
                words = words_of(_HINTS[name]).removesuffix(" or null")
                yield f"{side}_{name} is {str(given[name])[:40]}, not {words}"


def pair_of(row: Mapping[Any, Any], folder: Path) -> Pair:
    """The pair that a line of a manifest names.

    Args:
        row: column -> value; empty ones count as absent.
        folder: of the manifest, below which its files are.
    """
    row = {str(k): v for k, v in row.items() if not (isinstance(v, float) and pd.isna(v)) and v is not None}
    sides = {}
    for side in ("science", "reference"):
        values: dict[str, Any] = {"path": _resolved(folder, str(row[side]))}
        values |= {name: row[name] for name in ("mission", "filter") if name in row}
        values |= {name: row[f"{side}_{name}"] for name in (*_EITHER, "mission", "filter") if f"{side}_{name}" in row}
        for name in ("psf", "noise", "variance", "mask"):
            if name in values:
                values[name] = _resolved(folder, str(values[name]))
        sides[side] = values
    tables = [_resolved(folder, str(row[kind])) if kind in row else None for kind in ("truth", "artefacts")]
    name = Path(split_name(str(row["science"]), None)[0]).name
    for suffix in sorted(_FITS, key=len, reverse=True):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return Pair(str(row.get("name", name)), sides["science"], sides["reference"], *tables)


def _resolved(folder: Path, name: str) -> str:
    return name if Path(name).is_absolute() else str(folder / name)


def _unique(pairs: list[Pair]) -> list[Pair]:
    """Names made unique by a number: one science frame may stand against several references."""
    seen: dict[str, int] = {}
    out = []
    for pair in pairs:
        seen[pair.name] = seen.get(pair.name, 0) + 1
        out.append(pair if seen[pair.name] == 1 else replace(pair, name=f"{pair.name}#{seen[pair.name]}"))
    return out


def said_of_frames(pair: Pair) -> list[dict[str, Any]]:
    """What a line says of both frames, files by their names: wherever they lie, it says the same."""
    sides = (pair.science, pair.reference)
    return [{key: Path(str(v)).name if key in FILES else v for key, v in side.items()} for side in sides]


def frame_files(frame: dict[str, Any]) -> list[Path]:
    """The files that a frame reads."""
    names = [frame[name] for name in ("path", "psf", "noise", "variance", "mask") if frame.get(name)]
    return [Path(split_name(str(name), None)[0]) for name in names]
