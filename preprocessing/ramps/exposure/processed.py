"""What processing an exposure gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.preprocessing.ramps.ramp.codes import BACKGROUND
from astrid_ml.types import Floats32, Ints

PLACE = ("integration", "group", "y", "x")
STEPS = (*PLACE, "type", "amplitude", "snr", "found_by")


@dataclass(frozen=True)
class Shower:
    """A patch of pixels that all rise a little in one group.

    Args:
        integration: 0-based.
        group: first group after it.
        y: centroid row of what is certain of it.
        x: centroid column.
        snr: significance of the box that shows it most.
        pixels: (k, 2) rows and columns.
    """

    integration: int
    group: int
    y: float
    x: float
    snr: float
    pixels: Ints


@dataclass(frozen=True)
class Processed:
    """What an exposure gives.

    Args:
        exposure: what was processed.
        jumps: integration, group, y, x, type, amplitude (e-), snr, found_by.
        telegraph: integration, y, x, amplitude, transitions, r2, first_frame.
        snowballs: events.
        features: name -> (n_ints, n_rows, n_cols) float32.
        counts: pixels that could not be used, and the like.
        fitted: the columns of ``jumps``: every step that the slopes were fitted around, whatever became of it; lone
            falls have type 0.
        showers: events.
    """

    exposure: Exposure
    jumps: pd.DataFrame
    telegraph: pd.DataFrame
    snowballs: list[Snowball]
    features: dict[str, Floats32]
    counts: dict[str, int]
    fitted: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(STEPS)))
    showers: list[Shower] = field(default_factory=list)

    @property
    def falls(self) -> pd.DataFrame:
        """Steps downwards that are no telegraph noise: fitted, listed with type 0, and part of no event."""
        known = pd.MultiIndex.from_frame(self.jumps[list(PLACE)].astype("int64"))
        own = self.fitted[~(self.fitted.amplitude.astype(float) > 0)]
        place = pd.MultiIndex.from_frame(own[list(PLACE)].astype("int64"))
        return own[~place.isin(known)].assign(type=BACKGROUND).reset_index(drop=True)
