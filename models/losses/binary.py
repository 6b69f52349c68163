"""Losses of binary tasks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from astrid_ml.types import NonNegative, Positive, Share


class WeightedBCE(nn.Module):
    """Binary cross-entropy on logits, with a weight on the positives.

    Args:
        positive_weight: a number, or ``balanced`` (negatives over positives of the training fold), or None.
    """

    purpose: ClassVar[str] = "binary"

    weight: Tensor

    def __init__(self, positive_weight: Positive | str | None = None) -> None:
        super().__init__()
        self.rule = positive_weight
        weight = positive_weight if isinstance(positive_weight, int | float) else 1.0
        self.register_buffer("weight", torch.tensor(float(weight)), persistent=False)

    def set_class_counts(self, negatives: int, positives: int) -> None:
        """Called once before training with the counts of the training fold."""
        if self.rule == "balanced":
            self.weight.fill_(negatives / max(positives, 1))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over (B,) logits and labels in {0, 1}."""
        return binary_cross_entropy_with_logits(logits.float(), labels, pos_weight=self.weight)


class FocalLoss(nn.Module):
    """Focal loss (Lin et al. 2017, arXiv:1708.02002, eq. 5): -alpha_t (1 - p_t)^gamma log p_t.

    Args:
        alpha: weight of the positives; the negatives get 1 - alpha.
        gamma: how strongly easy samples are discounted; 0 is weighted cross-entropy.
    """

    purpose: ClassVar[str] = "binary"

    def __init__(self, alpha: Share = 0.5, gamma: NonNegative = 2.0) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over (B,) logits and labels in {0, 1}."""
        plain = binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
        correct = torch.exp(-plain)
        alpha = self.alpha * labels + (1 - self.alpha) * (1 - labels)
        return (alpha * (1 - correct) ** self.gamma * plain).mean()
