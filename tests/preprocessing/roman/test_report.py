"""The account of a matching: offsets and completeness of tables whose answers are known."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.roman.job.match import Match
from astrid_ml.preprocessing.roman.report import completeness, matching_account

TRUTH = pd.DataFrame(
    {
        "filter": ["R062", "R062", "R062", "R062", None, "H158"],
        "injected": [True, True, True, False, False, True],
        "eligible": [True, True, True, True, True, False],
        "sample": ["a", None, None, "b", None, None],
    }
)


def index(dx: Any, dy: Any, labels: Any) -> pd.DataFrame:
    return pd.DataFrame({"match_dx": dx, "match_dy": dy, "label": pd.array(labels, dtype="Int8")})


def test_completeness_is_of_what_could_be_seen_by_filter_and_kind() -> None:
    assert completeness(TRUTH) == {
        "R062 injected": {"truth": 3, "detected": 1, "share": 0.3333},
        "R062 natural": {"truth": 1, "detected": 1, "share": 1.0},
        "unknown natural": {"truth": 1, "detected": 0, "share": 0.0},
    }
    assert completeness(TRUTH[~TRUTH["eligible"]]) == {}


def test_offsets_are_those_of_the_matches_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = index([0.03, 0.03, 0.03, 9.0, 9.0], [-0.04, -0.04, -0.04, 9.0, 9.0], [1, 1, 1, 0, None])
    with caplog.at_level(logging.WARNING):
        found = matching_account(given, tmp_path, Match())
    assert found == {
        "matched": 3,
        "median_offset_px": [0.03, -0.04],
        "match_distance_px": {"median": 0.05, "p95": 0.05},
    }
    assert not caplog.records


def test_an_offset_beyond_the_limit_is_warned_of_whatever_its_direction(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = index([-0.5, -0.5, 3.0], [0.5, 0.5, 3.0], [1, 1, 1])
    with caplog.at_level(logging.WARNING):
        found = matching_account(given, tmp_path, Match(max_offset=0.7))
    assert found["median_offset_px"] == [-0.5, 0.5]
    [warning] = found["warnings"]
    assert "(-0.50, 0.50) px" in warning and "WCS" in warning and warning in caplog.text
    assert "warnings" not in matching_account(given, tmp_path, Match(max_offset=0.71))


def test_percentiles_of_the_distance(tmp_path: Path) -> None:
    given = index(np.arange(101.0) * 0.003, np.arange(101.0) * 0.004, [1] * 101)
    distance = matching_account(given, tmp_path, Match())["match_distance_px"]
    assert distance == {"median": 0.25, "p95": 0.475}


def test_truth_that_was_kept_gives_completeness_and_no_positions_give_nothing(tmp_path: Path) -> None:
    TRUTH.to_parquet(tmp_path / "truth.parquet")
    assert matching_account(pd.DataFrame({"label": [1]}), tmp_path, Match()) == {}
    found = matching_account(index([], [], []), tmp_path, Match())
    assert found == {"matched": 0, "completeness": completeness(TRUTH)}
