"""Distances from classes as p-values: uniform on what is known at every age, small on what is new."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.types import Floats, Ints
from astrid_ml.validity.novelty import checked_novelty, distances_to, edges_of, fit_novelty, p_values

D, K = 12, 4
CENTRES = np.random.default_rng(9).normal(0, 4, (K, D))
MIXED = np.random.default_rng(8).normal(size=(D, D)) * 0.15 + np.eye(D)


def drawn(n: int, seed: int, centres: Floats = CENTRES) -> tuple[Floats, Ints, Floats]:
    """Answers about the centres, of one covariance, wider at early ages; their classes and ages."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, len(centres), n)
    ages = 2 ** random.uniform(0, 10, n)
    wide = np.where(ages < 32, 3.0, 1.0)[:, None]
    return centres[classes] + wide * random.normal(size=(n, D)) @ MIXED, classes, ages


def fitted(n: int = 3000) -> dict[str, Any]:
    train, classes, _ = drawn(n, 1)
    known, _, ages = drawn(2000, 2)
    out = fit_novelty(train, classes, known, ages)
    assert out is not None and checked_novelty(out) == ""
    return out


def test_what_is_known_has_uniform_p_values_at_every_age() -> None:
    known, _, ages = drawn(8000, 3)
    p = p_values(fitted(), known, ages)
    for young in (ages < 30, ages > 34):
        for level in (0.02, 0.05, 0.2, 0.5):
            # The p-values of one validation sample scatter about the level as a binomial of its bins does.
            assert (p[young] <= level).mean() == pytest.approx(level, abs=0.03)


def test_what_is_new_has_small_ones() -> None:
    far = np.random.default_rng(5).normal(0, 4, (1, D))
    new, _, ages = drawn(500, 4, far)
    p = p_values(fitted(), new, ages)
    assert np.median(p[ages > 34]) < 0.01 and p.min() > 0


WIDTHS = np.array([0.2, 1.0, 3.0, 1.0])


def of_other_widths(n: int, seed: int) -> tuple[Floats, Ints]:
    """Answers about the centres, each class as wide as it is."""
    random, classes = np.random.default_rng(seed), np.arange(n) % K
    return CENTRES[classes] + WIDTHS[classes][:, None] * random.normal(size=(n, D)) @ MIXED, classes


def test_a_distance_is_that_to_the_class_under_which_an_answer_is_the_most_likely() -> None:
    from scipy.stats import multivariate_normal

    train, classes = of_other_widths(20_000, 0)
    plain = fit_novelty(train, classes, train[:100], np.full(100, 9.0))
    assert plain is not None and plain["axes"].shape == (K, D, D)
    shape, some = MIXED.T @ MIXED, of_other_widths(60, 7)[0]
    each = [multivariate_normal(c, w**2 * shape) for c, w in zip(CENTRES, WIDTHS, strict=True)]
    expected = -2 * np.max([one.logpdf(some) for one in each], axis=0)
    found = distances_to(plain, some)
    assert found - found.mean() == pytest.approx(expected - expected.mean(), abs=0.03 * np.ptp(expected))


def test_what_lies_beside_a_narrow_class_is_new_though_wide_ones_reach_as_far() -> None:
    train, classes = of_other_widths(6000, 0)
    plain = fit_novelty(train, classes, of_other_widths(2000, 1)[0], np.full(2000, 9.0))
    assert plain is not None
    beside = CENTRES[0] + np.random.default_rng(2).normal(size=(300, D)) @ MIXED  # five times as wide as that class
    far = np.linalg.norm(CENTRES[1:] - CENTRES[0], axis=1).min()
    assert far > 6  # no other class is near
    assert np.median(p_values(plain, beside, np.full(300, 9.0))) < 0.05


def test_a_record_with_one_covariance_for_all_is_still_read() -> None:
    new = fitted()
    older = {name: value for name, value in new.items() if name != "volumes"} | {"axes": new["axes"][0].contiguous()}
    assert checked_novelty(older) == ""
    some = drawn(50, 7)[0]
    centres, axes = older["centres"].numpy(), older["axes"].numpy()
    expected = np.linalg.norm((some[:, None] - centres) @ axes, axis=2).min(axis=1)
    assert distances_to(older, some) == pytest.approx(expected, rel=1e-4)


def test_few_samples_in_many_directions_are_no_reason_to_fail() -> None:
    """Shrinkage: fewer answers than directions, one direction dead, classes of one."""
    random = np.random.default_rng(0)
    train = random.normal(size=(40, 100))
    train[:, 3] = 0.0
    classes = np.concatenate([np.arange(40 - 4) % 3, [7, 8, 9, 10]])
    plain = fit_novelty(train, classes, random.normal(size=(60, 100)), np.full(60, 5.0))
    assert plain is not None and plain["centres"].shape == (3, 100) and plain["edges"] == []
    assert np.isfinite(p_values(plain, random.normal(size=(5, 100)), np.full(5, 1e6))).all()
    assert fit_novelty(train[:10], classes[:10], train, np.full(40, 5.0)) is None
    assert fit_novelty(train, np.arange(40), train, np.full(40, 5.0)) is None


@pytest.mark.parametrize("ages", [np.full(5000, 4.0), np.repeat([1.0, 2.0, 64.0], 2000), np.arange(900.0), np.zeros(0)])
def test_no_bin_of_ages_is_empty(ages: Floats) -> None:
    edges = edges_of(ages)
    counts = np.bincount(np.searchsorted(edges, ages, side="right"), minlength=len(edges) + 1)
    assert len(ages) == 0 or counts.min() > 0


def test_a_damaged_record_is_named_and_one_of_another_network_refused() -> None:
    good = fitted()
    for name, value in (("centres", None), ("axes", torch.zeros(2, 2)), ("axes", torch.zeros(1, D, D)),
                        ("volumes", torch.zeros(K + 1)), ("volumes", torch.zeros(K, 1)), ("edges", [3.0, 1.0]),
                        ("counts", [1]),
                        ("distances", torch.full((2000,), float("nan")))):  # fmt: skip
        assert checked_novelty({**good, name: value}) != ""
    assert checked_novelty([]) != "" and checked_novelty(None) == ""
    with pytest.raises(UserError, match="a novelty of this network"):
        distances_to(good, np.zeros((3, 5)))
