"""Where the sources of one image stand in another, found by their pattern alone: no header is trusted.

Two ways, the cheaper first. Offsets between all pairs of sources are counted: where the frames are turned by little,
the true offset stands out of the chance ones. Else triangles of sources are compared by their shapes, which do not
change with turn, scale and parity (Groth 1986, AJ 91, 1244; Valdes et al. 1995, PASP 107, 1119).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from astrid_ml.types import Count, Floats, Ints, InUnits, Mask, Positive, Range

_NEIGHBOURS = 6  # of each source, with which it forms triangles
_ALIKE = 0.01  # of the ratios of a triangle's sides
_FLATTEST = 1.08  # longest side over the next: rounder triangles do not tell their corners apart
_TRIED = 300  # transformations that are counted out, those of the most triangles first
_SCALES = np.geomspace(0.02, 5.0, 40)  # px, of the distances of sources that agree
_CHANCE = 1e-9  # a number of agreements that chance gives more rarely is believed


@dataclass(frozen=True)
class Agreement:
    """How the sources of two images agree.

    Args:
        map: affine (2, 3) of (1, x, y): place in the second image of what stands at x, y in the first.
        matched: pairs of sources that agree under it.
        offered: sources that could have agreed: the fewer of those inside both images.
    """

    map: Floats
    matched: int
    offered: int

    @property
    def offset(self) -> Tensor:
        """The map less the identity: how far (px) the second image is off, as an affine of the first's x, y."""
        return torch.from_numpy(self.map - np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))


@dataclass(frozen=True)
class Register:
    """Finds the map between two lists of sources.

    Args:
        sources: the brightest so many of each image are compared.
        reach: px; offsets up to this are counted before triangles are compared.
        tolerance: px within which two sources agree.
        max_scale: largest ratio of the two pixel scales, either way, beside what a WCS says.
    """

    sources: Count = 200
    reach: Annotated[Positive, InUnits("px")] = 60.0
    tolerance: Annotated[Positive, InUnits("px")] = 1.5
    max_scale: Annotated[float, Range(1.0)] = 1.5

    def __call__(self, first: Floats, second: Floats, shape: tuple[int, int]) -> Agreement | None:
        """The map from the first image to the second; None where no map is beyond chance.

        Args:
            first, second: (n, 2) and (m, 2) x, y (px), the brightest first.
            shape: (H, W) of the second image.
        """
        a, b = first[: self.sources], second[: self.sources]
        if min(len(a), len(b)) < 3:
            return None
        for way in (self._by_offsets, self._by_triangles):
            found = way(a, b)
            if found is not None:
                agreed = self._agreement(found, a, b, shape)
                if agreed is not None:
                    return agreed
        return None

    def _by_offsets(self, a: Floats, b: Floats) -> Floats | None:
        """The shift on which most pairs agree; None where as many would by chance."""
        pairs = _tree(a).query_ball_tree(_tree(b), self.reach)
        offsets = np.concatenate([b[others] - a[i] for i, others in enumerate(pairs) if others] or [np.zeros((0, 2))])
        if len(offsets) < 3:
            return None
        counts = np.asarray(_tree(offsets).query_ball_point(offsets, self.tolerance, return_length=True))
        best = int(counts.max())
        expected = len(offsets) * (self.tolerance / self.reach) ** 2
        if _chance(best - 1, expected) * len(offsets) > _CHANCE * 1e3:
            return None
        near = np.hypot(*(offsets - offsets[int(np.argmax(counts))]).T) < self.tolerance
        dx, dy = offsets[near].mean(0)
        return np.array([[dx, 1.0, 0.0], [dy, 0.0, 1.0]])

    def _by_triangles(self, a: Floats, b: Floats) -> Floats | None:
        """The similarity on which most sources agree, among those that triangles of one shape suggest."""
        (shapes_a, corners_a), (shapes_b, corners_b) = triangles(a), triangles(b)
        if not len(shapes_a) or not len(shapes_b):
            return None
        pairs = _tree(shapes_a).query_ball_tree(_tree(shapes_b), _ALIKE)
        one = np.repeat(np.arange(len(pairs)), [len(others) for others in pairs])
        other = np.fromiter(itertools.chain.from_iterable(pairs), np.int64, len(one))
        if not len(one):
            return None
        maps = similarities(a[corners_a[one]], b[corners_b[other]])
        scale = np.sqrt(np.abs(maps[:, 0, 1] * maps[:, 1, 2] - maps[:, 0, 2] * maps[:, 1, 1]))
        maps = maps[(scale > 1 / self.max_scale) & (scale < self.max_scale)]
        if not len(maps):
            return None
        tree, best, most = _tree(b), None, 0
        for number in _likeliest(maps, a)[:_TRIED]:
            near = int((_nearest(tree, mapped(maps[number], a))[0] < 2 * self.tolerance).sum())
            if near > most:
                best, most = maps[number], near
        return best

    def _agreement(self, start: Floats, a: Floats, b: Floats, shape: tuple[int, int]) -> Agreement | None:
        """The map fitted to all sources that agree; None where chance would make as many."""
        found, tree = start, _tree(b)
        reach = 3 * self.tolerance
        for _ in range(6):
            distance, other = _nearest(tree, mapped(found, a))
            near = _one_to_one(distance, other, reach)
            if near.sum() < 3:
                return None
            found = fitted(a[near], b[other[near]], affine=near.sum() >= 6)
            reach = max(reach / 1.5, self.tolerance)
        at = mapped(found, a)
        distance, other = _nearest(tree, at)
        near = _one_to_one(distance, other, self.tolerance)
        h, w = shape
        inside = (at[:, 0] > 0) & (at[:, 0] < w - 1) & (at[:, 1] > 0) & (at[:, 1] < h - 1)
        expected = int(inside.sum()) * len(b) * np.pi * self.tolerance**2 / (h * w)
        free = 6 if near.sum() >= 6 else 4  # numbers that were fitted make some agree
        if near.sum() < 4 or _chance(int(near.sum()) - free / 2 - 1, expected) * _TRIED > _CHANCE * 1e3:
            return None
        found = simplest(found, a[near], b[other[near]])
        back = mapped(_inverse(found), b)
        low, high = a.min(0), a.max(0)
        seen = int(((back >= low) & (back <= high)).all(1).sum())
        return Agreement(found, int(near.sum()), max(min(int(inside.sum()), seen), int(near.sum())))


