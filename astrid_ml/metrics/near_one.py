"""The lower end of a metric near 1, where a sample is likely to lack the few cases that lower it."""

from __future__ import annotations

from astrid_ml.types import Floats

# Of one more group that is missed, and of the square of the largest loss that was seen: benchmarks/coverage.py. A whole
# group (1) is Clopper and Pearson's end of a perfect sample and a half is Jeffreys' (Brown, Cai and DasGupta 2001,
# Statistical Science 16, 101): between them about 95 % of draws hold a truth near 1.
MISSED = 0.7
LARGEST = 0.5


def low_end(value: float, variance: float, largest: float, costs: Floats, tail: float) -> float:
    """The lower end of a mean of numbers in [0, 1], by a beta distribution of what it lacks to 1.

    What is lacking is a sum of few losses, and is skew: a symmetric spread, on the logit scale too, misses the truth
    below. As Fay and Feuer (1997, Statistics in Medicine 16, 791) for Poisson's counts with weights, one more loss is
    counted that the sample does not show.

    Args:
        value: of the metric.
        variance: of it, between groups.
        largest: what the group that lowers it most takes from it.
        costs: what missing one more group would take from it, (k,), one for each class that it may be of.
        tail: probability beyond the end.

    Returns:
        The end, at most ``value``.

    Example:
        >>> import numpy as np
        >>> round(low_end(1.0, 0.0, 0.0, np.array([1 / 40]), 0.025), 3)  # 40 of 40; exactly 0.912
        0.924
    """
    from scipy.stats import beta

    lacks = 1 - value + MISSED * float(costs.mean())
    spread = variance + LARGEST * largest**2 + MISSED * float((costs**2).mean())
    if not 0 < lacks < 1 or not spread > 0:
        return value
    known = max(lacks * (1 - lacks) / spread - 1, 1e-3)
    return min(1 - float(beta.ppf(1 - tail, lacks * known, (1 - lacks) * known)), value)


def high_end(value: float, variance: float, tail: float) -> float:
    """The upper end of such a mean: that of the same distribution with nothing added.

    Example:
        >>> high_end(1.0, 0.0, 0.025), round(high_end(0.5, 0.01, 0.025), 2)
        (1.0, 0.69)
    """
    from scipy.stats import beta

    if not 0 < value < 1 or not variance > 0:
        return value
    known = max(value * (1 - value) / variance - 1, 1e-3)
    return max(float(beta.ppf(1 - tail, value * known, (1 - value) * known)), value)
