"""Static columns of an object, and the numbers that surveys write where they know nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.types import Floats

SENTINELS = (-9.0, -99.0, -999.0, -9999.0, 999.0)
_BANDS = "ugrizY"
# The 37 static features of an LSST source (RA and Dec first).
OTHER_FEATURES = (
    "RA", "DEC", "MWEBV", "MWEBV_ERR", "REDSHIFT_HELIO", "REDSHIFT_HELIO_ERR", "VPEC", "VPEC_ERR",
    "HOSTGAL_PHOTOZ", "HOSTGAL_PHOTOZ_ERR", "HOSTGAL_SPECZ", "HOSTGAL_SPECZ_ERR", "HOSTGAL_RA", "HOSTGAL_DEC",
    "HOSTGAL_SNSEP", "HOSTGAL_DDLR", "HOSTGAL_LOGMASS", "HOSTGAL_LOGMASS_ERR", "HOSTGAL_LOGSFR", "HOSTGAL_LOGSFR_ERR",
    "HOSTGAL_LOGsSFR", "HOSTGAL_LOGsSFR_ERR", "HOSTGAL_COLOR", "HOSTGAL_COLOR_ERR", "HOSTGAL_ELLIPTICITY",
    *(f"HOSTGAL_MAG_{band}" for band in _BANDS), *(f"HOSTGAL_MAGERR_{band}" for band in _BANDS),
)  # fmt: skip
TIME_SERIES_FEATURES = ("MJD", "BAND", "PHOTFLAG", "FLUXCAL", "FLUXCALERR")

LARGEST = 9999.0  # no static column reaches it
# What can be measured, by the beginning or the end of the name; the first that fits counts.
_ERRORS = ("_ERR", *(f"_MAGERR_{band}" for band in _BANDS))
_LIMITS = {
    "HOSTGAL_MAG_": (-5.0, 50.0), "REDSHIFT_": (0.0, np.inf), "HOSTGAL_PHOTOZ": (0.0, np.inf),
    "HOSTGAL_SPECZ": (0.0, np.inf), "HOSTGAL_SNSEP": (0.0, np.inf), "HOSTGAL_DDLR": (0.0, np.inf),
    "HOSTGAL_ELLIPTICITY": (0.0, 1.0), "MWEBV": (0.0, np.inf),
}  # fmt: skip


def limits_of(name: str) -> tuple[float, float]:
    """The least and the largest value that a static column can measure.

    >>> limits_of("HOSTGAL_MAG_g"), limits_of("HOSTGAL_MAGERR_g"), limits_of("VPEC")
    ((-5.0, 50.0), (0.0, inf), (-inf, inf))
    """
    if name.endswith(_ERRORS):
        return 0.0, np.inf
    return next((ends for start, ends in _LIMITS.items() if name.startswith(start)), (-np.inf, np.inf))


def masked(values: npt.NDArray[np.generic], name: str) -> Floats:
    """Values with sentinels as NaN, and what nobody can measure: a magnitude of 99, a negative redshift or error.

    For sky positions only what is no position is missing: -9 deg is a declination.
    """
    out = values.astype(np.float64)
    if name in ("RA", "DEC", "HOSTGAL_RA", "HOSTGAL_DEC"):
        low, high = (-90.0, 90.0) if name.endswith("DEC") else (-180.0, 360.0)
        return np.where((out < low) | (out > high), np.nan, out)
    # SNANA stores float32: -9999 survives exactly, so does -9.
    low, high = limits_of(name)
    return np.where(np.isin(out, SENTINELS) | (np.abs(out) >= LARGEST) | (out < low) | (out > high), np.nan, out)


def static_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Static columns of a table with sentinels as NaN; ``DECL`` becomes ``DEC``."""
    names = {"DECL": "DEC"} if "DEC" not in table else {}
    table = table.rename(columns=names)
    return pd.DataFrame({name: masked(table[name].to_numpy(), name) for name in table if name in OTHER_FEATURES})
