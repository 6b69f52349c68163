"""Marks beside a measurement: that it is a limit, that a difference is negative."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.readers.values.plain import words_of
from astrid_ml.types import Floats, Mask

# Words without blanks and hyphens, in small letters.
_LIMITS = frozenset((">", "<", "upperlimit", "upperlim", "upper", "ul", "limit", "lim", "nondetection", "notdetected"))
_MEASURED = frozenset(("detection", "detected", "det", "measurement", "measured"))
_YES = frozenset(("true", "t", "1", "1.0", "yes", "y"))
_POSITIVE = ("t", "1", "1.0", "true", "+", "+1", "positive", "pos")
_NEGATIVE = ("f", "0", "0.0", "-1", "-1.0", "false", "-", "\u2212", "negative", "neg")


def are_marks(values: pd.Series) -> bool:
    """Whether a column has marks of limits alone, as VizieR's ``l_mag`` does: ``>``, ``upper limit``, or nothing.

    Args:
        values: of the column.

    Example:
        >>> are_marks(pd.Series(["", ">"])), are_marks(pd.Series(["det", "upper limit"])), are_marks(pd.Series(["Ia"]))
        (True, True, False)
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    said = set(_joined(values).dropna().unique()) - {""}
    return bool(said) and said <= _LIMITS | _MEASURED


def limits_in(values: pd.Series) -> Mask:
    """Which rows a column calls limits, (n,): by a mark, a word, or a yes."""
    return _joined(values).isin(_LIMITS | _YES).to_numpy(dtype=bool, na_value=False)


def yes_in(values: pd.Series) -> Mask:
    """Which rows a column of yes and no says yes to, (n,)."""
    return words_of(values).isin(_YES).to_numpy(dtype=bool, na_value=False)


def signs_in(values: pd.Series) -> Floats:
    """1 or -1 of differences, (n,); NaN where a column tells nothing.

    Example:
        >>> signs_in(pd.Series(["t", "-", "f", "+", "?"])).tolist()
        [1.0, -1.0, -1.0, 1.0, nan]
    """
    words = words_of(values)
    return np.select([words.isin(_POSITIVE), words.isin(_NEGATIVE)], [1.0, -1.0], np.nan).astype(np.float64)


def _joined(values: pd.Series) -> pd.Series:
    return words_of(values).str.replace(r"[\s_-]+", "", regex=True)
