"""Pixels that hold no data, known by their values: constant regions, empty borders, sentinels below the sky.

A camera never gives one value to a whole region. But it may give zeros to most pixels where it counts few photons, and
integers repeat anywhere: so a region counts as empty only where the rest of the frame would not make it by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from astrid_ml.stats import robust_sigma
from astrid_ml.types import Array, Mask

_VALUES = 8  # different constants that are looked at
_RARE = 0.2  # a value, or equal neighbours, more frequent than this make large clusters by chance
_REGION = 300  # px; a cluster of a rare value that is as large is no noise and no saturated star
_BORDER = 50  # px; the same at the border
_CHANCE = 1e-6  # expected blocks of a frequent value that chance makes in the whole frame
_SAFETY = 2.0  # times the side of such a block: the rate may fall to a quarter of its mean somewhere
_LEAST_BLOCK = 9  # px
_SENTINELS = 10  # px of one value ...
_BELOW = 10.0  # ... this many sigma below the sky
_SAMPLE = 1 << 16  # pixels from which sky and noise are told


@dataclass(frozen=True)
class NoData:
    """Where a frame holds nothing.

    Args:
        mask: (H, W), True where there is no data.
        values: what stands there instead, the most frequent first.
    """

    mask: Mask
    values: tuple[float, ...] = ()


def find_no_data(data: Array, known: Mask) -> NoData:
    """Pixels that hold one value over a region which the noise of the others cannot make, and sentinels.

    Args:
        data: (H, W), as the file holds it.
        known: (H, W), True where a pixel is known to be useless: not finite, saturated, flagged.
    """
    empty: Mask = np.zeros(data.shape, dtype=bool)
    values = []
    equal = data[:, 1:] == data[:, :-1]
    pairs = equal[1:] & equal[:-1] & (data[1:, 1:] == data[:-1, 1:])  # blocks of 2 x 2
    line = np.zeros(data.shape, dtype=bool)  # borders of one pixel have no block
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        line[edge] = True
    found, counts = np.unique(np.concatenate([data[1:, 1:][pairs], data[line]]), return_counts=True)
    found, counts = found[np.isfinite(found)], counts[np.isfinite(found)]
    order = np.argsort(-counts, kind="stable")[:_VALUES]
    candidates = found[order][counts[order] >= _LEAST_BLOCK]
    quantised = _repeats(data, equal, known, candidates) if len(candidates) else 0.0
    for value in candidates:
        here = (data == value) & ~known
        region = _region(here, quantised)
        if region.any():
            empty |= region
            values.append(float(value))
    for value in _sentinels(data, known | empty):
        empty |= data == value
        values.append(value)
    return NoData(empty, tuple(dict.fromkeys(values)))


def _repeats(data: Array, equal: Mask, known: Mask, candidates: Array) -> float:
    """Share of neighbours that are equal among pixels of no candidate value: near 0 unless the frame is quantised."""
    others = np.isfinite(data) & ~known
    for value in candidates[:1]:  # of a frame of counts the frequent values are data, only the first may be none
        others &= data != value
    both = others[:, 1:] & others[:, :-1]
    total = int(np.count_nonzero(both))
    return float((equal & both).sum() / total) if total else 0.0


def _region(here: Mask, quantised: float) -> Mask:
    """The part of the pixels of one value that is no chance."""
    outside = _spread(~here, 2)  # where other values are: of a region of nothing that is its rim alone
    solid = np.zeros(here.shape, dtype=bool)
    side = 0
    for _ in range(6):
        rate = _rate(here, outside)
        if rate < _RARE and quantised < _RARE:
            return _clusters(here)
        wanted = _block(rate, here.size)
        if wanted == side or wanted > min(here.shape):
            break
        side = wanted
        solid = _opened(here, side)
        if not solid.any():
            break
        outside = ~_spread(solid, side)
        if outside.sum() <= here.size // 1000:  # hardly anything is left that could be data
            return np.zeros_like(solid)
    rare = solid.any() and float(here[outside].mean()) < _RARE
    return _connected(here, solid) if rare else solid


def _rate(here: Mask, outside: Mask) -> float:
    """How frequent a value is among the pixels outside, or beside another pixel of that value if that is more."""
    total = int(np.count_nonzero(outside))
    if not total:
        return 1.0
    alone = float((here & outside).sum() / total)
    first = here[:, :-1] & outside[:, :-1] & outside[:, 1:]
    count = int(np.count_nonzero(first))
    beside = float((first & here[:, 1:]).sum() / count) if count >= 1000 else 0.0
    return max(alone, beside) if alone >= _RARE else alone


def _block(rate: float, pixels: int) -> int:
    """Side (px) of a block that pixels of that rate hardly make anywhere in the frame, times a safety."""
    if rate <= 0:
        return _LEAST_BLOCK
    if rate >= 1:
        return pixels
    return max(_LEAST_BLOCK, math.ceil(_SAFETY * math.sqrt(math.log(_CHANCE / pixels) / math.log(rate))))


def _clusters(here: Mask) -> Mask:
    """Clusters of neighbours that are large, or lie at the border."""
    from scipy.ndimage import label

    numbers, count = label(here)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    edge = np.zeros(count + 1, dtype=bool)
    for border in (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]):
        edge[border] = True
    kept = (sizes >= _REGION) | (edge & (sizes >= _BORDER))
    kept[0] = False
    return np.asarray(kept[numbers])


def _connected(here: Mask, solid: Mask) -> Mask:
    """The whole clusters that hold a block: where the value is rare elsewhere, their rims belong to them."""
    from scipy.ndimage import label

    numbers, count = label(here)
    kept = np.zeros(count + 1, dtype=bool)
    kept[numbers[solid]] = True
    kept[0] = False
    return np.asarray(kept[numbers])


def _opened(here: Mask, side: int) -> Mask:
    """The union of all blocks (side, side) that lie wholly in a mask."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    plane = here.view(np.uint8)
    for axis in (0, 1):  # an even block's origins differ between the two passes, by one pixel
        plane = minimum_filter1d(plane, side, axis=axis, mode="constant", cval=0)
    for axis in (0, 1):
        plane = maximum_filter1d(plane, side, axis=axis, mode="constant", cval=0, origin=0 if side % 2 else -1)
    return np.asarray(plane.view(bool))


def _spread(mask: Mask, reach: int) -> Mask:
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(mask.view(np.uint8), 2 * reach + 1).view(bool))


def _sentinels(data: Array, known: Mask) -> list[float]:
    """Lowest values that repeat exactly, far below the sky: no light and no noise is there so often."""
    found: list[float] = []
    step = max(1, data.size // _SAMPLE)
    sample = data.ravel()[::step][~known.ravel()[::step]]
    if sample.size < 100:
        return found
    low = float(np.median(sample)) - _BELOW * float(robust_sigma(sample))
    deep = data[(data < low) & ~known]
    values, counts = np.unique(deep, return_counts=True)
    for value, count in zip(values[:3], counts[:3], strict=True):
        if count < _SENTINELS:
            break
        found.append(float(value))
    return found
