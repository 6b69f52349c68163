"""Losses of voxel classification. Background is a class like the others: calling everything an anomaly is costly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from astrid_ml.types import NonNegative, Positive

IGNORE = 255  # voxels with a charge too small to decide, or without data


class CrossEntropyDice(nn.Module):
    """Weighted cross-entropy plus soft Dice (Milletari et al. 2016, arXiv:1606.04797), over all classes.

    Args:
        weights: weight of each class in the cross-entropy, background first.
        dice: weight of the Dice part.
        smooth: added to both sides of the Dice ratio, so that an absent class costs only what is wrongly claimed.
    """

    purpose: ClassVar[str] = "voxels"

    def __init__(
        self, weights: Sequence[NonNegative] = (1.0, 10.0, 10.0, 10.0), dice: NonNegative = 1.0, smooth: Positive = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor([float(weight) for weight in weights]), persistent=False)
        self.dice, self.smooth = dice, smooth

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits (B, C, ...) and codes (B, ...) with IGNORE -> scalar."""
        logits = logits.float()
        weights = self.get_buffer("weights")
        entropy = cross_entropy(logits, target.long(), weight=weights, ignore_index=IGNORE)
        return entropy + self.dice * soft_dice(logits, target, self.smooth)


class Focal(nn.Module):
    """Multi-class focal loss (Lin et al. 2017, arXiv:1708.02002).

    Args:
        weights: weight of each class, background first.
        gamma: how strongly easy voxels are discounted; 0 is weighted cross-entropy.
    """

    purpose: ClassVar[str] = "voxels"

    def __init__(self, weights: Sequence[NonNegative] = (1.0, 10.0, 10.0, 10.0), gamma: NonNegative = 2.0) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor([float(weight) for weight in weights]), persistent=False)
        self.gamma = gamma

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits (B, C, ...) and codes (B, ...) with IGNORE -> scalar."""
        codes = target.long()
        known = codes != IGNORE
        plain = cross_entropy(logits.float(), codes, ignore_index=IGNORE, reduction="none")
        weight = torch.where(known, self.get_buffer("weights")[codes.masked_fill(~known, 0)], 0.0)
        focal = (1 - torch.exp(-plain)) ** self.gamma * plain * weight
        return focal.sum() / weight.sum().clamp(min=1e-12)


def soft_dice(logits: Tensor, target: Tensor, smooth: float) -> Tensor:
    """1 - mean over the classes (background too) of the soft Dice coefficient."""
    codes = target.long()
    known = codes != IGNORE
    probability = logits.softmax(dim=1) * known.unsqueeze(1)
    truth = one_hot(codes.masked_fill(~known, 0), logits.shape[1]).movedim(-1, 1) * known.unsqueeze(1)
    axes = [0, *range(2, logits.dim())]
    overlap = (probability * truth).sum(axes)
    return 1 - ((2 * overlap + smooth) / (probability.sum(axes) + truth.sum(axes) + smooth)).mean()
