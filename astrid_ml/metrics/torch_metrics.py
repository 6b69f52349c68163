"""Average precision as a torchmetrics class, exact, reduced over processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from astrid_ml.metrics.binary import UndefinedError, average_precision


class AveragePrecision(Metric):
    """Exact average precision of (B,) scores and labels, gathered over processes.

    Where a class is absent the value is NaN and ``why`` says so: a run checks its folds before the fit, so that
    early stopping never meets it; Lightning's ``EarlyStopping(check_finite=True)`` stops on NaN rather than wait.
    """

    full_state_update = False
    higher_is_better = True
    scores: list[Tensor]
    labels: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")
        self.why: str | None = None

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add a batch: (B,) scores (any monotonic scale) and labels in {0, 1}."""
        if scores.shape != labels.shape or scores.ndim != 1:
            raise ValueError(f"scores and labels of one shape (B,), got {tuple(scores.shape)}, {tuple(labels.shape)}")
        self.scores.append(scores.detach().double())
        self.labels.append(labels.detach().to(torch.int8))

    def compute(self) -> Tensor:
        """The average precision, or NaN with the reason in ``why``."""
        self.why = None
        try:
            if not len(self.scores):  # a list of batches, or one tensor once processes have gathered
                raise UndefinedError("there are no samples")
            value = average_precision(dim_zero_cat(self.scores), dim_zero_cat(self.labels))
        except UndefinedError as reason:
            self.why = str(reason)
            value = float("nan")
        return torch.tensor(value, dtype=torch.float64, device=self.device)
