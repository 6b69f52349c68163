"""Numbers that catalogues write where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.types import Mask

# -999 and its like: Pan-STARRS, SDSS, ZTF; -0.9999995e9 and -99999999: WFCAM and VISTA archives.
BELOW = (-99.0, -999.0, -9999.0, -99999.0, -999999.0, -99999999.0)
ABOVE = (99.0, 999.0, 9999.0, 99999.0, 999999.0)
WFCAM = -0.9999995e9
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