def triangles(points: Floats) -> tuple[Floats, Ints]:
    """Shapes (t, 2) of the triangles of each point with its neighbours, and their corners (t, 3).

    A shape is the ratios of the shorter sides to the longest; the corners stand opposite the longest side, the middle
    one, the shortest, so that corners of alike triangles belong to each other.
    """
    if len(points) < 3:
        return np.zeros((0, 2)), np.zeros((0, 3), np.int64)
    k = min(_NEIGHBOURS + 1, len(points))
    neighbours = np.asarray(_tree(points).query(points, k)[1])
    sets = {tuple(sorted(corners)) for row in neighbours for corners in itertools.combinations(row.tolist(), 3)}
    corners = np.array(sorted(sets), dtype=np.int64)
    places = points[corners]
    sides = np.stack([np.hypot(*(places[:, (i + 1) % 3] - places[:, (i + 2) % 3]).T) for i in range(3)], 1)
    order = np.argsort(-sides, axis=1)
    sides, corners = np.take_along_axis(sides, order, 1), np.take_along_axis(corners, order, 1)
    clear = (sides[:, 2] > 0) & (sides[:, 0] > _FLATTEST * sides[:, 1]) & (sides[:, 1] > _FLATTEST * sides[:, 2])
    return (sides[:, 1:] / sides[:, :1])[clear], corners[clear]


def similarities(one: Floats, other: Floats) -> Floats:
    """Maps (t, 2, 3) by least squares from triangles (t, 3, 2) to others: turn, scale, shift, and parity as it fits."""
    first, second = (t[..., 0] + 1j * t[..., 1] for t in (one, other))
    z, v = first - first.mean(1, keepdims=True), second - second.mean(1, keepdims=True)
    norm = (np.abs(z) ** 2).sum(1)
    kept = (z.conj() * v).sum(1) / norm  # v = p z
    flipped = (z * v).sum(1) / norm  # v = p conj(z)
    misfit = [np.abs(v - p[:, None] * u).sum(1) for p, u in ((kept, z), (flipped, z.conj()))]
    turned = misfit[1] < misfit[0]
    p, sign = np.where(turned, flipped, kept), np.where(turned, -1.0, 1.0)
    linear = np.stack([np.stack([p.real, -p.imag * sign], 1), np.stack([p.imag, p.real * sign], 1)], 1)
    shift = other.mean(1) - np.einsum("tij,tj->ti", linear, one.mean(1))
    return np.concatenate([shift[..., None], linear], 2)


