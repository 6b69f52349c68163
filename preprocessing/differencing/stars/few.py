"""The stars where there are hardly any: what is sharpest in both images at once."""

from __future__ import annotations

import numpy as np

from astrid_ml.preprocessing.differencing.stars.widths import FLOOR, stands_out
from astrid_ml.types import Floats, Mask

_WITHIN = 2.0  # errors; a source that is off the sharpest ones by more is wider than they
_APART = 0.4  # of both squared widths; sources with a new one in them reach 0.15, cosmic rays 0.9
_CROWD = 3  # stars that can be a crowd of their own
_ROUNDS = 5


def sharpest_of_both(widths: Floats, errors: Floats) -> tuple[Mask, bool]:
    """Sources that are as sharp as the sharpest is in both images, and whether they are a crowd of their own.

    Nothing real is sharper than a star, in any image. A galaxy that is as compact as a star in one may pass for it;
    galaxies of one width in one image are of several in the other. The sharpest is told by the upper ends of the
    widths' errors, for of many faint sources one is measured too small.

    Args:
        widths: (n, 2) px, of sources that both images hold.
        errors: (n, 2) relative.
    """
    logs, sigma = np.log(widths), np.hypot(errors, FLOOR)
    sound = _of_one_sky(widths)
    if not sound.any():
        return sound, False
    first = np.argmin(np.where(sound, logs.sum(1) + np.hypot(sigma[:, 0], sigma[:, 1]), np.inf))
    centre, error = logs[first], sigma[first]
    near = np.zeros(len(logs), dtype=bool)
    for _ in range(_ROUNDS):
        close = sound & np.all(np.abs(logs - centre) < _WITHIN * np.hypot(sigma, error), axis=1)
        if not close.any() or np.array_equal(close, near):
            break
        near = close
        error = np.sum((sigma**-2)[near], axis=0) ** -0.5
        centre = np.sum((logs / sigma**2)[near], axis=0) * error**2
    crowd = int(near.sum()) >= _CROWD and all(
        stands_out(np.sort(side), float(middle)) for side, middle in zip(logs[sound].T, centre, strict=True)
    )
    return near, crowd


def _of_one_sky(widths: Floats) -> Mask:
    """Sources that both images widen as they do most: a cosmic ray on a galaxy is sharp in one image alone.

    The widths of what does not change differ by the two PSFs alone, in quadrature, however wide it is.
    """
    square = widths**2
    apart = square[:, 0] - square[:, 1]
    return np.asarray(np.abs(apart - np.median(apart)) < _APART * square.sum(1)) if len(widths) else np.zeros(0, bool)
