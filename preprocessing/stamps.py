"""What can be measured on any difference stamp, whoever cut it."""

from __future__ import annotations

import numpy as np

from astrid_ml.stats import MAD_TO_SIGMA, row_medians
from astrid_ml.types import Array, Floats, Floats32

NO_DATA = 1e37  # absolute values from here on mark missing pixels


def peak_snr(difference: Array, half: int = 4) -> Floats32:
    """Peak of the central box over the stamp's robust noise: the trivial score that a classifier must beat.

    Args:
        difference: (n, h, w); NaN where there are no data.
        half: half-width of the central box, pixels.

    Returns:
        (n,) float32; NaN where the stamp has no noise to measure or no data in the box.
    """
    x = np.where(np.abs(difference) < NO_DATA, difference, np.nan).astype(np.float64)
    flat = x.reshape(len(x), -1)
    row, column = x.shape[1] // 2, x.shape[2] // 2
    box = x[:, max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1].reshape(len(x), -1)
    out = np.full(len(x), np.nan)
    usable = np.isfinite(flat).any(axis=1) & np.isfinite(box).any(axis=1)
    if usable.any():
        median, sigma = middle_and_noise(flat[usable])
        peak = np.nanmax(box[usable], axis=1) - median
        out[usable] = np.divide(peak, sigma, out=np.full_like(peak, np.nan), where=sigma > 0)
    return out.astype(np.float32)


def sky_level(stamps: Array, most: float = NO_DATA) -> Floats32:
    """Median of each stamp in units of its own robust noise: about 0 without the sky, many where the sky is in it.

    Args:
        stamps: (n, h, w); NaN where there are no data.
        most: absolute values from here on mark missing pixels, as NaN does.

    Returns:
        (n,) float32; NaN where a stamp has no noise to measure.
    """
    flat = np.where(np.abs(stamps) < most, stamps, np.nan).astype(np.float64).reshape(len(stamps), -1)
    out = np.full(len(flat), np.nan)
    usable = np.isfinite(flat).any(axis=1)
    if usable.any():
        median, sigma = middle_and_noise(flat[usable])
        out[usable] = np.divide(median, sigma, out=np.full_like(median, np.nan), where=sigma > 0)
    return out.astype(np.float32)


def middle_and_noise(flat: Floats) -> tuple[Floats, Floats]:
    """Median and robust standard deviation of each row, without its NaN."""
    median = row_medians(flat)
    return median, MAD_TO_SIGMA * row_medians(np.abs(flat - median[:, None]))
