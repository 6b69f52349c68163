"""Cutouts straight from memory-mapped frames: only the pages under a source are ever read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.pipeline import HasFrames, SampleSource
from astrid_ml.errors import UserError
from astrid_ml.types import Array, Floats, Floats32, Ints


def nearest_pixel(position: Floats) -> Ints:
    """0-based pixel positions to the pixel that holds them; halves go up, as everywhere in the project."""
    return np.floor(position + 0.5).astype(np.int64)


def cut_frame(frame: Array, x: Ints, y: Ints, out: Floats32) -> None:
    """Copy the squares around n pixels of one frame.

    Pixel (y, x) lands on ``[size // 2, size // 2]`` of its cutout wherever it lies: the side that lacks data is NaN.
    Each square is one block copy, which is faster than an index array over all its pixels.

    Args:
        frame: (H, W, C), usually memory-mapped.
        x, y: the pixels, 0-based, (n,).
        out: (n, size, size, C) float32, filled in place.
    """
    height, width = frame.shape[:2]
    size = out.shape[1]
    top, left = y - size // 2, x - size // 2
    whole = (top >= 0) & (left >= 0) & (top + size <= height) & (left + size <= width)
    starts = zip(top.tolist(), left.tolist(), whole.tolist(), strict=True)
    for place, (row, column, inside) in enumerate(starts):
        if inside:
            out[place] = frame[row : row + size, column : column + size]
            continue
        out[place] = np.nan
        rows, columns = slice(max(row, 0), max(row + size, 0)), slice(max(column, 0), max(column + size, 0))
        part = frame[rows, columns]
        first, second = max(-row, 0), max(-column, 0)
        out[place, first : first + part.shape[0], second : second + part.shape[1]] = part


class FrameStore:
    """The frames of one source, each opened once, and where its samples lie in them.

    Args:
        source: its index has ``x`` and ``y`` (0-based px); ``image`` is a frame's path within the dataset's folder.
            A source in memory holds a shard's frame, (1, H, W, C), under the kind ``frame``.

    Raises:
        UserError: a position is missing or not finite.
    """

    def __init__(self, source: SampleSource) -> None:
        self.source, self.index = source, columns_of(source)
        absent = [name for name in ("x", "y", "image") if name not in self.index]
        if absent:
            raise UserError(
                "an index with image, x and y, in pixels of the frames",
                f"no {', '.join(absent)}",
                "prepare job folders, or choose another datamodule",
            )
        places = self.index[["x", "y"]].to_numpy(dtype=np.float64, na_value=np.nan)
        unknown = ~np.isfinite(places).all(axis=1)
        if unknown.any():
            names = self.index["id"][unknown].astype(str).tolist()
            raise UserError("a finite position for each sample", f"none for {names[:3]}", "drop them when preparing")
        self.x, self.y = (nearest_pixel(places[:, axis]) for axis in (0, 1))
        if not isinstance(source, HasFrames):
            raise UserError("samples that point into whole frames", type(source).__name__, "prepare job folders")
        self.frames = source
        self.codes, self.names = pd.factorize(self.index[source.frame_column].astype(str).to_numpy())
        self._open: dict[int, Array] = {}

    def cutouts(self, rows: Ints, size: int) -> Floats32:
        """Raw values around these samples, in their order: (n, size, size, C), NaN beyond the frame.

        Raises:
            UserError: frames of these samples differ in their number of channels.
        """
        codes = self.codes[rows]
        order = np.argsort(codes, kind="stable")
        cuts = np.flatnonzero(np.diff(codes[order])) + 1
        parts = [part for part in np.split(order, cuts) if len(part)]
        channels = {self.frame(int(codes[part[0]])).shape[2] for part in parts} or {0}
        if len(channels) > 1:
            raise UserError("frames of one number of channels", str(sorted(channels)), "prepare them alike")
        out = np.empty((len(rows), size, size, channels.pop()), dtype=np.float32)
        for part in parts:
            frame, chosen = self.frame(int(codes[part[0]])), rows[part]
            first, last = int(part[0]), int(part[-1])
            if last - first + 1 == len(part):  # a run, as sorted rows give it: no second copy
                cut_frame(frame, self.x[chosen], self.y[chosen], out[first : last + 1])
            else:
                made = np.empty((len(part), *out.shape[1:]), dtype=np.float32)
                cut_frame(frame, self.x[chosen], self.y[chosen], made)
                out[part] = made
        return out

    def frame(self, code: int) -> Array:
        """One frame, (H, W, C), memory-mapped where it is a file.

        Raises:
            UserError: it is missing or has another shape.
        """
        if code not in self._open:
            frame = self.frames.frame(str(self.names[code]))
            if frame.ndim != 3:
                raise UserError(
                    "frames of shape (H, W, channels)", f"{frame.shape} for {self.names[code]}", "prepare them anew"
                )
            self._open[code] = frame
        return self._open[code]
