"""Level and white noise of a frame as it is read; of a large one, told by bands of rows spread over it."""

from __future__ import annotations

import numpy as np

from astrid_ml.stats import clipped_std
from astrid_ml.types import Array, Mask

_MOST = 1 << 20  # pixels; a sigma of so many is known to 0.1 %
_BAND = 32  # rows


def _bands(shape: tuple[int, ...]) -> list[slice]:
    """Rows that are looked at: all of a frame of at most a million pixels, else bands of 32 evenly over it."""
    rows, columns = shape[0], shape[1]
    number = max(1, _MOST // (_BAND * columns))
    if rows * columns <= _MOST or rows <= number * _BAND:
        return [slice(0, rows)]
    return [slice(start, start + _BAND) for start in np.linspace(0, rows - _BAND, number).astype(int).tolist()]


def level_of(data: Array, mask: Array) -> float:
    """Median of the pixels that are not masked; 0 where there are none."""
    bands = _bands(data.shape)
    good = np.concatenate([data[band][~mask[band]] for band in bands])
    if not good.size and len(bands) > 1:
        good = data[~mask]
    return float(np.median(good)) if good.size else 0.0


def white_sigma(data: Array, mask: Mask) -> float:
    """Standard deviation of white noise, insensitive to structure smoother than a pixel (Immerkaer 1996, CVIU 64, 300).

    Sources fainter than the noise widen the histogram of the pixels, but hardly that of their second differences.

    Args:
        data: (H, W).
        mask: (H, W), True where a pixel does not count.
    """
    bands = _bands(data.shape)
    found = np.concatenate([_second_differences(data[band], mask[band]) for band in bands])
    if not found.size and len(bands) > 1:
        found = _second_differences(data, mask)
    return clipped_std(found) / 6 if found.size else 0.0


def _second_differences(data: Array, mask: Mask) -> Array:
    """Those along both axes that hold no masked pixel, flat."""
    d = np.where(mask, np.nan, data).astype(np.float64)
    rows = d[:-2] - 2 * d[1:-1] + d[2:]
    second = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return second[np.isfinite(second)]
