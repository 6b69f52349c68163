"""Rules keep what they promise on validation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from astrid_ml.errors import UserError
from astrid_ml.evaluation.thresholds import Fixed, MaxF1, MaxFNR, MaxFPR

rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=60).filter(
    lambda values: len({label for _, label in values}) == 2
)


@settings(max_examples=200, deadline=None)
@given(rows, st.sampled_from([0.0, 0.02, 0.1, 0.5]))
def test_each_rule_is_best_among_all_thresholds(values: list[tuple[int, bool]], rate: float) -> None:
    scores, labels = np.array([v / 8 for v, _ in values]), np.array([label for _, label in values])
    grid = [*np.unique(scores), 2.0]
    best = max(f1_score(labels, scores >= t, zero_division=0) for t in grid)
    assert f1_score(labels, scores >= MaxF1().choose(scores, labels)[0]) == pytest.approx(best)
    missed, _ = MaxFNR(rate).choose(scores, labels)
    assert np.mean(scores[labels] < missed) <= rate + 1e-9
    assert all(np.mean(scores[labels] < t) > rate for t in grid if t > missed)
    allowed, _ = MaxFPR(rate).choose(scores, labels)
    assert np.mean(scores[~labels] >= allowed) <= rate + 1e-9
    assert all(np.mean(scores[~labels] >= t) > rate for t in grid if t < allowed)


@pytest.mark.parametrize("rule", [MaxF1(), MaxFNR(), MaxFPR()])
@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_one_class_cannot_choose(rule: MaxF1, labels: list[int]) -> None:
    with pytest.raises(UserError, match="both classes"):
        rule.choose([0.1, 0.2], labels)
    assert Fixed(0.3).choose([0.1, 0.2], labels) == (0.3, "given")
