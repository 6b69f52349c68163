"""Trees of many classes as arrays against scikit-learn, and arrays that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.classes import ClassTrees
from astrid_ml.evaluation.baselines.trees import BoostedTrees


def samples(classes: int, n: int = 1500, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 5))
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2] + random.normal(size=n) / 3, np.linspace(-1, 1, classes - 1)) * 3 + 1
    x[random.random((n, 5)) < 0.2] = np.nan
    return x, y


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_arrays_answer_exactly_as_scikit_learn(classes: int) -> None:
    x, y = samples(classes)
    model = HistGradientBoostingClassifier(max_iter=20, early_stopping=False, random_state=0).fit(x, y)
    own = ClassTrees(model.classes_.astype(np.int64), tuple(BoostedTrees.each_of(model)))
    new = np.vstack([samples(classes, 500, seed=1)[0], np.full((1, 5), np.nan), np.full((1, 5), 1e300)])
    np.testing.assert_allclose(np.exp(own.log_probabilities(new)), model.predict_proba(new), atol=1e-12)
    again = ClassTrees.from_arrays(own.arrays())
    np.testing.assert_array_equal(again.log_probabilities(new), own.log_probabilities(new))
    assert all(bool(value.isfinite().all()) for value in own.arrays().values())


def test_validation_stops_and_columns_without_a_spread_split_nothing() -> None:
    x, y = samples(3)
    x[:, 3], x[:, 4] = np.nan, 5.0
    noise = np.random.default_rng(5).permutation(y[:300])
    stopped = ClassTrees.fitted(x[300:], y[300:], x[:300], noise, trees=200)
    assert all(len(member.first) < 100 for member in stopped.members)
    assert not any(np.isin(member.feature[~member.leaf], [3, 4]).any() for member in stopped.members)
    grown = ClassTrees.fitted(x, y, x[:0], y[:0], trees=30)
    assert [len(member.first) for member in grown.members] == [30, 30, 30]


@pytest.mark.parametrize("name", ["lost", "each", "first", "classes", "value"])
def test_arrays_that_are_no_trees_are_refused(name: str) -> None:
    x, y = samples(3, 300)
    plain = ClassTrees.fitted(x, y, x[:0], y[:0], trees=3).arrays()
    if name == "lost":
        del plain["leaf"]
    elif name == "each":
        plain["each"][0, 1] += 1
    elif name == "classes":
        plain["classes"] = torch.arange(5)
    else:
        plain[name] = plain[name][:-1]
    with pytest.raises(UserError, match="trees"):
        ClassTrees.from_arrays(plain)
