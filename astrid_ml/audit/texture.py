"""What identifies a stamp: its noise. Two stars of one PSF look alike, their noise does not.

Each channel is filtered to periods of about 4 to 16 pixels, in units of its own scatter; pixels of sources are left
out. Finer structure would not survive a turn or a zoom, which interpolate.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from astrid_ml.stats import MAD_TO_SIGMA, row_medians
from astrid_ml.types import Array, Floats32, Mask

FINE, COARSE = 1.0, 3.0  # px: sigmas of the two Gaussians whose difference is the filter
HIGHEST = 0.3  # of the sampling frequency: what the filter lets through ends here
CLIP_PIXELS = 5.0
SIGNIFICANT = 4.0  # sigmas of the filtered image from which a pixel is of a source
NEAR = 3  # px around a source
FEWER = 3  # every third pixel tells the scatter well enough
NO_DATA = 1e37  # some surveys mark missing pixels with the largest float
PIXELS = 1_500_000  # at a time: images that leave the cache take four times as long


def texture(stamps: Array) -> Floats32:
    """The filtered and clipped image of each channel, in units of its own scatter.

    Args:
        stamps: (n, C, h, w); NaN, as beyond the border of an image, tells nothing.

    Returns:
        (n, C, h, w); zero at sources and gaps, and in a channel without structure.
    """
    n, c, h, w = stamps.shape
    out = np.empty(stamps.shape, dtype=np.float32)
    step = max(PIXELS // max(c * h * w, 1), 1)
    for start in range(0, n, step):
        out[start : start + step] = _texture(np.asarray(stamps[start : start + step], dtype=np.float32))
    return out


def _texture(stamps: Floats32) -> Floats32:
    x, gaps = _without_gaps(stamps)
    n, c, h, w = x.shape
    flat, gaps = x.reshape(n * c, h, w), gaps.reshape(n * c, h, w)
    flat = flat - _median(flat, gaps)
    flat /= _scatter(flat, CLIP_PIXELS, gaps)
    bright = np.abs(flat) > CLIP_PIXELS
    flat = np.clip(flat, -CLIP_PIXELS, CLIP_PIXELS)
    fine = _blurred(flat, FINE) - _blurred(flat, COARSE)
    bright |= np.abs(fine) > SIGNIFICANT * _scatter(fine, SIGNIFICANT, gaps)
    bright |= gaps
    some = bright.any(axis=(1, 2))
    if some.any():
        fine[some] = _around(flat[some], bright[some])
    fine /= _scatter(fine, SIGNIFICANT, gaps)
    fine[_and_near(np.abs(fine) > SIGNIFICANT)] = 0
    return fine.reshape(n, c, h, w)


def _around(images: Floats32, bright: Mask) -> Floats32:
    """The filtered image where pixels of sources, residuals and edges count as their surroundings; zero near them."""
    seen = (~bright).astype(np.float32)
    mean = _blurred(images * seen, COARSE) / np.maximum(_blurred(seen, COARSE), np.float32(0.02))
    out: Floats32 = np.asarray(_blurred(np.where(bright, mean, images), FINE) - mean, dtype=np.float32)
    out[_and_near(bright)] = 0
    return out


def _and_near(bright: Mask) -> Mask:
    """Pixels and those up to ``NEAR`` from them, along each axis."""
    out: Mask = bright.copy()
    for axis in (1, 2):
        grown = out.copy()
        for step in range(1, NEAR + 1):
            low, high = [slice(None)] * 3, [slice(None)] * 3
            low[axis], high[axis] = slice(step, None), slice(None, -step)
            grown[tuple(high)] |= out[tuple(low)]
            grown[tuple(low)] |= out[tuple(high)]
        out = grown
    return out


def _without_gaps(x: Floats32) -> tuple[Floats32, Mask]:
    """Missing pixels at the channel's median, a channel without a pixel zero; and which are missing."""
    gaps: Mask = ~(np.abs(x) < NO_DATA)
    if not gaps.any():
        return x, gaps
    x = np.where(gaps, np.float32(np.nan), x)
    rows = x.reshape(-1, x.shape[-2] * x.shape[-1])
    lacking = np.isnan(rows).any(axis=1)
    some = rows[lacking]
    some[np.isnan(some).all(axis=1)] = 0.0
    rows[lacking] = np.where(np.isnan(rows[lacking]), row_medians(some)[:, None], some)
    return x, gaps


def _median(images: Floats32, gaps: Mask) -> Floats32:
    """Of each image's pixels that are there; 0 where none is."""
    some = images.reshape(len(images), -1)[:, ::FEWER]
    half = some.shape[1] // 2
    out: Floats32 = np.partition(some, half, axis=1)[:, half]
    lacking = gaps.any(axis=(1, 2))
    if lacking.any():
        there = np.where(gaps[lacking].reshape(-1, gaps[0].size)[:, ::FEWER], np.nan, some[lacking])
        there[np.isnan(there).all(axis=1)] = 0.0
        out[lacking] = row_medians(there)
    return out[:, None, None]


def _scatter(images: Floats32, clip: float, gaps: Mask) -> Floats32:
    """1.48 times the median absolute value; where that is 0, what puts the largest at the clip; where all is 0, 1."""
    scale = MAD_TO_SIGMA * _median(np.abs(images), gaps)
    if (scale <= 0).any():
        most = np.abs(images).max(axis=(1, 2), keepdims=True) / clip
        scale = np.where(scale > 0, scale, np.where(most > 0, most, 1.0))
    out: Floats32 = scale.astype(np.float32)
    return out


def _blurred(images: Floats32, sigma: float) -> Floats32:
    """Gaussian smoothing as two products of matrices: much faster than a filter for small images."""
    n, h, w = images.shape
    along = (images.reshape(n * h, w) @ _smoother(w, sigma)).reshape(n, h, w)
    out: Floats32 = np.matmul(_smoother(h, sigma).T, along)
    return out


@cache
def _smoother(size: int, sigma: float) -> Floats32:
    """(size, size): columns are the weights of the pixels, mirrored at the borders."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    out = np.zeros((size, size))
    for offset, weight in zip(range(-reach, reach + 1), weights / weights.sum(), strict=True):
        place = np.arange(size) + offset
        place %= 2 * size
        place = np.where(place >= size, 2 * size - 1 - place, place)
        np.add.at(out, (place, np.arange(size)), weight)
    return out.astype(np.float32)
