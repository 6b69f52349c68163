"""Columns of tables as numbers, and magnitudes as fluxes of zero point 27.5."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.printable import printable
from astrid_ml.types import Floats

DETECTED = 4096
# An upper limit of S/N 5 is flux 0 with an error of a fifth of it.
LIMIT_SIGMA = 5.0
BRIGHTEST, FAINTEST = -5.0, 50.0  # magnitudes beyond stand for none


def numbers_of(rows: pd.DataFrame, *names: str) -> pd.Series:
    """A column of numbers, by the first of its names that is there.

    Args:
        rows: of a table.
        names: that it may have.

    Raises:
        UserError: it is not there, or a value is no number; says in which row of the file.
    """
    name = next((name for name in names if name in rows), None)
    if name is None:
        raise UserError(f"the column {' or '.join(names)}", "a table without it", "add it")
    values = pd.to_numeric(rows[name], errors="coerce")
    wrong = (values.isna() & rows[name].notna()).to_numpy()
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        got = f"{printable(str(rows[name].iloc[place]))[:40]} in row {rows.index[place] + 1}"
        raise UserError(f"numbers in the column {name}", got, "mend that row, or take it out")
    return values


def fluxes_of_magnitudes(magnitude: Floats, error: Floats) -> tuple[Floats, Floats]:
    """FLUXCAL (zero point 27.5) and its error from AB magnitudes and theirs, to first order.

    NaN for magnitudes of 0, -9, 99, -999 and their like, which stand for none.
    """
    usable = (magnitude > BRIGHTEST) & (magnitude < FAINTEST) & (magnitude != 0)
    flux: Floats = 10 ** (-0.4 * (np.where(usable, magnitude, np.nan) - 27.5))
    return flux, flux * error * np.log(10) / 2.5
