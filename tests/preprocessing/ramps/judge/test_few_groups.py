"""Few exposures hold no interval: draws of two say nothing of a third."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.judge.judge import FEW, VoxelJudge
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES

RARE = ANOMALIES[-1]


def table(groups: int, holding: int) -> pd.DataFrame:
    """Two tiles a group; one class lies in the first groups alone."""
    random, rows = np.random.default_rng(1), []
    for number in range(2 * groups):
        row: dict[str, Any] = {"id": str(number), "group_id": f"exposure {number // 2}"}
        for name in ANOMALIES:
            true = random.poisson(3.0, 8) + np.arange(8)
            there = name != RARE or number // 2 < holding
            row |= {f"{name}_true": true * there, f"{name}_false": random.poisson(40.0, 8)[::-1]}
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("groups", [1, 2, FEW - 1])
def test_few_exposures_have_no_interval_and_it_is_said_why(groups: int) -> None:
    """Case: a mean AUCPR of .273 with the interval .273 to .292, of two exposures."""
    result = VoxelJudge(replicates=20).evaluate(table(groups, groups))
    assert not result.intervals and result.metrics["aucpr_mean"] is not None
    flat = result.flat("test")
    assert flat["test/aucpr_mean_low"] is None and "fewer than 5" in str(flat["test/aucpr_mean_low/why"])
    assert result.metrics["groups"] == groups and result.metrics["n"] == 2 * groups
    assert "No number has an interval" in result.remarks[0]
    ranking = VoxelJudge(replicates=20).ranking(table(groups, groups))
    assert ranking.low is None and ranking.high is None
    assert VoxelJudge(replicates=20).ranking_difference(table(groups, groups), table(groups, groups)) is None


def test_a_class_in_few_exposures_has_none() -> None:
    result = VoxelJudge(replicates=20).evaluate(table(2 * FEW, FEW - 1))
    assert f"{RARE}/aucpr" not in result.intervals and f"{ANOMALIES[0]}/aucpr" in result.intervals
    assert f"{RARE}/recall" not in result.intervals and f"{ANOMALIES[0]}/recall" in result.intervals
    assert {f"{RARE}/aucpr", f"{RARE}/recall"} <= set(result.no_interval)
    assert result.remarks == [
        f"{RARE} has no interval: it is in {FEW - 1} of {2 * FEW} groups, and less than {FEW} do not tell how others "
        "would differ."
    ]
    assert not VoxelJudge(replicates=20).evaluate(table(FEW, FEW)).remarks


def test_a_recall_of_nothing_in_every_exposure_is_not_known_to_be_zero() -> None:
    """Case: telegraph noise, none found in 8 exposures, with the interval 0 to 0."""
    rows = table(2 * FEW, 2 * FEW)
    rows[f"{RARE}_true"] = [values[::-1] for values in rows[f"{RARE}_true"]]
    result = VoxelJudge(false_positive_rate=0.0, replicates=20).evaluate(rows)
    assert result.metrics[f"{RARE}/recall"] == 0
    low, high = result.intervals[f"{RARE}/recall"]
    assert low == 0 and 0.2 < high < 0.5
