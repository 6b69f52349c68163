"""The noise's autocovariance measured on blank sky: what resampling and drizzling did to it."""

from __future__ import annotations

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape
from astrid_ml.preprocessing.differencing.pixels.typical import typical

_TILE = 250  # px; with the default reach a tile is transformed at 256 px
_MOST = 1 << 20  # pixels; a correlation from so many is known to 0.001
_FAR = 8.0  # sigma; no noise of the sky lies so far off, be it of few photons: cosmic rays and hot pixels do
_CLIPS = 4


def autocovariance(
    image: Tensor, blank: Tensor, reach: int = 6, variance: Tensor | None = None, tapered: bool = True
) -> Tensor:
    """Autocovariance (2 reach - 1, 2 reach - 1) of (H, W) over ``blank`` pixels, centred, in units squared.

    Each lag is the mean product of the pairs of blank pixels within tiles, without those that eight sigma of all do not
    hold: one pixel of 300 sigma would be a tenth of the noise of a frame of 900 px. Of a large frame, tiles of a
    million pixels in all are looked at, spread evenly over it. A triangular taper ends it at ``reach`` px, for a
    cut-off estimate has a spectrum with negative parts.

    Args:
        image: (H, W).
        blank: (H, W) bool, True on blank sky.
        reach: px.
        variance: (H, W) by whose root the image is divided first, where the noise varies.
        tapered: with the taper; without it the lags are unbiased.
    """
    used = _tiles(blank)
    stack, good = (torch.stack([plane[tile] for tile in used]) for plane in (image, blank))
    if variance is not None:
        stack = stack / torch.stack([variance[tile] for tile in used]).sqrt().clamp_min(1e-20)
    stack = torch.where(good, stack - typical(stack, good), 0.0)
    for _ in range(_CLIPS):
        far = stack.abs() > _FAR * float(stack.square().sum() / good.sum().clamp_min(1)) ** 0.5
        if not bool(far.any()):
            break
        good &= ~far
        stack = stack.masked_fill_(far, 0.0)
    # the median of counts of few photons is not their mean: what is taken away last is the mean
    mean = stack.sum(dtype=torch.double) / good.sum().clamp_min(1)
    stack = torch.where(good, stack - mean.float(), 0.0)
    shape = padded_shape((stack.shape[-2], stack.shape[-1]), reach)
    sums, pairs = (_correlated(t, shape) for t in (stack, good.float()))
    lags = (sums / pairs.clamp_min(1.0)).roll((reach - 1, reach - 1), (0, 1))[: 2 * reach - 1, : 2 * reach - 1]
    taper = 1 - torch.arange(1 - reach, reach).abs().double() / reach
    if not tapered:
        return lags.float()
    out: Tensor = lags * taper[:, None] * taper[None, :]
    return out.float()


def flat_topped(tapered: Tensor, flat: int = 2) -> Tensor:
    """A tapered autocovariance (2 reach - 1, 2 reach - 1) with its lags up to ``flat`` px as they were measured.

    What is whitened by it keeps less of the correlation of neighbours, and takes the noise of the estimate into account
    less: good for a difference that is looked at, not for a matched filter.
    """
    reach = (tapered.shape[0] + 1) // 2
    if reach <= flat + 1:
        return tapered
    lag = torch.arange(1 - reach, reach).abs().to(tapered)
    weight = ((reach - lag) / (reach - flat)).clamp_max(1) / (1 - lag / reach)
    return tapered * weight[:, None] * weight[None, :]


def _tiles(blank: Tensor) -> list[tuple[slice, slice]]:
    """The tiles, all of one size, that hold blank pixels, or some of them, evenly spread; the first where none does."""
    (h, w), (rows, columns) = blank.shape, (max(1, n // _TILE) for n in blank.shape)
    th, tw = h // rows, w // columns
    tiles = [(slice(y * th, (y + 1) * th), slice(x * tw, (x + 1) * tw)) for y in range(rows) for x in range(columns)]
    used = [tile for tile in tiles if bool(blank[tile].any())] or tiles[:1]
    most = max(1, _MOST // (th * tw))
    return used if len(used) <= most else [used[i] for i in torch.linspace(0, len(used) - 1, most).long().tolist()]


def _correlated(stack: Tensor, shape: tuple[int, int]) -> Tensor:
    """Sum over (n, th, tw) of each one's correlation with itself, periodic on ``shape``, float64."""
    total = torch.zeros(shape[0], shape[1] // 2 + 1, dtype=torch.double)
    for part in torch.split(stack, 4):  # few at once stay in the processor's cache
        spectrum = torch.view_as_real(torch.fft.rfft2(part, s=shape))
        total += spectrum.square().sum((0, 3)).double()
    out: Tensor = torch.fft.irfft2(total + 0j, s=shape)
    return out
