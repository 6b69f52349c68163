"""What processing an exposure gives."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.types import Floats32


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
    """

    exposure: Exposure
    jumps: pd.DataFrame
    telegraph: pd.DataFrame
    snowballs: list[Snowball]
    features: dict[str, Floats32]
    counts: dict[str, int]
