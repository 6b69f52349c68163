"""Known positions in which nothing was found: what was measured there, and how bright a source there is at most."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.differencing.detect.errors import upper_limit
from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult

UNDETECTED = ("object_id", "x", "y", "flux", "flux_err", "snr", "flux_upper", "mag_upper", "masked")


def undetected(truth: pd.DataFrame, found: pd.Series, result: SubtractionResult, science: Image) -> pd.DataFrame:
    """Forced fluxes and upper limits of 95 % at known positions without a candidate.

    Args:
        truth: x, y (px of the science image), and object_id where known; else the row's number is its name.
        found: names of those with a candidate (``match_id``).
        result: the subtraction.
        science: gives shape and zero point.

    Returns:
        ``UNDETECTED``: flux, its error and the limit in science units, ``mag_upper`` AB (NaN without a zero point);
        where ``masked``, nothing was measured and all of them are NaN. Positions beyond the border are left out.
    """
    named = "object_id" in truth
    names = truth["object_id"].astype(str).to_numpy() if named else np.arange(len(truth)).astype(str)
    x, y = (truth[c].to_numpy(dtype=float) for c in ("x", "y"))
    h, w = science.shape
    inside = (x > -0.5) & (y > -0.5) & (x < w - 0.5) & (y < h - 0.5)
    kept = inside & ~np.isin(names, found.dropna().astype(str).to_numpy())
    x, y, names = x[kept], y[kept], names[kept]
    flux, error, snr = (t.double().numpy() for t in forced(result, torch.from_numpy(x), torch.from_numpy(y)))
    masked = result.mask.numpy()[np.rint(y).astype(int), np.rint(x).astype(int)] | ~np.isfinite(flux) | ~(error > 0)
    flux, error, snr = (np.where(masked, np.nan, a) for a in (flux, error, snr))
    top = upper_limit(flux, error)
    point = np.nan if science.zero_point is None else science.zero_point
    columns = (names, x, y, flux, error, snr, top, point - 2.5 * np.log10(top), masked)
    return pd.DataFrame(dict(zip(UNDETECTED, columns, strict=True)))
