"""Duplicate stamps: the same pixels, also turned, mirrored or shifted by a pixel, under two names.

Every 3 x 3 block of a stamp gets a hash that no symmetry of the square changes (sums over its edges and over its
corners); the smallest hashes of a stamp are its signature (min-wise hashing, Broder 1997). Copies share most of
their blocks and so most of their signature; unrelated noise shares none. Candidates are then compared exactly, on
the pixel-to-pixel noise that only a copy shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.pipeline.contracts import Array, SampleSource

Floats = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
EMPTY = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class DuplicateSearch:
    """How near is a duplicate.

    Args:
        correlation: of the pixel noise over the best symmetry and shift.
        signature: hashes kept of a stamp.
        shared: hashes that two stamps must share to be compared.
        most: pairs compared exactly; beyond it the finding says that there are more.
        batch: stamps read at a time.
    """

    correlation: float = 0.9
    signature: int = 12
    shared: int = 2
    most: int = 2000
    batch: int = 2048

    def find(self, source: SampleSource, first: Rows, second: Rows) -> list[tuple[int, int, float]]:
        """Pairs (row of ``first``, row of ``second``, correlation) of duplicates across two folds."""
        if not len(first) or not len(second):
            return []
        pairs = self._candidates(self._signatures(source, first), self._signatures(source, second))
        pairs = [(int(first[a]), int(second[b])) for a, b in pairs[: self.most]]
        return [(a, b, r) for a, b, r in self._compare(source, pairs) if r >= self.correlation]

    def _signatures(self, source: SampleSource, rows: Rows) -> Hashes:
        out = np.full((len(rows), self.signature), EMPTY, dtype=np.uint64)
        for start in range(0, len(rows), self.batch):
            for positions, stamps in source.groups("stamps", rows[start : start + self.batch]):
                out[start + positions] = signatures(stamps, self.signature)
        return out

    def _candidates(self, first: Hashes, second: Hashes) -> list[tuple[int, int]]:
        """Positions whose signatures share enough hashes, the most alike first."""
        tables = []
        for name, hashes in (("a", first), ("b", second)):
            row, column = np.nonzero(hashes != EMPTY)
            tables.append(pd.DataFrame({"hash": hashes[row, column], name: row}))
        a, b = tables
        # A hash that very many stamps share (a saturated or quantised pattern) says nothing and costs a product.
        for table in tables:
            table["times"] = table.groupby("hash")["hash"].transform("size")
        joined = a[a["times"] <= 50].merge(b[b["times"] <= 50], on="hash")
        counted = joined.groupby(["a", "b"]).size()
        counted = counted[counted >= self.shared].sort_values(ascending=False, kind="stable")
        return [(int(a), int(b)) for a, b in counted.index]

    def _compare(self, source: SampleSource, pairs: list[tuple[int, int]]) -> list[tuple[int, int, float]]:
        out = []
        for start in range(0, len(pairs), 512):
            part = pairs[start : start + 512]
            stamps = dict(_stamps(source, sorted({row for pair in part for row in pair})))
            out += [
                (a, b, best_correlation(stamps[a], stamps[b])) for a, b in part if stamps[a].shape == stamps[b].shape
            ]
        return out


def _stamps(source: SampleSource, rows: list[int]) -> list[tuple[int, Array]]:
    wanted = np.array(rows, dtype=np.int64)
    return [
        (int(wanted[position]), stamp)
        for positions, stamps in source.groups("stamps", wanted)
        for position, stamp in zip(positions, stamps, strict=True)
    ]


def signatures(stamps: Array, keep: int) -> Hashes:
    """The ``keep`` smallest block hashes of each stamp's last channel, (n, keep); EMPTY where there are fewer."""
    image = np.ascontiguousarray(stamps[:, -1], dtype=np.float32)
    finite = np.isfinite(image)
    value = _mix(np.where(finite, image, 0).astype(np.float32).view(np.uint32).astype(np.uint64) + np.uint64(1))
    edges = value[:, :-2, 1:-1] + value[:, 2:, 1:-1] + value[:, 1:-1, :-2] + value[:, 1:-1, 2:]
    corners = value[:, :-2, :-2] + value[:, :-2, 2:] + value[:, 2:, :-2] + value[:, 2:, 2:]
    centre = value[:, 1:-1, 1:-1]
    block = _mix(centre + _mix(edges) + _mix(corners ^ np.uint64(0x9E3779B97F4A7C15)))
    # Blocks without data, or flat ones, stand in many stamps.
    flat = (edges == 4 * centre) | ~finite[:, 1:-1, 1:-1]
    block[flat] = EMPTY
    block = block.reshape(len(stamps), -1)
    if block.shape[1] > keep:
        block = np.partition(block, keep - 1, axis=1)[:, :keep]
    out = np.full((len(stamps), keep), EMPTY, dtype=np.uint64)
    out[:, : block.shape[1]] = block
    return out


def _mix(value: Hashes) -> Hashes:
    """A 64-bit finaliser (splitmix64): every input bit reaches every output bit. Sums wrap around, as they should."""
    with np.errstate(over="ignore"):
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Hashes = value ^ (value >> np.uint64(31))
    return out


def noise_of(stamp: Array) -> Floats:
    """(C, h, w): each pixel minus the mean of its four neighbours, in robust sigma, clipped: what a copy shares."""
    x = np.asarray(stamp, dtype=np.float32)
    x = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = (padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]) / 4
    rough = x - around
    sigma = 1.4826 * np.median(np.abs(rough), axis=(-2, -1), keepdims=True)
    out: Floats = np.clip(rough / np.where(sigma > 0, sigma, 1.0), -4, 4).astype(np.float32)
    return out


def best_correlation(first: Array, second: Array) -> float:
    """Largest correlation of the pixel noise over 8 symmetries and shifts of up to one pixel, channels averaged."""
    a, b = noise_of(first), noise_of(second)
    best = -1.0
    for turn in range(4):
        turned = np.rot90(b, turn, axes=(-2, -1))
        for image in (turned, turned[..., ::-1]):
            if image.shape == a.shape:
                best = max(best, *(_shifted(a, image, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)))
    return best


def _shifted(a: Floats, b: Any, dy: int, dx: int) -> float:
    height, width = a.shape[-2:]
    # The frame's border has no neighbours to compare with: leave two pixels.
    one = a[:, 2 + max(dy, 0) : height - 2 + min(dy, 0), 2 + max(dx, 0) : width - 2 + min(dx, 0)]
    two = b[:, 2 + max(-dy, 0) : height - 2 + min(-dy, 0), 2 + max(-dx, 0) : width - 2 + min(-dx, 0)]
    norm = np.sqrt((one**2).sum(axis=(-2, -1)) * (two**2).sum(axis=(-2, -1)))
    product = (one * two).sum(axis=(-2, -1))
    usable = norm > 0
    return float(np.mean(product[usable] / norm[usable])) if usable.any() else -1.0
