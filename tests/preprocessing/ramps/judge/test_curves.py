"""Lists of claims against truth: many draws of exposures at once, what was missed, what is undefined."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.preprocessing.ramps.judge import curves
from astrid_ml.preprocessing.ramps.judge.curves import Ranked, defined, interval, mean_of_defined


def claims(seed: int, exposures: int = 5) -> Ranked:
    random = np.random.default_rng(seed)
    true, exposure = random.random(900) < 0.3, random.integers(0, exposures, 900)
    score = np.round(random.normal(true, 1.0), 1)
    score[random.random(900) < 0.1] = -np.inf
    totals = (np.bincount(exposure[true], minlength=exposures) + 3).astype(np.float64)
    return Ranked.of(score, true, exposure, totals)


def test_draws_together_are_lists_of_the_drawn_exposures() -> None:
    """Each draw is written out as a list of its own, an exposure drawn twice standing in it twice."""
    whole = claims(0)
    weights = np.stack(list(Bootstrap(20, seed=4).times(5)))
    for weight, value in zip(weights, whole.areas(weights), strict=True):
        rows = np.concatenate([np.flatnonzero(whole.exposure == e) for e in range(5) for _ in range(int(weight[e]))])
        one = Ranked.of(
            whole.score[rows], whole.true[rows], np.zeros(len(rows), np.int64), np.array([weight @ whole.totals])
        )
        assert value == pytest.approx(one.area(), abs=1e-12)
        assert whole.area(weight) == pytest.approx(value, abs=1e-15)


def test_the_curve_ends_at_what_was_found() -> None:
    whole = claims(1)
    recall, precision = whole.curve()
    assert recall[-1] == pytest.approx(whole.true.sum() / whole.totals.sum())
    assert precision[-1] == pytest.approx(whole.true.mean())
    assert (np.diff(recall) >= 0).all()


def test_no_claim_finds_nothing_of_what_was_there() -> None:
    none = Ranked.of(np.full(2, -np.inf), np.array([True, False]), np.array([0, 1]), np.array([1.0, 0.0]))
    assert none.area() == 0.0
    assert none.areas(np.array([[0.0, 2.0]])).tolist() == pytest.approx([np.nan], nan_ok=True)


def test_an_interval_uses_whatever_draws_define_it() -> None:
    """One exposure in three has the class: in (2/3)^3 of the draws it is absent."""
    rare = Ranked.of(np.array([2.0, 1.0]), np.array([False, True]), np.array([1, 0]), np.array([1.0, 0.0, 0.0]))
    values = Bootstrap(12, seed=1).values(3, rare.areas)
    there = values[np.isfinite(values)]
    assert 0 < len(there) < 10
    bounds = interval(rare.areas, 3, Bootstrap(12, seed=1))
    assert bounds == pytest.approx(tuple(np.quantile(there, [0.025, 0.975])))
    narrow = interval(rare.areas, 3, Bootstrap(12, seed=1, level=0.5))
    assert narrow == pytest.approx(tuple(np.quantile(there, [0.25, 0.75])))
    assert interval(lambda weights: np.full(len(weights), np.nan), 3, Bootstrap(20)) is None


def test_a_mean_is_of_what_is_defined() -> None:
    assert mean_of_defined([[1.0, np.nan], [2.0, np.nan], [6.0, np.nan]]).tolist() == pytest.approx(
        [3.0, np.nan], nan_ok=True
    )
    assert defined(mean_of_defined([np.nan, 0.25])) == 0.25


def test_the_examples_run() -> None:
    result = doctest.testmod(curves)
    assert result.attempted > 0
    assert result.failed == 0
