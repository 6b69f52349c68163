"""Weights and resampling of training rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from astrid_ml.errors import UserError
from astrid_ml.splits.balance import class_weights, oversampled, undersampled

labels_of = st.lists(st.integers(0, 3), min_size=2, max_size=80).filter(lambda values: len(set(values)) > 1)


@given(labels_of)
def test_weights_equal_scikit_learn(values: list[int]) -> None:
    expected = compute_class_weight("balanced", classes=np.unique(values), y=values)
    assert list(class_weights(values).values()) == pytest.approx(list(expected))


@given(labels_of, st.integers(0, 9))
def test_classes_are_balanced_and_the_seed_decides(values: list[int], seed: int) -> None:
    labels = np.array(values)
    _, counts = np.unique(labels, return_counts=True)
    more, fewer = oversampled(labels, seed), undersampled(labels, seed)
    assert set(np.unique(labels[more], return_counts=True)[1]) == {counts.max()}
    assert set(np.unique(labels[fewer], return_counts=True)[1]) == {counts.min()}
    assert set(more) == set(range(len(labels)))
    assert len(set(fewer)) == len(fewer)
    np.testing.assert_array_equal(more, oversampled(labels, seed))
    for name in np.unique(labels):
        times = np.bincount(more, minlength=len(labels))[labels == name]
        assert times.max() - times.min() <= 1


def test_a_ratio_goes_part_of_the_way() -> None:
    labels = np.array([0] * 100 + [1] * 10)
    assert (labels[oversampled(labels, 1, 0.5)] == 1).sum() == 50
    assert (labels[undersampled(labels, 1, 0.5)] == 0).sum() == 20


def test_one_class_or_a_wrong_ratio_is_refused() -> None:
    with pytest.raises(UserError, match="two classes"):
        class_weights([1, 1])
    with pytest.raises(UserError, match=r"\(0, 1\]"):
        oversampled([0, 1], 1, 1.5)
