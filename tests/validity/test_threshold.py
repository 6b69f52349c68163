"""The threshold of a distance: what it promises of new samples, and of the rarer class."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.validity.threshold import LEAST, OF_EACH, threshold_of


@pytest.mark.parametrize(("held", "share"), [(30, 0.95), (400, 0.98), (99, 0.5)])
def test_new_samples_lie_inside_as_often_as_asked(held: int, share: float) -> None:
    random = np.random.default_rng(1)
    inside = [np.mean(random.normal(size=50) <= threshold_of(random.normal(size=held), share)) for _ in range(2000)]
    assert share - 0.005 <= np.mean(inside) <= share + 1 / held + 0.005


def test_most_of_the_rarer_class_lies_inside_too() -> None:
    """Of the demo's sources that faded, 14 of 20 lay outside: one threshold for both classes kept the bogus."""
    random = np.random.default_rng(2)

    def drawn(rare: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.r_[np.zeros(1000), np.ones(rare)]
        return np.abs(random.normal(size=1000 + rare)) + 2 * labels, labels

    kept = []
    for _ in range(300):
        distances, labels = drawn(40)
        new, of_new = drawn(200)
        kept.append(np.mean(new[of_new == 1] <= threshold_of(distances, 0.98, labels)))
    assert np.mean(kept) >= OF_EACH - 0.005
    distances, labels = drawn(40)
    assert np.mean(distances[labels == 1] <= threshold_of(distances, 0.98)) < 0.8


def test_a_class_of_few_decides_nothing() -> None:
    distances = np.r_[np.linspace(0, 1, 500), np.full(LEAST - 1, 9.0)]
    labels = np.r_[np.zeros(500), np.ones(LEAST - 1)]
    assert threshold_of(distances, 0.9, labels) < 1
    assert threshold_of(np.r_[distances, 9.0], 0.9, np.r_[labels, 1.0]) == 9
    unknown = np.r_[np.zeros(500), np.full(LEAST - 1, np.nan)]
    assert threshold_of(distances, 0.9, unknown) < 1
