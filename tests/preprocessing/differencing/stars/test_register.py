"""Sources of two images are matched by their pattern: any turn, parity, scale and offset, and never by chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.differencing.stars.register import (
    Register,
    composed,
    fitted,
    mapped,
    similarities,
    simplest,
    triangles,
)
from astrid_ml.types import Floats

SIZE = 1000


def similarity(rng: np.random.Generator, offset: float) -> Floats:
    """A random turn about the middle, parity, scale to 20 % and offset."""
    turn, scale, parity = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.2), rng.choice([-1.0, 1.0])
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[c, -s * parity], [s, c * parity]])
    middle = np.full(2, SIZE / 2)
    return np.column_stack([middle - linear @ middle + rng.uniform(-offset, offset, 2), linear])


def sources(rng: np.random.Generator, true: Floats, n: int) -> tuple[Floats, Floats, Floats]:
    """Places in both images, with centroids of 0.05 px, foreign sources and other orders of brightness."""
    places, flux = rng.uniform(0, SIZE, (n, 2)), rng.pareto(1.0, n) + 1
    there = mapped(true, places)
    seen = ((there > 0) & (there < SIZE)).all(1)
    first = places + rng.normal(0, 0.05, places.shape)
    second = np.concatenate([there[seen] + rng.normal(0, 0.05, (seen.sum(), 2)), rng.uniform(0, SIZE, (n // 3, 2))])
    brightness = np.concatenate([flux[seen] * rng.normal(1, 0.2, seen.sum()), rng.pareto(1.0, n // 3) + 1])
    order = np.argsort(-flux * rng.normal(1, 0.1, n))
    return first[order], second[np.argsort(-brightness)], places[seen]


def test_patterns_are_found_under_any_turn_parity_scale_and_offset() -> None:
    rng, right, tried = np.random.default_rng(3), 0, 0
    for _ in range(60):
        true = similarity(rng, 0.3 * SIZE)
        first, second, common = sources(rng, true, int(rng.integers(15, 120)))
        if len(common) < 10:
            continue
        tried += 1
        found = Register()(first, second, (SIZE, SIZE))
        if found is not None:
            error = np.abs(mapped(found.map, common) - mapped(true, common)).max()
            assert error < 0.5  # never wrong and silent
            right += 1
    assert tried > 40 and right == tried


def test_what_has_nothing_in_common_agrees_on_nothing() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        n, m = (int(v) for v in rng.integers(3, 200, 2))
        assert Register()(rng.uniform(0, SIZE, (n, 2)), rng.uniform(0, SIZE, (m, 2)), (SIZE, SIZE)) is None


@pytest.mark.parametrize("n", [5, 6, 12])
def test_a_handful_of_sources_is_enough(n: int) -> None:
    rng = np.random.default_rng(n)
    places, shift = rng.uniform(0, SIZE, (n, 2)), np.array([17.3, -41.6])
    found = Register()(places, places + shift, (SIZE, SIZE))
    assert found is not None and found.matched == n == found.offered
    assert np.allclose(found.map[:, 0], shift, atol=1e-6) and torch.allclose(
        found.offset[:, 1:], torch.zeros(2, 2).double()
    )


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_sources_say_nothing(n: int) -> None:
    places = np.random.default_rng(1).uniform(0, SIZE, (n, 2))
    assert Register()(places, places, (SIZE, SIZE)) is None
    assert triangles(places)[0].shape == (0, 2)


def test_a_triangle_gives_its_map_back_in_both_parities() -> None:
    rng = np.random.default_rng(5)
    true = np.stack([similarity(rng, 50) for _ in range(20)])
    one = rng.uniform(0, SIZE, (20, 3, 2))
    other = np.stack([mapped(of, corners) for of, corners in zip(true, one, strict=True)])
    assert np.allclose(similarities(one, other), true, atol=1e-6)


def test_offsets_follow_each_other() -> None:
    first = torch.tensor([[3.0, 0.01, -0.02], [-1.0, 0.03, 0.0]], dtype=torch.double)
    then = torch.tensor([[0.2, 0.0, 0.01], [0.1, -0.01, 0.0]], dtype=torch.double)
    at = torch.tensor([1.0, 70.0, 130.0], dtype=torch.double)
    moved = at[1:] + then @ at
    both = moved + first @ torch.cat([torch.ones(1).double(), moved])
    assert torch.allclose(at[1:] + composed(first, then) @ at, both)


@pytest.mark.parametrize(("off", "moves"), [((0.0, 0.0), False), ((4.0, -3.0), True)])
def test_galaxies_whose_centres_differ_do_not_turn_a_frame(off: tuple[float, float], moves: bool) -> None:
    rng, turned, placed = np.random.default_rng(9), 0, 0
    for _ in range(60):
        one = rng.uniform(0, 700, (8, 2))
        far = np.where(rng.uniform(size=(8, 1)) < 0.5, 1.0, 0.1) * rng.normal(size=(8, 2))
        found = simplest(fitted(one, one + off + far, affine=True), one, one + off + far)
        turned += int(not np.array_equal(found[:, 1:], np.eye(2)))
        placed += int(np.hypot(*(found[:, 0] - off)) < 0.6) if moves else int(not found[:, 0].any())
    assert turned <= 3 and placed >= 54


@pytest.mark.parametrize("n", [6, 12, 60])
def test_a_frame_that_is_turned_stays_turned(n: int) -> None:
    rng = np.random.default_rng(n)
    one = rng.uniform(0, 700, (n, 2))
    turn = np.array([[3.0, 1.0, 0.01], [-2.0, -0.01, 1.0]])
    other = mapped(turn, one) + rng.normal(0, 0.1, one.shape)
    found = simplest(fitted(one, other, affine=True), one, other)
    assert np.abs(mapped(found, one) - mapped(turn, one)).max() < 0.4
