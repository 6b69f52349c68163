"""What calibration did to held-out probabilities, with an interval; where it harmed, in words."""

from __future__ import annotations

from dataclasses import dataclass

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.types import Floats

WORDS = {"nll": "negative log-likelihood", "brier": "Brier score"}


@dataclass(frozen=True)
class Effect:
    """A loss after calibration less the loss before, on the same samples.

    Args:
        loss: ``nll`` or ``brier``.
        before: mean loss of the raw score.
        after: mean loss of the calibrated probability.
        interval: of their difference, by resampling groups; None where there are too few.
    """

    loss: str
    before: float
    after: float
    interval: tuple[float, float] | None

    @property
    def change(self) -> float:
        """Below 0: calibration helps."""
        return self.after - self.before

    @property
    def alarm(self) -> str:
        """What a reader must know first; empty where calibration does not harm."""
        if not self.change > 0:
            return ""
        said = (
            f"Calibration makes the held-out probabilities worse: {WORDS[self.loss]} {self.before:.4f} of the raw "
            f"score, {self.after:.4f} calibrated"
        )
        if self.interval is None:
            return f"{said} (too few groups for an interval of the difference)."
        low, high = self.interval
        chance = "; it may be chance" if low <= 0 else ""
        return f"{said} (difference {self.change:.4f}, 95 % interval {low:.4f} to {high:.4f}{chance})."


def effect_of(loss: str, before: Floats, after: Floats, groups: object, bootstrap: Bootstrap) -> Effect:
    """Compare the losses of each sample.

    Args:
        loss: ``nll`` or ``brier``.
        before: (n,) of the raw score.
        after: (n,) of the calibrated probability.
        groups: (n,).
        bootstrap: of the interval.

    Example:
        >>> import numpy as np
        >>> found = effect_of("nll", np.array([0.1, 0.3]), np.array([0.2, 0.2]), ["a", "b"], Bootstrap(50))
        >>> round(found.before, 3), round(found.change, 3), found.alarm
        (0.2, 0.0, '')
    """
    interval = bootstrap.interval(bootstrap.means(after - before, groups))
    return Effect(loss, float(before.mean()), float(after.mean()), interval)
