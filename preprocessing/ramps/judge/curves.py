"""Scored lists against truth: precision and recall, with intervals from draws of whole exposures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.metrics.ranking import area, completeness, precision
from astrid_ml.types import Floats, Ints, Mask

STEPS = 8192  # distinct scores of a curve
# Weights of the exposures, (r, E), to a number for each, (r,); NaN where it is undefined.
Values = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Ranked:
    """A list of claims, best first.

    Args:
        score: falling, (n,).
        true: which claims are right, (n,).
        exposure: where each was made, 0 .. E-1, (n,).
        totals: how many there were to find in each exposure, (E,).
    """

    score: Floats
    true: Mask
    exposure: Ints
    totals: Floats

    @staticmethod
    def of(score: npt.NDArray[np.floating], true: Mask, exposure: Ints, totals: Floats) -> Ranked:
        """Sort; entries scored -inf are not claims."""
        made = np.flatnonzero(np.isfinite(score))
        order = made[np.argsort(-score[made], kind="stable")]
        return Ranked(score[order].astype(np.float64), true[order], exposure[order], np.asarray(totals, np.float64))

    def area(self, weight: Floats | None = None) -> float | None:
        """Average precision over everything that was there, found or not; None where nothing was.

        Args:
            weight: of each exposure, (E,); None counts each once.

        Example:
            >>> score, true = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
            >>> Ranked.of(score, true, np.zeros(3, np.int64), np.array([4.0])).area()
            0.41666666666666663
        """
        return defined(self.areas((np.ones(len(self.totals)) if weight is None else weight)[None])[0])

    def areas(self, weights: Floats) -> Floats:
        """Average precision for each of many weights of the exposures.

        Args:
            weights: (r, E).

        Returns:
            (r,), NaN where nothing was there.

        Example:
            >>> ranked = Ranked.of(np.array([2.0]), np.array([True]), np.array([0]), np.array([1.0, 3.0]))
            >>> ranked.areas(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])).tolist()
            [1.0, 0.25, nan]
        """
        right, wrong = (np.cumsum(weights @ counts, axis=-1) for counts in self.steps)
        return area(right, wrong, weights @ self.totals)

    def curve(self) -> tuple[Floats, Floats]:
        """Recall and precision after each claim, both (n,); recall is of everything that was there.

        Example:
            >>> score, true = np.array([3.0, 2.0]), np.array([True, False])
            >>> recall, share = Ranked.of(score, true, np.zeros(2, np.int64), np.array([4.0])).curve()
            >>> recall.tolist(), share.tolist()
            ([0.25, 0.25], [1.0, 0.5])
        """
        right, wrong = np.cumsum(self.true, dtype=np.float64), np.cumsum(~self.true, dtype=np.float64)
        return completeness(right, np.full(len(right), self.totals.sum())), precision(right, wrong)

    @functools.cached_property
    def steps(self) -> tuple[Floats, Floats]:
        """Right and wrong claims of each exposure at falling scores, both (E, k).

        Equal scores stand or fall together; beyond ``STEPS`` distinct ones neighbours are joined, so that drawing
        exposures again and again stays cheap.
        """
        place = np.cumsum(np.diff(self.score, prepend=np.inf) != 0) - 1
        number = int(place[-1]) + 1 if len(place) else 0
        if number > STEPS:
            # The best claims, where precision is decided, keep their own step each.
            fine = STEPS // 2
            place = np.where(place < fine, place, fine + (place - fine) * (STEPS - fine) // (number - fine))
            number = STEPS
        cell = self.exposure * number + place
        shape = (len(self.totals), number)
        right, wrong = (
            np.bincount(cell, weights=kind, minlength=shape[0] * number).reshape(shape).astype(np.float64)
            for kind in (self.true, ~self.true)
        )
        return right, wrong


def interval(value: Values, n: int, bootstrap: Bootstrap) -> tuple[float, float] | None:
    """Interval of a number over draws of ``n`` exposures; None where it is never defined.

    Exposures are few, and a class may be in one of them: whatever draws define it are used.

    Example:
        >>> interval(lambda weights: weights @ np.array([1.0, 1.0]) / 2, 2, Bootstrap(replicates=5))
        (1.0, 1.0)
    """
    return bootstrap.interval(bootstrap.values(n, value), share=0.0, least=1)


def mean_of_defined(values: npt.ArrayLike) -> Floats:
    """The mean over the first axis of what is not NaN; NaN where all are.

    Example:
        >>> mean_of_defined([[1.0, np.nan], [3.0, np.nan]]).tolist()
        [2.0, nan]
    """
    each = np.asarray(values, dtype=np.float64)
    there = np.isfinite(each)
    total, number = np.where(there, each, 0.0).sum(axis=0), there.sum(axis=0)
    out: Floats = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return out


def defined(value: npt.ArrayLike) -> float | None:
    """A number, or None for NaN.

    Example:
        >>> defined(0.5), defined(np.nan)
        (0.5, None)
    """
    number = float(np.asarray(value))
    return None if np.isnan(number) else number
