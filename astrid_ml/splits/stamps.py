"""Which stamps share pixels of one exposure: candidates of two objects that stand nearer than a stamp is wide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from astrid_ml.contracts.columns import Columns
from astrid_ml.sky import unit_vectors
from astrid_ml.splits.coded import Coded
from astrid_ml.types import Codes, Floats, Ints, Mask

BLOCK = 1 << 18  # samples looked at together; an exposure is never cut
# What tells exposures apart, beside the time; all that an index has of them.
NAMES = ("mission", "detector", "field", "filter")
OWN = ("frame", "jid")  # each of these is one exposure, whatever the time
_DAY = 86400.0


@dataclass(frozen=True)
class Overlaps:
    """Pairs of samples whose stamps share pixels.

    Args:
        one, other: positions in the index, (m,), ``one < other``.
        share: of the smaller stamp's pixels that both hold, (m,).
        unplaced: samples of the index of which exposure, place or size is not known.
    """

    one: Ints
    other: Ints
    share: Floats
    unplaced: int = 0


def can_overlap(index: Columns) -> bool:
    """Whether an index says which exposure its stamps are of, where in it, and how large they are."""
    has = set(index.columns)
    placed = {"x", "y"} <= has or {"ra", "dec", "pixel_scale"} <= has
    return "stamp_h" in has and placed and ("mjd" in has or bool(has & set(OWN)))


def overlapping_stamps(index: Columns) -> Overlaps:
    """All pairs of stamps of one exposure that share a pixel.

    An exposure is a time (to the second) of one mission, detector, field and filter, or one frame. Places are pixels
    where the index has them (``x``, ``y``), else the sky over ``pixel_scale``, north up: of stamps that are turned
    against the sky the share is right within the corners.

    Args:
        index: with ``stamp_h``, a time or a frame, and places; others give no pairs.
    """
    none = np.zeros(0, dtype=np.int64)
    if not can_overlap(index):
        return Overlaps(none, none, np.zeros(0), len(index))
    exposures, usable = _exposures(index)
    places, by_sky = _places(index)
    sizes = _sizes(index)
    usable = usable & np.isfinite(places).all(axis=1) & np.isfinite(sizes).all(axis=1)
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(exposures[rows], kind="stable")]
    parts = [_pairs(places[part], sizes[part], exposures[part], by_sky, part) for part in _blocks(exposures, rows)]
    one = np.concatenate([none, *(part[0] for part in parts)])
    other = np.concatenate([none, *(part[1] for part in parts)])
    share = np.concatenate([np.zeros(0), *(part[2] for part in parts)])
    return Overlaps(np.minimum(one, other), np.maximum(one, other), share, int((~usable).sum()))


def _exposures(index: Columns) -> tuple[Codes, Mask]:
    """A number for each exposure, (n,), and where it is known."""
    own = next((name for name in OWN if name in index), None)
    if own is not None:
        return Coded.of(index[own]).codes, index[own].notna().to_numpy()
    mjd = index["mjd"].to_numpy(dtype=np.float64, na_value=np.nan)
    known: Mask = np.isfinite(mjd)
    number = np.where(known, np.round(np.where(known, mjd, 0.0) * _DAY), -1).astype(np.int64)
    for name in NAMES:
        if name in index:
            coded = Coded.of(index[name])
            number = _numbered(number).astype(np.int64) * (len(coded.names) + 1) + coded.codes + 1
    return _numbered(number), known


def _numbered(values: Ints) -> Codes:
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int32)


def _places(index: Columns) -> tuple[Floats, bool]:
    """x, y in pixels, (n, 2), and False; or ra, dec in degrees and True."""
    by_sky = not {"x", "y"} <= set(index.columns)
    names = ["ra", "dec"] if by_sky else ["x", "y"]
    return index[names].to_numpy(dtype=np.float64, na_value=np.nan), by_sky


def _sizes(index: Columns) -> Floats:
    """Rows and columns of each stamp, and arcsec of a pixel (1 where places are pixels), (n, 3)."""
    wide = "stamp_w" if "stamp_w" in index else "stamp_h"
    out = index[["stamp_h", wide]].to_numpy(dtype=np.float64, na_value=np.nan)
    scale = np.ones(len(index))
    if not {"x", "y"} <= set(index.columns):
        scale = index["pixel_scale"].to_numpy(dtype=np.float64, na_value=np.nan)
    both = np.column_stack([out, scale])
    both[(both <= 0).any(axis=1)] = np.nan
    return both


def _blocks(exposures: Codes, rows: Ints) -> Iterator[Ints]:
    """Samples of exposures with more than one, many exposures together."""
    ordered = exposures[rows]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    counts = np.diff(np.append(first, len(rows)))
    rows = rows[np.repeat(counts > 1, counts)]
    counts = counts[counts > 1]
    ends = np.cumsum(counts)
    start = 0
    while start < len(rows):
        fitting = int(np.searchsorted(ends, start + BLOCK, side="right")) - 1
        stop = int(ends[max(fitting, int(np.searchsorted(ends, start, side="right")))])
        yield rows[start:stop]
        start = stop


def _pairs(places: Floats, sizes: Floats, exposures: Codes, by_sky: bool, rows: Ints) -> tuple[Ints, Ints, Floats]:
    """Pairs of a block, and the share of the smaller stamp that both hold."""
    from scipy.spatial import cKDTree

    height, width, scale = sizes.T
    reach = float(np.hypot(height * scale, width * scale).max()) * 1.01
    own = np.unique(exposures, return_inverse=True)[1].astype(np.float64)
    if by_sky:
        reach = float(2 * np.sin(np.radians(reach / 3600) / 2))
        points = np.column_stack([unit_vectors(places), own * (2 * reach + 1e-9)])
    else:
        points = np.column_stack([places, own * (2 * reach + 1)])
    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    apart = np.abs(places[a] - places[b])
    if by_sky:
        apart[:, 0] = np.minimum(apart[:, 0], 360 - apart[:, 0]) * np.cos(np.radians((places[a, 1] + places[b, 1]) / 2))
        apart *= 3600 / np.minimum(scale[a], scale[b])[:, None]
    along = np.minimum(np.minimum(width[a], width[b]), (width[a] + width[b]) / 2 - apart[:, 0])
    across = np.minimum(np.minimum(height[a], height[b]), (height[a] + height[b]) / 2 - apart[:, 1])
    share = np.clip(along, 0, None) * np.clip(across, 0, None)
    share /= np.minimum(height[a] * width[a], height[b] * width[b])
    kept = (share > 0) & (exposures[a] == exposures[b])
    return rows[a[kept]], rows[b[kept]], share[kept]
