"""What a run says of its dataset."""

import pytest

from astrid_ml.run.training.publish import found_in_data


def test_what_detection_missed_stands_among_the_metrics() -> None:
    assert found_in_data({"truth": 40, "truth_matched": 30}) == {
        "data/completeness": pytest.approx(0.75),
        "data/known_sources": 40.0,
    }
    assert found_in_data({"samples": 10}) == {}
