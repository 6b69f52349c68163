"""Numbers that catalogues write where nothing is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.types import Mask

# -999 and its like: Pan-STARRS, SDSS, ZTF; -0.9999995e9 and -99999999: WFCAM and VISTA archives.
BELOW = (-99.0, -999.0, -9999.0, -99999.0, -999999.0, -99999999.0)
ABOVE = (99.0, 999.0, 9999.0, 99999.0, 999999.0)
WFCAM = -0.9999995e9
FAINTEST = 90.0  # and more, of either sign: no magnitude, nor the error of one; catalogues write 99, 99.999, -99.9
MAGNITUDE = re.compile(r"mag(?:nitude)?s?(?:_?err(?:or)?)?(?=_|\d|$)", re.IGNORECASE)
ENDLESS = 1e20  # and more, of either sign: no angle, error, motion or magnitude


def is_mark(values: Any) -> Mask:
    """Where numbers are exactly what catalogues write for nothing; whether they are it there, their column must say.

    Example:
        >>> is_mark([-999.0, 12.5, 1e30, float("nan")]).tolist()
        [True, False, True, False]
    """
    plain = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isin(plain, (*BELOW, *ABOVE)) | (np.abs(plain) >= ENDLESS) | (np.abs(plain - WFCAM) < 100))


def without_marks(table: pd.DataFrame, meanings: Mapping[str, ColumnMeaning]) -> tuple[pd.DataFrame, dict[str, int]]:
    """A table in which marks of nothing are null, and how many became so, by column.

    Numbers of ``BELOW`` under -100 are marks in a column whose other values all lie far above them; in a column of
    magnitudes also what no magnitude can be.

    Args:
        table: columns of a catalogue.
        meanings: what it says of them.

    Example:
        >>> table, count = without_marks(pd.DataFrame({"gmag": [-999.0, 17.5, 99.99], "v": [-999, -998, 5]}), {})
        >>> table["gmag"].tolist(), table["v"].tolist(), count
        ([nan, 17.5, nan], [-999, -998, 5], {'gmag': 2})
    """
    found: dict[str, int] = {}
    for name in map(str, table.columns):
        values = table[name]
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            continue
        plain = values.to_numpy(dtype=np.float64, na_value=np.nan)
        marked = _marked_below(plain)
        if _is_magnitude(name, meanings.get(name, ColumnMeaning())):
            marked |= np.abs(plain) >= FAINTEST
        if marked.any():
            whole = pd.api.types.is_integer_dtype(values)  # ids do not become floats
            table = table.assign(**{name: (values.convert_dtypes() if whole else values).mask(marked)})
            found[name] = int(marked.sum())
    return table, found


def _marked_below(plain: Any) -> Mask:
    marked: Mask = is_mark(plain) & (plain < -100) & (plain > -ENDLESS)
    if marked.any():
        others = plain[~marked & np.isfinite(plain)]
        if len(others) and others.min() <= plain[marked].max() / 2:  # a column that holds such numbers
            return np.zeros(len(plain), dtype=bool)
    return marked


def _is_magnitude(name: str, meaning: ColumnMeaning) -> bool:
    if meaning.unit or meaning.ucd:
        return meaning.unit == "mag" or meaning.ucd.startswith("phot.mag")
    return MAGNITUDE.search(name) is not None
