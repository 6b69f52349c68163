"""Intervals of a ranking's worth, from the influence of each group, that cover the truth also where positives are few.

On the logit scale, as Boyd et al. 2013 (ECML PKDD, LNCS 8190, 451), with the variance of a jackknife by groups in
place of the binomial one. Measured beside percentile, BCa, studentised and bias-corrected logit bootstraps by
``benchmarks/coverage.py``: resampling cannot draw the low-ranking positives that a small sample happens to lack.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.metrics.influence import Influence, area_influence, roc_influence
from astrid_ml.types import Floats, Ints, Mask

# Of one more group of positives, ranked no better than by a guess, as if it had been seen: without it 20 positives that
# all rank high claim to know how low the 21st can rank. Chosen by benchmarks/coverage.py.
UNSEEN = 0.0125
EDGE = 1e-9

Interval = tuple[float, float]


def area_interval(
    scores: object, labels: object, groups: object, level: float = 0.95, prevalence: float | None = None
) -> Interval | None:
    """The interval of average precision; samples of one group stand or fall together.

    Args:
        scores: (n,).
        labels: (n,) in {0, 1}.
        groups: (n,), any values.
        level: of the interval.
        prevalence: see :func:`astrid_ml.metrics.influence.area_influence`.

    Returns:
        None where a class has fewer than two groups: their spread is unknown.

    Raises:
        UndefinedError: a class is absent.

    Example:
        >>> low, high = area_interval([0.9, 0.8, 0.7, 0.6, 0.2], [1, 0, 1, 0, 0], list("abcde"))
        >>> 0 < low < 0.8333 < high < 1
        True
    """
    y = np.asarray(labels).astype(bool)
    guess = float(y.mean()) if prevalence is None else prevalence
    return logit_interval(area_influence(scores, y, prevalence), y, groups, guess, level)


def roc_interval(scores: object, labels: object, groups: object, level: float = 0.95) -> Interval | None:
    """The interval of the area under the ROC curve; see :func:`area_interval`.

    Example:
        >>> roc_interval([0.9, 0.2], [1, 0], ["a", "b"]) is None
        True
    """
    y = np.asarray(labels).astype(bool)
    return logit_interval(roc_influence(scores, y), y, groups, 0.5, level)


def logit_interval(found: Influence, labels: Mask, groups: object, guess: float, level: float) -> Interval | None:
    """The interval of a metric in [0, 1] that is a mean over positives, from what each sample does to it.

    Args:
        found: the metric, with the influence of each sample.
        labels: (n,) of bool.
        groups: (n,), any values.
        guess: the metric of a ranking that knows nothing.
        level: of the interval.

    Returns:
        Its ends, with the value between them; None where a class has fewer than two groups.
    """
    from scipy.special import expit, logit
    from scipy.stats import norm

    codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
    real, bogus = (effective(codes[mask]) for mask in (labels, ~labels))
    if min(real, bogus) < 2 - EDGE:
        return None
    tail, share = (1 - level) / 2, UNSEEN / real
    count = len(np.unique(codes[labels if real <= bogus else ~labels]))
    # The jackknife's factor; and groups of unequal size vary more than equal ones (benchmarks/coverage.py).
    spread = (count - 1) / count * np.sqrt(count / min(real, bogus))
    variance = spread * float((_moved(found.moves, labels, codes) ** 2).sum())
    variance += UNSEEN * ((found.value - guess) / real) ** 2
    centre = float(np.clip((found.value + share * guess) / (1 + share), EDGE, 1 - EDGE))
    width = -norm.ppf(tail) * np.sqrt(variance) / (centre * (1 - centre))
    low, high = (float(end) for end in expit(logit(centre) + np.array([-width, width])))
    return min(max(low, _least(found.value, min(real, bogus), tail)), found.value), max(high, found.value)


def _moved(moves: Floats, labels: Mask, codes: Ints) -> Floats:
    """What leaving out each group does, to first order, (groups,): a large group takes its class's mean with it.

    The factor 1 / (1 - share of the class) is that of a regression's leverage (Bell and McCaffrey 2002, Survey
    Methodology 28, 169: the jackknife by clusters).
    """
    out: Floats = np.zeros(int(codes.max()) + 1)
    for mask in (labels, ~labels):
        share = np.bincount(codes[mask], minlength=len(out)) / mask.sum()
        out += np.bincount(codes[mask], weights=moves[mask], minlength=len(out)) / (1 - share)
    return out


def effective(codes: Ints) -> float:
    """The number of groups of equal size that would know as much (Kish 1965, Survey Sampling, 8.2).

    Args:
        codes: group of each sample, (n,).

    Example:
        >>> effective(np.array([0, 0, 1, 1])), effective(np.array([], dtype=int))
        (2.0, 0.0)
    """
    counts: Floats = np.bincount(codes).astype(np.float64)
    return float(counts.sum() ** 2 / (counts**2).sum()) if len(codes) else 0.0


def _least(value: float, groups: float, tail: float) -> float:
    """The lower end of a proportion of independent groups (Clopper and Pearson 1934, Biometrika 26, 404).

    No mean of numbers in [0, 1] spreads more than one of zeros and ones. It bounds the logit's end where a ranking is
    nearly perfect and nothing is known of its spread.
    """
    from scipy.stats import beta

    return float(beta.ppf(tail, groups * value, groups * (1 - value) + 1))
