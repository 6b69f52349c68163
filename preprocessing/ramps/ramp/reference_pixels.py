"""Reference-pixel correction: what the border says about drifts of channels and rows.

Only the border is read, so a cube larger than memory costs a few megabytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from astrid_ml.preprocessing.ramps.ramp.codes import UNUSABLE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Array, Count, Floats32, InUnits, Mask


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
        """Levels of one integration relative to its first group, in e- (nothing where there is no border).

        Values that are no finite numbers are left out and counted, and so are whole pixels that PIXELDQ forbids or that
        drift unlike the others of their side (hot or jumping ones). A level of which a group says nothing lies on the
        line between the groups that do.
        """
        _, n_groups, h, w = ramp.shape
        column, row = np.zeros((n_groups, w), np.float32), np.zeros((n_groups, h), np.float32)
        if ramp.reference is None:
            return Levels(column, row)
        top, bottom, left, right = _widths(ramp.reference)
        border = _border((ramp.data[integration, group] for group in range(n_groups)), (top, bottom, left, right))
        strips, sides = (part.astype(np.float32) for part in border)
        inner = slice(top, h - bottom)
        lost = int((~np.isfinite(strips)).sum() + (~np.isfinite(sides[:, inner])).sum())
        forbidden = np.zeros((h, w), bool) if ramp.pixel_dq is None else (ramp.pixel_dq & UNUSABLE) != 0
        bad = [part[0] for part in _border([forbidden], (top, bottom, left, right))]
        for part in self._parts(w):
            bad[0][:, part] |= drifting(_centred(strips[:, :, part], 2))
        # Rows drift on their own, and columns with their channel.
        bad[1] |= drifting(_centred(_centred(sides, 1), 2))
        left_out = int(bad[0].sum() + bad[1][inner].sum())
        strips[:, bad[0]] = sides[:, bad[1]] = np.nan
        if self.channels and top + bottom:
            for group in range(n_groups):
                column[group] = self._columns(strips[group])
        column = np.nan_to_num(_between_groups(column))  # a channel without any value is left as it is
        if self.rows and left + right:
            edges = np.concatenate([column[:, :left], column[:, w - right :]], axis=1)
            row = np.stack([_medians(frame, edge) for frame, edge in zip(sides, edges, strict=True)])
            row[:, :top] = row[:, h - bottom :] = np.nan  # corners are no part of what is read along with an image
            row = np.nan_to_num(_between_rows(_between_groups(row)))
        # The first group's own level is a constant of each pixel; only changes matter.
        column, row = column - column[:1], row - row[:1]
        if self.rows and left + right:
            edge = np.concatenate([column[:, :left], column[:, w - right :]], axis=1).mean(1, keepdims=True)
            from scipy.ndimage import uniform_filter1d

            known = np.zeros(h, np.float32)
            known[inner] = 1.0
            width = min(self.row_window, h)
            weight = uniform_filter1d(known, width, mode="constant")
            filled = np.where(known > 0, row - edge, 0)
            smooth = uniform_filter1d(filled, width, axis=1, mode="constant")
            row = np.where(weight > 0, smooth / np.maximum(weight, 1e-6), row - edge)
        gain = float(np.mean(ramp.gain)) if ramp.unit == "DN" else 1.0
        return Levels(column * gain, row.astype(np.float32) * gain, lost, left_out)

    def _columns(self, pixels: Floats32) -> Floats32:
        """Level of each column from reference rows (k, w): the mean of its channel (and parity), outliers left out."""
        out = np.empty(pixels.shape[1], np.float32)
        for part in self._parts(pixels.shape[1]):
            out[part] = _clipped_mean(pixels[:, part])
        return out

    def _parts(self, n_cols: int) -> Iterator[slice]:
        """Columns that share a level."""
        for start in range(0, n_cols, self.channel_width):
            for parity in (0, 1) if self.even_odd else (0,):
                yield slice(start + parity, min(start + self.channel_width, n_cols), 2 if self.even_odd else 1)


@dataclass(frozen=True)
class Levels:
    """Levels to subtract, e-.

    Args:
        columns: (n_groups, n_cols).
        rows: (n_groups, n_rows).
        lost: values of the border that are no finite numbers.
        left_out: pixels of the border that are flagged or drift unlike the others.
    """

    columns: Floats32
    rows: Floats32
    lost: int = 0
    left_out: int = 0

    def subtract(self, reads: Floats32, rows: slice) -> Floats32:
        """Correct a strip of full rows (n_groups, h, n_cols), in place."""
        reads -= self.columns[:, None, :]
        reads -= self.rows[:, rows, None]
        return reads


def _border(frames: Iterable[Array], widths: tuple[int, int, int, int]) -> tuple[Array, Array]:
    """Top and bottom rows (n, k, w), and left and right columns (n, h, k), of n frames, one in memory at a time."""
    top, bottom, left, right = widths
    strips, sides = [], []
    for frame in frames:
        h, w = frame.shape
        strips.append(np.concatenate([frame[:top], frame[h - bottom :]]))
        sides.append(np.concatenate([frame[:, :left], frame[:, w - right :]], axis=1))
    return np.stack(strips), np.stack(sides)


def _centred(values: Array, axis: int) -> Array:
    """Less the median along an axis; NaN where there are no numbers."""
    known = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN
        out: Array = known - np.nanmedian(known, axis=axis, keepdims=True) if values.size else known
    return out


def drifting(values: Floats32, sigmas: float = 5.0) -> Mask:
    """Pixels whose signal goes another way in time than that of most, (a, b).

    What all have in common in a group is taken off first; then the ends of a ramp, and its largest step, are held
    against those of the others.

    Args:
        values: (n_groups, a, b).
        sigmas: of the spread of the others.
    """
    n, a, b = values.shape
    if n < 3 or a * b < 16:
        return np.zeros((a, b), bool)
    own = _centred(values.reshape(n, -1), 1)
    third = max(1, n // 3)
    step = np.abs(np.diff(own, axis=0)).max(axis=0)  # NaN where a value is no number: that costs the value alone
    out = np.zeros(a * b, bool)
    for moved in (own[-third:].mean(0) - own[:third].mean(0), step):
        known = moved[np.isfinite(moved)]
        if known.size >= 16:
            middle = float(np.median(known))
            spread = float(robust_sigma(known, centre=middle))
            out |= np.abs(moved - middle) > sigmas * max(spread, 1e-6 * max(abs(middle), 1.0))
    return out.reshape(a, b)


def _widths(reference: Mask) -> tuple[int, int, int, int]:
    """Width of the border at the top, bottom, left and right."""

    def run(line: Mask) -> int:
        return int(np.argmin(line)) if not line.all() else len(line)

    rows, columns = np.all(reference, axis=1), np.all(reference, axis=0)
    return run(rows), run(np.flip(rows)), run(columns), run(np.flip(columns))


def _clipped_mean(values: Floats32) -> float:
    """Mean within 4 robust sigmas of the median, of the finite values; NaN where there are none."""
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan")
    middle = float(np.median(values))
    spread = float(robust_sigma(values, centre=middle))
    kept = values[np.abs(values - middle) <= 4 * max(spread, 1e-6)]
    return float(kept.mean()) if kept.size else middle


def _medians(sides: Floats32, edge: Floats32) -> Floats32:
    """Median of each row's reference values (n_rows, k); NaN where none is finite.

    Where some are not, the others may be of fewer channels, whose levels (k,) are taken out and put back as their mean.
    """
    hurt = ~np.isfinite(sides).all(axis=1)
    out = np.full(len(sides), np.nan, np.float32)
    out[~hurt] = np.median(sides[~hurt], axis=1)
    for row in np.flatnonzero(hurt):
        known = np.isfinite(sides[row])
        if known.any():
            out[row] = np.median(sides[row, known] - edge[known]) + edge.mean()
    return out


def _between_groups(levels: Floats32) -> Floats32:
    """Levels (n_groups, n) whose NaN lie on the line between the groups beside; all NaN stays so."""
    groups = np.arange(len(levels))
    for place in np.flatnonzero(np.isnan(levels).any(axis=0)):
        known = ~np.isnan(levels[:, place])
        if known.any():
            levels[:, place] = np.interp(groups, groups[known], levels[known, place])
    return levels


def _between_rows(levels: Floats32) -> Floats32:
    """The same between the rows beside, of levels (n_groups, n_rows)."""
    return _between_groups(levels.T).T
