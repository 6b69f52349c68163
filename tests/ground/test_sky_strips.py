"""All pairs within a radius: those that every pair measured would give, wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord, search_around_sky

from astrid_ml.sky import SkyStrips, separation, unit_vectors
from astrid_ml.types import Floats


def scattered(kind: str, radius: float, n: int, rng: np.random.Generator) -> Floats:
    if kind == "everywhere":
        out = np.column_stack([rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))])
    elif kind == "poles":
        out = np.column_stack(
            [rng.uniform(0, 360, n), rng.choice([-1, 1], n) * (90 - np.abs(rng.normal(0, radius, n)))]
        )
    else:
        out = np.column_stack([rng.normal(0, radius, n), rng.normal(0, radius, n)])
    return np.column_stack([out[:, 0], np.clip(out[:, 1], -90, 90)])


@pytest.mark.parametrize("kind", ["everywhere", "poles", "meridian"])
@pytest.mark.parametrize("radius", [0.5, 30.0, 3600.0, 36_000.0, 324_000.0])
def test_pairs_are_those_of_all_distances(kind: str, radius: float) -> None:
    rng = np.random.default_rng(5)
    a = scattered(kind, radius / 3600, 200, rng)
    b = a[::-1] + rng.normal(0, radius / 7200, a.shape)
    b[:, 1] = np.clip(b[:, 1], -90, 90)
    b[0], b[1], b[2], a[3], b[4], a[5], b[6] = (np.nan, 0), (0, 90), (77, -90), (360, 0), (0, 0), (-10, 5), (350, 5)
    a[8], b[9], b[10] = (10, 89.99999), (190, 89.99999), (10, -89.99999)  # half a turn apart
    every = 2 * np.degrees(
        np.arcsin(np.clip(np.linalg.norm(unit_vectors(a)[:, None] - unit_vectors(b), axis=2) / 2, 0, 1))
    )
    wanted = set(zip(*(part.tolist() for part in np.nonzero(every * 3600 <= radius)), strict=True))
    first, second, distance = SkyStrips(b, radius).pairs(a, block=64, most=500)
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == wanted and len(first) == len(wanted)
    assert (np.diff(first) >= 0).all() and (distance <= radius).all()


def test_pairs_are_those_of_astropy() -> None:
    rng = np.random.default_rng(6)
    a = scattered("everywhere", 0, 3000, rng)
    b = a + rng.normal(0, 1e-4, a.shape)
    coords = [SkyCoord(*sky.T, unit="deg") for sky in (a, b)]
    i, j, apart, _ = search_around_sky(*coords, seplimit=1 * units.arcsec)
    first, second, distance = SkyStrips(b, 1.0).pairs(a)
    order = np.lexsort((j, apart.arcsec, i))
    assert first.tolist() == i[order].tolist() and second.tolist() == j[order].tolist()
    np.testing.assert_allclose(distance, apart.arcsec[order], atol=1e-9)


def test_equal_places_are_all_there_in_their_order() -> None:
    first, second, distance = SkyStrips(np.tile([[10.0, 20.0]], (4, 1)), 1.0).pairs(np.array([[10.0, 20.0]] * 2))
    assert (
        first.tolist() == [0] * 4 + [1] * 4 and second.tolist() == [0, 1, 2, 3] * 2 and distance.tolist() == [0.0] * 8
    )


@pytest.mark.parametrize("known", [np.zeros((0, 2)), np.full((3, 2), np.nan)])
def test_nothing_known_has_no_neighbours(known: Floats) -> None:
    first, second, distance = SkyStrips(known, 1.0).pairs(np.array([[1.0, 2.0], [np.nan, 2.0]]))
    assert len(first) == len(second) == len(distance) == 0


def test_small_angles_are_exact() -> None:
    places = unit_vectors(np.array([[10.0, 0.0], [10.0 + 1e-9 / 3.6, 0.0]]))
    assert separation(places[:1], places[1:])[0] == pytest.approx(1e-6, rel=1e-3)
