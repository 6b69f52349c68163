"""Triplets that are spoilt: constant, void, void in the centre, banded; and a list kept by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.stamps import middle_and_noise
from astrid_ml.tables import read_table
from astrid_ml.types import Array, Count, Existing, Floats, Positive, Share

CHANNELS = ("science", "reference", "difference")
VERDICTS = ("keep", "reject")


@dataclass(frozen=True)
class SpoiltTriplets:
    """Which triplets teach nothing.

    Args:
        void: largest share of a stamp without data.
        centre: px; no pixel without data may lie in a box of this side around the position.
        band: a row or column of the difference is off where its median is so many of its own errors from the sky.
        banded: largest share of rows, or of columns, that are off.
        hand_list: file: id and verdict (keep or reject), which go before all of these.

    Example:
        >>> stamps = np.random.default_rng(1).normal(size=(2, 3, 21, 21)).astype("f4")
        >>> stamps[1, 1] = 7.0
        >>> SpoiltTriplets()(stamps).tolist()
        ['', 'constant reference']
    """

    void: Share = 0.3
    centre: Count = 5
    band: Positive = 5.0
    banded: Share = 0.25
    hand_list: Existing | None = None

    def __call__(self, stamps: Array) -> Array:
        """Why each triplet is spoilt; empty where it is not.

        Args:
            stamps: (n, 3, h, w), NaN without data.
        """
        why: Array = np.full(len(stamps), "", dtype=object)
        for number, triplet in enumerate(stamps):
            why[number] = next(filter(None, map(self._why, CHANNELS, triplet)), "")
        return why

    def by_hand(self) -> Mapping[str, str]:
        """id -> keep or reject.

        Raises:
            UserError: a table without these columns, another verdict, or two for one id.
        """
        if self.hand_list is None:
            return {}
        rows = read_table(Path(self.hand_list), {"id": "text", "verdict": "text"}).rows
        both = [(str(n), str(verdict).strip().lower()) for n, verdict in zip(rows["id"], rows["verdict"], strict=True)]
        said = dict(both)
        strange = [f"{name}: {verdict}" for name, verdict in both if verdict not in VERDICTS]
        twice = [name for name, verdict in both if said[name] != verdict]
        if twice and not strange:
            got = f"keep and reject for {twice[0]}"
            raise UserError(f"one verdict for each id in {self.hand_list}", got, "leave out one of the two")
        if strange:
            raise UserError(f"verdicts keep or reject in {self.hand_list}", strange[0], "write one of the two")
        return said

    def _why(self, channel: str, plane: Floats) -> str:
        known = np.isfinite(plane)
        if not known.any() or (~known).mean() > self.void:
            return f"void {channel}"
        half, (h, w) = self.centre // 2, plane.shape
        box = known[h // 2 - half : h // 2 + half + 1, w // 2 - half : w // 2 + half + 1]
        if not box.all():
            return f"void centre of {channel}"
        if np.ptp(plane[known]) == 0:
            return f"constant {channel}"
        # Galaxies make bands of science and reference; only the difference should have none.
        return "shade bands in the difference" if channel == "difference" and self._has_bands(plane) else ""

    def _has_bands(self, plane: Floats) -> bool:
        for rows in (plane, plane.T):
            rows = rows[np.isfinite(rows).sum(axis=1) > rows.shape[1] // 2].astype(float)
            if not len(rows):
                continue
            medians = np.nanmedian(rows, axis=1)
            sigma = float(middle_and_noise((rows - medians[:, None]).reshape(1, -1))[1][0])  # of what is not banded
            error = 1.2533 * sigma / np.sqrt(np.isfinite(rows).sum(axis=1))  # of a median of Gaussian noise
            if (np.abs(medians - np.median(medians)) > self.band * error).mean() > self.banded:
                return True
        return False
