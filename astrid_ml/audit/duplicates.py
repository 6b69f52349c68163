"""Near-duplicate stamps: the same pixels turned, mirrored, shifted by a pixel, or copied with a little noise.

A coarse description that no symmetry of the square changes finds candidates by nearest neighbours; an exact
comparison over the 8 symmetries and the 9 shifts decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from astrid_ml.pipeline.contracts import Array, SampleSource

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DuplicateSearch:
    """How near is a duplicate.

    Args:
        correlation: of the pixels, over the best symmetry and shift, all channels together.
        neighbours: candidates looked at for each stamp.
        batch: stamps read at a time.
    """

    correlation: float = 0.98
    neighbours: int = 4
    batch: int = 4096

    def find(self, source: SampleSource, first: Rows, second: Rows) -> list[tuple[int, int, float]]:
        """Pairs (row of ``first``, row of ``second``, correlation) of duplicates across two folds."""
        known = {"a": self._describe(source, first), "b": self._describe(source, second)}
        if not len(known["a"]) or not len(known["b"]):
            return []
        scale = np.vstack([known["a"], known["b"]]).std(axis=0) + 1e-12
        tree = cKDTree(known["a"] / scale)
        k = min(self.neighbours, len(first))
        # Only pairs far closer than unrelated stamps are: the descriptors of a copy agree to a few per cent.
        distance, place = tree.query(
            known["b"] / scale, k=k, distance_upper_bound=0.5 * np.sqrt(scale.size), workers=-1
        )
        distance, place = distance.reshape(len(second), k), place.reshape(len(second), k)
        rows_b, column = np.nonzero(np.isfinite(distance))
        pairs = [(int(first[place[i, j]]), int(second[i])) for i, j in zip(rows_b, column, strict=True)]
        return [(a, b, r) for a, b, r in self._compare(source, pairs) if r >= self.correlation]

    def _describe(self, source: SampleSource, rows: Rows) -> Floats:
        parts = []
        for start in range(0, len(rows), self.batch):
            chosen = rows[start : start + self.batch]
            out = np.empty((len(chosen), 0), dtype=np.float32)
            for positions, stamps in source.groups("stamps", chosen):
                made = descriptor(stamps)
                if not out.shape[1]:
                    out = np.zeros((len(chosen), made.shape[1]), dtype=np.float32)
                out[positions] = made
            parts.append(out)
        return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)

    def _compare(self, source: SampleSource, pairs: list[tuple[int, int]]) -> list[tuple[int, int, float]]:
        out = []
        for start in range(0, len(pairs), 512):
            part = pairs[start : start + 512]
            stamps = dict(_stamps(source, sorted({row for pair in part for row in pair})))
            for a, b in part:
                if stamps[a].shape == stamps[b].shape:
                    out.append((a, b, best_correlation(stamps[a], stamps[b])))
        return out


def _stamps(source: SampleSource, rows: list[int]) -> list[tuple[int, Array]]:
    wanted = np.array(rows, dtype=np.int64)
    found = []
    for positions, stamps in source.groups("stamps", wanted):
        found += [(int(wanted[position]), stamp) for position, stamp in zip(positions, stamps, strict=True)]
    return found


def normalised(stamps: Array) -> Floats:
    """(n, C, h, w) with zero mean and unit norm in each channel; NaN counts as the median."""
    x = np.asarray(stamps, dtype=np.float32)
    centre = np.nanmedian(x, axis=(-2, -1), keepdims=True)
    x = np.nan_to_num(x - np.nan_to_num(centre), nan=0.0, posinf=0.0, neginf=0.0)
    x = x - x.mean(axis=(-2, -1), keepdims=True)
    norm = np.sqrt((x**2).sum(axis=(-2, -1), keepdims=True))
    out: Floats = x / np.where(norm > 0, norm, 1.0)
    return out


def descriptor(stamps: Array, rings: int = 8) -> Floats:
    """Mean, second and third moments in rings around the centre, for each channel: no symmetry changes them.

    Returns:
        (n, C * rings * 2) float32.
    """
    x = np.asarray(stamps, dtype=np.float32)
    centre = np.nanmedian(x, axis=(-2, -1), keepdims=True)
    x = np.nan_to_num(x - np.nan_to_num(centre), nan=0.0, posinf=0.0, neginf=0.0)
    norm = np.sqrt((x**2).mean(axis=(-2, -1), keepdims=True))
    x = (x / np.where(norm > 0, norm, 1.0)).astype(np.float32)
    height, width = x.shape[-2:]
    yy, xx = np.mgrid[:height, :width]
    radius = np.hypot(yy - (height - 1) / 2, xx - (width - 1) / 2)
    ring = np.minimum((radius / (min(height, width) / 2) * rings).astype(int), rings - 1).ravel()
    weights = np.zeros((height * width, rings), dtype=np.float32)
    weights[np.arange(height * width), ring] = 1.0
    weights /= np.maximum(weights.sum(axis=0), 1).astype(np.float32)
    flat = x.reshape(*x.shape[:2], -1)
    power = np.log1p(np.square(flat) @ weights)
    mean = flat @ weights
    return np.concatenate([mean, power], axis=-1).reshape(len(x), -1).astype(np.float32)


def best_correlation(first: Array, second: Array) -> float:
    """Largest correlation over 8 symmetries and shifts of up to one pixel, the mean of the channels."""
    a = normalised(first[None])[0]
    b = np.asarray(second)
    best = -1.0
    for turn in range(4):
        turned = np.rot90(b, turn, axes=(-2, -1))
        for image in (turned, turned[..., ::-1]):
            if image.shape != a.shape:
                continue
            other = normalised(image[None])[0]
            best = max(best, *(_shifted(a, other, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)))
    return best


def _shifted(a: Floats, b: Floats, dy: int, dx: int) -> float:
    height, width = a.shape[-2:]
    one = a[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
    two = b[:, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
    norm = np.sqrt((one**2).sum(axis=(-2, -1)) * (two**2).sum(axis=(-2, -1)))
    product = (one * two).sum(axis=(-2, -1))
    return float(np.mean(np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)))
