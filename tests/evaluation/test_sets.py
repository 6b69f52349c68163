"""Prediction sets hold their class as often as they say, within a mission and whatever the share of each class."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.calibration import Temperature
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.evaluation.sets.conformal import COLUMN, PredictionSets, measured, with_sets
from astrid_ml.evaluation.thresholds import MaxF1


def sky(objects: int, seed: int, share: float = 0.3, each: int = 1, shift: float = 0.0) -> pd.DataFrame:
    """Objects of two missions, whose scores overlap; samples of one object are alike."""
    random = np.random.default_rng(seed)
    label = (random.random(objects) < share).astype(float)
    mission = np.where(random.random(objects) < 0.5, "ztf", "ps1")
    place = np.repeat(label * 2 - 1 + random.normal(size=objects) + (mission == "ps1") * 1.5 + shift, each)
    score = 1 / (1 + np.exp(-(place + 0.05 * random.normal(size=objects * each))))
    table = pd.DataFrame({"label": np.repeat(label, each), "mission": np.repeat(mission, each), "score": score})
    table["group_id"] = np.repeat(np.arange(objects).astype(str), each)
    return table.assign(id=np.arange(len(table)).astype(str))


def coverage(table: pd.DataFrame, fitted: dict[str, object]) -> dict[tuple[str, float], float]:
    sets = with_sets(table, fitted)
    held = [name in said for name, said in zip(table["label"].map({1.0: "real", 0.0: "bogus"}), sets, strict=True)]
    by = table.assign(held=held).groupby(["mission", "label", "group_id"])["held"].mean()
    rates = by.groupby(["mission", "label"]).mean().reset_index()
    return {(str(row["mission"]), float(row["label"])): float(row["held"]) for row in rates.to_dict("records")}


@pytest.mark.parametrize("each", [1, 4])
def test_each_class_of_each_mission_is_covered_at_any_share(each: int) -> None:
    fitted = PredictionSets().fit(sky(6000, 1, 0.3, each))
    found = coverage(sky(20000, 2, share=0.05, each=each), json.loads(json.dumps(fitted)))
    assert set(found) == {(mission, label) for mission in ("ztf", "ps1") for label in (0.0, 1.0)}
    for value in found.values():
        assert value == pytest.approx(0.9, abs=0.035)


def test_the_mean_over_calibrations_is_the_coverage_in_closed_form() -> None:
    """With n objects the expected coverage is ceil((n + 1) c) / (n + 1) (Vovk 2012, Machine Learning 92, 349)."""
    test, rates = sky(60_000, 3, share=0.5), []
    test = test[test["mission"] == "ztf"]
    for seed in range(200):
        known = sky(170, 100 + seed, share=0.5)
        fitted = PredictionSets(least=10).fit(known)
        rates.append(coverage(test, fitted)["ztf", 1.0])
    assert np.mean(rates) == pytest.approx(0.91, abs=0.012)


def test_a_mission_that_nobody_knows_and_one_of_few_objects_get_no_set() -> None:
    known = sky(600, 4)
    few = known[(known["mission"] == "ps1") & (known["label"] == 1)].index[20:]
    fitted = PredictionSets().fit(known.drop(index=few))
    assert fitted["missions"]["ps1"]["limits"]["real"] is None and fitted["missions"]["ps1"]["objects"]["real"] == 20
    named = pd.Series(["ztf", "ps1", "rubin", None, "ztf"] * 10, dtype="string")
    sets = with_sets(sky(50, 5).assign(mission=named), fitted)
    assert sets.isna().tolist() == [False, True, True, True, False] * 10
    assert with_sets(known, None).isna().all() and with_sets(known.head(0), fitted).empty
    assert with_sets(known.assign(score=np.nan), fitted).isna().all()


def test_sets_tell_which_classes_are_left() -> None:
    fitted = {"missions": {"": {"limits": {"real": 0.4, "bogus": 0.6}}}}
    table = pd.DataFrame({"score": [0.1, 0.4, 0.5, 0.6, 0.9]})
    assert with_sets(table, fitted).tolist() == ["bogus", *["real or bogus"] * 3, "real"]
    apart = {"missions": {"": {"limits": {"real": 0.6, "bogus": 0.4}}}}
    assert with_sets(table, apart).tolist() == ["bogus", "bogus", "neither", "real", "real"]


def test_a_result_has_the_measured_coverage_and_what_the_sets_are() -> None:
    judge = BinaryJudge(Temperature(), MaxF1(), BinaryEvaluation(Bootstrap(100), ()))
    fitted = judge.fit(sky(3000, 6))
    shown = judge.apply(sky(3000, 7), fitted)
    result = judge.evaluate(shown)
    for name in ("real", "bogus"):
        low, high = result.intervals[f"set_coverage_{name}"]
        assert low < result.metrics[f"set_coverage_{name}"] < high  # type: ignore[operator]
        assert 0.86 < result.metrics[f"set_coverage_{name}"] < 0.94  # type: ignore[operator]
    shares = [result.metrics[f"set_{kind}"] for kind in ("single", "full", "empty")]
    assert sum(shares) == pytest.approx(1) and result.metrics["set_given"] == 1.0  # type: ignore[arg-type]
    assert result.tables["prediction sets"]["class"].tolist() == ["real", "bogus"]
    moved = judge.evaluate(judge.apply(sky(3000, 8, shift=1.5), fitted))  # another sky: shown, not promised
    assert moved.metrics["set_coverage_bogus"] < 0.6  # type: ignore[operator]


def test_no_sets_where_they_are_not_wanted_or_not_there() -> None:
    judge = BinaryJudge(Temperature(), MaxF1(), BinaryEvaluation(Bootstrap(20), ()), sets=None)
    shown = judge.apply(sky(300, 9), judge.fit(sky(300, 10)))
    assert shown[COLUMN].isna().all() and "set_given" not in judge.evaluate(shown).metrics
    found = measured(shown, lambda values: None)
    assert found.metrics == {"set_given": 0.0} and not found.tables
