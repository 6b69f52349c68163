"""What AUCPR and precision become where real events are rarer than in the sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.metrics.binary import UndefinedError, from_steps, negative_weight, steps
from astrid_ml.types import Mask


def prevalence_table(scores: Any, labels: Mask, chosen: Mask | None, prevalences: Sequence[float]) -> pd.DataFrame:
    """AUCPR and the decisions' precision at other mixtures; the distributions within each class stay as they are.

    Precision at prevalence p is p TPR / (p TPR + (1 - p) FPR) with the rates measured here.

    Args:
        scores: (n,), any monotonic scale.
        labels: (n,).
        chosen: (n,) decisions, or None: the precision stays empty, as where nothing at all was chosen.
        prevalences: shares of positives, each within (0, 1).

    Returns:
        ``prevalence, aucpr, precision_at_threshold``, one row a prevalence.

    Raises:
        UndefinedError: a class is absent.
    """
    at = steps(scores, labels)
    if at.positives <= 0 or at.negatives <= 0:
        raise UndefinedError("a class is absent")
    rows = []
    for prevalence in prevalences:
        precision = np.nan if chosen is None else _precision(chosen, labels, prevalence)
        value = from_steps(at, negative_weight(at, prevalence))
        rows.append({"prevalence": prevalence, "aucpr": value, "precision_at_threshold": precision})
    return pd.DataFrame(rows)


def _precision(chosen: Mask, labels: Mask, prevalence: float) -> float:
    real = prevalence * float(chosen[labels].mean())
    bogus = (1 - prevalence) * float(chosen[~labels].mean())
    return real / (real + bogus) if real + bogus else float("nan")
