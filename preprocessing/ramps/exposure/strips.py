"""An exposure by strips of rows: how it is processed, how much memory a strip may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats32, Ints

STRIP_BYTES = 64 * 2**20  # of reads; the work on them takes a few times as much


@dataclass(frozen=True)
class Processing:
    """How an exposure is processed.

    Args:
        reference: reference-pixel correction; None leaves the border unused.
        steps: likelihood detection.
        twopoint: two-point differences as the rules' second opinion, or None.
        config: thresholds of the rules.
        saturation_dn: reads at or above it are saturated, DN; None takes SATURATE's value from the ramp, if any.
        nonlinearity: coefficients (c2, c3, ...) of the correction s + c2 s^2 + ... of the signal above the first
            read, in e-; empty leaves the signal as it is.
    """

    reference: ReferenceCorrection | None = field(default_factory=ReferenceCorrection)
    steps: StepDetector = field(default_factory=StepDetector)
    twopoint: TwoPoint | None = field(default_factory=TwoPoint)
    config: DetectorConfig = field(default_factory=DetectorConfig)
    saturation_dn: float | None = None
    nonlinearity: tuple[float, ...] = ()


def sampling_of(ramp: Ramp) -> Sampling:
    """The ramp's times and reads for the fits; reads of a group are taken as evenly spaced, without gaps."""
    reads = torch.from_numpy(ramp.reads_per_group).double()
    frame = float(ramp.meta.get("frame_time") or np.mean(ramp.steps) / float(reads.max()))
    return Sampling(torch.from_numpy(np.asarray(ramp.group_times, np.float64)), reads, frame)


def strips(ramp: Ramp, settings: Processing, integration: int) -> Iterator[tuple[slice, Floats32]]:
    """Strips of rows as reads in e- with the first read subtracted: (rows, (n_groups, h, n_cols)); NaN unusable."""
    levels = settings.reference.measure(ramp, integration) if settings.reference else None
    limit = settings.saturation_dn if settings.saturation_dn is not None else ramp.meta.get("saturation_dn")
    gain = np.asarray(ramp.gain, np.float32)
    for rows in strip_rows(ramp):
        reads = ramp.electrons(integration, rows, slice(None))
        if limit is not None:
            scale = gain if gain.ndim == 0 else gain[rows]
            reads[np.maximum.accumulate(reads >= limit * scale, axis=0)] = np.nan
        reads = levels.subtract(reads, rows) if levels is not None else reads
        # The first read that can be used is the zero: a pixel whose first read is lost is not lost with it.
        zero = reads[0].copy()
        if np.isnan(zero).any():
            zero = np.where(np.isnan(zero), np.nan_to_num(np.nanmin(np.nan_to_num(reads, nan=np.inf), axis=0)), zero)
        reads -= zero
        for power, coefficient in enumerate(settings.nonlinearity, start=2):
            reads += np.float32(coefficient) * reads**power
        yield rows, reads


def strip_rows(ramp: Ramp) -> Iterator[slice]:
    """Rows of the strips: as many at once as ``STRIP_BYTES`` of reads hold."""
    _, n_groups, n_rows, n_cols = ramp.shape
    height = max(1, STRIP_BYTES // (4 * n_groups * n_cols))
    for start in range(0, n_rows, height):
        yield slice(start, min(start + height, n_rows))


def first_lost(reads: Floats32) -> Ints:
    """First group from which a pixel is lost to the end (saturated); n_groups for pixels that keep their last read."""
    lost = np.isnan(reads)
    tail = np.logical_and.accumulate(lost[::-1], axis=0).sum(0)
    first: Ints = len(reads) - tail.astype(np.int64)
    return first
