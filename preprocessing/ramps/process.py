"""A whole exposure, strip by strip: correction, detection, and maps that are small enough to keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from astrid_ml.preprocessing.ramps.codes import SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.config import DetectorConfig
from astrid_ml.preprocessing.ramps.detect import StripDetector
from astrid_ml.preprocessing.ramps.dq import GroupDQFile, add_jumps, add_snowballs, lost_bits, pixel_bits
from astrid_ml.preprocessing.ramps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.ramp import Ramp
from astrid_ml.preprocessing.ramps.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.snowballs import Snowball, find_snowballs
from astrid_ml.preprocessing.ramps.steps import StepDetector
from astrid_ml.preprocessing.ramps.twopoint import TwoPoint

Bits = npt.NDArray[np.uint8]
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


@dataclass(frozen=True)
class Processed:
    """What an exposure gives.

    Args:
        jumps: integration, group, y, x, type, amplitude (e-), snr, found_by.
        telegraph: integration, y, x, amplitude, transitions, r2, first_frame.
        snowballs: events.
        features: name -> (n_ints, n_rows, n_cols) float32.
        counts: pixels that could not be used, and the like.
    """

    jumps: pd.DataFrame
    telegraph: pd.DataFrame
    snowballs: list[Snowball]
    features: dict[str, npt.NDArray[np.float32]]
    counts: dict[str, int]


def sampling_of(ramp: Ramp) -> Sampling:
    """The ramp's times and reads for the fits; reads of a group are taken as evenly spaced, without gaps."""
    reads = torch.from_numpy(ramp.reads_per_group).double()
    frame = float(ramp.meta.get("frame_time") or np.mean(ramp.steps) / float(reads.max()))
    return Sampling(torch.from_numpy(np.asarray(ramp.group_times, np.float64)), reads, frame)


def process(ramp: Ramp, settings: Processing, cube: Path | None = None, dq: Path | None = None) -> Processed:
    """Detect in every integration.

    The cores of snowballs are left out of the next integration for ``snowball_time_masked_next_int`` seconds.

    Args:
        ramp: the exposure; a memory-mapped one is never read whole.
        settings: how.
        cube: where to write the processed cube (float32, e-, first read subtracted), or None.
        dq: where to write the data-quality bits (FITS with GROUPDQ and PIXELDQ; see ``dq``), or None.
    """
    target, temporary = _open_cube(ramp, cube)
    parts: list[Processed] = []
    for integration in range(ramp.shape[0]):
        before = parts[-1].snowballs if parts else []
        parts.append(_integration(ramp, settings, integration, target, before))
    if cube is not None and temporary is not None:
        del target
        os.replace(temporary, cube)
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


def masked_groups(ramp: Ramp, config: DetectorConfig) -> int:
    """Groups of an integration in which the cores of the integration before are masked."""
    since = np.asarray(ramp.group_times) - ramp.group_times[0]
    return int(np.searchsorted(since, config.snowball_time_masked_next_int))


def group_dq(ramp: Ramp, settings: Processing, processed: Processed, integration: int, rows: slice) -> Bits:
    """Data-quality bits of every group, uint8 (n_groups, h, n_cols): DO_NOT_USE 1, SATURATED 2, JUMP_DET 4.

    Args:
        ramp: the exposure; only these rows of it are read.
        settings: those of ``process``.
        processed: its answer.
        integration: 0-based.
        rows: rows, with a start and a stop.
    """
    bits = lost_bits(ramp, integration, rows, settings.saturation_dn)
    add_jumps(bits, processed.jumps[processed.jumps.integration == integration], rows)
    add_snowballs(bits, processed.snowballs, integration, masked_groups(ramp, settings.config), rows)
    return bits


def write_dq(path: Path, ramp: Ramp, settings: Processing, processed: Processed) -> None:
    """GROUPDQ and PIXELDQ of an exposure as FITS, strip by strip, whole or not at all."""
    file = GroupDQFile(path, ramp.shape)
    for integration in range(ramp.shape[0]):
        for rows in _strip_rows(ramp):
            file.write(integration, rows, group_dq(ramp, settings, processed, integration, rows))
    file.close(pixel_bits(ramp, processed.features["slope"]))


def _open_cube(ramp: Ramp, cube: Path | None) -> tuple[Any, Path | None]:
    if cube is None:
        return None, None
    temporary = cube.with_name(f".{cube.name}.{os.getpid()}")
    return np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=ramp.shape), temporary


