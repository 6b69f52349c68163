"""Scores become probabilities."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss

from astrid_ml.errors import UserError
from astrid_ml.evaluation import calibration as cal
from astrid_ml.metrics import reliability as rel


def overconfident(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores at 10 % prevalence whose logits are 2.5 times too large and shifted, as class weights do."""
    random = np.random.default_rng(seed)
    labels = random.random(n) < 0.1
    ratio = random.normal(np.where(labels, 1.0, -1.0) * 1.5, np.sqrt(3))  # this log-likelihood ratio is exact
    return expit(2.5 * (ratio + np.log(0.1 / 0.9)) + 3.0).astype(np.float32), labels


@pytest.mark.parametrize("kind", [cal.Temperature(), cal.Isotonic()])
def test_calibration_brings_the_error_down(kind: cal.Calibration) -> None:
    fitted = kind.fit(*overconfident(1, 8000))
    scores, labels = overconfident(2, 8000)
    p = cal.calibrated(scores, json.loads(json.dumps(fitted)))
    assert p is not None
    assert rel.excess_calibration_error(scores, labels) > 0.05
    assert abs(rel.excess_calibration_error(p, labels)) <= 0.02
    assert cal.negative_log_likelihood(p, labels) < cal.negative_log_likelihood(scores, labels)
    assert cal.brier(p, labels) < cal.brier(scores, labels)


def test_temperature_and_offset_are_found() -> None:
    parameters = cal.Temperature().fit(*overconfident(3, 200_000))["parameters"]
    assert parameters["temperature"] == pytest.approx(2.5, rel=0.03)
    assert parameters["offset"] == pytest.approx(-1.2, abs=0.05)
    assert cal.Temperature(offset=False).fit(*overconfident(3, 1000))["parameters"]["offset"] == 0.0


def test_calibration_keeps_the_order() -> None:
    scores, labels = overconfident(4, 3000)
    for kind in (cal.Temperature(), cal.Isotonic()):
        p = cal.calibrated(np.sort(scores), kind.fit(scores, labels))
        assert p is not None
        assert (np.diff(p) >= 0).all()
        assert p.min() >= 0
        assert p.max() <= 1


def test_losses_equal_scikit_learn() -> None:
    scores, labels = overconfident(5, 2000)
    scores = np.clip(scores.astype(float), 1e-5, 1 - 1e-5)
    assert cal.negative_log_likelihood(scores, labels) == pytest.approx(log_loss(labels, scores), abs=1e-9)
    assert cal.brier(scores, labels) == pytest.approx(brier_score_loss(labels, scores), abs=1e-12)


def test_the_error_of_perfect_predictions_is_zero_after_the_null() -> None:
    random = np.random.default_rng(6)
    p = random.random(3000) ** 3
    found = [rel.excess_calibration_error(p, random.random(3000) < p, seed=k) for k in range(30)]
    raw = [rel.expected_calibration_error(p, random.random(3000) < p) for _ in range(30)]
    assert abs(np.mean(found)) < 0.002 < np.mean(raw)


def test_reliability_bins_are_of_equal_mass() -> None:
    table = rel.reliability(np.linspace(0, 1, 100), np.linspace(0, 1, 100) > 0.5, bins=10)
    assert table["n"].tolist() == [10] * 10
    assert table["observed"].tolist() == [0.0] * 5 + [1.0] * 5
    assert len(rel.reliability([0.1, 0.9], [0, 1])) == 2


def test_scores_of_exactly_zero_and_one_stay_finite() -> None:
    scores, labels = np.array([0.0, 0.0, 0.3, 0.7, 1.0, 1.0]), np.array([0, 1, 0, 1, 1, 0])
    p = cal.calibrated(scores, cal.Temperature().fit(scores, labels))
    assert p is not None
    assert np.isfinite(p).all()
    assert np.isfinite(cal.negative_log_likelihood(p, labels))


def test_an_unknown_kind_is_refused_and_none_gives_no_probability() -> None:
    assert cal.calibrated([0.5], cal.NoCalibration().fit([0.5], [1])) is None
    with pytest.raises(UserError, match="spline"):
        cal.calibrated([0.5], {"kind": "spline", "parameters": {}})
