"""Means over samples that stand or fall in groups, and their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.types import Floats


def mean_interval(values: Floats, groups: object, level: float = 0.95) -> tuple[float, float] | None:
    """The interval of a mean of numbers of either sign, by the spread between groups and Student's quantile.

    Args:
        values: (n,).
        groups: (n,), any values.
        level: of the interval.

    Returns:
        Its ends; None of fewer than two groups.
    """
    from scipy.stats import t

    found = _spread(values, groups)
    if found is None:
        return None
    reach = -float(t.ppf((1 - level) / 2, found.count - 1)) * found.error
    return found.mean - reach, found.mean + reach


def loss_interval(values: Floats, groups: object, level: float = 0.95) -> tuple[float, float] | None:
    """The interval of a mean of losses, none of which is below 0 and few of which are large.

    That of Fay and Feuer (1997, Statistics in Medicine 16, 791) for sums of weights with Poisson's counts: a gamma
    distribution of the sum's two moments, which at the upper end knows of one more loss as large as the largest. The
    truth of a log-loss of 1 real in 128 lies above a symmetric interval's end in 16 % of samples of 2,000, above this
    one's in 10; of 5,000 in 10 and 3 %. What a sample without its worst cases does not show, no interval tells.

    Args:
        values: (n,), 0 or more.
        groups: (n,), any values.
        level: of the interval.

    Returns:
        Its ends; None of fewer than two groups, or where every loss is 0.
    """
    from scipy.stats import gamma

    found = _spread(values, groups)
    if found is None or not found.mean > 0:
        return None
    tail, mean = (1 - level) / 2, found.mean
    if not found.error > 0:
        return mean, mean
    variance, most = found.error**2, found.most
    low = gamma.ppf(tail, mean**2 / variance) * variance / mean
    wide = variance + most**2
    high = gamma.ppf(1 - tail, (mean + most) ** 2 / wide) * wide / (mean + most)
    return float(low), float(high)


@dataclass(frozen=True)
class _Spread:
    """Of a mean over samples: how many groups, the mean, its error, and what the largest group adds to it."""

    count: int
    mean: float
    error: float
    most: float


def _spread(values: Floats, groups: object) -> _Spread | None:
    """None of fewer than two groups."""
    codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
    count = len(np.unique(codes))
    if count < 2:
        return None
    mean = float(values.mean())
    between = np.bincount(codes, weights=values - mean)
    error = float(np.sqrt(count / (count - 1) * (between**2).sum())) / len(values)
    return _Spread(count, mean, error, float(np.bincount(codes, weights=values).max()) / len(values))
