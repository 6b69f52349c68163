"""Right ascensions and declinations of a table in degrees: numbers of several units, and sexagesimal texts."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.readers.values.plain import plain_numbers, without_empty
from astrid_ml.sky import degrees_in
from astrid_ml.types import Floats

_HOURS = ("h", "hr", "hrs", "hour", "hours", "hourangle", "h:m:s", "hms")
_RADIANS = ("rad", "radian", "radians")
_AT_THE_END = re.compile(r"(hourangle|hours?|hrs?|radians?|rad|deg)[^a-z]*$")


def degrees_of(values: pd.Series, name: str, unit: str, axis: str) -> tuple[Floats, int]:
    """Angles in degrees, (n,), NaN where there is none; and how many texts were no angles.

    Texts with colons, blanks or letters are sexagesimal. Of right ascensions they are in hours, unless their letters or
    the column's unit say degrees.

    Args:
        values: of the column.
        name: of the column, whose end may say the unit.
        unit: that the file or brackets in the name say; empty where they say none.
        axis: ``ra`` or ``dec``.

    Example:
        >>> degrees_of(pd.Series([10.0, 12.0]), "ra (hours)", "hours", "ra")
        (array([150., 180.]), 0)
        >>> degrees_of(pd.Series(["10:00:00", "150.5", "?"]), "ra", "", "ra")
        (array([150. , 150.5,   nan]), 1)
    """
    said = unit.strip().lower()
    if not said and (found := _AT_THE_END.search(name.lower())):
        said = found[1]
    factor = 15.0 if axis == "ra" and said in _HOURS else 180 / np.pi if said in _RADIANS else 1.0
    if pd.api.types.is_numeric_dtype(values):
        return plain_numbers(values) * factor, 0
    known = without_empty(values)
    out = plain_numbers(known) * factor
    left = np.isnan(out) & known.notna().to_numpy()
    if not left.any():
        return out, 0
    codes, each = pd.factorize(known[left].astype("string"))
    out[left] = degrees_in(each.tolist(), axis == "ra" and not said.startswith("d"))[codes]
    return out, int(np.isnan(out[left]).sum())
