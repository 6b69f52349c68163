"""Data-quality bits as the JWST pipeline writes them: GROUPDQ (every group) and PIXELDQ (all groups).

The input's bits stay, whatever they mean. Of a group are added: DO_NOT_USE 1 (no number), SATURATED 2 (from the first
saturated read to the end), JUMP_DET 4 (the slope was fitted around a step between it and the group before, up or down;
a listed step; pixels of a snowball or a shower; the groups in which the core of the integration before is masked; and
what ``Flagging`` asks for). SATURATED and DO_NOT_USE groups never get JUMP_DET of ours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.rules import Flagging
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, REFERENCE_PIXEL, SATURATED, UNUSABLE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.types import Array, Floats, Floats32, Ints

_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def kind_of_bits(ramp: Ramp) -> str:
    """``uint8``, as pipelines have it; ``uint32`` where the input has a bit beyond."""
    small = ramp.dq is None or ramp.dq.dtype.itemsize == 1 or not (np.asarray(ramp.dq) >> 8).any()
    return "uint8" if small else "uint32"


def lost_bits(exposure: Exposure, integration: int, rows: slice) -> Array:
    """The input's bits, and what the reads themselves say, uint32 (n_groups, h, n_cols).

    Args:
        exposure: only these rows of it are read.
        integration: 0-based.
        rows: rows.
    """
    ramp = exposure.ramp
    reads = np.asarray(ramp.data[integration, :, rows])
    given: Array = np.zeros(reads.shape, np.uint32) if ramp.dq is None else np.asarray(ramp.dq[integration, :, rows])
    full = (given & SATURATED) != 0
    limit = exposure.saturation_electrons(rows)
    if limit is not None:
        gain = np.asarray(ramp.gain, np.float32)
        scale = np.float32(1.0) if ramp.unit == "e-" else gain if gain.ndim == 0 else gain[rows]
        full |= reads * scale >= limit
    # A saturated pixel stays so to the end of the integration.
    full = np.maximum.accumulate(full, axis=0)
    bits = given.astype(np.uint32) | np.where(full, np.uint32(SATURATED), np.uint32(0))
    bits[np.isnan(reads) & ~full] |= DO_NOT_USE
    return bits


def add_jumps(bits: Array, steps: pd.DataFrame, rows: slice) -> None:
    """Set JUMP_DET on the group after each step, in place.

    Args:
        bits: of one integration's rows, (n_groups, h, n_cols).
        steps: group, y, x of that integration.
        rows: which rows ``bits`` holds.
    """
    here = steps[steps.y.between(rows.start, rows.stop - 1)]
    _flag(bits, here.group.to_numpy(int), here.y.to_numpy(int) - rows.start, here.x.to_numpy(int))


def add_followers(bits: Array, steps: pd.DataFrame, times: Floats, gain: float, asked: Flagging, rows: slice) -> None:
    """Set JUMP_DET after large steps and beside those of the asked size, in place.

    Args:
        bits: of one integration's rows, (n_groups, h, n_cols).
        steps: group, y, x, amplitude (e-), snr of that integration.
        times: of the groups, s, (n_groups,).
        gain: e-/DN.
        asked: for which steps, and how far.
        rows: which rows ``bits`` holds.
    """
    if asked.after_jump_time > 0:
        large = steps[(steps.amplitude >= asked.after_jump_size * gain) & steps.y.between(rows.start, rows.stop - 1)]
        group = large.group.to_numpy(int)
        n = np.searchsorted(times, times[group] + asked.after_jump_time, "right") - group
        later = np.repeat(group, n) + np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        _flag(bits, later, np.repeat(large.y.to_numpy(int) - rows.start, n), np.repeat(large.x.to_numpy(int), n))
    if asked.neighbours:
        low, high = asked.neighbour_snr
        chosen = steps[steps.snr.abs().between(low, high) & steps.y.between(rows.start - 1, rows.stop)]
        for dy, dx in _SIDES:
            y, x = chosen.y.to_numpy(int) + dy - rows.start, chosen.x.to_numpy(int) + dx
            inside = (y >= 0) & (y < bits.shape[1]) & (x >= 0) & (x < bits.shape[2])
            _flag(bits, chosen.group.to_numpy(int)[inside], y[inside], x[inside])


def add_snowballs(bits: Array, balls: list[Snowball], integration: int, masked_groups: int, rows: slice) -> None:
    """Set JUMP_DET on the pixels of snowballs, and on cores of the integration before, in place.

    Args:
        bits: of one integration's rows, (n_groups, h, n_cols).
        balls: of all integrations.
        integration: which one ``bits`` is of.
        masked_groups: groups of the next integration in which a core is masked.
        rows: which rows ``bits`` holds.
    """
    for ball in balls:
        if ball.integration == integration and ball.group:  # nothing jumps before the first read
            y, x = _within(ball.pixels, rows)
            _flag(bits, np.full(len(y), ball.group), y, x)
        elif ball.integration == integration - 1:
            y, x = _within(ball.core, rows)
            n = min(masked_groups, len(bits))
            _flag(bits, np.repeat(np.arange(n), len(y)), np.tile(y, n), np.tile(x, n))


def _within(pixels: Ints, rows: slice) -> tuple[Ints, Ints]:
    mine = pixels[(pixels[:, 0] >= rows.start) & (pixels[:, 0] < rows.stop)]
    return mine[:, 0] - rows.start, mine[:, 1]


def _flag(bits: Array, group: Ints, y: Ints, x: Ints) -> None:
    allowed = (bits[group, y, x] & UNUSABLE) == 0
    bits[group[allowed], y[allowed], x[allowed]] |= JUMP_DET


def pixel_bits(ramp: Ramp, slope: Floats32) -> npt.NDArray[np.uint32]:
    """PIXELDQ, (n_rows, n_cols): the input's, REFERENCE_PIXEL, and DO_NOT_USE where no integration has a slope.

    Args:
        ramp: the exposure.
        slope: cleaned count rates, (n_ints, n_rows, n_cols); NaN where there is none.
    """
    bits = np.zeros(slope.shape[1:], np.uint32) if ramp.pixel_dq is None else ramp.pixel_dq.astype(np.uint32)
    lost = np.isnan(slope).all(axis=0)
    if ramp.reference is not None:
        bits[ramp.reference] |= REFERENCE_PIXEL
        lost &= ~ramp.reference
    bits[lost] |= DO_NOT_USE
    return bits


def group_dq(processed: Processed, integration: int, rows: slice) -> Array:
    """Bits of every group, uint32 (n_groups, h, n_cols): the input's, DO_NOT_USE 1, SATURATED 2, JUMP_DET 4.

    Args:
        processed: the exposure; only these rows of it are read.
        integration: 0-based.
        rows: rows, with a start and a stop.
    """
    exposure, bits = processed.exposure, lost_bits(processed.exposure, integration, rows)
    for steps in (processed.fitted, processed.jumps):
        mine = steps[steps.integration == integration]
        add_jumps(bits, mine, rows)
        times, asked = exposure.ramp.group_times, exposure.settings.flags
        add_followers(bits, mine, times, exposure.gain, asked, rows)
    add_snowballs(bits, processed.snowballs, integration, exposure.masked_groups, rows)
    for shower in processed.showers:
        if shower.integration == integration:
            y, x = _within(shower.pixels, rows)
            _flag(bits, np.full(len(y), shower.group), y, x)
    return bits
