"""What a run says of its dataset."""

import pytest

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.run.headline import headline
from astrid_ml.run.training.publish import END_TO_END, found_in_data, put_end_to_end


def test_what_detection_missed_stands_among_the_metrics() -> None:
    assert found_in_data({"truth": 40, "truth_matched": 30}) == {
        "data/completeness": pytest.approx(0.75),
        "data/known_sources": 40.0,
    }
    assert found_in_data({"samples": 10}) == {}


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
