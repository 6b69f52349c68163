"""What each sample does to AUCPR and ROC AUC, against differences of scikit-learn's own values."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import astrid_ml.metrics.influence
from astrid_ml.errors import UserError
from astrid_ml.metrics.binary import UndefinedError
from astrid_ml.metrics.influence import area_influence, roc_influence

STEP = 1e-5
PREVALENCES = {"area": None, "area at 1 in 100": 0.01}


def sample(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties."""
    random = np.random.default_rng(0)
    labels = random.random(n) < 0.3
    return np.round(random.normal(size=n) + labels, 1), labels


def derivatives(value: Callable[[np.ndarray], float], n: int) -> np.ndarray:
    out = np.zeros(n)
    for place in range(n):
        for sign in (1, -1):
            weights = np.ones(n)
            weights[place] += sign * STEP
            out[place] += sign * value(weights) / (2 * STEP)
    return out


def at(prevalence: float, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights that turn the sample's mixture into another one."""
    real, bogus = weights[labels].sum(), weights[~labels].sum()
    out: np.ndarray = weights * np.where(labels, prevalence / real, (1 - prevalence) / bogus)
    return out


@pytest.mark.parametrize("kind", ["area", "roc", "area at 1 in 100"])
def test_influence_is_the_derivative_by_the_weight(kind: str) -> None:
    scores, labels = sample()
    found = roc_influence(scores, labels) if kind == "roc" else area_influence(scores, labels, PREVALENCES[kind])

    def value(weights: np.ndarray) -> float:
        if kind == "roc":
            return float(roc_auc_score(labels, scores, sample_weight=weights))
        prevalence = PREVALENCES[kind]
        drawn = weights if prevalence is None else at(prevalence, labels, weights)
        return float(average_precision_score(labels, scores, sample_weight=drawn))

    assert found.value == pytest.approx(value(np.ones(len(scores))), abs=1e-12)
    np.testing.assert_allclose(found.moves, derivatives(value, len(scores)), atol=1e-8)
    assert abs(found.moves.sum()) < 1e-9


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label: int) -> None:
    for function in (area_influence, roc_influence):
        with pytest.raises(UndefinedError, match="no "):
            function([0.1, 0.9], [label, label])


def test_nan_scores_are_refused() -> None:
    with pytest.raises(UserError, match="NaN"):
        area_influence([np.nan, 0.5], [1, 0])


def test_the_examples_run() -> None:
    result = doctest.testmod(astrid_ml.metrics.influence)
    assert result.attempted > 0
    assert result.failed == 0
