"""Which columns of an index a baseline may use, and the best single one of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.metrics.binary import average_precision
from astrid_ml.types import Floats, Mask

# What nobody knows of a new sample, or what tells where it comes from and not what it looks like. Whole words of a
# name that `_` divides; the first group is of names as they are.
NAMES = (
    *("x", "y", "ra", "dec", "id", "candid", "row", "array", "image", "index_row", "kind", "artefact", "field"),
    *("set", "fold", "round", "source", "mission", "survey", "detector", "filter", "band", "programid"),
    *(
        "stamp_h",
        "stamp_w",
        "stamp_outside",
        "truth",
        "label",
        "injected",
        "decision",
        "in_domain",
        "tile",
        "ambiguous",
        "pixel_scale",
        "peak_sent",  # peak_snr again, but for the sign that a survey sends
    ),
)
WORDS = (
    *("label", "labels", "class", "classes", "classification", "target", "truth", "true", "is", "real", "bogus"),
    *("inj", "injected", "injection", "sim", "simulated", "match", "matched", "id", "ids", "objectid", "candid"),
    *("ra", "dec", "raerr", "ra1", "dec1", "lon", "lat", "glon", "glat", "xpos", "ypos", "ccd", "rcid", "quadrant"),
    *(
        "mjd",
        "jd",
        "time",
        "date",
        "epoch",
        "night",
        "days",
        "prob",
        "probability",
        "p",
        "score",
        "pred",
        "prediction",
        "logit",
        "baseline",
    ),
    *("rb", "drb", "reliability", "braai", "acai", "threshold", "seed", "fold", "split"),
)
MOST_MISSING = 0.5  # share of a column


@dataclass(frozen=True)
class BestColumn:
    """A column that alone ranks better than any other.

    Args:
        name: of the column.
        sign: 1 where high values are real, -1 where low ones are.
        floor: stands for a missing value: nothing known, so ranked last; with the sign applied.
        aucpr: on what it was chosen by.
    """

    name: str
    sign: int
    floor: float
    aucpr: float

    @property
    def words(self) -> str:
        """For a reader.

        Example:
            >>> BestColumn("fwhm", -1, -9.0, 0.8).words
            'fwhm, low is real'
        """
        return f"{self.name}, {'high' if self.sign > 0 else 'low'} is real"

    def scores(self, table: pd.DataFrame) -> Floats:
        """(n,) of a table that has the column; the higher, the rather real."""
        values = self.sign * numbers(table, self.name)
        known = np.isfinite(values)
        floor = min(self.floor, float(values[known].min()) - 1.0) if known.any() else self.floor
        out: Floats = np.where(known, values, floor)
        return out


def allowed(table: pd.DataFrame, without: Collection[str] = ()) -> list[str]:
    """Numeric columns that say what a sample looks like.

    Labels and truth, names, places and times, and answers of other classifiers are no measurements of it.

    Args:
        table: of an index.
        without: further columns that are none.

    Example:
        >>> allowed(pd.DataFrame({"snr": [1.0, 2.0], "label": [0, 1], "ra": [1.0, 2.0], "truth_mag": [1.0, 2.0]}))
        ['snr']
    """
    banned = {*NAMES, *without}
    return [
        str(name)
        for name in table.columns
        if str(name).lower() not in banned
        and str(name) not in banned
        and not _telling(str(name))
        and _usable(table[name])
    ]


def _telling(name: str) -> bool:
    """Whether a word of the name says that a column is no measurement."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", apart) if word]
    return any(word in WORDS for word in words)


def _usable(column: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)
    return bool(numeric and column.isna().mean() <= MOST_MISSING and column.nunique() > 1)


def numbers(table: pd.DataFrame, name: str) -> Floats:
    """A column as float64, NaN where nothing is known or no finite number stands."""
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    out: Floats = np.where(np.isfinite(values), values, np.nan)
    return out


def best_column(table: pd.DataFrame, names: Collection[str], positive: Mask) -> BestColumn | None:
    """The column, in the direction, with the largest average precision of the positive class.

    Args:
        table: samples that it is chosen by.
        names: of the columns.
        positive: (n,); the class whose ranking counts.

    Returns:
        None where there is no column; a sign of 1 says that high values are of the positive class.
    """
    best: BestColumn | None = None
    for name in names:
        values = numbers(table, name)
        known = np.isfinite(values)
        if not known.any():
            continue
        for sign in (1, -1):
            floor = float((sign * values[known]).min()) - 1.0
            ap = average_precision(np.where(known, sign * values, floor), positive)
            if best is None or ap > best.aucpr:
                best = BestColumn(str(name), sign, floor, ap)
    return best


def column_from_plain(content: Mapping[str, Any]) -> BestColumn:
    """The inverse of ``dataclasses.asdict``."""
    return BestColumn(str(content["name"]), int(content["sign"]), float(content["floor"]), float(content["aucpr"]))
