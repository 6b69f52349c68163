"""The share of real ones in the sky against that of a sample: probabilities and thresholds move from one to the other.

Label shift (Saerens, Latinne and Decaestecker 2002, Neural Computation 14, 21): within each class the samples are
distributed as before, and only the shares of the classes differ. For real and bogus that says: the same mixture of
bogus, only more of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.evaluation.calibration import EDGE
from astrid_ml.metrics.binary import CurveSteps, UndefinedError, steps
from astrid_ml.types import Floats, Ints, Mask

TINY = 1e-300  # the least probability
POINTS = 400  # kept of a curve of counts, for each class
ASSUMED = "assumed_prevalence"  # the column of predictions whose probabilities hold for another share
FITTED = "fitted_prevalence"  # and the share that they were fitted at


def in_words(share: float) -> str:
    """A share as people say it.

    Example:
        >>> in_words(1 / 300), in_words(0.64), in_words(0.9996)
        ('1 in 300', '64 %', 'all but 1 in 2,500')
    """
    if share > 0.9:
        return f"all but 1 in {1 / (1 - share):,.0f}"
    return f"1 in {1 / share:,.0f}" if share <= 0.1 else f"{100 * share:.3g} %"


def moved_odds(odds: Any, before: float, after: float) -> Floats:
    """Log-odds that hold for the share ``before``, for the share ``after``: prior odds are replaced.

    Args:
        odds: (n,).
        before: of the sample that they were fitted on.
        after: where they are to hold.
    """
    change = np.log(after) - np.log1p(-after) - np.log(before) + np.log1p(-before)
    out: Floats = np.asarray(odds, dtype=np.float64) + change
    return out


def moved(probability: Any, before: float, after: float) -> Floats:
    """The same of probabilities.

    Example:
        >>> moved([0.5, 0.99], 0.5, 0.01).round(4).tolist()  # odds of 99 against prior odds of 1/99
        [0.01, 0.5]
    """
    from scipy.special import expit, logit

    # Beyond what calibration keeps: of a rare sky the probabilities are small, and stay different from each other.
    odds = logit(np.clip(np.asarray(probability, dtype=np.float64), TINY, 1 - EDGE))
    out: Floats = expit(moved_odds(odds, before, after))
    return out


@runtime_checkable
class ChoosesAtPrevalence(Protocol):
    """A rule that can choose a threshold from counts, for another share of real ones."""

    def choose_at(self, at: CurveSteps, prevalence: float) -> tuple[float, str]:
        """(threshold, the rule in words)."""


@dataclass(frozen=True)
class Prior:
    """What a checkpoint keeps of its validation, so that thresholds can be chosen for another share later.

    Args:
        share: of real ones there.
        curve: cumulative counts; None where a class is absent.
    """

    share: float
    curve: CurveSteps | None

    @classmethod
    def of(cls, scores: Any, labels: Any) -> Prior:
        """Of a validation fold.

        Args:
            scores: (n,) what a threshold applies to, at the fold's own share.
            labels: (n,) in {0, 1}.
        """
        y: Mask = np.asarray(labels).astype(bool)
        try:
            curve = thinned(steps(scores, y))
        except UndefinedError:
            curve = None
        return cls(float(y.mean()) if len(y) else float("nan"), curve if y.any() and not y.all() else None)

    def plain(self) -> dict[str, Any]:
        """As plain containers; empty where a class is absent."""
        if self.curve is None:
            return {}
        names = ("threshold", "true", "false")
        return {"share": self.share, "counts": {name: getattr(self.curve, name).tolist() for name in names}}

    @classmethod
    def from_plain(cls, fitted: dict[str, Any]) -> Prior:
        """The inverse, of what stands in a checkpoint.

        Raises:
            UserError: it was made before this was kept, or without both classes.
        """
        if "counts" not in fitted:
            raise UserError(
                "a checkpoint that knows the share of real ones in its validation, for prevalence=",
                "one that does not tell it",
                "train again, or leave out prevalence=",
            )
        parts = {name: np.asarray(values, dtype=np.float64) for name, values in fitted["counts"].items()}
        return cls(float(fitted["share"]), CurveSteps(**parts))


def thinned(at: CurveSteps) -> CurveSteps:
    """The steps at which one of the classes has grown by a ``POINTS``-th of it, or by a tenth of what there was.

    Args:
        at: cumulative counts.
    """
    last = len(at.threshold) - 1
    keep = np.zeros(last + 1, dtype=bool)
    keep[[0, last]] = True
    for counts in (at.true, at.false):
        total = max(float(counts[-1]), 1.0)
        few = np.geomspace(1, total, POINTS)
        wanted = np.concatenate([np.linspace(1, total, POINTS), few])
        found: Ints = np.searchsorted(counts, wanted - 1e-9).astype(np.int64)
        keep[np.minimum(found, last)] = True
    rows = np.flatnonzero(keep)
    return CurveSteps(at.threshold[rows], at.true[rows], at.false[rows])


def joined_share(shares: Sequence[float]) -> float:
    """The share for which the mean of log-odds holds that each hold for one of these.

    Args:
        shares: of the members.
    """
    odds = np.mean([np.log(share) - np.log1p(-share) for share in shares])
    return float(1 / (1 + np.exp(-odds)))


def assumed_of(known: pd.DataFrame) -> float | None:
    """The share of real ones that predictions were moved to; None where they hold for the one they were fitted at.

    Args:
        known: predictions.
    """
    return float(known[ASSUMED].iloc[0]) if ASSUMED in known and len(known) else None


def at_own_share(known: pd.DataFrame) -> pd.DataFrame:
    """Predictions whose probabilities and scores hold for the share of real ones among themselves.

    Probabilities that were moved to an assumed share are right there, and neither they nor the raw scores are where
    their labels come from another mixture. Moved to that of the labels, calibration is judged by what it does.

    Args:
        known: labelled predictions; as they are where no share was assumed, as they were fitted where all labels
            are of one class.
    """
    assumed = assumed_of(known)
    if assumed is None or FITTED not in known or not len(known):
        return known
    own = float((known["label"].to_numpy(dtype=np.float64) > 0).mean())
    own = own if 0 < own < 1 else float(known[FITTED].iloc[0])
    return known.assign(
        probability=moved(known["probability"], assumed, own),
        score=moved(known["score"], float(known[FITTED].iloc[0]), own),
    )
