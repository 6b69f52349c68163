"""Masked pixels replaced by what is around them: a hole that is filled smoothly does not ring in Fourier space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at

_CORE = 33  # px, odd; side of the tiles in which holes are filled
_AT_ONCE = 2048  # tiles


def fill(image: Tensor, mask: Tensor, sigma: float = 2.0) -> Tensor:
    """Replace masked pixels of (H, W) by the Gaussian-weighted mean of good neighbours; 0 where none is near."""
    return fill_all((image,), mask, sigma)[0]


def fill_all(images: Sequence[Tensor], mask: Tensor, sigma: float = 2.0) -> list[Tensor]:
    """``fill`` for several planes (H, W) that share a mask; only tiles that hold masked pixels are looked at."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    if len(rows) == 0:
        return list(images)
    across, margin = mask.shape[1] // _CORE + 1, int(3 * sigma)
    tiles = torch.unique(rows // _CORE * across + columns // _CORE)
    out = [image.clone() for image in images]
    core = slice(margin, margin + _CORE)
    for part in torch.split(tiles, _AT_ONCE):
        top, left = part // across * _CORE, part % across * _CORE
        y, x = top + _CORE // 2, left + _CORE // 2
        bad, inside = stamps_at(mask, x, y, _CORE + 2 * margin)
        stamps = [stamps_at(image, x, y, _CORE + 2 * margin)[0] for image in images]
        filled = fill_stamps(stamps, bad | ~inside, sigma)
        tile, row, column = torch.nonzero((bad & inside)[:, core, core], as_tuple=True)
        for plane, stamp in zip(out, filled, strict=True):
            plane[top[tile] + row, left[tile] + column] = stamp[tile, margin + row, margin + column]
    return out


def fill_stamps(stamps: Sequence[Tensor], bad: Tensor, sigma: float = 2.0) -> list[Tensor]:
    """Stamps (n, k, k) with ``bad`` pixels replaced as by ``fill``, from the stamp's own pixels."""
    band = _band(bad.shape[-1], sigma)
    total = _blurred((~bad).float(), band)
    enough, scale = total > 1e-6, total.clamp_min(1e-6).reciprocal()
    out = []
    for stamp in stamps:
        mean = _blurred(torch.where(bad, 0.0, stamp).nan_to_num(0.0), band) * scale
        out.append(torch.where(bad, torch.where(enough, mean, 0.0), stamp))
    return out


def _band(size: int, sigma: float) -> Tensor:
    """(size, size) symmetric matrix that convolves with a Gaussian cut at 3 sigma."""
    half = int(3 * sigma)
    row = gaussian_stamp(sigma, 2 * half + 1)[half]
    lag = (torch.arange(size)[:, None] - torch.arange(size)).abs()
    return torch.where(lag <= half, row[(half + lag).clamp_max(2 * half)], 0.0)


def _blurred(stamps: Tensor, band: Tensor) -> Tensor:
    return ((stamps @ band).mT @ band).mT
