"""Groups whose samples stand near each other on the sky become one, without a list of all pairs.

Unit vectors are sorted into cubes whose diagonal is the radius: samples of one cube are linked. What lies within the
radius of a sample is at most two cubes away; two such cubes are compared only where their groups are not linked yet,
and then one near pair is enough. So a thousand detections of one object cost a thousand steps, not a million pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from astrid_ml.sky import unit_vectors
from astrid_ml.types import Codes, Floats, Ints

BLOCK = 1 << 20  # rows, or pairs of cubes, looked at together
FEW = 64  # pairs of samples up to which two cubes are compared by all of them
REACH = 2  # cubes that the radius may span along an axis
Edges = tuple[Ints, Ints]


def components(count: int, one: Ints | Codes, other: Ints | Codes) -> Codes:
    """The connected component of each of ``count`` nodes, where ``one[i]`` and ``other[i]`` are joined.

    Example:
        >>> components(4, np.array([0]), np.array([2])).tolist()
        [0, 1, 0, 2]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.int32)


def linked_components(sky: Floats, codes: Codes, count: int, radius: float) -> Codes:
    """The component of each group.

    Args:
        sky: ra, dec in degrees (ICRS) of each sample, (n, 2), finite.
        codes: group of each sample, (n,), below ``count``.
        count: number of groups.
        radius: arcsec, above 0.
    """
    chord = float(2 * np.sin(np.radians(radius / 3600) / 2))
    side = 0.99 * chord / np.sqrt(3)
    wide = int(2 / side) + 2 * REACH + 3  # cubes along an axis, with a border that none is in
    if wide >= 1 << 21:
        return _by_tree(sky, codes, count, chord)
    order, cubes, starts = _sorted_into_cubes(sky, side, wide)
    codes = codes[order]
    edges: list[tuple[Ints | Codes, Ints | Codes]] = [_within(codes, starts)]
    found = components(count, *edges[0])
    own = found[codes[starts[:-1]]]  # of a cube all samples are of one component by now
    for one, other in _neighbours(cubes, wide):
        apart = own[one] != own[other]
        one, other = one[apart], other[apart]
        if len(one):
            near = _near(sky, order, starts, (one, other), chord)
            edges.append((codes[starts[one[near]]], codes[starts[other[near]]]))
    if len(edges) == 1:
        return found
    return components(count, *(np.concatenate(side) for side in zip(*edges, strict=True)))


def _by_tree(sky: Floats, codes: Codes, count: int, chord: float) -> Codes:
    """Of radii below 0.35 arcsec, whose cubes have no number of 63 bits."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(unit_vectors(sky)).query_pairs(chord, output_type="ndarray")
    return components(count, codes[pairs[:, 0]], codes[pairs[:, 1]])


def _sorted_into_cubes(sky: Floats, side: float, wide: int) -> tuple[Ints, Ints, Ints]:
    """The order of the samples by their cubes, the cubes' numbers, and where each begins in the order (and the end)."""
    numbers = np.empty(len(sky), dtype=np.int64)
    for start in range(0, len(sky), BLOCK):
        place = np.floor((unit_vectors(sky[start : start + BLOCK]) + 1) / side).astype(np.int64) + REACH
        numbers[start : start + BLOCK] = (place[:, 0] * wide + place[:, 1]) * wide + place[:, 2]
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    first = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])) if len(numbers) else np.zeros(0, np.int64)
    return order, numbers[first], np.append(first, len(numbers))


def _within(codes: Codes, starts: Ints) -> tuple[Codes, Codes]:
    """Successive samples of one cube and of two groups."""
    change = codes[1:] != codes[:-1]
    change[starts[1:-1] - 1] = False
    at = np.flatnonzero(change)
    return codes[at], codes[at + 1]


def _neighbours(cubes: Ints, wide: int) -> Iterator[Edges]:
    """Places of cubes that lie within reach of each other, each pair once; those along the last axis have runs of
    numbers, which one search finds."""
    steps = range(-REACH, REACH + 1)
    shifts = [(x * wide + y) * wide for x in steps for y in steps if (x, y) > (0, 0)]
    runs = [(shift - REACH, shift + REACH) for shift in shifts] + [(1, REACH)]
    for low, high in runs:
        for start in range(0, len(cubes), BLOCK):
            own = cubes[start : start + BLOCK]
            begin, end = np.searchsorted(cubes, own + low), np.searchsorted(cubes, own + high, side="right")
            length = end - begin
            one = np.repeat(np.arange(start, start + len(own)), length)
            run = np.arange(len(one)) - np.repeat(np.cumsum(length) - length, length)
            yield one, np.repeat(begin, length) + run


def _near(sky: Floats, order: Ints, starts: Ints, pairs: Edges, chord: float) -> Ints:
    """Which pairs of cubes hold samples within the chord of each other."""
    one, other = pairs
    sizes = np.diff(starts)
    product = sizes[one] * sizes[other]
    few = np.flatnonzero(product <= FEW)
    near = np.zeros(len(one), dtype=bool)
    for part in np.array_split(few, max(1, -(-int(product[few].sum()) // BLOCK))):
        owner = np.repeat(part, product[part])
        number = np.arange(len(owner)) - np.repeat(np.cumsum(product[part]) - product[part], product[part])
        width = sizes[other[owner]]
        a = unit_vectors(sky[order[starts[one[owner]] + number // width]])
        b = unit_vectors(sky[order[starts[other[owner]] + number % width]])
        near[owner[((a - b) ** 2).sum(axis=1) <= chord**2]] = True
    for at in np.flatnonzero(product > FEW):
        a, b = (sky[order[starts[cube[at]] : starts[cube[at] + 1]]] for cube in pairs)
        near[at] = _touch(a, b, chord)
    return np.flatnonzero(near)


def _touch(one: Floats, other: Floats, chord: float) -> bool:
    """Whether any samples of two cubes are near each other."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(unit_vectors(one)).query(unit_vectors(other), distance_upper_bound=chord)
    return bool(np.isfinite(distance).any())
