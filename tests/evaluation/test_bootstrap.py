"""Intervals by resampling groups."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import astrid_ml.evaluation.bootstrap
from astrid_ml.evaluation.bootstrap import BLOCK, Bootstrap, paired
from astrid_ml.metrics.ranking import area, roc_area


def population(
    random: np.random.Generator, groups: int, rate: float = 0.1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Objects with 1 to 5 stamps of one class that share a part of their score."""
    size = random.integers(1, 6, groups)
    group = np.repeat(np.arange(groups), size)
    label = np.repeat(random.random(groups) < rate, size)
    score = 2.0 * label + np.repeat(random.normal(0, 0.8, groups), size) + random.normal(0, 0.6, len(group))
    return np.round(score, 1), label, group


def test_replicates_equal_scikit_learn_on_the_drawn_samples() -> None:
    scores, labels, group = population(np.random.default_rng(0), 60, 0.4)
    bootstrap = Bootstrap(replicates=20, seed=3)
    aps, aucs = (bootstrap.curves(scores, labels, group, curve) for curve in (area, roc_area))
    random = np.random.default_rng(3)
    for ap, auc in zip(aps, aucs, strict=True):
        rows = np.concatenate([np.flatnonzero(group == drawn) for drawn in codes_of(random, group)])
        assert ap == pytest.approx(average_precision_score(labels[rows], scores[rows]), abs=1e-9)
        assert auc == pytest.approx(roc_auc_score(labels[rows], scores[rows]), abs=1e-9)


def codes_of(random: np.random.Generator, group: np.ndarray) -> np.ndarray:
    """Groups are coded in the order of their appearance; here that is 0 .. G-1."""
    count = int(group.max()) + 1
    return random.integers(0, count, count)


def test_the_interval_depends_on_the_seed_only() -> None:
    scores, labels, group = population(np.random.default_rng(1), 100)
    first, again, other = (Bootstrap(50, seed).curves(scores, labels, group) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_groups_widen_the_interval_of_repeated_samples() -> None:
    scores, labels, _ = population(np.random.default_rng(2), 150, 0.3)
    many = np.repeat(scores, 20), np.repeat(labels, 20)
    bootstrap = Bootstrap(200)
    narrow = bootstrap.interval(bootstrap.curves(*many, np.arange(len(many[0]))))
    honest = bootstrap.interval(bootstrap.curves(*many, np.repeat(np.arange(len(scores)), 20)))
    assert narrow is not None
    assert honest is not None
    assert honest[1] - honest[0] > 3 * (narrow[1] - narrow[0])


def test_undefined_replicates_are_left_out_and_too_many_leave_no_interval() -> None:
    bootstrap = Bootstrap(100)
    assert bootstrap.interval(np.array([np.nan] * 60 + [0.5] * 40)) is None
    assert bootstrap.interval(np.array([np.nan] * 20 + [0.5] * 80)) == (0.5, 0.5)
    scores, labels = [0.9, 0.2, 0.1], [1, 0, 0]
    values = bootstrap.curves(scores, labels, ["a", "b", "c"])
    assert np.isnan(values).any()
    assert np.isfinite(values).any()


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    random = np.random.default_rng(5)
    scores, labels, group = population(random, 400)
    worse = scores + random.normal(0, 0.5, len(scores))
    bootstrap = Bootstrap(300)
    difference = paired(scores, worse, labels, group, bootstrap)
    assert difference is not None
    assert difference.low < difference.value < difference.high
    assert difference.value == pytest.approx(
        average_precision_score(labels, scores) - average_precision_score(labels, worse), abs=1e-9
    )
    low, high = np.quantile(bootstrap.curves(scores, labels, group), [0.025, 0.975])
    assert difference.high - difference.low < 0.8 * (high - low)
    same = paired(scores, scores, labels, group, bootstrap)
    assert same is not None
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_values_of_many_replicates_at_once_are_those_one_by_one() -> None:
    """More replicates than one block holds; the same draws whoever asks."""
    bootstrap, found = Bootstrap(2 * BLOCK + 5, seed=2), np.arange(7.0)
    together = bootstrap.values(7, lambda times: times @ found)
    assert together.tolist() == [float(times @ found) for times in bootstrap.times(7)]
    assert [weights[0] for weights in bootstrap.draws(np.arange(7))] == [times[0] for times in bootstrap.times(7)]
    assert Bootstrap(0).values(7, lambda times: times @ found).tolist() == []


def test_how_many_replicates_must_be_defined_can_be_said() -> None:
    few = np.array([np.nan] * 60 + [0.5] * 4)
    assert Bootstrap().interval(few) is None
    assert Bootstrap().interval(few, share=0.0, least=4) == (0.5, 0.5)
    assert Bootstrap().interval(few, share=0.0, least=5) is None
    assert Bootstrap().interval(np.full(3, np.nan), share=0.0, least=0) is None


def test_the_examples_run() -> None:
    result = doctest.testmod(astrid_ml.evaluation.bootstrap)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.slow
def test_the_interval_covers_the_truth() -> None:
    """In 500 repeats of 400 objects, 95 % intervals cover the population's average precision in 92 to 98 %."""
    truth = average_precision_score(*population(np.random.default_rng(99), 400_000)[1::-1])
    covered = 0
    for repeat in range(500):
        bootstrap = Bootstrap(400, seed=repeat)
        interval = bootstrap.interval(bootstrap.curves(*population(np.random.default_rng(repeat), 400)))
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert 0.92 <= covered / 500 <= 0.98
