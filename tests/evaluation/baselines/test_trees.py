"""Trees as arrays against scikit-learn, and arrays that are no trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.trees import BoostedTrees


def samples(n: int = 3000, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 5))
    x[:, 4] = np.round(x[:, 4])  # ties at the thresholds
    y = x[:, 0] + np.abs(x[:, 1]) * x[:, 4] + random.normal(size=n) > 0.5
    x[random.random((n, 5)) < 0.2] = np.nan
    return x, y


@pytest.mark.parametrize("trees", [1, 60])
def test_the_arrays_answer_exactly_as_scikit_learn(trees: int) -> None:
    x, y = samples()
    model = HistGradientBoostingClassifier(max_iter=trees, early_stopping=False, random_state=0).fit(x, y)
    own = BoostedTrees.of(model)
    new = np.vstack(
        [samples(2000, seed=1)[0], np.full((1, 5), np.nan), np.full((1, 5), np.inf), np.full((1, 5), -1e300)]
    )
    np.testing.assert_array_equal(own.log_odds(new), model.decision_function(new))
    np.testing.assert_array_equal(own.probability(new), model.predict_proba(new)[:, 1])
    again = BoostedTrees.from_plain(own.plain())
    np.testing.assert_array_equal(again.probability(new), own.probability(new))


def test_few_samples_still_make_trees_that_split() -> None:
    x, y = samples(40)
    assert len(np.unique(BoostedTrees.fitted(x, y, 10).probability(x))) > 5


@pytest.mark.parametrize("name", ["left", "right", "feature", "threshold", "first", "value", "base", "lost", "shape"])
def test_arrays_that_are_no_trees_are_refused(name: str) -> None:
    x, y = samples(300)
    plain = BoostedTrees.fitted(x, y, 3).plain()
    if name == "lost":
        del plain["leaf"]
    elif name == "base":
        plain["base"] = float("nan")
    elif name == "shape":
        plain["left"] = plain["left"][:-1]
    elif name in ("threshold", "value"):
        plain[name] = torch.full_like(plain[name], float("nan"))
    elif name == "first":
        plain["first"] = torch.tensor([0, 10**6])
    else:
        plain[name] = (
            torch.zeros_like(plain[name]) if name != "feature" else plain[name] + 5
        )  # a root that leads to itself
    with pytest.raises(UserError, match="trees"):
        BoostedTrees.from_plain(plain)
