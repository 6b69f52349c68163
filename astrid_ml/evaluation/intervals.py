"""Intervals of a ranking's worth, from the influence of each group, that cover the truth also where positives are few.

On the logit scale, as Boyd et al. 2013 (ECML PKDD, LNCS 8190, 451), with the variance of a jackknife by groups in
place of the binomial one. Measured beside percentile, BCa, studentised and bias-corrected logit bootstraps by
``benchmarks/coverage.py``: resampling cannot draw the low-ranking positives that a small sample happens to lack.
"""

from __future__ import annotations

from collections.abc import Callable

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
    """The lower end of a proportion of independent groups, which bounds that of any mean of numbers in [0, 1].

    No such mean spreads more than one of zeros and ones. It bounds the logit's end where a ranking is nearly perfect
    and nothing is known of its spread.
    """
    return exact(groups * value, groups, tail)[0]


def exact(found: float, of: float, tail: float) -> Interval:
    """The interval of a proportion (Clopper and Pearson 1934, Biometrika 26, 404).

    Args:
        found: of those that are so; counts of groups need not be whole.
        of: how many independent ones there are.
        tail: probability beyond each end.

    Example:
        >>> tuple(round(end, 3) for end in exact(27, 27, 0.025))
        (0.872, 1.0)
    """
    from scipy.stats import beta

    low = float(beta.ppf(tail, found, of - found + 1)) if found > 0 else 0.0
    return low, float(beta.ppf(1 - tail, found + 1, of - found)) if found < of else 1.0


def proportion_interval(hits: object, groups: object, level: float = 0.95) -> Interval | None:
    """The interval of a share of samples, exact for independent ones; samples of a group are alike.

    The number of independent samples is that whose binomial variance is the one between groups (Korn and Graubard
    1998, Survey Methodology 24, 193); where none or all are so, it is the number of groups.

    Args:
        hits: (n,) of bool.
        groups: (n,), any values.
        level: of the interval.

    Returns:
        Its ends; None of no samples.

    Example:
        >>> low, high = proportion_interval([True] * 27, range(27))
        >>> round(low, 3), high
        (0.872, 1.0)
    """
    values = np.asarray(hits, dtype=np.float64)
    codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
    if not len(values):
        return None
    independent = independent_samples(values, codes, level)
    return exact(float(values.mean()) * independent, independent, (1 - level) / 2)


def independent_samples(values: Floats, codes: Ints, level: float) -> float:
    """How many independent samples know a share as well as these, at most their number.

    Args:
        values: (n,) zeros and ones.
        codes: group of each, (n,).
        level: of the interval: few groups know their spread badly, which Student's quantile tells.
    """
    from scipy.stats import t

    mean, n, known = float(values.mean()), len(values), effective(codes)
    sizes = np.bincount(codes)
    count = int((sizes > 0).sum())
    if count == n:
        return float(n)
    if count < 2 or not 0 < mean < 1:
        return known
    between = np.bincount(codes, weights=values - mean)
    variance = count / (count - 1) * float((between**2).sum()) / n**2
    tail = (1 - level) / 2
    few = (t.ppf(tail, n - 1) / t.ppf(tail, count - 1)) ** 2
    return float(np.clip(few * mean * (1 - mean) / max(variance, EDGE**2), min(1.0, known), n))


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
