"""The lower end of what is near 1 holds the truth where a symmetric one does not."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.stats import beta

import astrid_ml.metrics.near_one
from astrid_ml.metrics.near_one import high_end, low_end


def test_the_examples_run() -> None:
    result = doctest.testmod(astrid_ml.metrics.near_one)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("n", [40, 1000])
def test_of_a_perfect_sample_it_lies_between_jeffreys_and_clopper_pearson(n: int) -> None:
    found = low_end(1.0, 0.0, 0.0, np.array([1 / n]), 0.025)
    assert 0.025 ** (1 / n) < found < beta.ppf(0.025, n + 0.5, 0.5)


def test_of_a_share_in_the_middle_it_is_the_binomial_one() -> None:
    n, p = 2000, 0.6
    low = low_end(p, p * (1 - p) / n, 0.0, np.array([p / n]), 0.025)
    high = high_end(p, p * (1 - p) / n, 0.025)
    expected = np.asarray(beta.ppf([0.025, 0.975], n * p + 0.5, n * (1 - p) + 0.5))
    assert np.array([low, high]) == pytest.approx(expected, abs=1e-3)


def test_ends_never_cross_the_value() -> None:
    for value in (0.0, 1e-9, 0.3, 1 - 1e-9, 1.0):
        for variance in (0.0, 1e-6, 0.2):
            low, high = low_end(value, variance, 0.1, np.array([0.2, 0.01]), 0.025), high_end(value, variance, 0.025)
            assert 0 <= low <= value <= high <= 1


def test_few_losses_of_unequal_size_are_held() -> None:
    """100 objects, of which 2 % lose .9 and the others .001: two expected, and none in 13 % of samples."""
    random, below, plain = np.random.default_rng(2), 0, 0
    truth = 1 - 0.02 * 0.9 - 0.98 * 0.001
    for _ in range(400):
        losses = np.where(random.random(100) < 0.02, 0.9, 0.001)
        value, variance = 1 - losses.mean(), losses.var(ddof=1) / 100
        below += truth < low_end(float(value), variance, losses.max() / 100, np.array([value / 100]), 0.025)
        plain += truth < value - 1.96 * np.sqrt(variance)
    assert below <= 0.05 * 400 < plain
