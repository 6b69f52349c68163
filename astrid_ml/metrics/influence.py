"""How much each sample moves a ranking's worth: the derivatives from which the spread of AUCPR and ROC AUC follows.

The influence of a sample is the derivative of the metric by its weight. Their squares, summed over independent groups,
are the variance of the metric (infinitesimal jackknife: Jaeckel 1972, Bell Labs MM 72-1215-11; Efron and Tibshirani
1993, An Introduction to the Bootstrap, 21).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from astrid_ml.metrics.binary import UndefinedError, check_scores
from astrid_ml.metrics.ranking import precision, ranked
from astrid_ml.types import Floats, Ints, Mask


class Influence(NamedTuple):
    """A metric and what moves it.

    Args:
        value: of the metric.
        moves: derivative by the weight of each sample, (n,); their sum is 0.
    """

    value: float
    moves: Floats


class _Ties(NamedTuple):
    """Ties from the best score down, with the share of each class in them.

    Args:
        of: the tie of each sample, (n,).
        real: share of the positives in each tie, (k,).
        bogus: share of the negatives, (k,).
        positives: number of them.
        negatives: number of them.
    """

    of: Ints
    real: Floats
    bogus: Floats
    positives: int
    negatives: int


def area_influence(scores: object, labels: object, prevalence: float | None = None) -> Influence:
    """Average precision and what moves it.

    With p and q the shares of positives and negatives at each score, R and Q their sums from the best score down and
    rho the number of negatives over that of positives, average precision is the sum of p R / (R + rho Q).

    Args:
        scores: (n,), any monotonic scale; ties stand together.
        labels: (n,) in {0, 1}.
        prevalence: share of positives where the metric is wanted; the classes keep their scores. None: that of the
            sample, which then varies as samples do.

    Raises:
        UndefinedError: a class is absent.

    Example:
        >>> found = area_influence([0.9, 0.5, 0.1], [1, 0, 1])
        >>> round(found.value, 4), abs(round(float(found.moves.sum()), 9))
        (0.8333, 0.0)
    """
    y, ties = _ties(scores, labels)
    rho = ties.negatives / ties.positives if prevalence is None else (1 - prevalence) / prevalence
    recall, false = np.cumsum(ties.real), np.cumsum(ties.bogus)
    pure = precision(recall, rho * false)
    value = float(ties.real @ pure)
    found = recall + rho * false
    # What one more positive, or one more negative, at a score does to the precision of all ties from there down.
    slope = np.divide(ties.real, found**2, out=np.zeros_like(found), where=found > 0)
    by_real = pure + _below(slope * rho * false)
    by_bogus = -rho * _below(slope * recall)
    moves: Floats = np.where(
        y,
        (by_real - ties.real @ by_real)[ties.of] / ties.positives,
        (by_bogus - ties.bogus @ by_bogus)[ties.of] / ties.negatives,
    )
    if prevalence is None:
        by_rho = -float((slope * recall * false).sum())
        moves += np.where(y, -rho, 1.0) * by_rho / ties.positives
    return Influence(value, moves)


def roc_influence(scores: object, labels: object) -> Influence:
    """Area under the ROC curve and what moves it (the placements of DeLong et al. 1988, Biometrics 44, 837).

    Args:
        scores: (n,).
        labels: (n,) in {0, 1}.

    Raises:
        UndefinedError: a class is absent.

    Example:
        >>> roc_influence([0.9, 0.5, 0.1], [1, 0, 1]).value
        0.5
    """
    y, ties = _ties(scores, labels)
    by_real = _below(ties.bogus) - ties.bogus / 2
    by_bogus = np.cumsum(ties.real) - ties.real / 2
    value = float(ties.real @ by_real)
    moves: Floats = np.where(
        y, (by_real[ties.of] - value) / ties.positives, (by_bogus[ties.of] - value) / ties.negatives
    )
    return Influence(value, moves)


def _ties(scores: object, labels: object) -> tuple[Mask, _Ties]:
    s, y = check_scores(scores, labels)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        missing = "positive" if not positives else "negative"
        raise UndefinedError(f"there is no {missing} sample")
    order, last = ranked(s)
    of = np.empty(len(s), dtype=np.int64)
    of[order] = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    real, bogus = (np.bincount(of, weights=mask, minlength=len(last)) for mask in (y, ~y))
    return y, _Ties(of, real / positives, bogus / negatives, positives, negatives)


def _below(values: Floats) -> Floats:
    """Sums from each tie down, (k,)."""
    out: Floats = np.cumsum(values[::-1])[::-1]
    return out
