"""An image of finer pixels than the grid it goes to: brought to pixels of the grid's size first.

A pixel of the grid that takes one value of the finer image throws most of its light away, and folds noise of higher
frequencies into its own. A Lanczos kernel as wide as the larger pixel keeps what the grid can hold, and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.pixel_map import PixelMap
from astrid_ml.preprocessing.differencing.grid.resample import self_products
from astrid_ml.preprocessing.differencing.pixels.lanczos import stretched_weights
from astrid_ml.preprocessing.differencing.pixels.masks import spread

FINER = 1.1  # pixels of the image along one of the grid; less is left to the resampling
_LAGS = 8  # px of the result, beyond which its noise has no memory
_SHARE = 0.02  # a masked pixel counts where its weight exceeds this


def reduced(image: Image, grid: PixelMap, ratio: float, order: int) -> tuple[Image, PixelMap, Tensor]:
    """The image in pixels ``ratio`` times as large. Values are means: a sky stays what it is.

    Args:
        image: with data where it is masked, too.
        grid: the map to the image's pixels.
        ratio: pixels of the image along one of the result.
        order: half the Lanczos taps per axis, in pixels of the result.

    Returns:
        The image, the map to its pixels, and the autocorrelation of its noise along each axis, centred.
    """
    centres = [_centres(length, ratio) for length in image.shape]
    data, variance = image.data, image.variance
    for axis, at in enumerate(centres):
        data, variance = _along(data, at, ratio, order, axis), _along(variance, at, ratio, order, axis, noise=True)
    rows, columns = (at.round().long() for at in centres)
    near = int(ratio / 2)
    saturated = image.saturated
    psf = image.psf
    small = image.with_(
        data=data,
        variance=variance,
        mask=spread(image.mask, _reach(ratio, order))[rows][:, columns],
        saturated=None if saturated is None else spread(saturated, near)[rows][:, columns],
        background=None,
        psf=None if psf is None else reduced_psf(psf, ratio, order),
    )
    first = torch.stack([centres[1][0], centres[0][0]])[:, None, None]
    lags = ratio * torch.arange(-_LAGS, _LAGS + 1).double()
    line = self_products(torch.linspace(0, 0.95, 20), lags, order, ratio).mean(1)
    return small, replace(grid, nodes=(grid.nodes - first) / ratio), line / line[_LAGS]


def reduced_psf(psf: Tensor, ratio: float, order: int) -> Tensor:
    """A PSF (..., k, k) in pixels ``ratio`` times as large, its centre on a pixel's, sum 1."""
    k = psf.shape[-1]
    half = max(int(k // 2 / ratio), 1)
    at = k // 2 + ratio * torch.arange(-half, half + 1).double()
    flat = psf.reshape(-1, k, k)
    for axis in (0, 1):
        flat = torch.stack([_along(p, at, ratio, order, axis, outside=0.0) for p in flat])
    out = flat.view(*psf.shape[:-2], len(at), len(at))
    return out / out.sum((-2, -1), keepdim=True)


def _centres(length: int, ratio: float) -> Tensor:
    """Places of the larger pixels along an axis, those that fit, in the middle."""
    n = max(int(length / ratio), 1)
    return (length - 1) / 2 + ratio * (torch.arange(n).double() - (n - 1) / 2)


def _along(
    plane: Tensor,
    at: Tensor,
    ratio: float,
    order: int,
    axis: int,
    noise: bool = False,
    outside: float | None = None,
) -> Tensor:
    """A plane (H, W) at places along one axis; ``noise``: by squared weights. Beyond the border its last pixel."""
    length = plane.shape[axis]
    corner = at.floor()
    first, weights = stretched_weights(at - corner, order, ratio)
    weights = (weights.square() if noise else weights).float()
    index = corner.long() + first
    shape = list(plane.shape)
    shape[axis] = len(at)
    out = torch.zeros(shape, dtype=plane.dtype)
    for tap, weight in enumerate(weights):
        here = index + tap
        if outside is not None:
            weight = weight * ((here >= 0) & (here < length))
        picked = plane.index_select(axis, here.clamp(0, length - 1))
        out.addcmul_(picked, weight[:, None] if axis == 0 else weight[None, :])
    return out


def _reach(ratio: float, order: int) -> int:
    """How far (px of the image) from its place a masked pixel counts."""
    u = torch.arange(0, math.ceil(order * ratio) + 1).double()
    weight = (torch.sinc(u / ratio) * torch.sinc(u / ratio / order)).abs() / ratio**2
    return int(torch.nonzero(weight > _SHARE)[:, 0].max()) if bool((weight > _SHARE).any()) else 0
