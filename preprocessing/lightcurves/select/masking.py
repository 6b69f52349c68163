"""Epochs that are taken out of a curve and asked after: what a network can learn from curves without a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.preprocessing.lightcurves.select.augment import DAYS, DETECTED, ERROR, FLUX, WAVELENGTH
from astrid_ml.types import Count, Decay, Floats, Floats32, Ints, Mask

DRAWS = 4  # numbers that an object takes
# Of an object that draws nothing (validation): one after the other the three kinds, and always the same epochs.
_STEP = 0.6180339887498949
# Columns of an asked epoch.
ASKED = ("days", "flux", "error", "wavelength", "known")


@dataclass(frozen=True)
class Masking:
    """Which epochs are hidden: in a third of the curves single ones, in a third whole nights, in a third whole bands.

    A hidden epoch beside another one of its night says what its neighbour says; a hidden night has to be carried over
    time, a hidden band over colour. Time zero stays, and so does the first epoch.

    Args:
        share: of the epochs, nights or bands of a curve.
        asked: hidden epochs of a curve that are asked after, drawn from all of them.

    Example:
        >>> curve = np.array([[0, 9, 1, 1, 0.6], [1, 8, 1, 1, 0.6], [2, 7, 1, 1, 0.5]], np.float32)
        >>> left, ends, asked = Masking(share=0.5, asked=2).split(curve, np.array([0, 3]), np.zeros((1, DRAWS)))
        >>> len(left), ends.tolist(), asked.shape
        (2, [0, 2], (1, 2, 5))
    """

    share: Decay = 0.3
    asked: Count = 12

    def split(self, values: Floats32, offsets: Ints, drawn: Floats) -> tuple[Floats32, Ints, Floats32]:
        """What a network sees of curves, and what it is asked.

        Args:
            values: (N, 5), the columns of ``epochs``.
            offsets: (n + 1,).
            drawn: (n, DRAWS) numbers in [0, 1).

        Returns:
            Epochs that are left (M, 5), their offsets (n + 1,), and the hidden ones that are asked after,
            (n, asked, 5) with the columns ``ASKED``; ``known`` is 0 where a curve has fewer.
        """
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        hidden = self._hidden(values, offsets, owner, drawn)
        rows = np.flatnonzero(~hidden)
        ends = np.searchsorted(rows, offsets).astype(np.int64)
        chosen = np.flatnonzero(hidden)
        return values[rows], ends, self._asked(values[chosen], owner[chosen], chosen - offsets[owner[chosen]], drawn)

    def _hidden(self, values: Floats32, offsets: Ints, owner: Ints, drawn: Floats) -> Mask:
        kind = np.floor(drawn[owner, 0] * 3).astype(np.int64)
        place = np.arange(len(values)) - offsets[owner]
        night, band = np.floor(values[:, DAYS]), np.round(values[:, WAVELENGTH] * 1000)
        coin = (drawn[owner, 1] + np.choose(kind, [place, night, band]) * (_STEP + drawn[owner, 2])) % 1.0
        zero = (values[:, DETECTED] > 0) & (values[:, DAYS] == 0)
        out: Mask = (coin < self.share) & ~zero & (place > 0)
        return out

    def _asked(self, hidden: Floats32, owner: Ints, place: Ints, drawn: Floats) -> Floats32:
        """Of each curve the first of its hidden epochs (H, 5), of objects (H,) at places (H,), in a random order."""
        order = np.lexsort(((drawn[owner, 3] + place * _STEP) % 1.0, owner))
        hidden, owner = hidden[order], owner[order]
        rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
        chosen = rank < self.asked
        out = np.zeros((len(drawn), self.asked, len(ASKED)), dtype=np.float32)
        out[:, :, 2:4] = 1.0  # an error and a wavelength that can be divided by, where nothing is asked
        out[owner[chosen], rank[chosen], :4] = hidden[chosen][:, [DAYS, FLUX, ERROR, WAVELENGTH]]
        out[owner[chosen], rank[chosen], 4] = 1.0
        return out


def fixed_draws(rows: Ints) -> Floats:
    """Numbers of objects by their positions in an index (n,) -> (n, DRAWS): the same at every validation."""
    out: Floats = (rows[:, None] * np.array([1 / 3, 0.7548776662466927, 0.0, 0.5698402909980532]) + 1 / 6) % 1.0
    return out
