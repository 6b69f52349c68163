"""Intervals of a macro-averaged AUCPR hold the truth of many small classes too."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.intervals import (
    LEAST,
    macro_area_difference,
    macro_area_interval,
    macro_f1_interval,
    macro_roc_interval,
)
from astrid_ml.evaluation.tree.levels import level_intervals, level_metrics
from astrid_ml.evaluation.tree.metrics import confusion_matrix, macro, macro_average_precision, macro_f1, macro_f1_draws
from astrid_ml.evaluation.tree.views import View
from astrid_ml.metrics.binary import roc_auc
from astrid_ml.types import Floats, Ints

CLASSES = 19


def draw(random: np.random.Generator, n: int) -> tuple[Floats, Ints]:
    y = random.integers(0, CLASSES, n)
    z = random.normal(size=(n, CLASSES))
    z[np.arange(n), y] += 1.5
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True), y


def macro_area_draws(p: Floats, truth: Ints, groups: Ints, bootstrap: Bootstrap) -> Floats:
    """The rival: macro-AUCPR in each replicate, a class that one did not draw left out of its mean."""
    areas = [bootstrap.curves(np.clip(p[:, k], 0, 1), truth == k, groups) for k in np.unique(truth)]
    out: Floats = np.nanmean(np.stack(areas), axis=0)
    return out


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


def two_networks(random: np.random.Generator, n: int, apart: tuple[float, float]) -> tuple[Floats, Floats, Ints]:
    """Probabilities of two networks that half agree, and the classes."""
    y, shared, out = random.integers(0, CLASSES, n), random.normal(size=(n, CLASSES)), []
    for size in apart:
        z = (shared + random.normal(size=(n, CLASSES))) / np.sqrt(2)
        z[np.arange(n), y] += size
        out.append(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))
    return out[0], out[1], y


@pytest.mark.parametrize("apart", [(1.5, 1.5), (2.0, 1.2)])
def test_a_difference_covers_with_classes_of_five_objects(apart: tuple[float, float]) -> None:
    n, draws = 90, 120
    values = []
    for seed in range(200):
        one, two, y = two_networks(np.random.default_rng(5000 + seed), n, apart)
        first, second = (macro_average_precision(p, y) for p in (one, two))
        assert first is not None and second is not None
        values.append(first - second)
    truth, held = float(np.mean(values)), 0
    for seed in range(draws):
        one, two, y = two_networks(np.random.default_rng(seed), n, apart)
        found = macro_area_difference(one, two, y, np.arange(n))
        assert found is not None
        held += found[1][0] <= truth <= found[1][1]
    assert 0.91 <= held / draws <= 1.0


def test_networks_that_both_rank_without_fault_are_not_shown_to_be_equal() -> None:
    y = np.repeat(np.arange(3), 20)
    one = np.eye(3)[y] * 0.8 + 0.1
    found, same = (macro_area_difference(one, p, y, np.arange(60)) for p in (one**2, one))
    assert found is not None and found[0] == 0 and found[1][0] < 0 < found[1][1]
    assert same == (0.0, (0.0, 0.0))
    assert macro_area_difference(one, one, y, np.arange(60) % (LEAST - 1)) is None


def test_the_interval_of_the_mean_roc_auc_covers() -> None:
    random, n = np.random.default_rng(3), 90
    truth = np.mean([macro(roc_auc, *draw(random, n)) for _ in range(150)])
    ends = [macro_roc_interval(*draw(random, n), np.arange(n)) for _ in range(100)]
    assert sum(1 for pair in ends if pair is not None and pair[0] <= truth <= pair[1]) >= 91


def test_every_estimate_of_a_level_has_an_interval_about_it() -> None:
    p, y = draw(np.random.default_rng(4), 200)
    view = View("leaf", 64.0, [str(k) for k in range(CLASSES)], y, p, p, np.arange(200))
    measured = level_metrics(view)
    found = level_intervals(view, measured, 0.95)
    assert set(measured) - set(found) == {"n", "macro_aucpr_guess", "macro_f1_guess", "ece_excess"}
    for name in ("accuracy", "macro_f1", "macro_aucpr", "macro_roc_auc", "nll", "brier", "ece"):
        value = measured[name]
        assert value is not None and found[name][0] <= value <= found[name][1]
    assert not level_intervals(View("leaf", 64.0, view.names, y, p, p, np.arange(200) % 2), measured, 0.95)


def classes_near_one(random: np.random.Generator, groups: int, most: int) -> tuple[Floats, Ints, Ints]:
    """Five classes of unequal size; one object in 50 shows nothing of its class, the others are told apart."""
    own, size = random.choice(5, groups, p=(0.4, 0.3, 0.15, 0.1, 0.05)), random.integers(1, most + 1, groups)
    codes = np.repeat(np.arange(groups), size)
    y, seen = own[codes].astype(np.int64), np.repeat(random.random(groups) >= 0.02, size)
    z = random.normal(0, 0.8, (groups, 5))[codes] + random.normal(0, 0.6, (len(codes), 5))
    z[np.arange(len(y)), y] += 6.0 * seen
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), y, codes


@pytest.mark.parametrize("most", [1, 4])
def test_macro_f1_and_macro_area_near_one_are_held(most: int) -> None:
    p, y, _ = classes_near_one(np.random.default_rng(99), 100_000, most)
    truth = (macro_f1(confusion_matrix(y, p.argmax(axis=1), 5)), macro_average_precision(p, y) or 0.0)
    held, percentiles, draws = np.zeros(2), 0, 200
    for seed in range(draws):
        p, y, codes = classes_near_one(np.random.default_rng(seed), 400, most)
        called = p.argmax(axis=1)
        ends = macro_f1_interval(y, called, codes), macro_area_interval(p, y, codes)
        held += [pair is not None and pair[0] <= value <= pair[1] for pair, value in zip(ends, truth, strict=True)]
        others = Bootstrap(60).interval(macro_f1_draws(y, called, 5, codes, Bootstrap(60)))
        percentiles += others is not None and others[0] <= truth[0] <= others[1]
    assert held.min() >= 0.92 * draws and held[0] > percentiles


def test_macro_f1_of_a_perfect_and_of_a_hopeless_sample_is_not_certain() -> None:
    y = np.repeat(np.arange(4), 10)
    low, high = macro_f1_interval(y, y, np.arange(40)) or (1, 1)
    assert 0.9 < low < 0.95 and high == 1
    assert (macro_f1_interval(y, (y + 1) % 4, np.arange(40)) or (1, 1))[0] == 0
    assert 0.05 < (macro_f1_interval(y, (y + 1) % 4, np.arange(40)) or (1, 1))[1] < 0.1
    assert macro_f1_interval(y, y, np.arange(40) % (LEAST - 1)) is None
