"""The saturated cores of snowballs as single discs: cores that touch are parted, and trails are cut off."""

from __future__ import annotations

import numpy as np

from astrid_ml.types import Array, Ints, Mask

_NECK = 0.8  # of its radius: a disc that hangs on by a narrower neck is one of its own
_TRAIL = 0.35  # of its radius: what is narrower is no part of a disc


def discs(core: Mask, lost: Mask, smallest: float) -> Ints:
    """The number of its disc for each pixel, from 1; 0 outside and in trails, (h, w).

    The distance of each pixel from the edge has a top in each disc. Two tops are two discs where the ridge between
    them falls below four fifths of the lower one. What stands out by less than a third of the radius is a trail.

    Args:
        core: pixels that saturate together; none of them at the border of the array.
        lost: pixels that were lost before, or lie outside the frame: they may hide part of a disc.
        smallest: radius of a disc that stands alone, pixels.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    depth = distance_transform_edt(binary_fill_holes(core))
    tops = _tops(depth, smallest)
    gy, gx = np.mgrid[: core.shape[0], : core.shape[1]]
    reach = np.stack([np.hypot(gy - y, gx - x) - depth[y, x] for y, x in tops])
    out: Ints = np.where(core, reach.argmin(axis=0) + 1, 0)
    for number, top in enumerate(tops, start=1):
        own = out == number
        out[own & ~_opened(own | lost, _TRAIL * float(depth[top]))] = 0
    return out


def _highest(depth: Array) -> tuple[int, int]:
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y), int(x)


def _tops(depth: Array, smallest: float) -> list[tuple[int, int]]:
    """Deepest pixels of what falls apart when shallow pixels go, where each is deep enough to be a disc."""
    from scipy.ndimage import label

    level, part = 0.0, depth
    highest = float(depth.max())
    while level < _NECK * highest:
        level += max(0.5, 0.04 * highest)
        labels, number = label(part > level, structure=np.ones((3, 3)))
        if number < 2:
            continue
        pieces = [np.where(labels == piece, part, 0.0) for piece in range(1, number + 1)]
        kept = [piece for piece in pieces if piece.max() >= max(level / _NECK, smallest)]
        if len(kept) >= 2:
            return [top for piece in kept for top in _tops(piece, smallest)]
    return [_highest(depth)]


def _opened(mask: Mask, radius: float) -> Mask:
    """What of a mask discs of a radius cover that lie within it, and what touches that by a pixel."""
    from scipy.ndimage import distance_transform_edt

    if radius < 1:
        return mask
    padded = np.pad(mask, 1, constant_values=False)
    inside = distance_transform_edt(padded) > radius
    out: Mask = (distance_transform_edt(~inside) <= radius + 1.0)[1:-1, 1:-1]
    return out & mask
