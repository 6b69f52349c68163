"""Masks that grow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FELT = 0.02  # of a PSF's squared weight: how much of it missing pixels may hold
_ROWS = 256  # of a mask convolved at a time: a convolution holds several times what it is given


def spread(mask: Tensor, radius: int) -> Tensor:
    """A (H, W) bool mask dilated by a square of half-width ``radius`` px, one axis after the other."""
    for dim in (0, 1):
        wide, length = mask.clone(), mask.shape[dim]
        for step in range(1, min(radius, length - 1) + 1):
            wide.narrow(dim, step, length - step).logical_or_(mask.narrow(dim, 0, length - step))
            wide.narrow(dim, 0, length - step).logical_or_(mask.narrow(dim, step, length - step))
        mask = wide
    return mask


def grow(mask: Tensor, radius: int) -> Tensor:
    """Dilate a (H, W) bool mask by a square of half-width ``radius`` px."""
    return spread(mask, radius)


def grow_where_felt(mask: Tensor, radius: int, psfs: Sequence[Tensor]) -> Tensor:
    """Dilate a mask, but around single bad pixels and lines of them only where a source misses them.

    A source whose light lies on a pixel is measured with its PSF's square as weight (Horne 1986, PASP 98, 609). Where
    small defects hold less than ``FELT`` of that, what is filled in for them hardly counts, and the place is kept: of a
    frame with 1 % of scattered bad pixels a square around each would take 40 %. Blocks of 2 x 2 px are grown whole.

    Args:
        mask: (H, W) bool.
        radius: half-width of the square, px.
        psfs: (k, k) of the images, or grids (t, t, k, k); the widest counts at each place.
    """
    blocks = _blocks(mask)
    out = spread(blocks, radius) | mask
    small = mask & ~blocks
    if radius < 1 or not bool(small.any()):
        return out
    felt = torch.zeros_like(mask)
    for psf in psfs:
        weight = (psf if psf.ndim == 2 else psf.mean((0, 1))).double().square()
        _mark_felt(felt, small, _cut(weight / weight.sum(), radius).float())
    return out | felt


def _mark_felt(felt: Tensor, small: Tensor, weight: Tensor) -> None:
    """Mark (in ``felt``) where a PSF's squared ``weight`` (odd, odd) loses too much to ``small`` defects."""
    radius = weight.shape[-1] // 2
    for start in range(0, small.shape[0], _ROWS):
        rows = small[max(start - radius, 0) : start + _ROWS + radius]
        if not bool(rows.any()):
            continue
        # below the first row and above the last one there is nothing
        below, above = max(radius - start, 0), max(start + _ROWS + radius - small.shape[0], 0)
        padded = torch.nn.functional.pad(rows[None, None].float(), (radius, radius, below, above))
        lost = torch.nn.functional.conv2d(padded, weight[None, None])[0, 0]
        felt[start : start + _ROWS] |= lost[: small.shape[0] - start] > FELT


def _blocks(mask: Tensor) -> Tensor:
    """The masked pixels that belong to a wholly masked block of 2 x 2."""
    whole = mask[1:, 1:] & mask[:-1, 1:] & mask[1:, :-1] & mask[:-1, :-1]
    out = torch.zeros_like(mask)
    for rows in (slice(1, None), slice(None, -1)):
        for columns in (slice(1, None), slice(None, -1)):
            out[rows, columns] |= whole
    return out


def _cut(weight: Tensor, radius: int) -> Tensor:
    """The middle (2 radius + 1, 2 radius + 1) of a stamp of odd size, with zeros where it is smaller."""
    half = min(radius, weight.shape[-1] // 2)
    centre = weight.shape[-1] // 2
    out = weight.new_zeros(2 * radius + 1, 2 * radius + 1)
    inner = slice(radius - half, radius + half + 1)
    out[inner, inner] = weight[centre - half : centre + half + 1, centre - half : centre + half + 1]
    return out
