"""Scored lists against truth: precision and recall, with intervals from draws of whole exposures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """A list of claims, best first.

    Args:
        score: falling, (n,).
        true: which claims are right, (n,).
        exposure: where each was made, 0 .. E-1, (n,).
        totals: how many there were to find in each exposure, (E,).
    """

    score: Floats
    true: npt.NDArray[np.bool_]
    exposure: npt.NDArray[np.int64]
    totals: Floats

    @staticmethod
    def of(
        score: npt.NDArray[np.floating], true: npt.NDArray[np.bool_], exposure: npt.NDArray[np.int64], totals: Floats
    ) -> Ranked:
        """Sort; claims of score -inf are none."""
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
        each = weight[self.exposure]
        found, claimed = np.cumsum(each * self.true), np.cumsum(each)
        if not len(found):
            return 0.0
        last = np.flatnonzero(np.append(np.diff(self.score) != 0, True))  # equal scores stand or fall together
        found, claimed = found[last], claimed[last]
        precision = np.divide(found, claimed, out=np.zeros_like(found), where=claimed > 0)
        return float(np.dot(np.diff(found, prepend=0.0), precision) / total)


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
