"""Positions on the sky: angles as texts, unit vectors, and equal-area cells (HEALPix, nested)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from astrid_ml.types import Array, Floats, Ints

_SEXAGESIMAL = re.compile(r"[+-]?\d{1,3}\s*(?:[:hHdD\u00b0]\s*|\s)\d{1,2}\D?.*")


def degrees_in(texts: Iterable[str], hours: bool) -> Floats:
    """Angles that are written out, in degrees, (n,): 12:34:56.7, 12h34m56.7s, -05 30 00; NaN for all other texts.

    Args:
        texts: one an angle.
        hours: whether those without letters are in hours: of right ascensions.

    Example:
        >>> degrees_in(["10:00:00", "10h00m36s", "150d30m", "10.5"], hours=True).round(6).tolist()
        [150.0, 150.15, 150.5, nan]
        >>> degrees_in(["-00:30:00"], hours=False).tolist()
        [-0.5]
    """
    return np.array([_degrees(text.strip(), hours) for text in texts], dtype=np.float64)


@lru_cache(maxsize=1 << 16)
def _degrees(text: str, hours: bool) -> float:
    from astropy import units
    from astropy.coordinates import Angle

    if not _SEXAGESIMAL.fullmatch(text):
        return np.nan
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # 60 seconds
            return float(Angle(text.lower(), unit=units.hourangle if hours else units.deg).to_value(units.deg))
    except (ValueError, TypeError, Warning, units.UnitsError):
        return np.nan


def unit_vectors(sky: Array) -> Floats:
    """(n, 2) ra, dec in degrees (ICRS) -> (n, 3) unit vectors."""
    ra, dec = np.radians(sky[:, 0]), np.radians(sky[:, 1])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def nearest(places: Array, known: Array, radius: float, block: int = 1 << 18) -> tuple[Ints, Floats]:
    """For each place the nearest of some known ones within a radius; memory does not grow with their square.

    Args:
        places: ra, dec in degrees (ICRS), shape (n, 2); those that are not finite have no neighbour.
        known: the same, shape (m, 2).
        radius: arcsec.
        block: places looked at together, a strip in declination.

    Returns:
        Which known one, (n,), -1 where none is near; and its distance in arcsec, (n,), infinite there.

    Example:
        >>> found, distance = nearest(np.array([[10.0, 0.0], [20.0, 0.0]]), np.array([[10.0001, 0.0]]), 1.0)
        >>> found.tolist(), distance.round(2).tolist()
        ([0, -1], [0.36, inf])
    """
    from scipy.spatial import cKDTree

    found, distance = np.full(len(places), -1, dtype=np.int64), np.full(len(places), np.inf)
    inside, there = (np.flatnonzero(np.isfinite(sky).all(axis=1)) for sky in (places, known))
    inside, there = inside[np.argsort(places[inside, 1])], there[np.argsort(known[there, 1])]
    chord, edges = 2 * np.sin(np.radians(radius / 3600) / 2), known[there, 1]
    for start in range(0, len(inside), block):
        rows = inside[start : start + block]
        low, high = places[rows[[0, -1]], 1] + np.array([-1.01, 1.01]) * radius / 3600
        strip = there[np.searchsorted(edges, low) : np.searchsorted(edges, high, side="right")]
        if not len(strip):
            continue
        given = cKDTree(unit_vectors(known[strip])).query(unit_vectors(places[rows]), distance_upper_bound=chord)
        length, place = np.asarray(given[0]), np.asarray(given[1])
        near = np.isfinite(length)
        found[rows[near]] = strip[place[near]]
        distance[rows[near]] = np.degrees(2 * np.arcsin(length[near] / 2)) * 3600
    return found, distance


class SkyStrips:
    """Positions sorted by strips of declination and by right ascension in them: all pairs within a radius.

    Neighbours are looked up by bisection, so that a million places against two million cost about a second; poles and
    the meridian of ra 0 are places like all others.

    Args:
        known: ra, dec in degrees (ICRS), shape (m, 2); those that are not finite have no neighbours.
        radius: arcsec, up to 90 degrees.

    Example:
        >>> strips = SkyStrips(np.array([[359.9999, 0.0], [0.0002, 0.0], [180.0, 0.0]]), 1.0)
        >>> place, which, distance = strips.pairs(np.array([[0.0, 0.0]]))
        >>> which.tolist(), distance.round(2).tolist()
        ([0, 1], [0.36, 0.72])
    """

    TURN = 1024.0  # between two strips in the sorted keys, degrees: more than a turn and its margins
    SLACK = 1e-6  # degrees: the keys of a large table are rounded to 1e-7

    def __init__(self, known: Array, radius: float) -> None:
        self.known = np.asarray(known, dtype=np.float64)
        self.radius = radius
        self.height = max(radius / 3600 * (1 + 1e-9), 1e-4)
        there = np.flatnonzero(np.isfinite(self.known).all(axis=1))
        keys = self._strip(self.known[there, 1]) * self.TURN + self.known[there, 0] % 360
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows = keys[order], there[order].astype(np.int64)
        self._vectors = unit_vectors(self.known)

    def pairs(self, places: Array, block: int = 1 << 18, most: int = 1 << 23) -> tuple[Ints, Ints, Floats]:
        """All pairs within the radius.

        Args:
            places: ra, dec in degrees (ICRS), shape (n, 2); those that are not finite have no neighbours.
            block: places looked at together.
            most: pairs that are measured together; what is near is all that stays.

        Returns:
            rows of the places and of the known ones, and their distances in arcsec, each (k,), by place, then distance,
            then known one.
        """
        places = np.asarray(places, dtype=np.float64)
        inside = np.flatnonzero(np.isfinite(places).all(axis=1)).astype(np.int64)
        # In the order of the keys a block touches one stretch of them.
        inside = inside[np.argsort(self._strip(places[inside, 1]) * self.TURN + places[inside, 0] % 360, kind="stable")]
        found: list[tuple[Ints, Ints, Floats]] = []
        for start in range(0, len(inside), block):
            rows = inside[start : start + block]
            for first, last, which in self._stretches(places[rows]):
                found += self._measured(places, rows[which], first, last, most)
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        place, other, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((other, distance, place))
        return place[order], other[order], distance[order]

    def _strip(self, dec: Array) -> Floats:
        return np.asarray(np.floor((np.asarray(dec) + 90) / self.height))

    def _stretches(self, places: Array) -> list[tuple[Ints, Ints, Ints]]:
        """[(first key, the one after the last, place)] of the stretches that may hold neighbours."""
        ra, strip, half = places[:, 0] % 360, self._strip(places[:, 1]), self._half_width(places[:, 1])
        everywhere = np.arange(len(places))
        part = half < 180  # a whole turn needs no second look beyond the meridian
        beyond, before = np.flatnonzero(part & (ra + half >= 360)), np.flatnonzero(part & (ra - half < 0))
        turns = ((0.0, everywhere), (-360.0, beyond), (360.0, before))
        out = []
        for step in (-1, 0, 1):
            for turn, which in turns:
                base = (strip[which] + step) * self.TURN
                low = base + np.maximum(ra[which] + turn - half[which], 0.0)
                high = base + np.minimum(ra[which] + turn + half[which], 361.0)
                first = np.searchsorted(self._keys, low)
                last = np.searchsorted(self._keys, high, side="right")
                near = np.flatnonzero(last > first)
                if len(near):
                    out.append((first[near], last[near], which[near].astype(np.int64)))
        return out

    def _half_width(self, dec: Array) -> Floats:
        """Degrees of right ascension within which a neighbour lies; a whole turn where the circle holds a pole."""
        sin, cos = np.sin(np.radians(self.radius / 3600)), np.cos(np.radians(np.asarray(dec)))
        ratio = np.divide(sin, cos, out=np.ones_like(cos), where=cos > abs(sin))
        pole = (cos <= sin) | (np.abs(dec) + self.radius / 3600 >= 90)
        return np.where(pole, 360.0, np.degrees(np.arcsin(ratio)) + self.SLACK)

    def _measured(
        self, places: Array, rows: Ints, first: Ints, last: Ints, most: int
    ) -> list[tuple[Ints, Ints, Floats]]:
        counts = last - first
        cuts = np.flatnonzero(np.diff(np.cumsum(counts) // most)) + 1
        out = []
        for part in np.split(np.arange(len(rows)), cuts):
            size = counts[part]
            before = np.concatenate([[0], np.cumsum(size)[:-1]])
            place = np.repeat(rows[part], size)
            other = self._rows[np.arange(size.sum()) + np.repeat(first[part] - before, size)]
            distance = separation(unit_vectors(places[place]), self._vectors[other])
            near = distance <= self.radius
            out.append((place[near], other[near], distance[near]))
        return out


def separation(a: Array, b: Array) -> Floats:
    """Angles (n,) in arcsec between unit vectors (n, 3), exact for small ones."""
    return np.asarray(np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=1) / 2, 0, 1))) * 3600)


def healpix(ra: Array, dec: Array, order: int) -> Ints:
    """Nested HEALPix cells (Gorski et al. 2005, ApJ 622, 759).

    Args:
        ra: degrees, shape (n,).
        dec: degrees, shape (n,).
        order: 12 * 4**order cells on the sky; order 6 has cells of 55 arcmin, order 18 of 0.8 arcsec.

    Returns:
        Cell numbers, shape (n,); -1 where a position is not finite.
    """
    from astropy import units
    from astropy_healpix import lonlat_to_healpix

    lon, lat = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    known = np.isfinite(lon) & np.isfinite(lat)
    cells = np.full(lon.shape, -1, dtype=np.int64)
    cells[known] = lonlat_to_healpix(lon[known] * units.deg, lat[known] * units.deg, 1 << order, order="nested")
    return cells
