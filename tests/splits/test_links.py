"""Groups are linked as a list of all near pairs would link them, without making that list."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from astrid_ml.sky import unit_vectors
from astrid_ml.splits import links
from astrid_ml.splits.links import components, linked_components
from astrid_ml.types import Codes, Floats, Ints


def by_all_pairs(sky: Floats, codes: Ints, radius: float) -> Codes:
    chord = 2 * np.sin(np.radians(radius / 3600) / 2)
    pairs = cKDTree(unit_vectors(sky)).query_pairs(chord, output_type="ndarray")
    return components(int(codes.max()) + 1, codes[pairs[:, 0]], codes[pairs[:, 1]])


def crowded(n: int, groups: int, width: float, dec: float, seed: int) -> tuple[Floats, Ints]:
    """Samples of groups within a patch of so many arcsec."""
    random = np.random.default_rng(seed)
    sky = np.stack([random.uniform(0, width, n) / np.cos(np.radians(dec)), random.uniform(0, width, n)], axis=1) / 3600
    return sky + np.array([359.9999, dec]), random.integers(0, groups, n)


@pytest.mark.parametrize("radius", [0.1, 0.36, 1.0, 7.0, 300.0])
@pytest.mark.parametrize("dec", [-89.9995, 0.0, 52.0])
@pytest.mark.parametrize("density", [0.02, 0.3, 3.0])
def test_the_components_are_those_of_all_pairs(radius: float, dec: float, density: float) -> None:
    n = 400
    sky, codes = crowded(n, n, np.sqrt(n / density) * radius, dec, 1)
    found, expected = linked_components(sky, codes.astype(np.int32), n, radius), by_all_pairs(sky, codes, radius)
    assert len(set(zip(found.tolist(), expected.tolist(), strict=True))) == len(set(found)) == len(set(expected))
    assert len(set(found)) > 1 or density > 1


@pytest.mark.parametrize("few", [0, 10**9])
def test_cubes_are_compared_pair_by_pair_or_by_a_tree_alike(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "FEW", few)
    monkeypatch.setattr(links, "BLOCK", 50)
    sky, codes = crowded(500, 60, 30.0, 10.0, 4)
    found, expected = linked_components(sky, codes.astype(np.int32), 60, 1.0), by_all_pairs(sky, codes, 1.0)
    assert len(set(zip(found.tolist(), expected.tolist(), strict=True))) == len(set(found)) == len(set(expected))


def test_many_detections_of_one_place_make_no_list_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 40_000  # 8e8 pairs
    random = np.random.default_rng(0)
    sky = np.array([150.0, 2.0]) + random.normal(0, 0.1 / 3600, (n, 2))
    sky[n // 2 :, 1] += 20 / 3600
    asked: list[int] = []
    touch = links._touch

    def counted(one: Floats, other: Floats, chord: float) -> bool:
        asked.append(len(one) * len(other))
        return touch(one, other, chord)

    monkeypatch.setattr(links, "_touch", counted)
    names = np.arange(n, dtype=np.int32)
    found = linked_components(sky, names, n, 1.0)
    assert len(set(found[: n // 2])) == len(set(found[n // 2 :])) == 1
    assert found[0] != found[-1]
    assert len(asked) < 200


def test_nothing_is_linked_of_nothing() -> None:
    assert linked_components(np.zeros((0, 2)), np.zeros(0, dtype=np.int32), 3, 1.0).tolist() == [0, 1, 2]
