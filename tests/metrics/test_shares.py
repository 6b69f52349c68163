"""Shares of groups: what is exactly 0 or 1 has an interval of width."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.stats import beta

import astrid_ml.metrics.shares
from astrid_ml.metrics.shares import exact, object_share_interval


def test_the_examples_run() -> None:
    result = doctest.testmod(astrid_ml.metrics.shares)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("n", [1, 3, 40])
def test_all_or_none_of_the_objects_is_clopper_and_pearson(n: int) -> None:
    assert object_share_interval(np.ones(n)) == pytest.approx((0.025 ** (1 / n), 1.0))
    assert object_share_interval(np.zeros(n)) == pytest.approx((0.0, 1 - 0.025 ** (1 / n)))
    assert object_share_interval(np.zeros(0)) is None


def test_objects_that_are_one_or_none_are_a_binomial_and_those_between_know_more() -> None:
    hits = np.arange(50) < 45
    low, high = object_share_interval(hits.astype(float)) or (0, 0)
    expected = np.asarray(beta.ppf([0.025, 0.975], [45, 46], [6, 5]))
    assert np.array([low, high]) == pytest.approx(expected, abs=2e-3)
    assert exact(45, 50, 0.025) == pytest.approx((low, high), abs=2e-3)
    halves = np.where(hits, 0.92, 0.72)
    near = object_share_interval(halves) or (0, 1)
    assert near[0] < halves.mean() < near[1] and near[1] - near[0] < (high - low) / 2


def test_a_mean_share_is_held() -> None:
    random, held = np.random.default_rng(4), 0
    for _ in range(400):
        low, high = object_share_interval(random.binomial(3, 0.95, 60) / 3) or (1, 0)
        held += low <= 0.95 <= high
    assert held >= 0.93 * 400
