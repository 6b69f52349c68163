"""The histogram's bracket holds the exact value, whatever the ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from astrid_ml.metrics.histogram import Bracket, HistogramAveragePrecision

rows = st.lists(st.tuples(st.integers(-12, 12), st.booleans()), min_size=2, max_size=80).filter(
    lambda values: len({label for _, label in values}) == 2
)


@settings(max_examples=300, deadline=None)
@given(rows, st.integers(1, 9))
def test_the_bracket_holds_the_exact_value(values: list[tuple[int, bool]], bins: int) -> None:
    logits, labels = np.array([v / 4 for v, _ in values]), np.array([label for _, label in values])
    metric = HistogramAveragePrecision(bins=bins, limit=2.0)
    metric.update(torch.tensor(logits), torch.tensor(labels))
    low, estimate, high = metric.bracket()
    exact = average_precision_score(labels, logits)
    assert low - 1e-12 <= exact <= high + 1e-12
    assert low - 1e-12 <= estimate <= high + 1e-12


def test_fine_bins_close_the_bracket() -> None:
    random = np.random.default_rng(1)
    labels = random.random(300_000) < 0.1
    logits = random.normal(3.0 * labels - 2, 1.5).astype(np.float32)
    metric = HistogramAveragePrecision()
    for part in np.array_split(np.arange(len(labels)), 7):
        metric.update(torch.tensor(logits[part]), torch.tensor(labels[part]))
    exact = average_precision_score(labels, logits)
    low, estimate, high = metric.bracket()
    assert low <= exact <= high
    assert high - low < 1e-4
    assert float(metric.compute()) == estimate == pytest.approx(exact, abs=1e-5)


def test_saturated_scores_widen_the_bracket_and_stay_inside() -> None:
    random = np.random.default_rng(2)
    labels = random.random(20_000) < 0.2
    logits = random.normal(60.0 * labels - 30, 40)
    logits[:10] = np.inf
    logits[10:20] = -np.inf
    metric = HistogramAveragePrecision(bins=1000, limit=20.0)
    metric.update(torch.tensor(logits), torch.tensor(labels))
    low, _, high = metric.bracket()
    exact = average_precision_score(labels, np.clip(logits, -1e6, 1e6))
    assert low <= exact <= high
    assert high - low > 0.01


def test_one_bin_allows_what_any_order_within_it_gives() -> None:
    """Two positives and one negative in one bin: the orders give 1, 5/6 and 7/12."""
    metric = HistogramAveragePrecision(bins=1, limit=1.0)
    metric.update(torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1, 0, 1]))
    orders = [(1 / 1 + 2 / 2) / 2, (1 / 1 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2]
    assert metric.bracket() == pytest.approx(Bracket(min(orders), 2 / 3, max(orders)))


def test_state_is_small_and_an_absent_class_is_nan() -> None:
    metric = HistogramAveragePrecision()
    state = sum(t.element_size() * t.nelement() for t in (metric.positives, metric.negatives))
    assert state <= 64 * 2**20
    metric.update(torch.tensor([0.1, 0.2]), torch.tensor([1, 1]))
    assert bool(torch.isnan(metric.compute()))
    with pytest.raises(ValueError, match="NaN"):
        metric.update(torch.tensor([float("nan")]), torch.tensor([1]))
