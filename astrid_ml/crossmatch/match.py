"""Pairs of places: within a radius at the time of the one, and within so many sigma where errors are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.crossmatch.places import SkyPlaces, moved
from astrid_ml.errors import UserError
from astrid_ml.sky import SkyStrips, separation, unit_vectors
from astrid_ml.types import Floats, Ints, Mask


@dataclass(frozen=True)
class SkyPairs:
    """Pairs of two lists of places, by the row of the first, the better one first.

    Args:
        first, second: (k,) rows.
        distance: (k,) arcsec.
        sigma: (k,) distance over the errors of both; None where they were not asked for.
    """

    first: Ints
    second: Ints
    distance: Floats
    sigma: Floats | None = None

    def nearest(self, n: int) -> tuple[Ints, Ints]:
        """Of n places: the position in these pairs of the best one, -1 where there is none; and how many there are."""
        best, count = np.full(n, -1, dtype=np.int64), np.bincount(self.first, minlength=n).astype(np.int64)
        places, start = np.unique(self.first, return_index=True)
        best[places] = start
        return best, count


def match_places(places: SkyPlaces, known: SkyPlaces, radius: float, sigma: float | None = None) -> SkyPairs:
    """All pairs of places.

    A known place with a proper motion is taken to the time of each place before the distance is measured.

    Args:
        places: n of them, with times where these are known.
        known: m of them.
        radius: arcsec.
        sigma: at most so many; the nearest is then the one of fewest. None asks for no errors.

    Raises:
        UserError: ``sigma`` without an error on either side.

    Example:
        >>> at = SkyPlaces(np.array([[10.0, 0.0]]), epoch=np.array([2020.0]))
        >>> star = SkyPlaces(np.array([[10.0, 0.0]]), None, np.array([[1000.0, 0.0]]), np.array([2016.0]))
        >>> match_places(at, star, 5.0).distance.round(3).tolist()
        [4.0]
    """
    if sigma is not None and places.error is None and known.error is None:
        fix = "set error.NAME=ARCSEC of the catalogue, or leave out sigma"
        raise UserError("errors of positions for sigma", "none on either side", fix)
    first, second, distance = _within(places, known, radius)
    if sigma is None:
        return SkyPairs(first, second, distance)
    ratio = _over_errors(places, known, first, second)
    near = ratio <= sigma  # false where an error is not known
    first, second, distance, ratio = first[near], second[near], distance[near], ratio[near]
    order = np.lexsort((second, distance, ratio, first))
    return SkyPairs(first[order], second[order], distance[order], ratio[order])


def _within(places: SkyPlaces, known: SkyPlaces, radius: float) -> tuple[Ints, Ints, Floats]:
    if known.motion is None or known.epoch is None or places.epoch is None or not np.isfinite(places.epoch).any():
        return SkyStrips(known.sky, radius).pairs(places.sky)
    times = places.epoch[np.isfinite(places.epoch)]
    middle = (times.min() + times.max()) / 2
    there = np.flatnonzero(np.isfinite(known.sky).all(axis=1))
    if not np.isfinite(places.epoch).all():  # places without a time are compared with the catalogue as it stands
        spread = np.abs(middle - known.epoch[there]) + np.ptp(times) / 2
    else:
        spread = np.full(len(there), np.ptp(times) / 2)
    walk = np.nan_to_num(np.linalg.norm(known.motion[there], axis=1) / 1000 * spread, nan=0.0)
    slow = walk <= max(radius / 2, 0.1)
    parts = [
        _moving(places, known, there[chosen], radius, middle, float(walk[chosen].max()))
        for chosen in (slow, ~slow)
        if chosen.any()
    ]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    first, second, distance = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((second, distance, first))
    return first[order], second[order], distance[order]


def _moving(
    places: SkyPlaces, known: SkyPlaces, rows: Ints, radius: float, middle: float, walk: float
) -> tuple[Ints, Ints, Floats]:
    """Pairs of some known places: looked for at the middle time, more widely; measured at each place's time."""
    vectors = moved(known, rows, np.full(len(rows), middle))
    ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360
    dec = np.degrees(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])))
    wide = radius + walk * 1.01 + 0.01
    first, which, _ = SkyStrips(np.column_stack([ra, dec]), wide).pairs(places.sky)
    second = rows[which]
    assert places.epoch is not None
    distance = separation(unit_vectors(places.sky[first]), moved(known, second, places.epoch[first]))
    near: Mask = distance <= radius
    return first[near], second[near], distance[near]


def _over_errors(places: SkyPlaces, known: SkyPlaces, first: Ints, second: Ints) -> Floats:
    """Distances over the errors of both, along ra and dec apart."""
    at = places.epoch[first] if places.epoch is not None else np.full(len(first), np.nan)
    there, here = moved(known, second, at), unit_vectors(places.sky[first])
    ra, dec = np.radians(places.sky[first]).T
    east = np.column_stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.column_stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    away = there - here
    total = np.zeros(len(first))
    for axis, along in ((0, east), (1, north)):
        variance = np.zeros(len(first))
        for side, rows in ((places, first), (known, second)):
            if side.error is not None:
                variance += side.error[rows, axis] ** 2
        apart = np.degrees((away * along).sum(axis=1)) * 3600
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(apart == 0, np.where(np.isnan(variance), np.nan, 0.0), apart**2 / variance)
    return np.asarray(np.sqrt(total))
