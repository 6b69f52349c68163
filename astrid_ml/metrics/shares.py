"""Shares of samples that stand or fall in groups, and their exact intervals: never a width of zero."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.types import Floats, Ints

EDGE = 1e-9

Interval = tuple[float, float]


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


def object_share_interval(values: Floats, level: float = 0.95) -> Interval | None:
    """The interval of a mean over independent objects, each of which is a share of its own: 0, 1 or between.

    As many samples of zeros and ones as would spread so much are asked, at least one an object: where all objects are
    alike, as many as there are objects.

    Args:
        values: (n,) in [0, 1].
        level: of the interval.

    Returns:
        Its ends; None of no objects.

    Example:
        >>> [round(end, 3) for end in object_share_interval(np.ones(40)) or ()]
        [0.912, 1.0]
    """
    if not len(values):
        return None
    n, mean = float(len(values)), float(values.mean())
    if n > 1 and EDGE < mean < 1 - EDGE:
        n = max(n, mean * (1 - mean) / max(float(values.var(ddof=1)) / n, EDGE**2))
        n = min(n, len(values) / EDGE)
    return exact(float(np.clip(mean, 0, 1)) * n, n, (1 - level) / 2)