def mapped(of: Floats, points: Floats) -> Floats:
    """Points (n, 2) under an affine (2, 3) of (1, x, y)."""
    return np.asarray(of[:, 0] + points @ of[:, 1:].T)


def fitted(one: Floats, other: Floats, affine: bool) -> Floats:
    """The affine, or the similarity, (2, 3) that takes points (n, 2) to others, by least squares."""
    if not affine:
        return np.asarray(similarities(one[None], other[None])[0])
    basis = np.column_stack([np.ones(len(one)), one])
    return np.asarray(np.linalg.lstsq(basis, other, rcond=None)[0].T, dtype=np.float64)


def simplest(found: Floats, one: Floats, other: Floats) -> Floats:
    """Nothing, a shift, or the map that was found (2, 3): the least Akaike criterion, corrected for few.

    A handful of galaxies whose centres differ by a pixel, as new sources in them make them do, is no reason to turn a
    frame whose header is right. Distances follow Cauchy's law, which a few far ones do not rule.
    """
    unit = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    shift = unit.copy()
    shift[:, 0] = np.median(other - one, axis=0)
    scores, n = [], 2 * len(one)
    for model, k in ((unit, 0), (shift, 2), (found, 6 if len(one) >= 6 else 4)):
        far2 = np.sum((mapped(model, one) - other) ** 2, axis=1)
        likely = np.sum(4 * np.log(_SCALES) + 3 * np.log1p(far2[:, None] / _SCALES**2), axis=0).min()
        scores.append(float(likely) + 2 * k + 2 * k * (k + 1) / max(n - k - 1, 1))
    return np.asarray((unit, shift, found)[int(np.argmin(scores))])


def composed(first: Tensor, then: Tensor) -> Tensor:
    """The offset (2, 3) of a frame that was resampled by the offset ``first`` and then found off by ``then``.

    Offsets c stand for x -> x + c(x); the result is ``then`` followed by ``first``.
    """
    unit = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.double)
    outer, inner = first.double() + unit, then.double() + unit
    linear = outer[:, 1:] @ inner[:, 1:]
    shift = outer[:, 0] + outer[:, 1:] @ inner[:, 0]
    return torch.cat([shift[:, None], linear], 1) - unit


def _likeliest(maps: Floats, points: Floats) -> Ints:
    """Numbers of maps, those first whose neighbours among the maps are the most: true ones agree with each other."""
    low, high = points.min(0), points.max(0)
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [low[0], high[1]]])
    places = (maps[:, None, :, 0] + np.einsum("ci,tji->tcj", corners, maps[:, :, 1:])).reshape(len(maps), -1)
    width = max(3.0, 0.01 * float(np.ptp(points, axis=0).max()))
    if len(places) > 20_000:
        return np.arange(len(places), dtype=np.int64)
    counts = np.asarray(_tree(places).query_ball_point(places, width, return_length=True))
    return np.asarray(np.argsort(-counts, kind="stable"), dtype=np.int64)


def _tree(points: Floats) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(points)


def _chance(n: float, expected: float) -> float:
    """The probability of more than ``n`` where ``expected`` are expected (Poisson's law)."""
    from scipy.special import pdtrc

    return float(pdtrc(n, expected)) if n >= 0 else 1.0


def _nearest(tree: Any, points: Floats) -> tuple[Floats, Ints]:
    """Distance to the nearest point of a tree, and its number, for each point (n, 2)."""
    distance, other = tree.query(points)
    return np.asarray(distance, dtype=np.float64), np.asarray(other, dtype=np.int64)


def _one_to_one(distance: Floats, other: Ints, reach: float) -> Mask:
    """Which points have a partner within reach that is nearest to them alone."""
    order = np.argsort(distance, kind="stable")
    first = np.unique(other[order], return_index=True)[1]
    alone = np.zeros(len(distance), dtype=bool)
    alone[order[first]] = True
    return np.asarray(alone & (distance < reach))


def _inverse(of: Floats) -> Floats:
    linear = np.linalg.inv(of[:, 1:])
    return np.column_stack([-linear @ of[:, 0], linear])
