"""Ranking metrics against scikit-learn, heavy ties included, and what is undefined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from astrid_ml.errors import UserError
from astrid_ml.metrics import (
    UndefinedError,
    average_precision,
    check_scores,
    confusion_at,
    fnr_at_fpr,
    pr_curve,
    precision_at_prevalence,
    roc_auc,
    roc_curve,
    threshold_table,
)

# Few distinct scores, so that ties within and between the classes are the rule.
samples = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def columns(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores = np.array([score for score, _ in rows]) / 6
    return scores, np.array([label for _, label in rows])


@settings(max_examples=300, deadline=None)
@given(samples)
def test_areas_equal_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, labels = columns(rows)
    assert average_precision(scores, labels) == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-9)
    assert roc_auc(scores, labels) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(samples, st.randoms(use_true_random=False))
def test_neither_order_nor_a_monotonic_map_changes_the_areas(rows: list[tuple[int, bool]], random: object) -> None:
    scores, labels = columns(rows)
    order = np.array(sorted(range(len(rows)), key=lambda _: random.random()))  # type: ignore[attr-defined]
    assert average_precision(scores[order], labels[order]) == average_precision(scores, labels)
    assert average_precision(np.exp(5 * scores), labels) == average_precision(scores, labels)


@settings(max_examples=150, deadline=None)
@given(samples)
def test_weights_count_as_repetition(rows: list[tuple[int, bool]]) -> None:
    scores, labels = columns(rows)
    times = np.arange(len(rows)) % 3 + 1
    repeated = np.repeat(scores, times), np.repeat(labels, times)
    assert average_precision(scores, labels, times) == pytest.approx(average_precision(*repeated), abs=1e-12)
    assert roc_auc(scores, labels, times) == pytest.approx(roc_auc(*repeated), abs=1e-12)


@pytest.mark.parametrize("levels", [2, 5, 100, 10**9])
def test_large_samples_equal_scikit_learn(levels: int) -> None:
    random = np.random.default_rng(levels)
    labels = random.random(20_000) < 0.03
    scores = np.round(1 / (1 + np.exp(-random.normal(2.0 * labels, 1))) * levels) / levels
    assert abs(average_precision(scores, labels) - sk.average_precision_score(labels, scores)) < 1e-9
    assert abs(roc_auc(torch.tensor(scores), torch.tensor(labels)) - sk.roc_auc_score(labels, scores)) < 1e-9


@settings(max_examples=150, deadline=None)
@given(samples)
def test_curves_hold_scikit_learn_points(rows: list[tuple[int, bool]]) -> None:
    scores, labels = columns(rows)
    mine = pr_curve(scores, labels)
    precision, recall, threshold = sk.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(mine["threshold"][::-1], threshold)
    np.testing.assert_allclose(mine["precision"][::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(mine["recall"][::-1], recall[:-1], atol=1e-12)
    fpr, tpr, at = sk.roc_curve(labels, scores, drop_intermediate=False)
    roc = roc_curve(scores, labels)
    np.testing.assert_allclose(roc["threshold"], at[1:])
    np.testing.assert_allclose(roc[["fpr", "tpr"]].to_numpy(), np.stack([fpr[1:], tpr[1:]], axis=1), atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(samples)
def test_threshold_table_equals_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, labels = columns(rows)
    for row in threshold_table(scores, labels, np.arange(7) / 6).to_dict("records"):
        chosen = scores >= row["threshold"]
        tn, fp, fn, tp = sk.confusion_matrix(labels, chosen, labels=[False, True]).ravel()
        assert (row["tn"], row["fp"], row["fn"], row["tp"]) == (tn, fp, fn, tp)
        assert row["f1"] == pytest.approx(sk.f1_score(labels, chosen, zero_division=0), abs=1e-12)
        assert row["recall"] == pytest.approx(sk.recall_score(labels, chosen), abs=1e-12)
        if chosen.any():
            assert row["precision"] == pytest.approx(sk.precision_score(labels, chosen), abs=1e-12)
        if 0 < chosen.sum() < len(chosen):
            assert row["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, chosen), abs=1e-12)


def test_a_rate_without_denominator_is_none() -> None:
    at = confusion_at([0.1, 0.2], [0, 1], 0.9)
    assert at["precision"] is None
    assert at["mcc"] is None
    assert at["recall"] == 0.0


def test_fnr_at_fpr_by_hand() -> None:
    scores, labels = [0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 1, 0, 1]
    assert fnr_at_fpr(scores, labels, 0.0) == pytest.approx(2 / 3)
    assert fnr_at_fpr(scores, labels, 0.5) == pytest.approx(1 / 3)
    assert fnr_at_fpr([0.9, 0.1], [0, 1], 0.0) == 1.0


@pytest.mark.parametrize("ratio", [1, 4, 50])
def test_other_prevalence_equals_repeated_negatives(ratio: int) -> None:
    random = np.random.default_rng(3)
    labels = random.random(400) < 0.3
    scores = np.round(random.normal(labels, 1), 1)
    times = np.where(labels, 1, ratio)
    many = np.repeat(scores, times), np.repeat(labels, times)
    value, precision = precision_at_prevalence(scores, labels, float(many[1].mean()), 0.5)
    assert value == pytest.approx(sk.average_precision_score(many[1], many[0]), abs=1e-9)
    assert precision == pytest.approx(sk.precision_score(many[1], many[0] >= 0.5), abs=1e-12)


@pytest.mark.parametrize(("labels", "why"), [([1, 1], "no negative"), ([0, 0], "no positive")])
def test_an_absent_class_is_undefined_with_its_reason(labels: list[int], why: str) -> None:
    for metric in (average_precision, roc_auc):
        with pytest.raises(UndefinedError, match=why):
            metric([0.1, 0.9], labels)
    with pytest.raises(UndefinedError, match="no samples"):
        average_precision([], [])


@pytest.mark.parametrize(
    ("scores", "labels", "got"),
    [
        ([0.1, float("nan")], [0, 1], "1 NaN"),
        ([0.1, 1.2], [0, 1], "1.2"),
        ([-3.0, 0.5], [0, 1], "-3"),
        ([0.0, 1.0] * 20, [0, 1] * 20, "only the values"),
        ([0.1, 0.2], [0, 2], "2"),
        ([0.1], [0, 1], "1 scores and 2"),
    ],
)
def test_what_is_no_score_is_refused(scores: list[float], labels: list[int], got: str) -> None:
    with pytest.raises(UserError, match=got):
        check_scores(scores, labels, soft=True)


def test_a_thinned_roc_curve_is_never_above_the_true_one_and_keeps_its_corners() -> None:
    random = np.random.default_rng(5)
    labels = random.random(6000) < 0.1
    scores = random.normal(labels * 2.0, 1)
    whole, kept = (roc_curve(scores, labels, points) for points in (0, 200))
    assert 100 < len(kept) <= 202
    # Joined by steps to the right and then up: at each false positive rate the last point that is not beyond it.
    drawn = kept["tpr"].to_numpy()[np.searchsorted(kept["fpr"], whole["fpr"], side="right") - 1]
    true = whole.groupby("fpr")["tpr"].transform("max").to_numpy()
    assert (drawn <= true).all()
    assert (true - drawn).max() < 0.02
    few = roc_curve(scores[:300], labels[:300], 100)
    all_rows = roc_curve(scores[:300], labels[:300])
    corner = (all_rows["tpr"].diff() > 0) & (all_rows["fpr"].diff().shift(-1) > 0)
    assert set(all_rows["threshold"][corner]) <= set(few["threshold"]) and len(few) < 100
