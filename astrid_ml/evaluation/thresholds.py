"""Rules that choose the operating threshold on validation; what it costs is measured on test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.metrics.binary import CurveSteps, UndefinedError, steps
from astrid_ml.types import Level, Share


def steps_of_both(scores: Any, labels: Any) -> CurveSteps:
    """Cumulative counts on validation.

    Raises:
        UserError: a class is absent there, so no rule can weigh one against the other.
    """
    try:
        at = steps(scores, labels)
    except UndefinedError as reason:
        raise UserError("a validation fold with samples", str(reason), "enlarge split.val") from reason
    if at.positives <= 0 or at.negatives <= 0:
        got = f"{at.positives:.0f} real and {at.negatives:.0f} bogus"
        raise UserError(
            "both classes on validation to choose a threshold", got, "enlarge split.val, or threshold=fixed"
        )
    return at


@dataclass(frozen=True)
class MaxF1:
    """The threshold with the largest F1."""

    def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
        """(threshold, the rule in words)."""
        at = steps_of_both(scores, labels)
        f1 = 2 * at.true / (at.true + at.false + at.positives)
        return float(at.threshold[int(np.argmax(f1))]), "largest F1 on validation"


@dataclass(frozen=True)
class MaxFNR:
    """The highest threshold that misses at most a share of the real ones: permissive, ZTF's choice for alerts.

    Args:
        fnr: allowed false negative rate.
    """

    fnr: Level = 0.02

    def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
        """(threshold, the rule in words)."""
        at = steps_of_both(scores, labels)
        enough = np.flatnonzero(1 - at.true / at.positives <= self.fnr + 1e-12)
        return float(at.threshold[enough[0]]), f"false negative rate <= {self.fnr:g} on validation"


@dataclass(frozen=True)
class MaxFPR:
    """The lowest threshold that lets at most a share of the bogus ones through.

    Args:
        fpr: allowed false positive rate.
    """

    fpr: Level = 0.01

    def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
        """(threshold, the rule in words)."""
        at = steps_of_both(scores, labels)
        allowed = np.flatnonzero(at.false / at.negatives <= self.fpr + 1e-12)
        rule = f"false positive rate <= {self.fpr:g} on validation"
        # No score is high enough: choose nothing at all rather than break the promise.
        return (
            float(at.threshold[allowed[-1]]) if len(allowed) else float(np.nextafter(at.threshold[0], np.inf))
        ), rule


@dataclass(frozen=True)
class Fixed:
    """A threshold that the user gives.

    Args:
        value: on the probability where calibrated, else on the score.
    """

    value: Share = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not 0 <= self.value <= 1:
            raise UserError("threshold.value from 0 to 1", str(self.value), "for instance threshold.value=0.5")

    def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
        """(threshold, the rule in words)."""
        return self.value, "given"
