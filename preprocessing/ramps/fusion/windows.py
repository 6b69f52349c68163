"""A network over a whole exposure by sliding windows, streamed in bands of rows: no cube of classes is ever whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.types import Count, Floats32, InUnits, Whole

VoxelScorer = Callable[[Tensor, Tensor], Tensor]
NEVER = -30.0  # log-odds where there are no data


def mean_scorer(scorers: Sequence[VoxelScorer]) -> VoxelScorer:
    """Several networks as one: the mean of their log-odds at each voxel and class.

    They look at a window one after the other, and one sum is kept, however many there are.

    >>> both = mean_scorer([lambda cube, times: cube, lambda cube, times: 3 * cube])
    >>> both(torch.ones(2), torch.zeros(2)).tolist()
    [2.0, 2.0]
    """
    if len(scorers) == 1:
        return scorers[0]

    def score(cube: Tensor, times: Tensor) -> Tensor:
        with torch.inference_mode():
            total = scorers[0](cube, times).clone()
            for one in scorers[1:]:
                total += one(cube, times)
            return total / len(scorers)

    return score


@dataclass(frozen=True)
class Windows:
    """Overlapping windows in time, rows and columns, blended by weights that fall off linearly at their edges.

    Args:
        size: rows and columns of a window.
        overlap: rows and columns that neighbouring windows share.
        depth: groups of a window; longer ramps are cut in time with a quarter of overlap. None: the whole ramp.
    """

    size: Annotated[Count, InUnits("px")] = 64
    overlap: Annotated[Whole, InUnits("px")] = 16
    depth: Count | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.size or (self.depth is not None and self.depth < 4):
            raise UserError(
                "windows.overlap smaller than windows.size, windows.depth of 4 or more",
                f"size {self.size}, overlap {self.overlap}, depth {self.depth}",
                "give preprocessing.windows values in that range",
            )

    def bands(
        self, cube: Floats32, noise: Floats32, times: Tensor, score: VoxelScorer
    ) -> Iterator[tuple[slice, Tensor]]:
        """Log-odds of the anomalies, band by band.

        Args:
            cube: reads in e-, (n_groups, n_rows, n_cols), NaN unusable; a memory map is read band by band.
            noise: of one read, e-, (n_rows, n_cols).
            times: of the reads in mean spacings, (n_groups,).
            score: the network.

        Yields:
            Rows, and (3, n_groups, h, n_cols) float32; bands follow one another and cover all rows once.
        """
        n_groups, n_rows, n_cols = cube.shape
        depth = n_groups if self.depth is None else min(self.depth, n_groups)
        pieces = [(start, depth) for start in starts(n_groups, depth, depth // 4)]
        along_t, along_x = (cover(n, s, o) for n, s, o in ((n_groups, depth, depth // 4), self._axis(n_cols)))
        along_y = cover(*self._axis(n_rows))
        tops = list(along_y)
        height = len(along_y[tops[0]])
        total = torch.zeros(len(ANOMALIES), n_groups, height, n_cols)
        sums = {axis: _sum(part, n) for axis, part, n in (("t", along_t, n_groups), ("x", along_x, n_cols))}
        sum_y = _sum(along_y, n_rows)
        for place, top in enumerate(tops):
            band = np.asarray(cube[:, top : top + height], np.float32) / noise[top : top + height]
            for left, weight_x in along_x.items():
                columns = slice(left, left + len(weight_x))
                for start, length in pieces:
                    groups = slice(start, start + length)
                    odds = _score(band[groups, :, columns], times[groups], score)
                    weight = along_t[start][:, None, None] * along_y[top][:, None] * weight_x
                    total[:, groups, :, columns] += odds * weight
            end = tops[place + 1] if place + 1 < len(tops) else n_rows
            rows, done = slice(top, end), end - top
            out = total[:, :, :done] / (sums["t"][:, None, None] * sum_y[rows, None] * sums["x"])
            out.masked_fill_(torch.from_numpy(np.isnan(band[:, :done])), NEVER)
            yield rows, out
            del out
            total[:, :, : height - done] = total[:, :, done:].clone()
            total[:, :, height - done :] = 0.0

    def _axis(self, length: int) -> tuple[int, int, int]:
        size = min(self.size, length)
        return length, size, min(self.overlap, size - 1)


def starts(length: int, size: int, overlap: int) -> list[int]:
    """Where windows begin so that they cover ``length``; the last one ends with it."""
    if size >= length:
        return [0]
    return sorted({*range(0, length - size, size - overlap), length - size})


def cover(length: int, size: int, overlap: int) -> dict[int, Tensor]:
    """Start of each window along an axis -> its weights, (size,), all positive."""
    size = min(size, length)
    edge = torch.arange(1, size + 1, dtype=torch.float32)
    weight = torch.minimum(edge, edge.flip(0)).clamp(max=overlap + 1)
    return dict.fromkeys(starts(length, size, overlap), weight)


def _sum(parts: dict[int, Tensor], length: int) -> Tensor:
    out = torch.zeros(length)
    for start, weight in parts.items():
        out[start : start + len(weight)] += weight
    return out


def _score(window: Floats32, times: Tensor, score: VoxelScorer) -> Tensor:
    """(3, T, h, w) of one window, whose first usable read is its zero, as in training."""
    cube = torch.from_numpy(np.ascontiguousarray(window))
    usable = cube.isfinite()
    if not bool(usable.any()):
        return torch.full((len(ANOMALIES), *cube.shape), NEVER)
    zero = cube.gather(0, usable.to(torch.uint8).argmax(0, keepdim=True)).nan_to_num(0.0)
    return score((cube - zero)[None], times - times[0])[0].float()
