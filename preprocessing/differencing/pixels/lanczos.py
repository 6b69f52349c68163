"""Lanczos interpolation along one axis of an image and of its variance."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

_BINS = 4096  # fractions of a pixel in the tables of weights
_SPAN = 6  # px; where positions in a tile run away from their pixels by more, pixels are gathered one by one
_TILE = (64, 1024)  # px; a tile's temporaries stay in the processor's cache


def lanczos_weights(fraction: Tensor, order: int = 5) -> Tensor:
    """Weights (2 order, ...) of the taps at 1 - order ... order around a position, of sum 1 (Duchon 1979)."""
    return stretched_weights(fraction, order)[1]


def stretched_weights(fraction: Tensor, order: int, stretch: float = 1.0) -> tuple[int, Tensor]:
    """Weights (t, ...) of the taps around a position, of a kernel ``stretch`` times as wide, sum 1; the first tap.

    With a stretch it is a low-pass filter: of what varies within ``stretch`` px nothing is left.
    """
    reach = math.ceil(order * stretch)
    taps = torch.arange(1 - reach, reach + 1, dtype=fraction.dtype).reshape(-1, *[1] * fraction.ndim)
    u = (fraction - taps) / stretch
    weights = torch.sinc(u) * torch.sinc(u / order) * (u.abs() < order)
    return 1 - reach, weights / weights.sum(0)


@functools.lru_cache(maxsize=4)
def _tables(order: int) -> tuple[Tensor, Tensor]:
    """Weights of data and variance by the distance of a position from a tap, -order - _SPAN ... order + _SPAN px.

    The variance's are linear, times the sum of the data's squared weights: zero beyond 1 px.
    """
    fraction = torch.arange(_BINS, dtype=torch.double) / _BINS
    weights = lanczos_weights(fraction, order)
    hat = torch.stack([1 - fraction, fraction]) * weights.square().sum(0)
    out = []
    for table, reach in ((weights, order), (hat, 1)):
        # the tap furthest ahead of the position comes first
        line = torch.cat([table.flip(0).flatten(), torch.zeros(1, dtype=torch.double)])
        aside = torch.zeros((order - reach + _SPAN) * _BINS, dtype=torch.double)
        out.append(torch.cat([aside, line, aside]).float())
    return out[0], out[1]


def resample_along(planes: tuple[Tensor, Tensor], along: Tensor, dim: int, order: int) -> tuple[Tensor, Tensor]:
    """Data (Lanczos) and variance (linear, times the sum of squared weights) at positions along one axis.

    Args:
        planes: data and variance (H, W).
        along: (H', W') float64 positions along ``dim``; along the other axis pixels stay where they are.
        dim: 0 or 1.
        order: half the Lanczos taps.
    """
    out = torch.empty((2, *along.shape))
    height, width = _TILE
    for top in range(0, along.shape[0], height):
        for left in range(0, along.shape[1], width):
            tile = (slice(top, top + height), slice(left, left + width))
            part = along[tile]
            own = torch.arange(part.shape[dim]) if dim == 1 else torch.arange(part.shape[dim])[:, None]
            offset = part - own
            low, high = (int(v.floor()) for v in torch.aminmax(offset))
            lines = (
                (planes[0][tile[0]], planes[1][tile[0]]) if dim == 1 else (planes[0][:, tile[1]], planes[1][:, tile[1]])
            )
            if high - low < _SPAN:
                out[0][tile], out[1][tile] = _slid(lines, (offset - low).float(), dim, order, low)
            else:
                out[0][tile], out[1][tile] = _gathered(lines, part, dim, order)
    return out[0], out[1]


def _slid(lines: tuple[Tensor, Tensor], offset: Tensor, dim: int, order: int, first: int) -> tuple[Tensor, Tensor]:
    """Positions a little ahead of their pixels: each tap is the whole tile moved by a pixel.

    Args:
        lines: data and variance of the lines that the tile needs.
        offset: (h, w), 0 ... _SPAN px.
        dim: 0 or 1, the axis along which positions lie.
        order: half the Lanczos taps.
        first: pixel along ``dim`` from which the first position is counted.
    """
    length, n = lines[0].shape[dim], offset.shape[dim]
    span = int(offset.max())
    start, stop = first + 1 - order, first + n + order + span
    if start < 0 or stop > length:
        inside = torch.arange(start, stop).clamp_(0, length - 1)
        lines = (lines[0].index_select(dim, inside), lines[1].index_select(dim, inside))
    else:
        lines = (lines[0].narrow(dim, start, stop - start), lines[1].narrow(dim, start, stop - start))
    bins = offset.mul(_BINS).add_(0.5).int().flatten()
    weight, out = torch.empty(bins.shape), []
    for line, table, reach in zip(lines, _tables(order), (order, 1), strict=True):
        total = torch.zeros(offset.shape)
        for tap in range(1 - reach, reach + span + 1):
            nearer = table[(order + _SPAN - tap) * _BINS :]
            torch.index_select(nearer, 0, bins, out=weight)
            total.addcmul_(weight.view(offset.shape), line.narrow(dim, tap + order - 1, n))
        out.append(total)
    return out[0], out[1]


def _gathered(lines: tuple[Tensor, Tensor], part: Tensor, dim: int, order: int) -> tuple[Tensor, Tensor]:
    """Any positions (h, w) along ``dim``."""
    length = lines[0].shape[dim]
    corner = part.floor()
    bins = torch.add((part - corner) * _BINS, 0.5).int().flatten()
    index = corner.long().clamp_(-order, length - 1 + order)
    out = []
    for line, table, reach in zip(lines, _tables(order), (order, 1), strict=True):
        total = torch.zeros(part.shape)
        for tap in range(1 - reach, reach + 1):
            weight = table[(order + _SPAN - tap) * _BINS :].index_select(0, bins)
            total.addcmul_(weight.view(part.shape), torch.gather(line, dim, (index + tap).clamp_(0, length - 1)))
        out.append(total)
    return out[0], out[1]
