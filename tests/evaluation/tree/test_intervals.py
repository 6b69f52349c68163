"""Intervals of a macro-averaged AUCPR hold the truth of many small classes too."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.intervals import LEAST, macro_area_interval
from astrid_ml.evaluation.tree.metrics import macro_area_draws, macro_average_precision
from astrid_ml.types import Floats, Ints

CLASSES = 19


def draw(random: np.random.Generator, n: int) -> tuple[Floats, Ints]:
    y = random.integers(0, CLASSES, n)
    z = random.normal(size=(n, CLASSES))
    z[np.arange(n), y] += 1.5
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True), y


def test_of_classes_of_five_objects_it_covers_where_percentiles_do_not() -> None:
    """Case: percentiles of resampled objects held the truth in .78 of draws at n=90."""
    random, n = np.random.default_rng(0), 90
    values = [macro_average_precision(*draw(random, n)) for _ in range(150)]
    truth = np.mean([value for value in values if value is not None])
    ours = percentiles = 0
    for _ in range(100):
        p, y = draw(random, n)
        ends = macro_area_interval(p, y, np.arange(n))
        others = Bootstrap(60).interval(macro_area_draws(p, y, np.arange(n), Bootstrap(60)))
        assert ends is not None and others is not None
        ours += bool(ends[0] <= truth <= ends[1])
        percentiles += bool(others[0] <= truth <= others[1])
    assert ours >= 92 and percentiles < 90


@pytest.mark.parametrize("n", [6, 40])
def test_ends_lie_about_the_value_and_within_0_and_1(n: int) -> None:
    for seed in range(20):
        p, y = draw(np.random.default_rng(seed), n)
        y[:4] = [0, 0, 1, 1]
        value, ends = macro_average_precision(p, y), macro_area_interval(p, y, np.arange(n))
        assert value is not None and ends is not None
        assert 0 <= ends[0] <= value <= ends[1] <= 1


def test_objects_with_several_rows_are_one() -> None:
    p, y = draw(np.random.default_rng(1), 60)
    many = macro_area_interval(np.repeat(p, 3, axis=0), np.repeat(y, 3), np.repeat(np.arange(60), 3))
    one = macro_area_interval(p, y, np.arange(60))
    assert many is not None and one is not None
    assert many[1] - many[0] == pytest.approx(one[1] - one[0], rel=0.1)


def test_few_objects_or_classes_have_none() -> None:
    p, y = draw(np.random.default_rng(1), 60)
    assert macro_area_interval(p, np.zeros(60, np.int64), np.arange(60)) is None
    assert macro_area_interval(p, y, np.arange(60) % (LEAST - 1)) is None
    assert macro_area_interval(p[:CLASSES], np.arange(CLASSES), np.arange(CLASSES)) is None
