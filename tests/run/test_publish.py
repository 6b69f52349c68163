"""What a run says of its dataset."""

import pandas as pd
import pytest

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.run.told.completeness import BY_MISSION, END_TO_END, found_in_data, put_end_to_end
from astrid_ml.run.told.headline import headline
from astrid_ml.run.training.publish import metrics_of


def test_what_detection_missed_stands_among_the_metrics() -> None:
    assert found_in_data({"truth": 40, "truth_matched": 30}) == {
        "data/completeness": pytest.approx(0.75),
        "data/known_sources": 40.0,
    }
    assert found_in_data({"samples": 10}) == {}


def test_metrics_hold_what_detection_missed_beside_each_fold() -> None:
    results = {fold: EvaluationResult({"recall": 0.5}) for fold in ("val", "test")}
    made = metrics_of(results, {"truth": 40, "truth_matched": 30})
    assert made["data/completeness"] == 0.75
    assert made[f"test/{END_TO_END}"] == made[f"val/{END_TO_END}"] == pytest.approx(0.375)


def test_what_is_detected_and_called_real_is_a_share_of_all_known_sources() -> None:
    result = EvaluationResult({"aucpr": 0.9, "recall": 0.8}, intervals={"recall": (0.7, 0.9)})
    put_end_to_end(result, {"truth": 400, "truth_matched": 300})
    assert result.metrics[END_TO_END] == pytest.approx(0.6)
    low, high = result.intervals[END_TO_END]
    # The classifier's own 0.075 either side, and a little more by what detection is known to.
    assert 0.51 < low < 0.525 and 0.675 < high < 0.69
    assert "end-to-end completeness 0.6000" in headline(result, "held-out")


def test_without_known_sources_or_decisions_there_is_no_such_share() -> None:
    result = EvaluationResult({"aucpr": 0.9, "recall": 0.8})
    put_end_to_end(result, {"samples": 10})
    undecided = EvaluationResult({"aucpr": 0.9, "recall": None})
    put_end_to_end(undecided, {"truth": 40, "truth_matched": 30})
    assert END_TO_END not in result.metrics and END_TO_END not in undecided.metrics


def test_completeness_by_mission_multiplies_what_each_detected_and_called_real() -> None:
    """One number over missions hides that one of them finds half of what another finds."""
    recalls = pd.DataFrame(
        {
            "value": ["ztf", "swift", "ps1"],
            "positives": [20, 10, 0],
            "recall": [0.9, 0.5, None],
            "recall_low": [0.7, 0.2, None],
            "recall_high": [0.98, 0.8, None],
        }
    )
    counts = {"truth": 300, "truth_matched": 200, "truth of ztf": 100, "truth_matched of ztf": 80}
    counts |= {"truth of swift": 200, "truth_matched of swift": 120, "truth of ps1": 10, "truth_matched of ps1": 1}
    result = EvaluationResult({"recall": 0.77}, tables={"breakdown/mission": recalls})
    put_end_to_end(result, counts)
    table = result.tables[BY_MISSION].set_index("mission")
    assert table["detected and called real"].to_dict() == pytest.approx({"ztf": 0.72, "swift": 0.3})
    assert (table["low"] < table["detected and called real"]).all()
    assert (table["high"] > table["detected and called real"]).all()
    counted_once = EvaluationResult({"recall": 0.77}, tables={"breakdown/mission": recalls})
    put_end_to_end(counted_once, {"truth": 300, "truth_matched": 200})
    assert BY_MISSION not in counted_once.tables
