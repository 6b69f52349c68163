"""Diffraction spikes: their angles, common to all stars of a frame, and how far each reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from astrid_ml.stats import robust_sigma
from astrid_ml.types import Floats, Mask

_STEP = 1.0  # degrees between the directions that are tried
_APART = 8  # steps between two spikes at least
_CORE = 12  # px; nearer to the star its own gradient hides a spike


def polar(image: Floats, x: float, y: float, radii: Floats, angles: Floats) -> Floats:
    """(angles, radii) values of (H, W) around a position by linear interpolation; NaN beyond the frame.

    Args:
        image: (H, W).
        x, y: the position, px.
        radii: (r,) px.
        angles: (a,) degrees from +x towards +y.
    """
    from scipy import ndimage

    theta = np.radians(angles)
    rows, columns = y + radii * np.sin(theta)[:, None], x + radii * np.cos(theta)[:, None]
    return np.asarray(ndimage.map_coordinates(image, [rows, columns], order=1, cval=np.nan))


def _excess(data: Floats, x: float, y: float, radii: Floats) -> Floats:
    """(180, radii) mean of both directions of each angle over the median of all angles at that radius."""
    around = polar(data, x, y, radii, np.arange(0, 360, _STEP))
    known = np.isfinite(around).any(0)
    middle = np.full(len(radii), np.nan)
    middle[known] = np.nanmedian(around[:, known], axis=0)
    half = len(around) // 2
    return np.asarray((around[:half] + around[half:]) / 2 - middle)


def find_angles(
    data: Floats,
    mask: Mask,
    sigma: float,
    x: Floats,
    y: Floats,
    reach: tuple[int, int] = (_CORE, 40),
    threshold: float = 6.0,
    brightest: int = 10,
) -> tuple[float, ...]:
    """Directions (degrees, 0 to 180, from +x towards +y) that stand out around the brightest stars together.

    Args:
        data: (H, W) background-free.
        mask: (H, W) bool, True where no pixel counts.
        sigma: noise of a pixel, in the units of ``data``.
        x, y: (n,) px, stars, the brightest first.
        reach: px from the star, first and last, beyond its core.
        threshold: in robust deviations of the other directions.
        brightest: how many stars are looked at.
    """
    from scipy import ndimage

    clean = np.where(mask, np.nan, data)
    radii = np.arange(*reach, dtype=float)
    profiles = []
    for cx, cy in list(zip(x, y, strict=True))[:brightest]:
        # every radius weighs the same, so that neighbours of one star are outvoted
        scaled = np.clip(_excess(clean, cx, cy, radii) / sigma, -5, 5)
        counted = np.isfinite(scaled).sum(1)
        profiles.append(np.where(counted > 5, np.nansum(scaled, 1) / np.maximum(counted, 1), np.nan))
    if not profiles:
        return ()
    stack = np.array(profiles)
    seen = np.isfinite(stack).any(0)
    if not seen.any():
        return ()
    mean = np.zeros(stack.shape[1])
    mean[seen] = np.nanmean(stack[:, seen], axis=0)
    smooth = ndimage.gaussian_filter1d(mean, 1.0, mode="wrap")
    middle = np.median(smooth)
    spread = robust_sigma(smooth, centre=middle) + 1e-9
    highest = ndimage.maximum_filter1d(smooth, 2 * _APART + 1, mode="wrap")
    found = np.flatnonzero((smooth == highest) & (smooth > middle + threshold * spread) & (smooth > 0.3))
    return tuple(float(_vertex(smooth, int(i))) for i in found)


def _vertex(values: Floats, i: int) -> float:
    """Angle (degrees, 0 to 180) of the parabola through a peak and its neighbours."""
    n = len(values)
    a, b, c = values[i - 1], values[i], values[(i + 1) % n]
    curvature = a - 2 * b + c
    return float(((i + (0.5 * (a - c) / curvature if curvature < 0 else 0.0)) * _STEP) % 180)


def spike_lengths(
    data: Floats, mask: Mask, level: float, x: Floats, y: Floats, angles: Sequence[float], longest: int = 300
) -> Floats:
    """(n, 2 a) px: how far each star's spikes reach, first along the angles, then in the opposite directions.

    A spike ends where the mean over 9 px along it, above the ring's median, stays below ``level``. Masked pixels do
    not end it.
    """
    clean = np.where(mask, np.nan, data)
    radii = np.arange(_CORE, longest + 1, dtype=float)
    directions = np.concatenate([np.asarray(angles, dtype=float), np.asarray(angles, dtype=float) + 180])
    ring = np.arange(0, 360, 10.0)
    out = np.zeros((len(x), len(directions)))
    if not len(directions):
        return out
    for i, (cx, cy) in enumerate(zip(x, y, strict=True)):
        around = polar(clean, cx, cy, radii, ring)
        known = np.isfinite(around).any(0)
        middle = np.zeros(len(radii))
        middle[known] = np.nanmedian(around[:, known], axis=0)
        along = polar(clean, cx, cy, radii, directions) - middle
        for j, ray in enumerate(along):
            out[i, j] = _length(ray, radii, level)
    return out


def _length(ray: Floats, radii: Floats, level: float) -> float:
    from scipy import ndimage

    filled = np.isfinite(ray)
    weight = ndimage.uniform_filter1d(filled.astype(float), 9)
    mean = ndimage.uniform_filter1d(np.where(filled, ray, 0.0), 9) / np.maximum(weight, 1e-9)
    ends = np.flatnonzero((mean < level) & (weight > 0.3))
    beyond = np.flatnonzero(weight > 0.3)
    if len(ends):
        return float(radii[ends[0]]) if ends[0] > 0 else 0.0
    return float(radii[beyond[-1]]) if len(beyond) else 0.0


def spike_mask(
    shape: tuple[int, int], x: Floats, y: Floats, angles: Sequence[float], lengths: Floats, width: float
) -> Mask:
    """(H, W) True on strips ``width`` px wide from each star along its spikes."""
    out = np.zeros(shape, dtype=bool)
    directions = np.radians(np.concatenate([np.asarray(angles, dtype=float), np.asarray(angles, dtype=float) + 180]))
    for cx, cy, row in zip(x, y, lengths, strict=True):
        for theta, length in zip(directions, row, strict=True):
            if length <= 0:
                continue
            reach = length + width
            rows = np.arange(max(0, int(cy - reach)), min(shape[0], int(cy + reach) + 1))
            columns = np.arange(max(0, int(cx - reach)), min(shape[1], int(cx + reach) + 1))
            if not (rows.size and columns.size):
                continue
            dx, dy = columns[None, :] - cx, rows[:, None] - cy
            along, across = dx * np.cos(theta) + dy * np.sin(theta), dy * np.cos(theta) - dx * np.sin(theta)
            strip = (along >= 0) & (along <= length) & (np.abs(across) <= width / 2)
            out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] |= strip
    return out
