"""Work done in pieces and in threads gives what one piece gives."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.audit import candidates as module
from astrid_ml.audit import texture as textures
from astrid_ml.audit.alignment import ZOOMS, Aligned, with_harmonics
from astrid_ml.audit.candidates import Described, all_pairs, candidates, with_ways
from astrid_ml.audit.fingerprints import ZOOMS as FOUND_AT
from astrid_ml.audit.fingerprints import Rings
from astrid_ml.types import Floats32


def unit(random: np.random.Generator, *shape: int) -> Floats32:
    values = random.normal(size=shape)
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), dtype=np.float16).astype(np.float32)


def described(n: int, size: int) -> Described:
    """So few numbers that chance alone makes many candidates."""
    random = np.random.default_rng(n)
    turned = tuple(unit(random, n, size) for _ in FOUND_AT)
    return Described(np.arange(n), Rings(63), unit(random, 3, n, size), unit(random, n, size), turned)


def by_hand(
    part: Described, a: np.ndarray, b: np.ndarray, neighbours: int
) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Each kind by the whole table of likenesses."""

    def near(alike: Floats32, least: float) -> set[tuple[int, int]]:
        out = set()
        for number, line in enumerate(alike):
            best = np.argsort(-line, kind="stable")[:neighbours]
            out |= {(int(a[place]), int(b[number])) for place in best if line[place] >= least}
        return out

    each = [kind[b] @ kind[a].T for kind in part.spectrum]
    shifted: set[tuple[int, int]] = set().union(*(near(one, module.ANY_CHANNEL) for one in each))
    shifted |= near(sum(each), 3 * module.ALL_CHANNELS) | near(part.folded[b] @ part.folded[a].T, module.ALL_FOLDED)
    whole = part.turned[FOUND_AT.index(1.0)][a].T
    return shifted, set().union(*(near(kind[b] @ whole, module.ALL_TURNED) for kind in part.turned))


@pytest.mark.parametrize(("queries", "known"), [(512, 4096), (7, 11), (40, 3)])
def test_blocks_do_not_change_the_candidates(queries: int, known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUERIES", queries)
    monkeypatch.setattr(module, "KNOWN", known)
    part, a, b = described(90, 6), np.arange(0, 50), np.arange(50, 90)
    shifted, turned = (set(map(tuple, kind.tolist())) for kind in candidates(part, a, b, 3))
    assert (shifted, turned) == by_hand(part, a, b, 3)
    assert len(shifted) > 100


def test_nothing_alike_gives_no_candidates() -> None:
    shifted, turned = candidates(described(60, 4000), np.arange(30), np.arange(30, 60), 3)
    assert shifted.shape == turned.shape == (0, 2)


def test_a_pair_stands_once_with_all_its_ways() -> None:
    pairs, ways = with_ways(np.array([[1, 2], [0, 5], [1, 2]]), np.array([[1, 2], [3, 4]]))
    assert pairs.tolist() == [[0, 5], [1, 2], [3, 4]]
    assert ways.tolist() == [[True, False], [True, True], [False, True]]
    assert all_pairs(np.array([1, 2]), np.array([2, 3])).tolist() == [[1, 2], [1, 3], [2, 3]]


def test_textures_in_pieces_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = np.random.default_rng(1).normal(size=(11, 2, 21, 25)).astype(np.float32)
    stamps[3, :, 10, 10], stamps[5, 0, :, :4] = 300, np.nan
    whole = textures.texture(stamps)
    monkeypatch.setattr(textures, "PIXELS", 3 * 2 * 21 * 25)
    np.testing.assert_allclose(textures.texture(stamps), whole, atol=1e-4)
    assert textures.texture(stamps[:0]).shape == (0, 2, 21, 25)


def test_harmonics_of_many_are_those_of_each() -> None:
    rings = Rings(31)
    sizes = [
        np.random.default_rng(n).normal(size=(2, side, 31)).astype(np.float32) for n, side in enumerate((31, 35, 31))
    ]
    together, alone = ([Aligned(one, rings) for one in sizes] for _ in range(2))
    with_harmonics(together, ZOOMS)
    some = np.array([False, True])
    for one, other in zip(together, alone, strict=True):
        for zoom in ZOOMS:
            np.testing.assert_array_equal(one.harmonics(zoom), other.harmonics(zoom))
            np.testing.assert_array_equal(one.of(some).harmonics(zoom), other.harmonics(zoom)[some])
