"""A whole exposure, strip by strip: correction, detection, and maps that are small enough to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.files import WholeFile
from astrid_ml.preprocessing.ramps.exposure.dq import (
    masked_groups,
    write_dq,
)
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball, claimed, find_snowballs
from astrid_ml.preprocessing.ramps.exposure.strip import StripDetector
from astrid_ml.preprocessing.ramps.exposure.strips import Processing, first_lost, sampling_of, strips
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.types import Floats32


def process(ramp: Ramp, settings: Processing, cube: Path | None = None, dq: Path | None = None) -> Processed:
    """Detect in every integration.

    The cores of snowballs are left out of the next integration for ``snowball_time_masked_next_int`` seconds.

    Args:
        ramp: the exposure; a memory-mapped one is never read whole.
        settings: how.
        cube: where to write the processed cube (float32, e-, first read subtracted), or None.
        dq: where to write the data-quality bits (FITS with GROUPDQ and PIXELDQ; see ``dq``), or None.
    """
    file = None if cube is None else WholeFile(cube)
    target = None if file is None else np.lib.format.open_memmap(file.part, "w+", np.float32, ramp.shape)
    parts: list[Processed] = []
    for integration in range(ramp.shape[0]):
        before = parts[-1].snowballs if parts else []
        parts.append(_integration(ramp, settings, integration, target, before))
    if file is not None:
        del target
        file.publish()
    features = {name: np.stack([part.features[name] for part in parts]) for name in parts[0].features}
    counts = {name: sum(part.counts[name] for part in parts) for name in parts[0].counts}
    processed = Processed(
        pd.concat([part.jumps for part in parts], ignore_index=True),
        pd.concat([part.telegraph for part in parts], ignore_index=True),
        [ball for part in parts for ball in part.snowballs],
        features,
        counts,
    )
    if dq is not None:
        write_dq(dq, ramp, settings, processed)
    return processed


def _integration(ramp: Ramp, settings: Processing, integration: int, target: Any, before: list[Snowball]) -> Processed:
    sampling, gain = sampling_of(ramp), float(np.mean(ramp.gain))
    detector = StripDetector(settings.steps, settings.twopoint, settings.config)
    n_groups, n_rows, n_cols = ramp.shape[1:]
    first_saturated = np.full((n_rows, n_cols), n_groups, np.int64)
    persisting = np.zeros((n_rows, n_cols), dtype=bool)
    for ball in before:
        persisting[ball.core[:, 0], ball.core[:, 1]] = True
    masked = masked_groups(ramp, settings.config)
    jumps: list[pd.DataFrame] = []
    telegraph: list[pd.DataFrame] = []
    maps: list[dict[str, Floats32]] = []
    for rows, reads in strips(ramp, settings, integration):
        if target is not None:
            target[integration, :, rows] = reads
        if ramp.reference is not None:
            reads[:, ramp.reference[rows]] = np.nan
        reads[:masked, persisting[rows]] = np.nan
        noise = torch.from_numpy(ramp.noise(rows, slice(None)))
        first_saturated[rows] = first_lost(reads)
        result = detector(torch.from_numpy(reads), noise, sampling, gain)
        jumps.append(result.jumps.assign(y=result.jumps.y + rows.start))
        telegraph.append(result.telegraph.assign(y=result.telegraph.y + rows.start))
        maps.append(result.features)
    table = pd.concat(jumps, ignore_index=True)
    balls = find_snowballs(first_saturated, table, gain, settings.config, integration)
    table = claimed(table, balls, (n_rows, n_cols))
    features = {name: np.concatenate([part[name] for part in maps]) for name in maps[0]}
    unusable = int(np.isnan(features["slope"]).sum())
    flickers = pd.concat(telegraph, ignore_index=True)
    order = ["integration", "group", "y", "x", "type", "amplitude", "snr", "found_by"]
    return Processed(
        table.assign(integration=integration)[order],
        flickers.assign(integration=integration),
        balls,
        features,
        {"pixels": n_rows * n_cols, "pixels_unusable": unusable, "pixels_after_snowballs": int(persisting.sum())},
    )
