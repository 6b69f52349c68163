"""An exposure: a ramp, how it is processed, and what every step of the processing asks about the two together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import numpy as np

from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig, Flagging
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats32, Ints, InUnits, Mask, Positive

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
        flags: what is flagged beside the steps.
        nonlinearity: coefficients (c2, c3, ...) of the correction s + c2 s^2 + ... of the signal above the first
            read, in e-; empty leaves the signal as it is.
    """

    reference: ReferenceCorrection | None = field(default_factory=ReferenceCorrection)
    steps: StepDetector = field(default_factory=StepDetector)
    twopoint: TwoPoint | None = field(default_factory=TwoPoint)
    config: DetectorConfig = field(default_factory=DetectorConfig)
    flags: Flagging = field(default_factory=Flagging)
    saturation_dn: Annotated[Positive, InUnits("DN")] | None = None
    nonlinearity: tuple[float, ...] = ()


@dataclass(frozen=True)
class Strip:
    """Some rows of one integration.

    Args:
        rows: which, with a start and a stop.
        inner: those of them that the strip answers for, counted from its first; the others are their neighbours.
        reads: e- above the first usable read, (n_groups, h, n_cols); NaN unusable. The receiver may write into it.
        noise: of one read, e-, (h, n_cols).
        zero: first usable read, e-, (h, n_cols); NaN where no read can be used.
        lost: values of the reference pixels of the whole integration that are no finite numbers.
        left_out: reference pixels of the whole integration that are flagged or drift unlike the others.
    """

    rows: slice
    inner: slice
    reads: Floats32
    noise: Floats32
    zero: Floats32
    lost: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class Exposure:
    """A ramp and how it is processed. A memory-mapped ramp is never read whole.

    Args:
        ramp: the reads.
        settings: how they are corrected and searched.
    """

    ramp: Ramp
    settings: Processing = field(default_factory=Processing)

    @cached_property
    def sampling(self) -> Sampling:
        """Times and reads for the fits."""
        return Sampling.of(self.ramp.sampling)

    @cached_property
    def gain(self) -> float:
        """Mean gain, e-/DN."""
        return float(np.mean(self.ramp.gain))

    @cached_property
    def step(self) -> float:
        """Mean time between groups, s."""
        return float(np.mean(self.ramp.steps))

    def saturation_electrons(self, rows: slice) -> float | Floats32 | None:
        """Reads at or above it are saturated, e-, a number or (h, n_cols); None where nobody knows."""
        own, ramp = self.settings.saturation_dn, self.ramp
        limit = ramp.saturation_dn if own is None else -own if ramp.inverted else own
        if limit is None:
            return None
        both = (np.asarray(part, np.float32) for part in (limit, ramp.gain))
        level, gain = (part if part.ndim == 0 else part[rows] for part in both)
        # A pixel whose limit nobody knows is never held against one.
        found: Floats32 = np.nan_to_num(level * gain, nan=np.inf)
        return found

    @cached_property
    def masked_groups(self) -> int:
        """Groups of an integration in which the cores of the integration before are masked."""
        since = np.asarray(self.ramp.group_times) - self.ramp.group_times[0]
        return int(np.searchsorted(since, self.settings.config.snowball_time_masked_next_int))

    def persisting(self, balls: Iterable[Snowball], integration: int) -> Mask:
        """Cores of the integration before, (n_rows, n_cols): they persist into the first groups of this one."""
        mask = np.zeros(self.ramp.shape[2:], dtype=bool)
        for ball in balls:
            if ball.integration == integration - 1:
                mask[ball.core[:, 0], ball.core[:, 1]] = True
        return mask

    def rows(self) -> Iterator[slice]:
        """Rows of the strips: as many at once as ``STRIP_BYTES`` of reads hold."""
        _, n_groups, n_rows, n_cols = self.ramp.shape
        height = max(1, STRIP_BYTES // (4 * n_groups * n_cols))
        for start in range(0, n_rows, height):
            yield slice(start, min(start + height, n_rows))

    def strips(self, integration: int, margin: int = 0) -> Iterator[Strip]:
        """Corrected reads of an integration, strip by strip.

        Args:
            integration: from 0.
            margin: rows of neighbours above and below each strip, where there are any.
        """
        ramp, settings = self.ramp, self.settings
        asked = None if ramp.corrected else settings.reference
        levels = asked.measure(ramp, integration) if asked else None
        for own in self.rows():
            rows = slice(max(0, own.start - margin), min(ramp.shape[2], own.stop + margin))
            reads = ramp.electrons(integration, rows, slice(None))
            limit = self.saturation_electrons(rows)
            if limit is not None:
                reads[np.maximum.accumulate(full_groups(reads, limit, ramp.sampling), axis=0)] = np.nan
            reads = levels.subtract(reads, rows) if levels is not None else reads
            if ramp.linearity is not None:
                gain = np.asarray(ramp.gain, np.float32)
                reads = ramp.linearity.applied(reads, gain if gain.ndim == 0 else gain[rows], rows)
            # The first read that can be used is the zero: a pixel whose first read is lost is not lost with it.
            zero = reads[0].copy()
            if not np.isfinite(zero).all():
                usable = np.isfinite(reads)
                first = np.take_along_axis(reads, usable.argmax(axis=0)[None], axis=0)[0]
                zero = np.where(np.isfinite(zero), zero, first)
            reads -= zero
            for power, coefficient in enumerate(settings.nonlinearity, start=2):
                reads += np.float32(coefficient) * reads**power
            inner = slice(own.start - rows.start, own.stop - rows.start)
            border = (levels.lost, levels.left_out) if levels is not None else (0, 0)
            yield Strip(rows, inner, reads, ramp.noise(rows, slice(None)), zero, *border)


def full_groups(reads: Floats32, limit: float | Floats32, sampling: ReadTimes) -> Mask:
    """Groups of which a read is saturated, (n_groups, h, w).

    A mean of several reads hides that the last ones are: they are where the pixel's rise goes on to the limit within
    the group, or where the group after is full.

    Args:
        reads: means of the groups, (n_groups, h, w).
        limit: of one read, in the same unit, a number or (h, w).
        sampling: times of the reads.
    """
    full: Mask = reads >= limit
    several = np.flatnonzero(sampling.reads > 1)
    last = np.array([group[-1] for group in sampling.groups])
    for group in several:
        if group > 0:
            share = (last[group] - sampling.mean[group]) / (sampling.mean[group] - sampling.mean[group - 1])
            full[group] |= reads[group] + np.float32(share) * (reads[group] - reads[group - 1]) >= limit
    for group in several[several < len(reads) - 1]:
        full[group] |= reads[group + 1] >= limit
    return full


def first_lost(reads: Floats32) -> Ints:
    """First group from which a pixel is lost to the end (saturated); n_groups for pixels that keep their last read."""
    lost = np.isnan(reads)
    tail = np.logical_and.accumulate(lost[::-1], axis=0).sum(0)
    first: Ints = len(reads) - tail.astype(np.int64)
    return first
