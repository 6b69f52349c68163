"""Epochs as tables write them become Julian years: numbers, ``J2016.0``, ``B1950``, dates, MJD, JD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.marks import is_mark
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.errors import UserError
from astrid_ml.types import Floats

# One number is a year, an MJD (1872 to 2160) or a JD: their ranges lie far apart.
YEARS, MJDS, JDS = (1800.0, 2200.0), (5_000.0, 110_000.0), (2_405_000.0, 2_510_000.0)
JD_ZERO = 2_400_000.5  # of MJD
BESSELIAN = (2_415_020.31352, 365.242198781)  # JD of B1900.0, days of a tropical year: Lieske 1979, A&A 73, 282
MJD_ZERO = pd.Timestamp("1858-11-17", tz="UTC")

# Names of the time of a row, compared in small letters; the first that holds one counts. Those of the second line may
# be something else: what holds no time there is passed over.
TIMES = ("mjd", "jd", "obsmjd", "mjd_obs", "mjdobs", "mjd-obs", "obsjd", "midpointmjdtai", "hjd", "bjd")
PERHAPS = ("ref_epoch", "epoch", "date_obs", "date-obs", "dateobs", "obsdate", "obs_date", "date")
OF_TIME = "time.epoch"  # the UCD


def julian_years(mjd: Any) -> Floats:
    """Modified Julian dates as Julian years: 51544.5 is 2000.0."""
    return 2000.0 + (np.asarray(mjd, dtype=float) - 51544.5) / 365.25


def epochs_of(path: str, name: str, values: pd.Series[Any]) -> Floats:
    """Epochs in Julian years, NaN where none is known.

    Args:
        path: of the table.
        name: of the catalogue, as keys call it.
        values: of the column.

    Raises:
        UserError: there are values, and none is an epoch.

    Example:
        >>> epochs_of("c.csv", "c", pd.Series(["J2016.0", "57388.5", "2016-01-01T12:00:00", ""])).round(6).tolist()
        [2016.0, 2016.0, 2016.0, nan]
    """
    dated = pd.api.types.is_datetime64_any_dtype(values)
    numbers = np.full(len(values), np.nan) if dated else _numbers(values)
    out = _within(julian_years(_mjd(values))) if dated else _years(numbers)
    empty = pd.isna(values).to_numpy(dtype=bool) | is_mark(numbers)
    if not dated and not pd.api.types.is_numeric_dtype(values):
        texts = values.astype("string").fillna("").str.strip()
        empty |= (texts == "").to_numpy(dtype=bool)
        out = np.where(np.isfinite(out), out, _years_of_texts(texts))
    if not np.isfinite(out).any() and not empty.all():
        row = int(np.flatnonzero(~empty)[0])
        raise UserError(
            f"{values.name} of {path} as a Julian year (2016.0), J2016.0, a date, an MJD or a JD",
            f"{str(values.iloc[row])[:40]!r} in row {row + 1}",
            f"correct the table, or give one epoch for all rows: epoch.{name}=2016.0",
        )
    return out


def times_of(
    path: str, name: str, rows: pd.DataFrame, meanings: Mapping[str, ColumnMeaning]
) -> tuple[str | None, Floats | None]:
    """The column that says when each row was observed, and its epochs in Julian years; neither where none does.

    Args:
        path: of the table.
        name: of it, as keys call it.
        rows: of the table.
        meanings: what it says of its columns.

    Raises:
        UserError: a column that is called as a time holds none.

    Example:
        >>> table = pd.DataFrame({"id": ["a"], "jd": [2457389.0]})
        >>> column, years = times_of("mine.csv", "input", table, {})
        >>> column, years.round(6).tolist()
        ('jd', [2016.0])
    """
    folded = {str(column).lower(): str(column) for column in reversed(rows.columns)}
    said = [column for column in map(str, rows.columns) if meanings.get(column, ColumnMeaning()).ucd == OF_TIME]
    sure = [folded[word] for word in TIMES if word in folded] + (said if len(said) == 1 else [])
    for column in dict.fromkeys([*sure, *(folded[word] for word in PERHAPS if word in folded)]):
        try:
            years = epochs_of(path, name, rows[column])
        except UserError:
            if column in sure:
                raise
            continue
        if np.isfinite(years).any():
            return column, years
    return None, None


def _numbers(values: pd.Series[Any]) -> Floats:
    """What is a number, NaN else; a whole number of hundreds of digits is none."""
    try:
        return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    except OverflowError:
        return pd.to_numeric(values.astype(str), errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _within(years: Floats) -> Floats:
    """Years of which a catalogue can be, NaN else."""
    return np.where((years >= YEARS[0]) & (years <= YEARS[1]), years, np.nan)


def _years(numbers: Floats) -> Floats:
    out = np.full(numbers.shape, np.nan)
    for (low, high), years in (
        (YEARS, numbers), (MJDS, julian_years(numbers)), (JDS, julian_years(numbers - JD_ZERO)),
    ):  # fmt: skip
        out = np.where((numbers >= low) & (numbers <= high), years, out)
    return out


def _years_of_texts(texts: pd.Series[Any]) -> Floats:
    lettered = texts.str.extract(r"^([JjBb])\s*(\d{4}(?:\.\d*)?)$")
    years = pd.to_numeric(lettered[1], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    start, length = BESSELIAN
    besselian = julian_years(start + (years - 1900.0) * length - JD_ZERO)
    years = np.where(lettered[0].str.upper().eq("B").fillna(False).to_numpy(dtype=bool), besselian, years)
    dated = texts.where(texts.str.match(r"^\d{4}-\d\d-\d\d"))
    return np.where(np.isfinite(_within(years)), years, _within(julian_years(_mjd(dated))))


def _mjd(values: pd.Series[Any]) -> Floats:
    given = values if pd.api.types.is_datetime64_any_dtype(values) else values.astype("object")
    dates = pd.to_datetime(given, errors="coerce", utc=True, format="ISO8601")
    return np.asarray(((dates - MJD_ZERO) / pd.Timedelta(days=1)).to_numpy(dtype=float, na_value=np.nan))
