"""Augmentation of image batches, after the split and in training only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.datamodules.draws import uniform
from astrid_ml.types import Share


@dataclass(frozen=True)
class Dihedral:
    """Each image is turned by a multiple of 90 degrees and mirrored at random: the 8 symmetries of a square.

    Args:
        probability: share of the images that are changed at all.
    """

    probability: Share = 1.0

    def __call__(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """Images (B, C, H, W) with H == W; the same symmetry for all channels of one image."""
        which, share = uniform(len(images), 2, generator).unbind(1)
        element = (8 * which).long()
        element[share >= self.probability] = 0
        out = images.clone()
        for code in range(1, 8):
            chosen = (element == code).nonzero().squeeze(1)
            if len(chosen):
                out[chosen] = dihedral(images[chosen], code)
        return out


def dihedral(images: Tensor, code: int) -> Tensor:
    """Symmetry ``code`` of the square, 0 to 7, on (..., H, W): quarter turns, then a mirror from 4 on."""
    turned = torch.rot90(images, code % 4, dims=(-2, -1))
    return turned.flip(-1) if code >= 4 else turned
