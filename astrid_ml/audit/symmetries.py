"""How two stamps with the same pixels lie to each other, where one of the symmetries of the square says it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from astrid_ml.types import Array

EQUAL = 0.9999  # correlation of pixels from which they are the same ones
SAME, RESCALED, MIRRORED = "the same pixels", "the same pixels, rescaled", "mirrored"
OTHERWISE = "turned by another angle, shifted, zoomed, cropped or smoothed"


def lie(first: Array, second: Array, channels: Sequence[int]) -> str:
    """In words, how ``second`` lies to ``first``.

    Args:
        first, second: (C, h, w).
        channels: that are alike.

    Example:
        >>> stamp = np.random.default_rng(1).normal(size=(1, 9, 9))
        >>> lie(stamp, stamp, [0]), lie(stamp, 2 * stamp, [0]), lie(stamp, stamp[:, ::-1], [0])
        ('the same pixels', 'the same pixels, rescaled', 'mirrored')
        >>> lie(stamp, np.rot90(stamp, 3, (1, 2)), [0]), lie(stamp, np.roll(stamp, 2, 2), [0])
        ('turned by 90 degrees', 'turned by another angle, shifted, zoomed, cropped or smoothed')
    """
    one, two = first[list(channels)], second[list(channels)]
    for turn in range(4):
        turned = np.rot90(two, turn, axes=(1, 2))
        if _alike(one, turned):
            same = np.allclose(one, turned, rtol=1e-4, atol=0, equal_nan=True)
            return f"turned by {90 * turn} degrees" if turn else SAME if same else RESCALED
        if _alike(one, turned[..., ::-1]):
            return f"mirrored and turned by {90 * turn} degrees" if turn % 2 else MIRRORED
    return OTHERWISE


def _alike(one: Array, two: Array) -> bool:
    if one.shape != two.shape:
        return False
    for a, b in zip(one.astype(np.float64), two.astype(np.float64), strict=True):
        known = np.isfinite(a) & np.isfinite(b)
        x, y = a[known], b[known]
        if known.sum() < 2 or x.std() == 0 or y.std() == 0 or np.corrcoef(x, y)[0, 1] < EQUAL:
            return False
    return True
