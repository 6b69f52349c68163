"""Intervals of a ranking's worth, from the influence of each group, that cover the truth also where positives are few.

On the logit scale, as Boyd et al. 2013 (ECML PKDD, LNCS 8190, 451), with the variance of a jackknife by groups in
place of the binomial one. Measured beside percentile, BCa, studentised and bias-corrected logit bootstraps by
``benchmarks/coverage.py``: resampling cannot draw the low-ranking positives that a small sample happens to lack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from astrid_ml.metrics.influence import Influence, area_influence, roc_influence
from astrid_ml.metrics.near_one import low_end
from astrid_ml.metrics.shares import EDGE, Interval, effective, exact, proportion_interval
from astrid_ml.types import Floats, Ints, Mask

# Of one more group of positives, ranked no better than by a guess, as if it had been seen: without it 20 positives that
# all rank high claim to know how low the 21st can rank. Chosen by benchmarks/coverage.py.
UNSEEN = 0.0125


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

    Its lower end is that of :func:`astrid_ml.metrics.near_one.low_end`: one real ranked below most bogus, which few
    samples show, moves this area more than any other.

    Example:
        >>> roc_interval([0.9, 0.2], [1, 0], ["a", "b"]) is None
        True
    """
    y, guess = np.asarray(labels).astype(bool), 0.5
    found = roc_influence(scores, y)
    ends, known = logit_interval(found, y, groups, guess, level), _known(found, y, groups)
    if ends is None or known is None:
        return None
    tail, cost = (1 - level) / 2, np.array([max(found.value - guess, 0.0) / known.groups])
    low = low_end(found.value, known.variance, known.largest, cost, tail)
    return min(max(low, _least(found.value, known.groups, tail)), found.value), ends[1]


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

    known = _known(found, labels, groups)
    if known is None:
        return None
    tail, share = (1 - level) / 2, UNSEEN / known.real
    variance = known.variance + UNSEEN * ((found.value - guess) / known.real) ** 2
    centre = float(np.clip((found.value + share * guess) / (1 + share), EDGE, 1 - EDGE))
    width = -norm.ppf(tail) * np.sqrt(variance) / (centre * (1 - centre))
    low, high = (float(end) for end in expit(logit(centre) + np.array([-width, width])))
    return min(max(low, _least(found.value, known.groups, tail)), found.value), max(high, found.value)


class _Known(NamedTuple):
    """What the groups of a sample know of a metric.

    Args:
        real: positives' groups of equal size that would know as much.
        groups: the same of the class that has fewer.
        variance: of the metric, between groups.
        largest: what the group that lowers it most takes from it.
    """

    real: float
    groups: float
    variance: float
    largest: float


def _known(found: Influence, labels: Mask, groups: object) -> _Known | None:
    """None where a class has fewer than two groups."""
    codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
    real, bogus = (effective(codes[mask]) for mask in (labels, ~labels))
    if min(real, bogus) < 2 - EDGE:
        return None
    count, moved = len(np.unique(codes[labels if real <= bogus else ~labels])), _moved(found.moves, labels, codes)
    # The jackknife's factor; and groups of unequal size vary more than equal ones (benchmarks/coverage.py).
    spread = (count - 1) / count * np.sqrt(count / min(real, bogus))
    variance = spread * float((moved**2).sum())
    return _Known(real, min(real, bogus), variance, max(0.0, -float(moved.min())))


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


def _least(value: float, groups: float, tail: float) -> float:
    """The lower end of a proportion of independent groups, which bounds that of any mean of numbers in [0, 1].

    No such mean spreads more than one of zeros and ones. It bounds the logit's end where a ranking is nearly perfect
    and nothing is known of its spread.
    """
    return exact(groups * value, groups, tail)[0]


