"""Intervals of the calibration error and of Matthews' coefficient hold the truth; what has none says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.intervals import decision_intervals
from astrid_ml.evaluation.result import FACTS
from astrid_ml.metrics.reliability import (
    calibration_error_intervals,
    expected_calibration_error,
    moved_ends,
)
from astrid_ml.types import Floats, Ints, Mask

DRAWS = 150


def predicted(random: np.random.Generator, n: int, share: float, slope: float) -> tuple[Floats, Mask]:
    """Probabilities whose logit is ``slope`` times the true one, and labels."""
    z = random.normal(float(logit(share)) - 0.5, 2, n)
    return expit(slope * z), random.random(n) < expit(z)


def true_error(share: float, slope: float) -> float:
    """Of endless samples in 15 bins of equal mass."""
    p, _ = predicted(np.random.default_rng(9), 400_000, share, slope)
    away = expit(logit(p) / slope) - p
    return float(sum(abs(away[part].sum()) for part in np.array_split(np.argsort(p), 15)) / len(p))


@pytest.mark.parametrize(
    ("n", "share", "slope"), [(250, 0.1, 1.0), (1000, 0.5, 1.0), (1000, 0.02, 2.0), (1000, 0.5, 2.5), (3000, 0.1, 0.6)]
)
def test_the_interval_of_the_calibration_error_covers(n: int, share: float, slope: float) -> None:
    truth, held, found = true_error(share, slope), 0, []
    for seed in range(DRAWS):
        p, y = predicted(np.random.default_rng(seed), n, share, slope)
        value = expected_calibration_error(p, y)
        low, high = moved_ends("ece", value, *calibration_error_intervals(p, y, np.arange(n), 0.95)["ece"])
        assert 0 <= low <= value <= high <= 1
        held += low <= truth <= high
        found.append(low)
    assert held / DRAWS >= 0.92
    assert slope == 1.0 or share < 0.1 or np.median(found) > 0  # what is far from calibrated is shown to be


def called(random: np.random.Generator, n: int, rates: tuple[float, float, float]) -> tuple[Mask, Mask]:
    true, false, share = rates
    y = random.random(n) < share
    return random.random(n) < np.where(y, true, false), y


@pytest.mark.parametrize(
    ("n", "rates"),
    [(1000, (0.9, 0.02, 0.1)), (1000, (0.99, 0.001, 0.1)), (300, (0.8, 0.1, 0.1)), (1000, (0.5, 0.5, 0.1))],
)
def test_the_interval_of_matthews_coefficient_covers(n: int, rates: tuple[float, float, float]) -> None:
    true, false, share = rates
    positive = share * true + (1 - share) * false
    truth = (true - false) * np.sqrt(share * (1 - share) / (positive * (1 - positive)))
    held = 0
    for seed in range(DRAWS):
        low, high = decision_intervals(*called(np.random.default_rng(seed), n, rates), pd.Series(np.arange(n)), 0.95)[
            "mcc"
        ]
        held += low <= truth <= high
    assert held / DRAWS >= 0.92


def test_stamps_of_one_object_count_once() -> None:
    p, y = predicted(np.random.default_rng(1), 400, 0.3, 1.5)
    one = calibration_error_intervals(p, y, np.arange(400), 0.95)["ece"]
    many = calibration_error_intervals(np.repeat(p, 4), np.repeat(y, 4), np.repeat(np.arange(400), 4), 0.95)["ece"]
    assert many[1] == pytest.approx(one[1], rel=0.15)
    assert calibration_error_intervals(p, y, np.zeros(400), 0.95) == {}


def table(n: int, groups: Ints) -> pd.DataFrame:
    p, y = predicted(np.random.default_rng(2), n, 0.3, 1.0)
    chosen = {"threshold": 0.5, "decision": p > 0.5, "probability": p}
    return pd.DataFrame({"id": np.arange(n), "group_id": groups, "label": y.astype(int), "score": p, **chosen})


@pytest.mark.parametrize("groups", [400, 1])
def test_every_estimate_has_an_interval_or_says_why_not(groups: int) -> None:
    result = BinaryEvaluation().evaluate(table(400, np.arange(400) % groups))
    flat = result.flat("test")
    for name, value in result.metrics.items():
        if value is None or name in FACTS:
            assert f"test/{name}_low" not in flat
            continue
        low, high = flat[f"test/{name}_low"], flat[f"test/{name}_high"]
        assert (low is None) == (f"test/{name}_low/why" in flat) == (f"test/{name}_high/why" in flat)
        assert low is None or float(str(low)) <= value <= float(str(high))
    assert (groups == 1) == bool(result.no_interval)
    assert {"mcc", "ece", "ece_excess", "ece_rare", "ece_rare_excess", "ece_uncalibrated"} <= (
        set(result.intervals) | set(result.no_interval)
    )
