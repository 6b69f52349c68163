"""Rules that choose the operating threshold on validation; what it costs is measured on test.

Each can choose for another share of real ones (:class:`astrid_ml.evaluation.prior.ChoosesAtPrevalence`): a rate within
a class stays what it is, precision does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.evaluation.prevalence import FEWEST
from astrid_ml.evaluation.prior import in_words
from astrid_ml.metrics.binary import CurveSteps, UndefinedError, steps
from astrid_ml.types import Ints, Level, Share


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

    def choose_at(self, at: CurveSteps, prevalence: float) -> tuple[float, str]:
        """The same where so many are real, among thresholds with enough bogus above them to tell."""
        rows = measurable(at)
        real, bogus = prevalence * at.true[rows] / at.positives, (1 - prevalence) * at.false[rows] / at.negatives
        best = rows[int(np.argmax(2 * real / (real + bogus + prevalence)))]
        return float(at.threshold[best]), f"largest F1 where {in_words(prevalence)} is real, on validation"


@dataclass(frozen=True)
class MinPurity:
    """The lowest threshold above which at least a share of what is called real is real: the most complete one.

    Args:
        purity: wanted precision. With ``prevalence=`` that of the sky, else that of the validation fold.
    """

    purity: Level = 0.9

    def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
        """(threshold, the rule in words)."""
        at = steps_of_both(scores, labels)
        return self._chosen(at, at.positives / (at.positives + at.negatives), "")

    def choose_at(self, at: CurveSteps, prevalence: float) -> tuple[float, str]:
        """The same where so many are real."""
        return self._chosen(at, prevalence, f" where {in_words(prevalence)} is real,")

    def _chosen(self, at: CurveSteps, prevalence: float, where: str) -> tuple[float, str]:
        rows = measurable(at)
        real, bogus = prevalence * at.true[rows] / at.positives, (1 - prevalence) * at.false[rows] / at.negatives
        purity = real / (real + bogus)
        pure = np.flatnonzero(purity >= self.purity - 1e-12)
        if len(pure):
            return float(at.threshold[rows[pure[-1]]]), f"purity of at least {self.purity:g}{where} on validation"
        best = int(np.argmax(purity))
        return float(at.threshold[rows[best]]), (
            f"the purest that validation can show, {purity[best]:.3g}{where}: {self.purity:g} is not reached with "
            f"{FEWEST} bogus above the threshold"
        )


def measurable(at: CurveSteps) -> Ints:
    """The thresholds above which there are enough bogus to measure a purity, from the highest down; the last if none.

    Args:
        at: cumulative counts.
    """
    enough: Ints = np.flatnonzero(at.false >= FEWEST).astype(np.int64)
    return enough if len(enough) else np.array([len(at.false) - 1])


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
        return self.choose_at(at, 0.5)

    def choose_at(self, at: CurveSteps, prevalence: float) -> tuple[float, str]:
        """The same: completeness does not depend on how many are bogus."""
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
        return self.choose_at(steps_of_both(scores, labels), 0.5)

    def choose_at(self, at: CurveSteps, prevalence: float) -> tuple[float, str]:
        """The same: a rate among bogus does not depend on how many are real."""
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

    def choose_at(self, at: CurveSteps, prevalence: float) -> tuple[float, str]:
        """The same number, on probabilities that hold for this share."""
        return self.value, "given"
