"""Intervals by resampling groups: an object's stamps stand or fall together.

A replicate draws G of the G groups with replacement; each sample's weight is how often its group was drawn. Scores
are sorted once, so a replicate costs one weighted cumulative sum instead of a sort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.metrics.binary import check_scores
from astrid_ml.types import Floats, Ints, Mask

Curve = Callable[[Floats, Floats], float]


def area(true: Floats, false: Floats) -> float:
    """Average precision of cumulative weights; NaN where a class was not drawn."""
    if true[-1] <= 0 or false[-1] <= 0:
        return float("nan")
    found = true + false
    precision = np.divide(true, found, out=np.zeros_like(found), where=found > 0)
    return float(np.dot(np.diff(true, prepend=0.0), precision) / true[-1])


def roc_area(true: Floats, false: Floats) -> float:
    """ROC AUC of cumulative weights; NaN where a class was not drawn."""
    if true[-1] <= 0 or false[-1] <= 0:
        return float("nan")
    tpr = np.concatenate([[0.0], true / true[-1]])
    return float(np.dot(np.diff(false, prepend=0.0) / false[-1], (tpr[1:] + tpr[:-1]) / 2))


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals from resampled groups.

    Args:
        replicates: how many; 1,000 for a 95 % interval.
        seed: of the draws.
        level: of the interval.
    """

    replicates: int = 1000
    seed: int = 0
    level: float = 0.95

    def draws(self, groups: Ints) -> Iterator[Floats]:
        """Weights of the samples, replicate by replicate; groups are codes 0 .. G-1."""
        count = int(groups.max()) + 1 if len(groups) else 0
        random = np.random.default_rng(self.seed)
        for _ in range(self.replicates):
            times = np.bincount(random.integers(0, count, count), minlength=count)
            yield times[groups].astype(np.float64)

    def interval(self, values: Floats) -> tuple[float, float] | None:
        """The percentile interval of defined replicates; None where fewer than half are defined."""
        defined = values[np.isfinite(values)]
        if len(defined) < len(values) / 2 or len(defined) < 10:
            return None
        tail = (1 - self.level) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(low), float(high)

    def curves(self, scores: object, labels: object, groups: object, curve: Curve = area) -> Floats:
        """A curve's value in each replicate, shape (replicates,)."""
        s, y = check_scores(scores, labels)
        codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
        order = np.argsort(-s, kind="stable")
        s, y, codes = s[order], y[order], codes[order]
        last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
        out = np.empty(self.replicates)
        for number, weights in enumerate(self.draws(codes)):
            everything = np.cumsum(weights)[last]
            true = np.cumsum(np.where(y, weights, 0.0))[last]
            out[number] = curve(true, everything - true)
        return out

    def at_threshold(self, chosen: Mask, labels: Mask, groups: object) -> dict[str, Floats]:
        """Precision, recall and F1 of fixed decisions in each replicate; a matrix product over groups."""
        codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
        count = int(codes.max()) + 1
        per_group = np.stack(
            [
                np.bincount(codes[mask], minlength=count)
                for mask in (chosen & labels, chosen & ~labels, ~chosen & labels)
            ],
            axis=1,
        ).astype(np.float64)
        random = np.random.default_rng(self.seed)
        totals = np.empty((self.replicates, 3))
        for number in range(self.replicates):
            times = np.bincount(random.integers(0, count, count), minlength=count)
            totals[number] = times @ per_group
        tp, fp, fn = totals.T
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"precision": tp / (tp + fp), "recall": tp / (tp + fn), "f1": 2 * tp / (2 * tp + fp + fn)}


@dataclass(frozen=True)
class PairedDifference:
    """A paired comparison of two scores on the same samples.

    Args:
        value: A minus B on all samples.
        low: end of the interval.
        high: end of the interval.
    """

    value: float
    low: float
    high: float


def paired(
    scores_a: object, scores_b: object, labels: object, groups: object, bootstrap: Bootstrap, curve: Curve = area
) -> PairedDifference | None:
    """The difference of two models on the same samples: the same groups are drawn for both in each replicate.

    Returns:
        None where too few replicates define both.
    """
    first = bootstrap.curves(scores_a, labels, groups, curve)
    second = bootstrap.curves(scores_b, labels, groups, curve)
    interval = bootstrap.interval(first - second)
    if interval is None:
        return None
    return PairedDifference(_once(scores_a, labels, curve) - _once(scores_b, labels, curve), *interval)


def _once(scores: object, labels: object, curve: Curve) -> float:
    from astrid_ml.metrics.binary import steps

    at = steps(scores, labels)
    return curve(at.true, at.false)
