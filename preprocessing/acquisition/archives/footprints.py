"""Footprints of images as archives write them (STC-S), and how much of a target's surroundings they hold."""

from __future__ import annotations

import re

import numpy as np

from astrid_ml.sky import separation, unit_vectors
from astrid_ml.types import Array, Floats, Mask

_SHAPE = re.compile(r"(POLYGON|CIRCLE)\s+(?:[A-Z]\w*\s+)*((?:[-+\d.eE]+\s*)+)", re.IGNORECASE)
_GOLDEN = np.pi * (3 - np.sqrt(5))


def coverage(footprint: str, ra: float, dec: float, radius: float, points: int = 200) -> float | None:
    """The share of a disc around a place that a footprint holds.

    Args:
        footprint: STC-S: polygons and circles, of which one may hold a point; a union of chips is written so.
        ra, dec: degrees.
        radius: of the disc, degrees; small against the sphere.
        points: spread evenly over the disc: the share is good to about 1 / points**0.75.

    Returns:
        0 to 1; None where the footprint says nothing that can be read.

    Example:
        >>> square = "POLYGON ICRS 9.9 -0.1 10.1 -0.1 10.1 0.1 9.9 0.1"
        >>> coverage(square, 10.0, 0.0, 0.05), coverage(square, 11.0, 0.0, 0.05), coverage("", 10.0, 0.0, 0.05)
        (1.0, 0.0, None)
    """
    shapes = _shapes(footprint)
    if not shapes:
        return None
    steps = np.arange(points)
    away = radius * np.sqrt((steps + 0.5) / points)  # a sunflower: equal areas
    disc = np.column_stack([away * np.cos(_GOLDEN * steps), away * np.sin(_GOLDEN * steps)])
    return float(_inside(disc, shapes, ra, dec).mean())


def overlap(first: str, second: str, ra: float, dec: float, side: int = 48) -> float | None:
    """The share of one footprint that another one holds.

    Args:
        first, second: STC-S.
        ra, dec: degrees, a place in or near both.
        side: of the grid of points over the first one.

    Returns:
        0 to 1; None where one says nothing that can be read.

    Example:
        >>> overlap("POLYGON ICRS 9 -1 11 -1 11 1 9 1", "POLYGON ICRS 10 -1 12 -1 12 1 10 1", 10.0, 0.0)
        0.5
    """
    one, other = _shapes(first), _shapes(second)
    if not one or not other:
        return None
    edges = np.concatenate([_corners(kind, numbers, ra, dec) for kind, numbers in one])
    if not np.isfinite(edges).all():
        return None
    low, high = edges.min(axis=0), edges.max(axis=0)
    steps = (np.arange(side) + 0.5) / side
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * (high - low) + low
    held = grid[_inside(grid, one, ra, dec)]
    return float(_inside(held, other, ra, dec).mean()) if len(held) else None


def reach(footprint: str, ra: float, dec: float) -> float:
    """Degrees from a place to the farthest point of a footprint; 0 where it says nothing that can be read.

    >>> round(reach("POLYGON ICRS 9 0 11 0 11 1 9 1", 10.0, 0.0), 3), reach("CIRCLE ICRS 11 0 0.5", 10.0, 0.0)
    (1.414, 1.5)
    """
    here, far = unit_vectors(np.array([[ra, dec]])), [0.0]
    for kind, numbers in _shapes(footprint):
        corners = np.reshape(numbers, (-1, 2)) if kind == "POLYGON" else np.array([numbers[:2]])
        away = separation(here, unit_vectors(corners)).max() / 3600
        far.append(round(float(away), 9) + (numbers[2] if kind == "CIRCLE" else 0.0))
    return max(far)


def _shapes(footprint: str) -> list[tuple[str, list[float]]]:
    shapes = [(kind.upper(), [float(number) for number in numbers.split()]) for kind, numbers in _found(footprint)]
    return [
        (kind, n)
        for kind, n in shapes
        if (len(n) == 3 and kind == "CIRCLE") or (kind == "POLYGON" and len(n) >= 6 and len(n) % 2 == 0)
    ]


def _corners(kind: str, numbers: list[float], ra: float, dec: float) -> Floats:
    if kind == "POLYGON":
        return tangent(np.reshape(numbers, (-1, 2)), ra, dec)
    return tangent(np.array([numbers[:2]]), ra, dec) + numbers[2] * np.array([[-1.0, -1.0], [1.0, 1.0]])


def _inside(points: Floats, shapes: list[tuple[str, list[float]]], ra: float, dec: float) -> Mask:
    """Which points of the plane that touches a place lie in one of the shapes."""
    inside: Mask = np.zeros(len(points), dtype=bool)
    for kind, numbers in shapes:
        if kind == "CIRCLE":
            centre = tangent(np.array([numbers[:2]]), ra, dec)
            inside |= np.hypot(*(points - centre).T) <= numbers[2]
        else:
            corners = tangent(np.reshape(numbers, (-1, 2)), ra, dec)
            if np.isfinite(corners).all():
                inside |= within(points, corners)
    return inside


def _found(footprint: str) -> list[tuple[str, str]]:
    try:
        found = [(kind, numbers) for kind, numbers in _SHAPE.findall(footprint)]
        [float(number) for _, numbers in found for number in numbers.split()]
    except ValueError:
        return []
    return found


def tangent(sky: Array, ra: float, dec: float) -> Floats:
    """Gnomonic projection of (n, 2) degrees on the plane that touches a place, degrees; NaN behind it."""
    a, d = np.radians(np.asarray(sky, dtype=float)).T
    a0, d0 = np.radians(ra), np.radians(dec)
    cosine = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a - a0)
    cosine = np.where(cosine > 0, cosine, np.nan)
    x = np.cos(d) * np.sin(a - a0) / cosine
    y = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a - a0)) / cosine
    return np.asarray(np.degrees(np.column_stack([x, y])))


def within(points: Floats, corners: Floats) -> Mask:
    """Which of (n, 2) points lie within a polygon of (k, 2) corners: an odd number of edges to their right."""
    inside: Mask = np.zeros(len(points), dtype=bool)
    x, y = points.T
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = (y1 > y) != (y2 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside
