"""Galactic extinction from E(B-V)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.types import Floats, Floats32, InUnits, NonNegative

# A / E(B-V) for R_V = 3.1 in LSST ugrizy (Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6).
_MICROMETRES = np.array([0.3671, 0.4827, 0.6223, 0.7546, 0.8691, 0.9712])
_COEFFICIENTS = np.array([4.145, 3.237, 2.273, 1.684, 1.323, 1.088])


def coefficient(wavelength: Floats32) -> Floats:
    """A / E(B-V) in magnitudes at a wavelength (micrometres), by a power law between LSST's bands and beyond them."""
    x, y = np.log(_MICROMETRES), np.log(_COEFFICIENTS)
    at = np.log(np.asarray(wavelength, dtype=np.float64))
    inside = np.interp(at, x, y)
    left = y[0] + (at - x[0]) * (y[1] - y[0]) / (x[1] - x[0])
    right = y[-1] + (at - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
    out: Floats = np.exp(np.where(at < x[0], left, np.where(at > x[-1], right, inside)))
    return out


@dataclass(frozen=True)
class ExtinctionCorrection:
    """Fluxes and errors as they would be without the Galaxy's dust; objects without ``MWEBV`` stay as they are.

    Args:
        limit: E(B-V) beyond which the correction would be a guess and is cut.
    """

    limit: Annotated[NonNegative, InUnits("mag")] = 2.0

    def apply(self, table: CurveTable) -> CurveTable:
        """Multiply flux and error by 10^(0.4 A)."""
        if "MWEBV" not in table.objects:
            return table
        reddening = np.clip(table.objects["MWEBV"].to_numpy(dtype=np.float64, na_value=0.0), 0, self.limit)
        dust = np.nan_to_num(reddening)[table.owner]
        # Without dust nothing changes, also in a band of unknown wavelength.
        factor = 10 ** (0.4 * np.where(dust > 0, dust * coefficient(table.wavelengths)[table.band], 0.0))
        flux, error = (table.flux * factor).astype(np.float32), (table.flux_err * factor).astype(np.float32)
        return replace(table, flux=flux, flux_err=error)
