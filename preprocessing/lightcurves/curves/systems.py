"""Systems of magnitudes: what is added to one to be AB."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.bands import offset_of
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.types import Floats

UNTOLD = "rows_of_untold_magnitude_system_taken_as_AB"
_VEGA = re.compile("vega|bessell|landolt")
_ST = re.compile(r"\bst[\s_-]?mag|\bst\b|\bstmag")


def system_in(words: str) -> str | None:
    """The system that a unit, or a text in a column, says: AB, Vega or ST; None where it says none of them.

    Example:
        >>> system_in("VEGAMAG"), system_in("mag(AB)"), system_in("STmag"), system_in("mag")
        ('Vega', 'AB', 'ST', None)
    """
    low = words.lower()
    if _VEGA.search(low):
        return "Vega"
    if _ST.search(low):
        return "ST"
    return "AB" if re.search(r"\bab", low) else None


def offsets_to_ab(
    said: pd.Series | None,
    usual: str | None,
    bands: npt.NDArray[np.object_],
    vega_to_ab: Mapping[str, float],
    account: Account,
    counted: bool,
) -> Floats:
    """What is added to magnitudes to be AB, (n,); NaN where it is not known: of ST, and of Vega in other filters.

    Args:
        said: the system of each row; None where no column says it.
        usual: that of all rows then; None where nobody says: they are taken as AB.
        bands: filters of the rows.
        vega_to_ab: filter -> what is added to a magnitude of Vega's system, of those that differ from ours.
        account: counts rows by what was done to them.
        counted: whether rows of an untold system are.
    """
    if said is None:
        systems = np.full(len(bands), usual, dtype=object)
        untold = usual is None
        account.counts[UNTOLD] += len(bands) if counted and untold else 0
    else:
        codes, each = pd.factorize(said)
        systems = np.array([*(system_in(str(value)) for value in each), None], dtype=object)[codes]
        account.counts[UNTOLD] += int(said.isna().sum()) if counted else 0
    vega, other = systems == "Vega", systems == "ST"
    place, names = pd.factorize(bands)
    known = [vega_to_ab.get(name, offset_of(str(name))) if vega.any() else np.nan for name in names]
    of_vega = np.array([*known, np.nan], dtype=np.float64)[place]
    out: Floats = np.where(other, np.nan, np.where(vega, of_vega, 0.0))
    account.counts["rows_of_Vega_made_AB"] += int((vega & np.isfinite(out)).sum())
    account.counts["rows_of_Vega_without_a_known_offset"] += int((vega & np.isnan(out)).sum())
    account.counts["rows_of_ST_magnitudes_left_out"] += int(other.sum())
    return out
