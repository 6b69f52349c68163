"""Intervals by resampling groups: an object's stamps stand or fall together.

A replicate draws G of the G groups with replacement; each sample's weight is how often its group was drawn. Scores
are sorted once, so a replicate costs one weighted cumulative sum instead of a sort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from astrid_ml.metrics.binary import check_scores, steps
from astrid_ml.metrics.ranking import area, ranked
from astrid_ml.types import Floats, Ints, Level, Seed, Whole

Curve = Callable[[Floats, Floats], Floats]
FEWEST_GROUPS = 5  # of either class in a comparison of two rankings
BLOCK = 64  # replicates that are computed together where a number is given for many at once


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals from resampled groups (Efron and Tibshirani 1993, An Introduction to the Bootstrap, 13.3).

    Args:
        replicates: how many; 1,000 for a 95 % interval.
        seed: of the draws.
        level: of the interval.
    """

    replicates: Whole = 1000
    seed: Seed = 0
    level: Level = 0.95

    def times(self, count: int) -> Iterator[Floats]:
        """How often each of ``count`` groups is drawn, (count,), replicate by replicate.

        Example:
            >>> [int(times.sum()) for times in Bootstrap(replicates=2).times(5)]
            [5, 5]
        """
        random = np.random.default_rng(self.seed)
        for _ in range(self.replicates):
            yield np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)

    def draws(self, groups: Ints) -> Iterator[Floats]:
        """Weights of the samples, replicate by replicate; groups are codes 0 .. G-1.

        Example:
            >>> [weights.tolist() for weights in Bootstrap(replicates=1).draws(np.array([0, 0]))]
            [[1.0, 1.0]]
        """
        for times in self.times(int(groups.max()) + 1 if len(groups) else 0):
            yield times[groups]

    def values(self, count: int, value: Callable[[Floats], Floats]) -> Floats:
        """A number in each replicate, (replicates,).

        Args:
            count: number of groups.
            value: from how often each group was drawn, (r, count), to the number in each of these replicates, (r,);
                NaN where it is undefined.

        Example:
            >>> found, there = np.array([1.0, 2.0]), np.array([2.0, 4.0])
            >>> Bootstrap(replicates=3).values(2, lambda times: (times @ found) / (times @ there)).tolist()
            [0.5, 0.5, 0.5]
        """
        every, out = self.times(count), [np.zeros(0)]
        while block := list(islice(every, BLOCK)):
            out.append(value(np.stack(block)))
        return np.concatenate(out)

    def interval(self, values: Floats, share: float = 0.5, least: int = 10) -> tuple[float, float] | None:
        """The percentile interval of defined replicates; None where too few are defined.

        Args:
            values: (replicates,), NaN where undefined.
            share: of the replicates that must be defined.
            least: number that must be defined.

        Example:
            >>> Bootstrap(level=0.5).interval(np.arange(101.0))
            (25.0, 75.0)
        """
        defined = values[np.isfinite(values)]
        if len(defined) < share * len(values) or len(defined) < max(least, 1):
            return None
        tail = (1 - self.level) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(low), float(high)

    def curves(self, scores: object, labels: object, groups: object, curve: Curve = area) -> Floats:
        """A curve's value in each replicate, shape (replicates,).

        Example:
            >>> values = Bootstrap(replicates=50).curves([0.9, 0.8, 0.2], [1, 1, 0], ["a", "b", "c"])
            >>> sorted(set(values[np.isfinite(values)].tolist()))
            [1.0]
        """
        s, y = check_scores(scores, labels)
        codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
        order, last = ranked(s)
        y, codes = y[order], codes[order]
        out = np.empty(self.replicates)
        for number, weights in enumerate(self.draws(codes)):
            everything = np.cumsum(weights)[last]
            true = np.cumsum(np.where(y, weights, 0.0))[last]
            out[number] = curve(true, everything - true)
        return out

    def means(self, values: Floats, groups: object) -> Floats:
        """The mean over samples in each replicate, (replicates,).

        Example:
            >>> Bootstrap(2).means(np.array([1.0, 3.0]), ["a", "a"]).tolist()
            [2.0, 2.0]
        """
        codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
        sums, counts = np.bincount(codes, weights=values), np.bincount(codes).astype(np.float64)
        return np.array([times @ sums / (times @ counts) for times in self.times(len(counts))])


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
        None where too few replicates define both, or a class has fewer than ``FEWEST_GROUPS`` groups: of two or three
        positives, equal rankings are too often declared different.

    Example:
        >>> scores, labels = np.linspace(1, 0, 10), np.arange(10) < 5
        >>> paired(scores, scores, labels, range(10), Bootstrap(100))
        PairedDifference(value=0.0, low=0.0, high=0.0)
    """
    codes, real = pd.factorize(np.asarray(groups))[0], np.asarray(labels).astype(bool)
    if min(len(np.unique(codes[real])), len(np.unique(codes[~real]))) < FEWEST_GROUPS:
        return None
    first = bootstrap.curves(scores_a, labels, groups, curve)
    second = bootstrap.curves(scores_b, labels, groups, curve)
    interval = bootstrap.interval(first - second)
    if interval is None:
        return None
    return PairedDifference(_once(scores_a, labels, curve) - _once(scores_b, labels, curve), *interval)


def _once(scores: object, labels: object, curve: Curve) -> float:
    at = steps(scores, labels)
    return float(curve(at.true, at.false))
