"""Values of a column as numbers or words, where people write nothing in many ways."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.types import Floats

EMPTY = ("", "null", "None", "none", "nan", "NaN", "NA", "N/A", "--", "-", "<NA>", "masked")


def words_of(values: pd.Series) -> pd.Series:
    """Values as texts in small letters without blanks around them; missing ones stay missing."""
    return values.astype("string").str.strip().str.lower()


def plain_numbers(values: pd.Series) -> Floats:
    """Values as numbers, (n,); NaN for what is none."""
    return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def without_empty(values: pd.Series) -> pd.Series:
    """Texts in which those that stand for nothing are missing."""
    return values.mask(values.astype("string").str.strip().isin(EMPTY))
