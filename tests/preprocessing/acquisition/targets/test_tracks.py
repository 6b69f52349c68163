"""Tracks of moving objects against the sky itself: paths made here, looked at in small steps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from astrid_ml.preprocessing.acquisition.targets.tracks import Track, places_at
from astrid_ml.types import Array


def path(seed: int, n: int = 12) -> tuple[Array, Array]:
    """Times, and places of an object that wanders by minutes of arc in a day; near a pole, or over ra 0."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(60000, 60006, n))
    dec = float(rng.choice([0.0, 60.0, -88.0]))
    away = np.cumsum(rng.normal(0, 0.02, (n, 2)), axis=0)
    ra = (0.01 + away[:, 0] / np.cos(np.radians(dec))) % 360
    return times, np.column_stack([ra, dec + away[:, 1]])


@pytest.mark.parametrize("seed", range(12))
def test_when_it_is_at_a_place_is_what_small_steps_say(seed: int) -> None:
    times, places = path(seed)
    track = Track.of(times, places)
    sky = SkyCoord(places[:, 0], places[:, 1], unit="deg").cartesian.xyz.value
    fine = np.linspace(times[0], times[-1], 20001)
    walked = np.array([np.interp(fine, times, axis) for axis in sky])
    walked /= np.linalg.norm(walked, axis=0)
    for row in (0, 5, 11):
        spans = track.there((float(places[row, 0]), float(places[row, 1])), 60.0, (times[row], times[row]))
        inside = np.any([(fine >= first) & (fine <= last) for first, last in spans], axis=0)
        distance = np.degrees(np.linalg.norm(walked - sky[:, row : row + 1], axis=0)) * 3600
        clear = np.abs(distance - 60.0) > 0.5
        assert np.array_equal(inside[clear], (distance <= 60.0)[clear])
        assert all(one[1] < other[0] for one, other in pairwise(spans))


def test_a_place_that_it_never_leaves_is_one_span() -> None:
    track = Track.of(np.array([60000.0, 60001.0, 60002.0]), np.array([[10.0, 5.0]] * 3))
    assert track.there((10.0, 5.0), 10.0, (60001.0, 60001.0)) == ((60000.0, 60002.0),)
    assert track.rates().tolist() == [0.0, 0.0, 0.0]
    assert track.there((200.0, 5.0), 10.0, (1.0, 2.0)) == ((1.0, 2.0),)


def test_rates_are_of_the_faster_neighbour_within_a_day() -> None:
    track = Track.of(np.array([0.0, 0.5, 1.5, 9.0]), np.array([[10.0, 0], [10.01, 0], [10.05, 0], [20.0, 0]]))
    assert track.rates()[:3] == pytest.approx([72, 144, 144]) and np.isnan(track.rates()[3])
    alone = Track.of(np.array([60000.0]), np.array([[10.0, 0.0]]))
    assert np.isnan(alone.rates()).all() and alone.there((10.0, 0.0), 1.0, (1.0, 2.0)) == ((1.0, 2.0),)


@pytest.mark.parametrize(
    ("mjd", "ra"),
    [
        (60000.0, 359.9), (60000.5, 0.0), (60001.0, 0.1), (60001.09, 0.1), (59999.95, 359.9), (60001.2, None),
        (60003.0, None), (60004.05, 5.0), (60005.1, 6.0), (60004.6, None), (50000.0, None),
    ],
)  # fmt: skip
def test_places_between_rows_and_beside_them(mjd: float, ra: float | None) -> None:
    rows = [("a", 60000.0, 359.9), ("a", 60001.0, 0.1), ("a", 60004.0, 5.0), ("a", 60005.2, 6.0)]
    table = pd.DataFrame(rows, columns=["object", "mjd", "ra"]).assign(dec=0.0)
    found = places_at(table, mjd)["ra"].to_numpy(dtype=float)
    assert len(found) == (ra is not None)
    if ra is not None:
        assert (found[0] - ra + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
