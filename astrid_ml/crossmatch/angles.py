"""Angles of a table in degrees: by their unit, sexagesimal, in hours; what nobody can tell is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.marks import is_mark
from astrid_ml.errors import UserError
from astrid_ml.types import Floats, Mask

HOURS = ("hourangle", "h:m:s", "hms", "hour angle")
TIMES = ("h", "hr", "hour", "hours")  # of right ascensions: CDS writes h
DEGREES = ("deg", "d:m:s", "dms", "degree", "degrees", "")
# Minutes have decimals where no seconds follow; seconds stand apart from minutes: 09 55.7 is no 9 5 5.7.
SEXAGESIMAL = (
    r"^\s*([+-]?)(\d{1,3})(?:\s*[:hHd°]\s*|\s+)(\d{1,2}(?:\.\d*(?=\s*[mM']?\s*$))?)"
    r"(?:(?:\s*[:mM']\s*|\s+)(?:(\d{1,2}(?:\.\d*)?)\s*[sS\"]?)?)?\s*$"
)
FEW = 3  # rows: of fewer one cannot say that they lie all over the sky
RADIANS_OR_DEGREES = ("coord_ra",)  # the same name in both: Rubin's tables of objects, and its catalogues of sources


@dataclass(frozen=True)
class SkyTable:
    """A table of places, for messages.

    Args:
        path: where it lies.
        name: as keys call it.
        key: of the unit of its positions; by default that of the catalogue ``name``.
    """

    path: str
    name: str
    key: str = ""

    @property
    def unit_key(self) -> str:
        """The key that says the unit of its positions."""
        return self.key or f"position_unit.{self.name}"


def degrees_of(where: SkyTable, values: pd.Series[Any], unit: str, given: str | None, axis: str) -> tuple[Floats, bool]:
    """Angles in degrees, NaN where there is none; and whether the table or the user said their unit.

    Args:
        where: the table.
        values: of a column.
        unit: that the table says, or nothing.
        given: unit that the user says: of right ascensions it goes first.
        axis: ra or dec.

    Raises:
        UserError: a unit that is no angle, texts that are none, or ones that may be hours or degrees.
    """
    said = ((given if axis == "ra" else None) or unit or (given or "")).strip().strip('"').strip()
    if axis == "dec" and said == given and said.casefold() in (*HOURS, *TIMES):
        said = ""  # position_unit.NAME=hourangle is that of right ascensions
    if not pd.api.types.is_numeric_dtype(values):
        numbers = pd.to_numeric(values, errors="coerce")
        if (numbers.isna() & values.notna() & (values.astype("string").str.strip() != "")).any():
            return _sexagesimal(where, values.astype("string"), said, axis), True
        values = numbers
    plain = values.to_numpy(dtype=float, na_value=np.nan)
    if not said:
        return np.where(is_mark(plain) & _outside(plain, axis), np.nan, plain), False
    if said.casefold() in HOURS or (axis == "ra" and said.casefold() in TIMES):
        factor = 15.0
    elif said.casefold() in ("d:m:s", "dms"):
        factor = 1.0
    else:
        factor = _factor(where, str(values.name), said)
    degrees = plain * factor
    return np.where(is_mark(plain) & _outside(degrees, axis), np.nan, degrees), True


def _factor(where: SkyTable, column: str, unit: str) -> float:
    from astropy import units

    try:
        return float(units.Unit(unit).to(units.deg))
    except (units.UnitConversionError, ValueError, TypeError) as error:
        fix = f"say what it is: {where.unit_key}=deg, hourangle or rad"
        raise UserError(f"{column} of {where.path} in a unit of angles", f"the unit {unit[:40]}", fix) from error


def _sexagesimal(where: SkyTable, values: pd.Series[Any], unit: str, axis: str) -> Floats:
    """``12:34:56.7``, ``12h34m56.7s``, ``-05 30 00``; declinations are in degrees, right ascensions must say it."""
    filled = values.fillna("").str.strip()
    parts = filled.str.extract(SEXAGESIMAL)
    empty = (filled == "") | filled.str.casefold().isin(["nan", "--", "null", "none"])
    empty |= pd.Series(is_mark(pd.to_numeric(filled, errors="coerce")), index=filled.index)
    wrong = np.flatnonzero((parts[1].isna() & ~empty).to_numpy())
    if len(wrong):
        got = f"{where.path}, row {int(wrong[0]) + 1}: {values.name} is {filled.iloc[int(wrong[0])][:40]!r}"
        raise UserError("positions as numbers, or as 12:34:56.7 or 12h34m56.7s", got, "correct the table")
    numbers = [pd.to_numeric(parts[column], errors="coerce") for column in (1, 2, 3)]
    over = np.flatnonzero((numbers[1].ge(60) | numbers[2].ge(60)).fillna(False).to_numpy(dtype=bool))
    if len(over):
        got = f"{where.path}, row {int(over[0]) + 1}: {values.name} is {filled.iloc[int(over[0])][:40]!r}"
        raise UserError("minutes and seconds below 60", got, "correct the table")
    size = numbers[0] + numbers[1] / 60 + numbers[2].fillna(0) / 3600
    degrees = np.where((parts[0] == "-").fillna(False).to_numpy(dtype=bool), -1.0, 1.0) * size.where(~empty).to_numpy(
        dtype=float, na_value=np.nan
    )
    if axis == "dec":
        return np.asarray(degrees)
    lettered: Mask = filled[~empty].str.contains("[hH]").to_numpy(dtype=bool)
    degreed: Mask = filled[~empty].str.contains("[dD°]").to_numpy(dtype=bool)
    if unit.casefold() in (*HOURS, *TIMES) or (len(lettered) and lettered.all()):
        return np.asarray(15.0 * degrees)
    if (unit and unit.casefold() in DEGREES) or (len(degreed) and degreed.all()):
        return np.asarray(degrees)
    raise UserError(
        f"right ascensions of which one can tell whether they are hours or degrees in {where.path}",
        f"{values.name} as {next((text for text in filled if text), '')!r}, without a unit",
        f"say it: {where.unit_key}=hourangle (or deg)",
    )


def refuse_other_units(where: SkyTable, sky: Floats, column: str) -> None:
    """Refuse positions without a unit that may be hours or radians.

    Numbers up to 24 (or 2 pi) that lie over more than half of that range, with declinations all over the sky, are
    hours (radians) as likely as not: as degrees they would be a strip of the sky.

    Args:
        where: the table.
        sky: (n, 2) as if in degrees.
        column: of the right ascensions.

    Raises:
        UserError: nobody can tell the unit.
    """
    known = sky[np.isfinite(sky).all(axis=1)]
    if not len(known):
        return
    (low, high), (south, north) = ((float(axis.min()), float(axis.max())) for axis in known.T)
    wide = len(known) >= FEW
    got = f"{where.path}: all right ascensions from {low:.3g} to {high:.3g}, without a unit"
    if -np.pi <= low and high <= 2 * np.pi and -np.pi / 2 <= south and north <= np.pi / 2:
        if column in RADIANS_OR_DEGREES or (wide and high - low > np.pi and north - south > 1.0):
            fix = f"say it: {where.unit_key}=rad (or deg)"
            raise UserError("positions of which one can tell whether they are radians or degrees", got, fix)
    elif wide and low >= 0 and high <= 24 and high - low > 12 and north - south > 60:
        fix = f"say it: {where.unit_key}=hourangle (or deg)"
        raise UserError("right ascensions of which one can tell whether they are hours or degrees", got, fix)


def on_the_sphere(where: SkyTable, sky: Floats, columns: tuple[str, str]) -> Floats:
    """Places on the sphere; NaN in both where one is not known.

    Args:
        where: the table.
        sky: (n, 2) degrees.
        columns: of ra and dec.

    Raises:
        UserError: a place that is none.
    """
    known: Mask = np.asarray(np.isfinite(sky).all(axis=1))
    for axis, name in ((1, "dec"), (0, "ra")):
        wrong = np.flatnonzero(known & _outside(sky[:, axis], name))
        if len(wrong):
            got = f"{where.path}, row {int(wrong[0]) + 1}: {columns[axis]} is {sky[wrong[0], axis]:.6g} degrees"
            fix = (
                f"name the right columns: ra.{where.name}=COLUMN dec.{where.name}=COLUMN, "
                f"or their unit: {where.unit_key}=deg"
            )
            raise UserError(f"{'declinations' if axis else 'right ascensions'} on the sphere", got, fix)
    out = np.where(known[:, None], sky, np.nan)
    out[:, 0] %= 360
    return out


def _outside(degrees: Floats, axis: str) -> Mask:
    low, high = (-360.0, 720.0) if axis == "ra" else (-90.0, 90.0)
    return (degrees < low) | (degrees > high)
