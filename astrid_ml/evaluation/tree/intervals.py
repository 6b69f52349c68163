"""Intervals of a macro-averaged AUCPR, ROC AUC and F1, and of a difference, from what each group does to the mean.

Resampled objects repeat: a class of five is ranked too well in a replicate, and percentiles lie above the truth
(``tests/evaluation/tree/test_intervals.py`` counts how often). The influences of
:mod:`astrid_ml.metrics.influence` have no such bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from astrid_ml.evaluation.intervals import UNSEEN
from astrid_ml.metrics.influence import Influence, area_influence, roc_influence
from astrid_ml.metrics.near_one import high_end, low_end
from astrid_ml.metrics.shares import EDGE, Interval, effective
from astrid_ml.types import Floats, Ints, Mask

LEAST = 5  # groups below which no interval is given

Of = Callable[[object, object], Influence]


class _Each(NamedTuple):
    """One-vs-rest metrics of K classes and what moves them.

    Args:
        values: of the metric, (K,).
        guesses: of a ranking that knows nothing, (K,).
        real: groups of equal size that know as much as those of the class, (K,).
        moves: what leaving out each group does, (K, G).
        held: whether a group holds an object of the class, (K, G).
    """

    values: Floats
    guesses: Floats
    real: Floats
    moves: Floats
    held: Mask


def macro_area_interval(p: Floats, truth: Ints, groups: Ints, level: float = 0.95) -> Interval | None:
    """The interval of :func:`astrid_ml.evaluation.tree.metrics.macro_average_precision`.

    A class in one group alone does not tell how far others of it would lie: what an object of the other classes does
    stands for it.

    Args:
        p: (n, k) probabilities.
        truth: (n,) classes 0 .. k-1.
        groups: (n,) codes 0 .. G-1.
        level: of the interval.

    Returns:
        Its ends; None with fewer than two classes, fewer than five groups, or no class in two.

    Example:
        >>> p, truth = np.eye(2)[[0, 0, 0, 1, 1, 0]], np.array([0, 0, 0, 1, 1, 1])
        >>> low, high = macro_area_interval(p, truth, np.arange(6))
        >>> 0 < low < (3 / 4 + 5 / 6) / 2 < high < 1
        True
    """
    return _macro_interval(area_influence, p, truth, groups, level)


def macro_roc_interval(p: Floats, truth: Ints, groups: Ints, level: float = 0.95) -> Interval | None:
    """The interval of the mean one-vs-rest ROC AUC; see :func:`macro_area_interval`.

    Example:
        >>> macro_roc_interval(np.eye(2), np.array([0, 1]), np.arange(2)) is None
        True
    """
    return _macro_interval(roc_influence, p, truth, groups, level)


def macro_area_difference(
    one: Floats, two: Floats, truth: Ints, groups: Ints, level: float = 0.95
) -> tuple[float, Interval] | None:
    """The macro-AUCPR of one network less that of another on the same objects, and its interval.

    Of the next object of a class it is not known whether both see it: the better one's margin over a guess counts.

    Args:
        one, two: (n, k) probabilities of each.
        truth, groups, level: see :func:`macro_area_interval`.

    Returns:
        None where there is no interval; equal probabilities differ by 0 without one.

    Example:
        >>> p, truth = np.eye(2)[[0, 0, 0, 1, 1, 0]], np.array([0, 0, 0, 1, 1, 1])
        >>> macro_area_difference(p, p, truth, np.arange(6))
        (0.0, (0.0, 0.0))
    """
    from scipy.stats import norm

    if _few(truth, groups):
        return None
    first, second = (_each(area_influence, p, truth, groups) for p in (one, two))
    better = np.maximum(first.values, second.values)
    spread = _spread(first._replace(values=better, moves=first.moves - second.moves))
    if spread is None:
        return None
    value = float(np.mean(first.values - second.values))
    reach = 0.0 if np.array_equal(one, two) else float(norm.ppf((1 + level) / 2)) * spread
    return value, (max(value - reach, -1.0), min(value + reach, 1.0))


def _macro_interval(of: Of, p: Floats, truth: Ints, groups: Ints, level: float) -> Interval | None:
    from scipy.special import expit, logit
    from scipy.stats import norm

    if _few(truth, groups):
        return None
    each = _each(of, p, truth, groups)
    spread = _spread(each)
    if spread is None:
        return None
    share = UNSEEN / each.real
    centre = float(np.clip(np.mean((each.values + share * each.guesses) / (1 + share)), EDGE, 1 - EDGE))
    value = float(np.mean(each.values))
    reach = norm.ppf((1 + level) / 2) * spread
    width = reach / (centre * (1 - centre))
    low, high = (float(end) for end in expit(logit(centre) + np.array([-width, width])))
    # Near 1 the logit stretches a spread that it was not made for: no end lies further than that of a plain interval.
    high = min(high, centre + reach)
    costs = np.maximum(each.values - each.guesses, 0.0) / each.real / len(each.values)
    largest = max(0.0, -float(each.moves.sum(axis=0).min())) / len(each.values)
    low = low_end(value, spread**2, largest, costs, (1 - level) / 2)
    return low, min(max(high, value), 1.0)


def macro_f1_interval(truth: Ints, called: Ints, groups: Ints, level: float = 0.95) -> Interval | None:
    """The interval of :func:`astrid_ml.evaluation.tree.metrics.macro_f1`.

    Each object moves the F1 of its class and of the one that it was called: F1 is 2 T / D, with T that are right and D
    the objects of the class and those called so.

    Args:
        truth: (n,) classes 0 .. k-1.
        called: (n,) what they were called.
        groups: (n,) codes 0 .. G-1.
        level: of the interval.

    Returns:
        Its ends; None with fewer than two classes or fewer than five groups.

    Example:
        >>> y = np.repeat([0, 1], 20)
        >>> low, high = macro_f1_interval(y, y, np.arange(40))
        >>> round(low, 2), high
        (0.92, 1.0)
    """
    if _few(truth, groups):
        return None
    classes = np.unique(truth)
    size = int(max(truth.max(), called.max())) + 1
    right, both = np.zeros(size), np.bincount(truth, minlength=size) + np.bincount(called, minlength=size)
    np.add.at(right, truth[truth == called], 1.0)
    of_class = np.zeros(size)
    of_class[classes] = 1 / both[classes] / len(classes)
    f1 = 2 * right / np.maximum(both, 1)
    value, tail = float(f1[classes].mean()), (1 - level) / 2
    moves = 2 * (truth == called) * of_class[truth] - (f1 * of_class)[truth] - (f1 * of_class)[called]
    moved = np.bincount(groups, weights=moves)
    count = len(np.unique(groups))
    variance = count / (count - 1) * float((moved**2).sum())
    own = np.array([effective(groups[truth == k]) for k in classes])
    low = low_end(value, variance, max(0.0, -float(moved.min())), f1[classes] / own / len(classes), tail)
    if value > 0:
        return low, high_end(value, variance, tail)
    return 0.0, 1 - low_end(1.0, 0.0, 0.0, 1 / own / len(classes), tail)  # none was right: one more may be


def _few(truth: Ints, groups: Ints) -> bool:
    return len(np.unique(truth)) < 2 or len(np.unique(groups)) < LEAST


def _each(of: Of, p: Floats, truth: Ints, groups: Ints) -> _Each:
    """Of each class that has objects against the rest."""
    rows = []
    for k in np.unique(truth):
        own = truth == k
        found = of(np.clip(p[:, k], 0, 1), own)
        guess = float(own.mean()) if of is area_influence else 0.5
        held = np.bincount(groups[own], minlength=int(groups.max()) + 1) > 0
        rows.append((found.value, guess, effective(groups[own]), _leave_out(found.moves, own, groups), held))
    return _Each(*(np.array(column) for column in zip(*rows, strict=True)))


def _spread(each: _Each) -> float | None:
    """The standard error of the mean over classes; None where no class is in two groups."""
    alone = each.real < 2 - EDGE
    if alone.all():
        return None
    moves = np.where(alone[:, None] & each.held, 0.0, each.moves)
    of_one = [float((m[held] ** 2).sum()) * real for m, held, real in zip(moves, each.held, each.real, strict=True)]
    unseen = float((UNSEEN * ((each.values - each.guesses) / each.real) ** 2).sum())
    of_alone = float(alone.sum()) * float(np.mean(np.array(of_one)[~alone]))
    return float(np.sqrt(float((moves.sum(axis=0) ** 2).sum()) + of_alone + unseen)) / len(each.values)


def _leave_out(moves: Floats, own: Mask, groups: Ints) -> Floats:
    """What leaving out each group does, (G,): a large one takes its class's mean with it."""
    out: Floats = np.zeros(int(groups.max()) + 1)
    for mask in (own, ~own):
        share = np.bincount(groups[mask], minlength=len(out)) / mask.sum()
        part = np.bincount(groups[mask], weights=moves[mask], minlength=len(out))
        out += part / np.where(share < 1, 1 - share, 1.0)
    return out