def decision_intervals(chosen: Mask, labels: Mask, groups: pd.Series, level: float) -> dict[str, Interval]:
    """Of precision, recall, their F1, accuracy and the rates of both errors: exact, however near they are to 0 or 1.

    That of Matthews' coefficient joins the two rates and the share of positives, as :func:`missed_interval` does.

    Args:
        chosen: (n,) what was called positive.
        labels: (n,).
        groups: (n,).
        level: of the intervals.

    Example:
        >>> chosen, labels = np.array([True, True, False]), np.array([True, False, True])
        >>> found = decision_intervals(chosen, labels, pd.Series([1, 2, 3]), 0.95)
        >>> [round(end, 3) for end in found["recall"]]
        [0.013, 0.987]
    """
    parts = {
        "precision": (labels, chosen),
        "recall": (chosen, labels),
        "fnr": (~chosen, labels),
        "fpr": (chosen, ~labels),
        "accuracy": (chosen == labels, np.ones(len(labels), dtype=bool)),
        "f1": (chosen & labels, chosen | labels),  # hits J of what is either; F1 = 2 J / (1 + J) rises with it
    }
    out: dict[str, Interval] = {}
    for name, (hits, of) in parts.items():
        ends = proportion_interval(hits[of], groups[of], level)
        if ends is not None:
            out[name] = (2 * ends[0] / (1 + ends[0]), 2 * ends[1] / (1 + ends[1])) if name == "f1" else ends
    share = proportion_interval(labels, groups, level)
    if share is not None and 0 < labels.mean() < 1 and 0 < chosen.mean() < 1:
        rates = tuple(float(values.mean()) for values in (chosen[labels], chosen[~labels], labels))
        out["mcc"] = _mover(_matthews, rates, (out["recall"], out["fpr"], share))
    return out


def _matthews(true: float, false: float, share: float) -> float:
    """Matthews' coefficient of the true and the false positive rate and the share of positives; 0 where undefined."""
    called = share * true + (1 - share) * false
    spread = called * (1 - called)
    return (true - false) * float(np.sqrt(share * (1 - share) / spread)) if spread > 0 else 0.0


def _mover(metric: Callable[..., float], at: tuple[float, ...], ends: tuple[Interval, ...]) -> Interval:
    """The interval of a function of independent numbers, from how far the ends of each move it."""
    value = metric(*at)
    moved = [[metric(*at[:i], end, *at[i + 1 :]) - value for end in own] for i, own in enumerate(ends)]
    low, high = (float(np.sqrt(sum(max(0.0, *(sign * m for m in own)) ** 2 for own in moved))) for sign in (-1, 1))
    return max(value - low, -1.0), min(value + high, 1.0)


def missed_interval(
    scores: Floats, labels: Mask, groups: pd.Series, fpr: float, level: float = 0.95
) -> Interval | None:
    """The interval of the false negative rate at a false positive rate, whose threshold the bogus tell but roughly.

    The two uncertainties are joined as those of a sum (Zou and Donner 2008, Statistics in Medicine 27, 1693).

    Args:
        scores: (n,).
        labels: (n,).
        groups: (n,).
        fpr: false positive rate.
        level: of the interval.
    """
    from astrid_ml.metrics.binary import fnr_at_fpr

    def missed(rate: float) -> float:
        return fnr_at_fpr(scores, labels, rate)

    value = missed(fpr)
    hits = np.zeros(int(labels.sum()), dtype=bool)
    hits[: round(value * len(hits))] = True  # the lowest scores are those that are missed
    own = np.argsort(np.asarray(scores)[labels], kind="stable")
    ends = proportion_interval(hits, groups[labels].to_numpy()[own], level)
    if ends is None:
        return None
    bogus = effective(pd.factorize(groups[~labels])[0].astype(np.int64))
    rates = exact(fpr * bogus, bogus, (1 - level) / 2)
    low = value - float(np.hypot(value - ends[0], value - missed(rates[1])))
    high = value + float(np.hypot(ends[1] - value, missed(rates[0]) - value))
    return max(low, 0.0), min(high, 1.0)


def moved_precision_interval(
    chosen: Mask, labels: Mask, groups: pd.Series, prevalence: float, level: float
) -> Interval | None:
    """The interval of the precision where another share is positive: p TPR / (p TPR + (1 - p) FPR).

    The logarithm of TPR / FPR is a difference of two independent ones, joined as in :func:`missed_interval`.

    Args:
        chosen: (n,) what was called positive.
        labels: (n,).
        groups: (n,).
        prevalence: share of positives.
        level: of the interval.

    Returns:
        None where nothing was chosen of either class.
    """
    rates = [(float(chosen[of].mean()), proportion_interval(chosen[of], groups[of], level)) for of in (labels, ~labels)]
    (true, of_true), (false, of_false) = rates
    if of_true is None or of_false is None or not true > 0 or not false > 0:
        return None
    logs = [[float(np.log(max(x, EDGE))) for x in (rate, *ends)] for rate, ends in ((true, of_true), (false, of_false))]
    (t, t_low, t_high), (f, f_low, f_high) = logs
    ratio = t - f
    ends = (ratio - float(np.hypot(t - t_low, f_high - f)), ratio + float(np.hypot(t_high - t, f - f_low)))
    odds = prevalence / (1 - prevalence)
    low, high = (odds * float(np.exp(end)) for end in ends)
    return low / (1 + low), high / (1 + high)
