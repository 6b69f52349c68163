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
# Of an object, in the files of several years; the first that holds a number counts.
REDSHIFTS = ("REDSHIFT_HELIO", "REDSHIFT_HELIO_FINAL", "REDSHIFT_SPEC", "REDSHIFT_FINAL", "REDSHIFT_CMB")
TIME_SERIES_FEATURES = ("MJD", "BAND", "PHOTFLAG", "FLUXCAL", "FLUXCALERR")

LARGEST = 9999.0  # no static column reaches it
# What can be measured, by the beginning or the end of the name; the first that fits counts. The nearest galaxies come
# nearer.
_ERRORS = ("_ERR", *(f"_MAGERR_{band}" for band in _BANDS))
_LIMITS = {
    "HOSTGAL_MAG_": (-5.0, 50.0), "REDSHIFT_": (-0.01, np.inf), "HOSTGAL_PHOTOZ": (-0.01, np.inf),
    "HOSTGAL_SPECZ": (-0.01, np.inf), "HOSTGAL_SNSEP": (0.0, np.inf), "HOSTGAL_DDLR": (0.0, np.inf),
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


def with_redshift(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose ``REDSHIFT_HELIO`` is filled from the names that other files have for it, the best first.

    Redshifts in the frame of the cosmic microwave background are brought to the Sun's where the position is known.

    Args:
        table: with the files' own names and sentinels.
    """
    found = {name: masked(table[name].to_numpy(), "REDSHIFT_HELIO") for name in REDSHIFTS if name in table}
    if not found.keys() - {"REDSHIFT_HELIO"}:
        return table
    out = np.full(len(table), np.nan)
    for name, values in found.items():
        if name in ("REDSHIFT_FINAL", "REDSHIFT_CMB"):
            values = heliocentric(values, table)
        out = np.where(np.isnan(out), values, out)
    errors = table[[f"{name}_ERR" for name in found if f"{name}_ERR" in table]]
    if len(errors.columns):
        known = [masked(errors[name].to_numpy(), str(name)) for name in errors]
        table = table.assign(REDSHIFT_HELIO_ERR=pd.DataFrame(dict(enumerate(known))).bfill(axis=1)[0].to_numpy())
    return table.assign(REDSHIFT_HELIO=out)


def heliocentric(redshift: Floats, table: pd.DataFrame) -> Floats:
    """Redshifts in the frame of the cosmic microwave background as the Sun sees them (Planck 2018, 369.82 km/s).

    Args:
        redshift: in that frame.
        table: with ``RA`` and ``DEC`` (or ``DECL``), degrees; without them nothing is changed.
    """
    dec = next((name for name in ("DEC", "DECL") if name in table), None)
    if "RA" not in table or dec is None:
        return redshift
    ra, dec_of = (np.radians(masked(table[name].to_numpy(), "DEC" if name == dec else name)) for name in ("RA", dec))
    apex_ra, apex_dec = np.radians(167.942), np.radians(-6.944)
    towards = np.sin(dec_of) * np.sin(apex_dec) + np.cos(dec_of) * np.cos(apex_dec) * np.cos(ra - apex_ra)
    out: Floats = (1 + redshift) / (1 + np.nan_to_num(towards) * 369.82 / 299792.458) - 1
    return out


def static_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Static columns of a table with sentinels as NaN; ``DECL`` becomes ``DEC``."""
    names = {"DECL": "DEC"} if "DEC" not in table else {}
    table = with_redshift(table).rename(columns=names)
    return pd.DataFrame({name: masked(table[name].to_numpy(), name) for name in table if name in OTHER_FEATURES})
