"""Pixels at the level where a detector, or a file's integers, end."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from astrid_ml.types import Array, Mask


def integer_ceiling(header: fits.Header) -> float | None:
    """The largest value that an 8- or 16-bit integer image can hold; None for others.

    Where pixels stand at it and the header names no saturation, they are saturated.
    """
    bits, scale, zero = header.get("BITPIX"), header.get("BSCALE", 1), header.get("BZERO", 0)
    if bits not in (8, 16):
        return None
    return float((255 if bits == 8 else 32767) * scale + zero)


def saturated_pixels(data: Array, level: float | None, ceiling: float | None) -> Mask:
    """Pixels at the stated level; where none is stated, near the largest integer that the file can hold."""
    level = level or (0.98 * ceiling if ceiling and np.nanmax(data) >= ceiling else None)
    found: Mask = np.nan_to_num(data) >= level if level else np.zeros(data.shape, bool)
    return found
