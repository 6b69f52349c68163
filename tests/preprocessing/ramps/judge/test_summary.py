"""Methods compared over exposures: every number worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.preprocessing.ramps.fusion.fusion import UNDECIDED
from astrid_ml.preprocessing.ramps.judge.methods import Claims, ExposureScores
from astrid_ml.preprocessing.ramps.judge.summary import BIN_NAMES, Comparison
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES

SIZES = [3.5, 4.5, 6.0, 8.0, 20.0]
OWN = {"likelihood": 4.5, "two_point": 4.0}


def claims(number: int, scores: list[float], labels: list[int]) -> Claims:
    """Every claim is of a cosmic ray; those of background stand in quiet pixels."""
    score, label = np.array(scores), np.array(labels, dtype=np.int64)
    nothing = np.full(len(score), -np.inf)
    table = np.column_stack([score, score, nothing, nothing])
    return Claims(table, label, label == 0, np.full(len(score), number, np.int64))


def exposure(number: int, rays: dict[str, list[float]], area: float = 0.5, **lists: Any) -> ExposureScores:
    own = {name: claims(number, *given) for name, given in lists.items()}
    return ExposureScores(
        own, pd.DataFrame({"size": SIZES, **rays}), {"cosmic_ray": 4, "telegraph_noise": 0, "snowball": 0}, area
    )


LIKELIHOOD = ([9.0, 8.0, 6.0, 5.0, 4.0, 3.0], [1, 1, 0, 1, 0, 1])
TWO_POINT = ([9.0, 7.0, 6.5, 6.0, 5.0, 2.0], [1, 0, 1, 0, 0, 1])
RAYS = {"likelihood": [4.6, 3.0, 7.0, 9.0, 20.0], "two_point": [-np.inf, 5.0, 6.8, 8.0, 15.0]}


def three(**more: Any) -> list[ExposureScores]:
    """The same exposure thrice: whatever is drawn, the number is the same."""
    return [exposure(i, RAYS, likelihood=LIKELIHOOD, two_point=TWO_POINT, **more) for i in range(3)]


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return Comparison(three(), OWN, Bootstrap(20)).summary()


def test_areas_count_what_was_never_claimed(result: dict[str, Any]) -> None:
    # Right claims at ranks 1, 2, 4 and 6 of 6; four rays are there in each exposure.
    expected = (1 / 1 + 2 / 2 + 3 / 4 + 4 / 6) / 4
    assert result["aucpr"]["likelihood"]["cosmic_ray"] == pytest.approx([expected] * 3)
    score, label = TWO_POINT  # claims three of the four
    found = average_precision_score(np.array(label) == 1, score)
    assert result["aucpr"]["two_point"]["cosmic_ray"] == pytest.approx([found * 3 / 4] * 3)
    assert result["aucpr"]["likelihood"]["snowball"] == [None, None, None]  # there were none
    assert result["aucpr"]["likelihood"]["mean"][0] == pytest.approx(expected)


def test_false_positives_are_those_above_the_threshold_for_each_area(result: dict[str, Any]) -> None:
    false = result["false_positives_per_mpix_frame"]
    assert false["in_use"]["likelihood"] == pytest.approx([1 / 0.5] * 3)  # 6.0 alone
    assert false["in_use"]["two_point"] == pytest.approx([3 / 0.5] * 3)
    assert result["mpix_frames_without_events"] == 1.5


def test_thresholds_are_matched_to_as_many_false_positives_as_the_likelihood_has() -> None:
    comparison = Comparison(three(), OWN, Bootstrap(5))
    assert comparison.matched["likelihood"] == OWN["likelihood"]
    assert 6.0 < comparison.matched["two_point"] < 7.0  # of 7, 6 and 5 the first stays
    matched = comparison.summary()["false_positives_per_mpix_frame"]["matched"]
    assert matched["two_point"][0] == matched["likelihood"][0] == 2.0


def test_completeness_by_charge(result: dict[str, Any]) -> None:
    assert result["cosmic_rays_by_bin"] == dict(zip(BIN_NAMES, (6, 3, 3, 3), strict=True))
    in_use = {m: [v[0] for v in bins.values()] for m, bins in result["completeness_in_use"].items()}
    assert in_use == {"likelihood": [0.5, 1.0, 1.0, 1.0, 0.875], "two_point": [0.5, 1.0, 1.0, 1.0, 0.875]}
    matched = result["completeness_at_matched_false_positives"]["two_point"]
    assert [v[0] for v in matched.values()] == [0.0, 1.0, 1.0, 1.0, 0.75]


def test_an_undecided_claim_is_neither_right_nor_wrong() -> None:
    scores, labels = LIKELIHOOD
    more = ([7.5, *scores], [UNDECIDED, *labels])
    without, given = (
        Comparison([exposure(0, {"likelihood": RAYS["likelihood"]}, likelihood=one)], OWN, Bootstrap(2)).summary()
        for one in (LIKELIHOOD, more)
    )
    assert given == without


def test_an_interval_spans_what_draws_of_whole_exposures_give() -> None:
    """Of two exposures one is found whole and one not at all: draws give 0, 1/2 and 1."""
    full, none = ({"likelihood": [v] * 5} for v in (9.0, 1.0))
    pair = [exposure(i, rays, likelihood=LIKELIHOOD) for i, rays in enumerate((full, none))]
    value, low, high = Comparison(pair, OWN, Bootstrap(200)).summary()["completeness_in_use"]["likelihood"]["mean"]
    assert (value, low, high) == (0.5, 0.0, 1.0)


def test_fusion_is_set_against_the_best_single_method() -> None:
    perfect = ([9.0, 8.5, 8.0, 7.0, 2.0], [1, 1, 1, 1, 0])
    own = OWN | {"fusion": 4.0, "fusion_without_network": 4.0}
    rays = RAYS | {"fusion": [9.0] * 5, "fusion_without_network": RAYS["likelihood"]}
    scores = [
        exposure(
            i, rays, likelihood=LIKELIHOOD, two_point=TWO_POINT, network=TWO_POINT,
            fusion=perfect, fusion_without_network=LIKELIHOOD,
        )
        for i in range(3)
    ]  # fmt: skip
    for one in scores:
        one.rays["network"] = RAYS["two_point"]
    result = Comparison(scores, own | {"network": 4.0}, Bootstrap(10)).summary()
    paired = result["fusion_less_best_single"]["aucpr"]
    alone = result["aucpr"]["likelihood"]["cosmic_ray"][0]
    assert paired["cosmic_ray"]["rival"] == "likelihood"
    assert paired["cosmic_ray"]["difference"] == pytest.approx([1 - alone] * 3)
    assert paired["snowball"] == {"rival": None, "difference": None}
    # At the likelihood's false positives the other fusion stands at 5.0, halfway from 6.0 to 4.0: it finds neither ray.
    plain = result["fusion_less_fusion_without_network"]["completeness"]["3-5"]
    assert plain == {"rival": "fusion_without_network", "difference": [1.0, 1.0, 1.0]}


def test_without_a_network_there_is_no_fusion_to_compare_and_all_is_json(result: dict[str, Any]) -> None:
    assert "fusion_less_best_single" not in result
    assert json.loads(json.dumps(result)) == result
    assert result["steps"] == {"cosmic_ray": 12, "telegraph_noise": 0, "snowball": 0}
    assert list(result["aucpr"]["likelihood"]) == [*ANOMALIES, "mean"]
