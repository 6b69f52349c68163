"""All features of light curves as one table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.preprocessing.lightcurves.features import statistics
from astrid_ml.preprocessing.lightcurves.features.periodogram import Periodogram
from astrid_ml.preprocessing.lightcurves.features.running import Grouped
from astrid_ml.types import Floats, Floats32, Ints, Positive

CLOCK = ("days", "epochs")


@dataclass(frozen=True)
class CurveFeatures:
    """Features of what has been seen of a curve, each from its own past alone: they stream with the epochs.

    Args:
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
        periodogram: None leaves it out.

    Example:
        >>> made = CurveFeatures(periodogram=None)
        >>> epochs = np.array([[0.0, 10, 1, 1, 0.48], [5.0, 40, 1, 1, 0.48]], dtype=np.float32)
        >>> found = made.of(epochs, np.array([2]), np.array([[1, 2]]), np.array([[0.0, 5.0]]))
        >>> np.sinh(found[0, :, made.names.index("maximum@g")]).round(3).tolist()
        [1.0, 4.0]
    """

    softening: Positive = 10.0
    periodogram: Periodogram | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return (*CLOCK, *statistics.names(), *(self.periodogram.names if self.periodogram else ()))

    def of(self, epochs: Floats32, lengths: Ints, seen: Ints, now: Floats, modulus: Floats | None = None) -> Floats32:
        """(B, Q, F), NaN where there are too few epochs.

        Args:
            epochs: (N, 5) days since time zero (ascending within an object), flux, error, detected, wavelength in
                micrometres.
            lengths: (B,) epochs of each object.
            seen: (B, Q) epochs that each question sees.
            now: (B, Q) days since time zero at which it is asked.
            modulus: (B,) distance moduli, NaN where none is known; None: of no object.
        """
        values = epochs.astype(np.float64)
        grouped = Grouped.of(values[:, 4], lengths)
        parts = [
            np.stack([np.log1p(np.maximum(now, 0.0)), np.log1p(seen)], axis=2),
            statistics.statistics(values, grouped, seen, now, self.softening, modulus),
        ]
        if self.periodogram is not None:
            parts.append(self.periodogram.features(values, grouped, seen))
        return np.concatenate(parts, axis=2).astype(np.float32)
