"""Average precision in constant memory, from a histogram of logits: for streams of 1e8 scores and many processes.

Within a bin the order and the ties of the scores are unknown, so the answer is a bracket: the largest value (a bin's
positives tied, before its negatives), the smallest (its negatives first, then its positives one by one: apart they
meet a lower precision than tied), and an estimate between (the bin's samples tied).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from astrid_ml.metrics.ranking import area


class Bracket(NamedTuple):
    """What the bins allow for a metric.

    Args:
        low, high: bounds, whatever the order within each bin.
        estimate: the value if each bin's samples were tied.
    """

    low: float
    estimate: float
    high: float


class HistogramAveragePrecision(Metric):
    """Average precision from ``bins`` equal bins of the logit over +-``limit``, with two open bins outside.

    The state is 2 x (bins + 2) int64: 32 MB at the default. NaN in ``compute`` where a class is absent.

    Args:
        bins: number of bins.
        limit: range of the logit; beyond it scores share an open bin (which widens the bracket, honestly).
    """

    full_state_update = False
    positives: Tensor
    negatives: Tensor

    def __init__(self, bins: int = 2_000_000, limit: float = 40.0) -> None:
        super().__init__()
        self.bins, self.limit = bins, limit
        self.add_state("positives", torch.zeros(bins + 2, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("negatives", torch.zeros(bins + 2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add (B,) logits and labels in {0, 1}."""
        if torch.isnan(logits).any():
            raise ValueError("logits are NaN")
        place = torch.floor((logits.double() + self.limit) * (self.bins / (2 * self.limit))).clamp(-1, self.bins) + 1
        index, real = place.long(), labels.bool()
        self.positives += torch.bincount(index[real], minlength=self.bins + 2)
        self.negatives += torch.bincount(index[~real], minlength=self.bins + 2)

    def compute(self) -> Tensor:
        """The estimate; see :meth:`bracket` for what the bins allow."""
        return torch.tensor(self.bracket().estimate, dtype=torch.float64)

    def bracket(self) -> Bracket:
        """Smallest, tied and largest average precision that these bins allow."""
        positive = self.positives.cpu().numpy()[::-1].astype(np.float64)
        negative = self.negatives.cpu().numpy()[::-1].astype(np.float64)
        filled = (positive > 0) | (negative > 0)
        positive, negative = positive[filled], negative[filled]
        if not positive.sum() or not negative.sum():
            nan = float("nan")
            return Bracket(nan, nan, nan)
        true, false = np.cumsum(positive), np.cumsum(negative)
        total = float(true[-1])
        low = float(_one_by_one(true - positive, false, positive).sum()) / total
        # A bin's positives before its negatives: the precision that each bin's positives meet.
        return Bracket(low, float(area(true, false)), float(area(true, false - negative, total)))


def _one_by_one(true: np.ndarray, false: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Sum over k = 1..p of (t + k) / (t + k + f) for each bin: p - f (digamma(t + p + f + 1) - digamma(t + f + 1))."""
    from scipy.special import digamma

    difference = digamma(true + positive + false + 1) - digamma(true + false + 1)
    out: np.ndarray = positive - false * difference
    return out
