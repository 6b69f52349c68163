"""Scored lists against truth: precision and recall, with intervals from draws of whole exposures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from astrid_ml.types import Floats, Ints, Mask

STEPS = 8192  # distinct scores of a curve


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
        """
        weight = np.ones(len(self.totals)) if weight is None else weight
        total = float(weight @ self.totals)
        if total <= 0:
            return None
        right, claimed = (np.cumsum(weight @ counts) for counts in self.steps)
        precision = np.divide(right, claimed, out=np.zeros_like(right), where=claimed > 0)
        return float(np.dot(np.diff(right, prepend=0.0), precision) / total)

    @functools.cached_property
    def steps(self) -> tuple[Floats, Floats]:
        """Right claims and all claims of each exposure at falling scores, both (E, k).

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
        right = np.bincount(cell, weights=self.true, minlength=shape[0] * number).reshape(shape).astype(np.float64)
        claimed = np.bincount(cell, minlength=shape[0] * number).reshape(shape).astype(np.float64)
        return right, claimed


def exposure_draws(n: int, replicates: int, seed: int) -> Iterator[Floats]:
    """How often each of ``n`` exposures is drawn, replicate by replicate."""
    random = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)


def interval(value: Callable[[Floats], float | None], n: int, replicates: int, seed: int) -> tuple[float, float] | None:
    """95 % interval of a number over draws of exposures; None where it is never defined."""
    drawn = [v for v in map(value, exposure_draws(n, replicates, seed)) if v is not None]
    if not drawn:
        return None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
