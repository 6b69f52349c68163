"""Reference-pixel correction: what the border says about drifts of channels and rows.

Only the border is read, so a cube larger than memory costs a few megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Count, Floats32, InUnits, Mask


@dataclass(frozen=True)
class ReferenceCorrection:
    """How the border is used.

    Args:
        channels: subtract each channel's level, from its top and bottom reference rows.
        channel_width: columns of a channel.
        even_odd: separate levels for even and odd columns.
        rows: subtract the smoothed level of the left and right reference columns.
        row_window: rows averaged for one row's level; the wider, the less noise is added.
    """

    channels: bool = True
    channel_width: Annotated[Count, InUnits("px")] = 64
    even_odd: bool = True
    rows: bool = True
    row_window: Annotated[Count, InUnits("px")] = 65

    def measure(self, ramp: Ramp, integration: int) -> Levels:
        """Levels of one integration relative to its first group, in e- (nothing where there is no border)."""
        _, n_groups, h, w = ramp.shape
        column, row = np.zeros((n_groups, w), np.float32), np.zeros((n_groups, h), np.float32)
        if ramp.reference is None:
            return Levels(column, row)
        top, bottom, left, right = _widths(ramp.reference)
        for group in range(n_groups):
            frame = ramp.data[integration, group]
            strips = [np.asarray(frame[:top], np.float32), np.asarray(frame[h - bottom :], np.float32)]
            if self.channels and top + bottom:
                column[group] = self._columns(np.concatenate(strips))
            if self.rows and left + right:
                sides = np.concatenate([np.asarray(frame[:, :left]), np.asarray(frame[:, w - right :])], axis=1)
                row[group] = np.median(sides.astype(np.float32), axis=1)
        # The first group's own level is a constant of each pixel; only changes matter.
        column, row = column - column[:1], row - row[:1]
        if self.rows and left + right:
            edge = np.concatenate([column[:, :left], column[:, w - right :]], axis=1).mean(1, keepdims=True)
            from scipy.ndimage import uniform_filter1d

            row = uniform_filter1d(row - edge, min(self.row_window, h), axis=1, mode="nearest")
        gain = float(np.mean(ramp.gain)) if ramp.unit == "DN" else 1.0
        return Levels(column * gain, row.astype(np.float32) * gain)

    def _columns(self, pixels: Floats32) -> Floats32:
        """Level of each column from reference rows (k, w): the mean of its channel (and parity), outliers left out."""
        w = pixels.shape[1]
        out = np.empty(w, np.float32)
        for start in range(0, w, self.channel_width):
            for parity in (0, 1) if self.even_odd else (0,):
                part = slice(start + parity, min(start + self.channel_width, w), 2 if self.even_odd else 1)
                out[part] = _clipped_mean(pixels[:, part])
        return out


@dataclass(frozen=True)
class Levels:
    """Levels to subtract, e-.

    Args:
        columns: (n_groups, n_cols).
        rows: (n_groups, n_rows).
    """

    columns: Floats32
    rows: Floats32

    def subtract(self, reads: Floats32, rows: slice) -> Floats32:
        """Correct a strip of full rows (n_groups, h, n_cols), in place."""
        reads -= self.columns[:, None, :]
        reads -= self.rows[:, rows, None]
        return reads


def _widths(reference: Mask) -> tuple[int, int, int, int]:
    """Width of the border at the top, bottom, left and right."""

    def run(line: Mask) -> int:
        return int(np.argmin(line)) if not line.all() else len(line)

    rows, columns = np.all(reference, axis=1), np.all(reference, axis=0)
    return run(rows), run(np.flip(rows)), run(columns), run(np.flip(columns))


def _clipped_mean(values: Floats32) -> float:
    """Mean within 4 robust sigmas of the median."""
    middle = float(np.median(values))
    spread = float(robust_sigma(values, centre=middle))
    kept = values[np.abs(values - middle) <= 4 * max(spread, 1e-6)]
    return float(kept.mean()) if kept.size else middle
