"""The area under a ranking: against scikit-learn with ties and weights, and by brute force where some were missed."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

import astrid_ml.metrics.binary
import astrid_ml.metrics.ranking
from astrid_ml.metrics.ranking import area, completeness, completeness_at, precision, ranked, roc_area
from astrid_ml.types import Floats, Mask

# Few distinct scores and weights of zero: ties are the rule, and some claims count for nothing.
samples = st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 3)), min_size=2, max_size=60).filter(
    lambda rows: {label for _, label, weight in rows if weight} == {True, False}
)


def curve(scores: Floats, labels: Mask, weights: Floats | None = None) -> tuple[Floats, Floats]:
    order, last = ranked(scores)
    w = (np.ones(len(scores)) if weights is None else weights)[order]
    return np.cumsum(w * labels[order])[last], np.cumsum(w * ~labels[order])[last]


@settings(max_examples=300, deadline=None)
@given(samples)
def test_both_areas_are_those_of_scikit_learn(rows: list[tuple[int, bool, int]]) -> None:
    scores, weights = np.array([r[0] for r in rows], float), np.array([r[2] for r in rows], float)
    labels = np.array([r[1] for r in rows])
    true, false = curve(scores, labels, weights)
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert float(area(true, false)) == pytest.approx(expected, abs=1e-12)
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert float(roc_area(true, false)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(samples, st.integers(0, 20), st.integers(0, 12))
def test_what_was_never_claimed_is_counted(rows: list[tuple[int, bool, int]], missed: int, allowed: int) -> None:
    """Threshold by threshold: as many steps of recall, each at its own precision."""
    scores, labels = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    total = float(labels.sum() + missed)
    summed, before, best = 0.0, 0, 0
    for level in np.unique(scores)[::-1]:
        found, claimed = int((labels & (scores >= level)).sum()), int((scores >= level).sum())
        summed += (found - before) / total * found / claimed
        best, before = (found if claimed - found <= allowed else best), found
    true, false = curve(scores, labels)
    assert float(area(true, false, total)) == pytest.approx(summed, abs=1e-12)
    assert float(completeness_at(true, false, allowed, total)) == pytest.approx(best / total, abs=1e-12)


def test_replicates_together_are_replicates_one_by_one() -> None:
    random = np.random.default_rng(0)
    counts = random.integers(0, 4, (2, 6, 40)).astype(float)  # right and wrong claims of six groups
    weights = random.integers(0, 3, (25, 6)).astype(float)
    weights[3] = 0.0
    there = weights @ (counts[0].sum(axis=1) + 2)
    true, false = (np.cumsum(weights @ part, axis=-1) for part in counts)
    for together, each in (
        (area(true, false), [area(*one) for one in zip(true, false, strict=True)]),
        (area(true, false, there), [area(*one) for one in zip(true, false, there, strict=True)]),
        (roc_area(true, false), [roc_area(*one) for one in zip(true, false, strict=True)]),
        (
            completeness_at(true, false, 30.0, there),
            [completeness_at(t, f, 30.0, n) for t, f, n in zip(true, false, there, strict=True)],
        ),
    ):
        np.testing.assert_allclose(together, np.array(each), rtol=0, atol=1e-15)
        assert np.isnan(together[3])
        assert np.isfinite(np.delete(together, 3)).all()


def test_an_absent_class_leaves_a_number_undefined() -> None:
    none, some = np.zeros(3), np.array([1.0, 2.0, 3.0])
    for function in (area, roc_area):
        assert np.isnan(function(none, some))
        assert np.isnan(function(some, none))
    assert float(area(some, none, positives=6.0)) == 0.5  # all there was is known: half was found, and nothing wrong
    assert np.isnan(area(none, some, positives=0.0))
    assert np.isnan(completeness_at(none, some, 1.0))
    assert np.isnan(completeness(0, 0))


def test_nothing_claimed_of_what_was_there_is_zero() -> None:
    empty = np.zeros((2, 0))
    assert area(empty, empty, np.array([3.0, 0.0])).tolist() == pytest.approx([0.0, np.nan], nan_ok=True)
    assert completeness_at(empty, empty, 1.0, np.array([3.0, 4.0])).tolist() == [0.0, 0.0]
    assert np.isnan(area(empty, empty)).all()
    assert ranked(np.zeros(0))[1].tolist() == []


def test_infinite_scores_are_a_tie() -> None:
    order, last = ranked(np.array([np.inf, 1.0, np.inf, -np.inf, -np.inf]))
    assert order.tolist() == [0, 2, 1, 3, 4]
    assert last.tolist() == [1, 2, 4]


def test_precision_before_the_first_claim_is_zero() -> None:
    assert precision(np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, 2.0])).tolist() == [0.0, 0.0, 1 / 3]


@pytest.mark.parametrize("module", [astrid_ml.metrics.ranking, astrid_ml.metrics.binary])
def test_the_examples_run(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0