def strips(ramp: Ramp, settings: Processing, integration: int) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Strips of rows as reads in e- with the first read subtracted: (rows, (n_groups, h, n_cols)); NaN unusable."""
    levels = settings.reference.measure(ramp, integration) if settings.reference else None
    limit = settings.saturation_dn if settings.saturation_dn is not None else ramp.meta.get("saturation_dn")
    gain = np.asarray(ramp.gain, np.float32)
    for rows in _strip_rows(ramp):
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


def _strip_rows(ramp: Ramp) -> Iterator[slice]:
    """Rows of the strips: as many at once as ``STRIP_BYTES`` of reads hold."""
    _, n_groups, n_rows, n_cols = ramp.shape
    height = max(1, STRIP_BYTES // (4 * n_groups * n_cols))
    for start in range(0, n_rows, height):
        yield slice(start, min(start + height, n_rows))


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
    maps: list[dict[str, npt.NDArray[np.float32]]] = []
    for rows, reads in strips(ramp, settings, integration):
        if target is not None:
            target[integration, :, rows] = reads
        if ramp.reference is not None:
            reads[:, ramp.reference[rows]] = np.nan
        reads[:masked, persisting[rows]] = np.nan
        noise = torch.from_numpy(ramp.noise(rows, slice(None)))
        first_saturated[rows] = _first_lost(reads)
        result = detector(torch.from_numpy(reads), noise, sampling, gain)
        jumps.append(result.jumps.assign(y=result.jumps.y + rows.start))
        telegraph.append(result.telegraph.assign(y=result.telegraph.y + rows.start))
        maps.append(result.features)
    table = pd.concat(jumps, ignore_index=True)
    balls = find_snowballs(first_saturated, table, gain, settings.config, integration)
    table = _claimed(table, balls, (n_rows, n_cols))
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


def _first_lost(reads: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """First group from which a pixel is lost to the end (saturated); n_groups for pixels that keep their last read."""
    lost = np.isnan(reads)
    tail = np.logical_and.accumulate(lost[::-1], axis=0).sum(0)
    first: npt.NDArray[np.int64] = len(reads) - tail.astype(np.int64)
    return first


def _claimed(jumps: pd.DataFrame, balls: list[Snowball], shape: tuple[int, int]) -> pd.DataFrame:
    """Jumps of a snowball's core, rim and halo, from its group to the end of its growth, are the snowball's."""
    table = jumps.copy()
    for ball in balls:
        # The group of a faint step is known to within two or so.
        near = table[table.group.between(ball.group - 2, ball.group + 2 + ball.growth)]
        r = np.hypot(near.y.to_numpy() - ball.y, near.x.to_numpy() - ball.x)
        own = {(int(a), int(b)) for a, b in ball.pixels}
        member = np.array([(int(a), int(b)) in own for a, b in zip(near.y, near.x, strict=True)], dtype=bool)
        halo = (r <= halo_radius(ball, near, shape)) & (near.type.to_numpy() != TELEGRAPH_NOISE)
        rim = r <= 2.0 * ball.core_radius + 3.0 if ball.core_radius else r <= ball.radius + 1.0
        chosen = near.index[member | halo | rim]
        table.loc[chosen, "type"] = SNOWBALL
        table.loc[chosen, "found_by"] = "rules"
    return table


def halo_radius(ball: Snowball, jumps: pd.DataFrame, shape: tuple[int, int], share: float = 0.02) -> float:
    """Radius in pixels out to which at least ``share`` of the pixels jump in the snowball's group.

    The faint halo breaks up into single pixels, which alone would look like cosmic rays.

    Args:
        ball: the event.
        jumps: jumps of its group and those around it.
        shape: rows and columns of the frame.
        share: smallest share of a ring five pixels wide; unrelated jumps of one group are ten times rarer.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    rings = np.hypot(y - ball.y, x - ball.x).astype(np.int64)
    pixels = np.bincount(rings.ravel())
    found = np.bincount(rings[jumps.y.to_numpy(int), jumps.x.to_numpy(int)], minlength=len(pixels))
    smooth = np.convolve(found, np.ones(5), "same") / np.convolve(pixels, np.ones(5), "same")
    start = int(ball.core_radius) + 2
    beyond = np.flatnonzero(smooth[start:] < share)
    return float(start + beyond[0]) if len(beyond) else float(len(pixels))
