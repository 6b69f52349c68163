"""Weights and resampling against rare classes, on training rows only: validation and test keep the sky's mixture."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Ints


def class_weights(labels: Any) -> dict[int, float]:
    """n / (classes * n_class) for each class, so that the mean weight is 1 and each class weighs alike.

    Args:
        labels: of the training rows, shape (n,), integers.

    Raises:
        UserError: fewer than two classes.
    """
    names, counts = np.unique(np.asarray(labels, dtype=np.int64), return_counts=True)
    if len(names) < 2:
        raise UserError("two classes or more in training", str(names.tolist()), "give labels of both classes")
    return {int(name): float(counts.sum() / (len(names) * count)) for name, count in zip(names, counts, strict=True)}


def oversampled(labels: Any, seed: int, ratio: float = 1.0) -> Ints:
    """Positions within ``labels``: all of them, and rarer classes repeated up to ``ratio`` of the largest.

    Whole repeats come first and the rest is drawn without replacement, so no sample counts more than one repeat above
    another of its class.
    """
    return _resampled(labels, seed, ratio, over=True)


def undersampled(labels: Any, seed: int, ratio: float = 1.0) -> Ints:
    """Positions within ``labels``: larger classes cut at random to the smallest's size over ``ratio``."""
    return _resampled(labels, seed, ratio, over=False)


def _resampled(labels: Any, seed: int, ratio: float, over: bool) -> Ints:
    if not 0 < ratio <= 1:
        raise UserError("a ratio of classes within (0, 1]", str(ratio), "1 balances them fully")
    y = np.asarray(labels, dtype=np.int64)
    class_weights(y)
    names, counts = np.unique(y, return_counts=True)
    random = np.random.default_rng(seed)
    parts = []
    for name, count in zip(names, counts, strict=True):
        rows = np.flatnonzero(y == name).astype(np.int64)
        wanted = max(int(count), round(ratio * counts.max())) if over else min(int(count), round(counts.min() / ratio))
        whole, rest = divmod(wanted, int(count))
        parts += [rows] * whole + [random.choice(rows, rest, replace=False)]
    return np.sort(np.concatenate(parts))
