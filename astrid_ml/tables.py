"""Every table that a user gives is read here: CSV with any delimiter, ECSV, VOTable, FITS tables, parquet."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from astrid_ml.csv_text import TEXT, read_csv_text
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.described.parquet import meanings_in
from astrid_ml.errors import UserError
from astrid_ml.fits_headers import refuse_impossible
from astrid_ml.found import found
from astrid_ml.inflating import read_inflated, refuse_swollen_gzip, refuse_swollen_parquet
from astrid_ml.readable import in_words, of_fits
from astrid_ml.reasons import shortened
from astrid_ml.sky import degrees_in

if TYPE_CHECKING:
    from astropy.table import Table

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".ecsv", ".vot", ".votable", ".xml", ".fits", ".fit", ".parquet", ".pq")
KINDS = "CSV, ECSV, VOTable, FITS or parquet"
NUMBER, DEGREES = "number", "deg"
HOURS = ("h", "hr", "hour", "hours", "hourangle", "h:m:s")
LIMITS = {"ra": (-360.0, 720.0), "dec": (-90.0, 90.0)}  # of places on the sky, deg; right ascensions go round


@dataclass(frozen=True)
class UserTable:
    """What was read of a user's table.

    Args:
        rows: those that can be used, from 0; the named columns have the type and unit that was asked for.
        dropped: (row of the file's data, from 1; reason) of those that cannot.
        meanings: what the file says of its columns, by name; of a column that was asked for in a unit, that unit.
    """

    rows: pd.DataFrame
    dropped: tuple[tuple[int, str], ...] = field(default=())
    meanings: Mapping[str, ColumnMeaning] = field(default_factory=dict)

    def account(self) -> dict[str, Any]:
        """Counts for a report: rows read and dropped, with the reasons."""
        reasons = Counter(reason for _, reason in self.dropped)
        return {
            "rows": len(self.rows),
            "rows_dropped": len(self.dropped),
            "rows_dropped_by_reason": dict(sorted(reasons.items())),
            "rows_dropped_examples": [f"row {row}: {reason}" for row, reason in self.dropped[:10]],
        }


def read_table(
    path: Path | str,
    columns: Mapping[str, str],
    optional: Mapping[str, str] | None = None,
) -> UserTable:
    """Read a table of any kind that people use; nothing is guessed from the ending, nothing is dropped unseen.

    Args:
        path: the file. Its kind is told by its content; ``.gz`` is read as it is.
        columns: those that must be there, name -> what it must hold: ``text``, ``number``, or a unit (``deg``): a
            number that is converted where the table says another unit; ``ra`` and ``dec`` may be sexagesimal. A row
            without one of them, or whose value is no number, is dropped with the reason. Names are matched exactly,
            else without regard to case.
        optional: the same for columns that may be absent or empty; a value that is no number drops the row.

    Returns:
        the rows, with all other columns as they come, and what was dropped.

    Raises:
        UserError: no such file, not a table, columns missing, a unit that cannot be converted.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "positions.csv"
        >>> _ = path.write_text("name;ra;dec\\nSN#1;10.5;-3\\nSN#2;?;4\\n")
        >>> read = read_table(path, {"name": "text", "ra": "deg", "dec": "deg"})
        >>> read.rows["name"].tolist(), read.dropped
        (['SN#1'], ((2, "ra is no number: '?'"),))
    """
    path = Path(path)
    if not path.is_file():
        what = f"a table with {', '.join(columns)}" if columns else "a table"
        raise UserError(what, found(path), "check the path")
    asked = {**columns, **(optional or {})}
    table, meanings, bad = _read(path, asked, columns)
    table, names = _rename(path, table, asked)
    meanings = {names.get(name, name): meaning for name, meaning in meanings.items()}
    absent = [name for name in columns if name not in table]
    if absent:
        shown = ", ".join(map(str, table.columns[:12])) or "no column"
        raise UserError(
            f"a table with the columns {', '.join(columns)}",
            f"{path} without {', '.join(absent)} (it has {shown})",
            "add them, or rename yours",
        )
    return _checked(path, table, asked, columns, meanings, bad)


def _checked(
    path: Path,
    table: pd.DataFrame,
    asked: Mapping[str, str],
    required: Collection[str],
    meanings: Mapping[str, ColumnMeaning],
    bad: list[tuple[int, str]],
) -> UserTable:
    table, said = table.copy(), dict(meanings)
    if "_row" not in table:
        table["_row"] = np.arange(1, len(table) + 1)
    reasons = pd.Series(pd.NA, index=table.index, dtype="string")
    for name, kind in asked.items():
        if name not in table:
            continue
        if kind == TEXT:
            values = _as_text(table[name])
            wrong = values.isna() if name in required else pd.Series(False, index=table.index)
            message = pd.Series(f"{name} is empty", index=table.index, dtype="string")
        else:
            unit = said[name].unit if name in said else None
            factor = 15.0 if name == "ra" and unit in HOURS else _factor(path, name, unit, kind)
            if name in said and kind != NUMBER:
                said[name] = replace(said[name], unit=kind)
            raw = table[name]
            values = pd.to_numeric(raw, errors="coerce").astype("float64") * factor
            if kind == DEGREES and name in LIMITS:
                values = values.fillna(_sexagesimal(raw, name))
            values = values.where(np.isfinite(values.to_numpy(dtype=float, na_value=np.nan)))
            empty = raw.isna() | (raw.astype("string").str.strip() == "")
            wrong = values.isna() & (~empty if name not in required else True)
            message = (f"{name} is no number: '" + raw.astype("string").str.slice(0, 40) + "'").astype("string")
            message = message.mask(empty, f"{name} is empty")
            if kind == DEGREES and name in LIMITS:
                low, high = LIMITS[name]
                outside = (values < low) | (values > high)
                wrong |= outside
                words = f"{name} lies outside {low:g} to {high:g} deg: '" + raw.astype("string").str.slice(0, 40) + "'"
                message = message.mask(outside, words.astype("string"))
        table[name] = values
        reasons = reasons.mask(reasons.isna() & wrong.astype(bool), message)
    lost = [(int(row), str(reason)) for row, reason in zip(table["_row"], reasons, strict=True) if reason is not pd.NA]
    kept = table[reasons.isna()].drop(columns="_row").reset_index(drop=True)
    return UserTable(kept, tuple(sorted([*bad, *lost])), said)


def _sexagesimal(values: pd.Series, axis: str) -> pd.Series:
    """Texts as 12:34:56.7 in degrees, right ascensions from hours; NaN for all others."""
    if pd.api.types.is_numeric_dtype(values):
        return pd.Series(np.nan, index=values.index)
    return pd.Series(degrees_in(values.astype("string").fillna(""), axis == "ra"), index=values.index)


def _as_text(values: pd.Series) -> pd.Series:
    """Ids as text: ``7`` stays ``7`` where a missing value made the column one of floats, which have 53 bits."""
    if pd.api.types.is_float_dtype(values):
        known = values.dropna()
        if len(known) and (known == known.round()).all() and (known.abs() < 2**53).all():
            values = values.astype("Int64")
    text = values.astype("string").str.strip()
    return cast("pd.Series", text.mask(text == ""))


def _factor(path: Path, name: str, given: str | None, wanted: str) -> float:
    """What the values must be multiplied with to have the wanted unit."""
    from astropy import units

    if wanted == NUMBER or not given:
        return 1.0
    try:
        return float(units.Unit(given).to(units.Unit(wanted)))
    except (units.UnitConversionError, ValueError) as error:
        raise UserError(
            f"the column {name} in {wanted}", f"{path} has it in {given}", f"convert it to {wanted}"
        ) from error


def _rename(path: Path, table: pd.DataFrame, asked: Collection[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns that differ from what is asked by case only get the asked name; also which those are."""
    names = {}
    for name in asked:
        if name in table:
            continue
        same = [column for column in table.columns if str(column).strip().lower() == name.lower()]
        if len(same) > 1:
            raise UserError(f"one column {name}", f"{path} with {', '.join(map(str, same))}", "rename the others")
        if same:
            names[same[0]] = name
    return table.rename(columns=names), names


def _read(
    path: Path, asked: Mapping[str, str], required: Collection[str]
) -> tuple[pd.DataFrame, dict[str, ColumnMeaning], list[tuple[int, str]]]:
    """The table, what it says of its columns, and rows that could not even be split."""
    head = b""
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
        zipped = head[:2] == b"\x1f\x8b"
        if zipped:
            with gzip.open(path) as stream:
                head = stream.read(4096)
        if head[:4] == b"PAR1":
            refuse_swollen_parquet(path, None)
            return _with_index(pd.read_parquet(path)), meanings_in(path), []
        if head[:6] == b"SIMPLE":
            refuse_impossible(path)
            return *_astropy(path, "fits"), []
        refuse_swollen_gzip(path)
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start[:5] == b"<?xml" or start[:8].upper() == b"<VOTABLE":
            return *_astropy(path, "votable"), []
        if start[:1] in (b"{", b"["):
            raise UserError(f"a table in {KINDS}", f"{path}, a JSON text", "give the table that lies beside it")
        if start.startswith(b"# %ECSV"):
            return *_astropy(path, "ascii.ecsv"), []
        return read_csv_text(read_inflated(path).decode("utf-8-sig"), asked, required)
    except UserError:
        raise
    except pd.errors.EmptyDataError as error:
        raise UserError(f"a table in {KINDS}", f"{path}, which is empty", "write it again") from error
    except Exception as error:  # a dozen libraries, each with errors of its own; the reason is passed on
        said = of_fits(error) if head[:6] == b"SIMPLE" else in_words(error)
        raise UserError(f"a table in {KINDS}", f"{path}: {shortened(said, 160)}", "check it") from error


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose index is a column too, where it is more than the number of the row: ids, or the rows' old order."""
    index = table.index
    plain = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
    if plain or any(name in table for name in [*index.names, "index", "level_0"]):
        return table
    return table.reset_index()


def _plain(table: Any) -> Any:
    """Places on the sky as columns of degrees (ICRS), times as MJD (UTC): the other columns are left as they are."""
    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from astropy.units import deg

    for name in table.colnames:
        column = table[name]
        if isinstance(column, SkyCoord):
            at, place = table.colnames.index(name), column.icrs
            ours = ("ra", "dec") if not {"ra", "dec"} & set(table.colnames) else (f"{name}.ra", f"{name}.dec")
            table.remove_column(name)
            table.add_columns([place.ra.deg * deg, place.dec.deg * deg], [at, at], list(ours))
        elif isinstance(column, Time):
            table[name] = column.utc.mjd
            table[name].description = "MJD, UTC"
    return table


def _astropy(path: Path, form: str) -> tuple[pd.DataFrame, dict[str, ColumnMeaning]]:
    from astropy.table import Table

    table: Table = _plain(Table.read(path, format=form))
    flat = [name for name in table.colnames if table[name].ndim == 1]  # a data frame has no columns of arrays
    for name in flat:
        if table[name].dtype.kind == "S":
            table[name] = np.char.decode(np.asarray(table[name]), "utf-8")
    meanings = {}
    for name in flat:
        column = table[name]
        unit = "" if column.unit is None else column.unit.to_string()
        meanings[name] = ColumnMeaning(unit, str(column.description or ""), str(column.meta.get("ucd") or ""))
    return table[flat].to_pandas(), meanings
