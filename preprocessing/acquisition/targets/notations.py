"""Coordinates in every notation that catalogues of transients use, row by row, each that is none with its reason."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.angles import SEXAGESIMAL, SkyTable, degrees_of
from astrid_ml.types import Floats, Mask

LIMITS = {"ra": 360.0, "dec": 90.0}
NAMES = {"ra": "right ascension", "dec": "declination"}
NOTHING = ("", "nan", "none", "null", "--", "n/a")


def coordinates_of(where: SkyTable, values: pd.Series[Any], unit: str, axis: str) -> tuple[Floats, list[str]]:
    """One coordinate of all rows in degrees, and why a row has none.

    A row that holds several values, as the Open Supernova Catalog writes them, has the first.
    Sexagesimal right ascensions are hours unless they are written with ``d`` or a unit says degrees; numbers are
    degrees unless the unit says hours.

    Args:
        where: the table, for messages.
        values: ``09 55 42.15``, ``09:55:42.15``, ``9h55m42.15s``, ``+69 40 25.9``, ``- 8 49 37.0`` (a blank after the
            sign), ``148.92563``.
        unit: what the table says of numbers, or nothing.
        axis: ra or dec.

    Returns:
        (n,) degrees, NaN where there is none; for each row a reason, empty where there is a coordinate.

    Raises:
        UserError: a unit that is no angle.

    Example:
        >>> place = SkyTable("a.csv", "a")
        >>> degrees, why = coordinates_of(place, pd.Series(["- 8 49 37.0", "+69:40:25.9", "-0 30 00", "x"]), "", "dec")
        >>> degrees.round(5).tolist(), why[3]
        ([-8.82694, 69.67386, -0.5, nan], "the declination cannot be read: 'x'")
    """
    said = values.astype("string").fillna("").tolist()
    texts = pd.Series([_plain(value) for value in said], dtype="string")
    name, size = NAMES[axis], len(texts)
    out = np.full(size, np.nan)
    empty = texts.str.casefold().isin(NOTHING).to_numpy(dtype=bool)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    plain: Mask = np.isfinite(numbers) & ~empty
    parts = texts.str.extract(SEXAGESIMAL)
    minutes = [pd.to_numeric(parts[column], errors="coerce") for column in (2, 3)]
    small = ~(minutes[0].ge(60) | minutes[1].ge(60)).fillna(False).to_numpy(dtype=bool)
    sexagesimal: Mask = parts[1].notna().to_numpy(dtype=bool) & ~plain & ~empty & small
    lettered = texts.str.contains("[dD°]", na=False).to_numpy(dtype=bool)
    said_degrees = unit.casefold() in ("deg", "degree", "degrees", "d:m:s", "dms")
    turned = sexagesimal & (lettered | said_degrees | (axis == "dec"))
    for rows, given in ((plain, unit or "deg"), (sexagesimal & ~turned, "hourangle"), (turned, "deg")):
        if rows.any():
            some = pd.Series(numbers[rows]) if rows is plain else texts[rows]
            out[rows] = degrees_of(where, some.rename(name), given, None, axis)[0]
    outside = np.isfinite(out) & ((np.abs(out) > LIMITS[axis]) | ((axis == "ra") & (out < 0)))
    reasons = []
    for row in range(size):
        shown = repr(said[row].strip()[:40])
        if empty[row]:
            reasons.append(f"no {name}")
        elif outside[row]:
            reasons.append(f"the {name} lies outside the sphere: {shown}")
        else:
            reasons.append("" if np.isfinite(out[row]) else f"the {name} cannot be read: {shown}")
    return np.where(outside, np.nan, out % 360 if axis == "ra" else out), reasons


def _plain(text: str) -> str:
    """The first of several values, a decimal comma as a point; ``148,92,5`` is neither, and stays as it is."""
    parts = text.split(",")
    if len(parts) == 2 and not re.search("[:.]", text):
        first = text.replace(",", ".")
    else:
        first = text if len(parts) > 2 and all(part.strip("+- ").isdigit() for part in parts) else parts[0]
    first = first.strip().replace("−", "-").replace("–", "-")
    return re.sub(r"^([+-])\s+", r"\1", first)
