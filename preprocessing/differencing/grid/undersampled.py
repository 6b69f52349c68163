"""Pixels too large for their PSF: what interpolation leaves at stars is no more than a guess, and counts as noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.typical import typical

_BRIGHT = 50.0  # sigma of the sky
_SHARP = 0.27  # of bright pixels' light that their neighbours do not have; 0.2 at FWHM 2.6 px, 0.4 at 1.6 px
_NARROWER = 2  # taps fewer on each side
_NOISE = 0.035  # of the variance of white noise, at most, that two kernels leave between them
_SEEN = 5.0  # times that; what is less is noise, and known already
_AROUND = 5  # px; side of the box over which their difference is averaged
_OFF = 2.0  # mean square error of the wider kernel over the square difference of both, at stars of FWHM 1.3 to 2 px


def undersampled(image: Image) -> bool:
    """Whether the bright pixels of a background-free image stand out of their neighbours too far to be interpolated."""
    level = typical(image.variance, ~image.mask)
    inner = (image.data[1:-1, 1:-1] > _BRIGHT * math.sqrt(level)) & ~image.mask[1:-1, 1:-1]
    row, column = (i + 1 for i in torch.nonzero(inner, as_tuple=True))
    here = image.data[row, column].double()
    around = sum(image.data[row + i, column + j].double() for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))) / 4
    return float((here - around).square().sum()) > _SHARP**2 * float(here.square().sum())


def guessed(value: Tensor, other: Tensor, noise: Tensor) -> Tensor:
    """Variance (H, W) of the interpolation itself: zero where two kernels agree to the noise.

    Args:
        value: (H, W) by the kernel that is used.
        other: by one of ``narrower`` taps.
        noise: variance of ``value``.
    """
    off = (value - other).square()
    # a wave crosses zero every other pixel: it is as high there as around
    off = torch.nn.functional.avg_pool2d(off[None, None], _AROUND, 1, _AROUND // 2, count_include_pad=False)[0, 0]
    return torch.where(off > _SEEN * _NOISE * noise, _OFF * off, 0.0)


def narrower(order: int) -> int:
    """Half the taps of the kernel that is compared with one of ``order``."""
    return max(order - _NARROWER, 1)
