"""Masks that grow."""

from __future__ import annotations

from torch import Tensor


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
