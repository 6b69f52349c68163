"""Which columns a baseline may use, what it is fitted by, and the sentence where the network does not win."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from astrid_ml.evaluation.baselines.columns import allowed, best_column
from astrid_ml.evaluation.baselines.fit import COLUMN, NAME, TREES, Baselines, applied, comparable
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap


def catalogue(n: int = 1200, seed: int = 0) -> pd.DataFrame:
    """Candidates: real ones are narrow; the S/N says something only between."""
    random = np.random.default_rng(seed)
    label = random.random(n) < 0.3
    table = pd.DataFrame({"id": np.arange(n).astype(str), "group_id": np.arange(n) // 2, "label": label.astype(int)})
    table["fwhm"] = random.normal(3.0 - 1.2 * label, 1.0)
    table["snr"] = random.normal(8, 3, n)
    table["roundness"] = random.normal(0, np.where(label, 0.3, 2.0))
    return table


@pytest.mark.parametrize(
    "name",
    ["label", "is_real", "truth_mag", "truth_snr", "match_distance", "injected", "ra", "dec", "x", "mjd", "jd",
     "candid", "objectId", "drb", "rb", "braai_score", "reliability", "class_code", "SIM_REDSHIFT",
     "host_id", "field", "rcid", "logit", "pixel_scale", "peak_sent"],
)  # fmt: skip
def test_what_a_model_should_not_know_is_no_column(name: str) -> None:
    table = catalogue(50).assign(**{name: np.arange(50) % 2 + 0.5})
    assert name not in allowed(table)
    assert {"fwhm", "snr", "roundness"} <= set(allowed(table))


def test_columns_named_by_the_user_texts_and_constants_are_left_out() -> None:
    table = catalogue(50).assign(text="a", same=1.0, empty=np.nan, mostly_empty=[1.0, 2.0] + [np.nan] * 48)
    assert allowed(table, ["snr"]) == ["fwhm", "roundness"]


def test_the_best_column_is_found_in_either_direction_and_missing_values_come_last() -> None:
    table = catalogue()
    table.loc[::7, "fwhm"] = np.nan
    found = best_column(table, allowed(table), table["label"].to_numpy() == 1)
    assert found is not None
    assert found.words == "fwhm, low is real"
    scores = found.scores(table)
    assert (scores[::7] < scores[table["fwhm"].notna()].min()).all()
    assert found.aucpr == pytest.approx(average_precision_score(table["label"], scores))
    assert found.aucpr > 1.5 * table["label"].mean()


def test_the_straw_man_is_gone() -> None:
    """Case: a column that ranks below a guess in one direction; the trees see what both sides of it say."""
    train, test = catalogue(), catalogue(seed=1)
    fitted = Baselines(trees=30).fit(train, pd.DataFrame(index=train.index), np.arange(len(train)) < 900)
    beside = applied(fitted, test, pd.DataFrame(index=test.index))
    column, trees = (average_precision_score(test["label"], beside[name]) for name in (COLUMN, TREES))
    assert test["label"].mean() < column < trees
    assert set(beside[NAME]) == {"fwhm, low is real"}


def test_trees_are_fitted_on_the_training_fold_alone() -> None:
    table = catalogue()
    train = np.arange(len(table)) < 700
    turned = table.assign(label=np.where(train, table["label"], 1 - table["label"]))
    nothing = pd.DataFrame(index=table.index)
    one, other = (applied(Baselines(trees=5).fit(part, nothing, train), table, nothing) for part in (table, turned))
    np.testing.assert_array_equal(one[TREES], other[TREES])


def test_without_columns_there_are_stamp_statistics_alone_and_without_both_nothing() -> None:
    table = catalogue()
    bare = table[["id", "group_id", "label"]]
    measured = table[["fwhm"]].rename(columns={"fwhm": "difference: width"})
    train = np.arange(len(table)) < 900
    fitted = Baselines(trees=5).fit(bare, measured, train)
    beside = applied(fitted, bare, measured)
    assert set(beside[NAME]) == {"difference: width, low is real"}
    assert beside[TREES].notna().all()
    nothing = Baselines().fit(bare, pd.DataFrame(index=bare.index), train)
    assert (nothing["column"], nothing["trees"]) == (None, None)
    assert applied(nothing, bare, pd.DataFrame(index=bare.index)).empty


def test_another_dataset_without_the_columns_has_no_baseline_and_says_why() -> None:
    table = catalogue()
    nothing = pd.DataFrame(index=table.index)
    fitted = Baselines(trees=5).fit(table, nothing, np.ones(len(table), bool))
    other = table.drop(columns="fwhm").assign(score=np.random.default_rng(0).random(len(table)))
    known = pd.concat([other, applied(fitted, other, nothing)], axis=1)
    flat = BinaryEvaluation(Bootstrap(20), ()).evaluate(known).flat("test")
    for name in ("test/baseline_column_aucpr", "test/baseline_trees_aucpr"):
        assert flat[name] is None
        assert "lack columns" in str(flat[f"{name}/why"])


def test_when_bogus_are_the_rare_class_the_column_is_turned_twice() -> None:
    table = catalogue().assign(label=lambda t: 1 - t["label"])
    nothing = pd.DataFrame(index=table.index)
    fitted = Baselines(trees=5).fit(table, nothing, np.ones(len(table), bool), positive=0)
    known = pd.concat(
        [table.assign(score=0.5 + 0.01 * table["snr"].rank(pct=True)), applied(fitted, table, nothing)], axis=1
    )
    result = BinaryEvaluation(Bootstrap(20), (), positive=0).evaluate(known)
    assert result.texts[NAME] == "fwhm, high is real"
    expected = average_precision_score(1 - table["label"], -table["fwhm"])
    assert result.metrics["baseline_column_aucpr"] == pytest.approx(expected)


@pytest.mark.parametrize(("quality", "words"), [(-1.0, "worse than"), (0.0, "not shown to beat"), (3.0, "")])
def test_the_first_sentence_says_where_the_network_does_not_win(quality: float, words: str) -> None:
    table = catalogue()
    base = -table["fwhm"].to_numpy()
    score = 1 / (1 + np.exp(-(base + quality * (table["label"] - 0.5) * 2)))
    known = table.assign(score=score, baseline_column=base, baseline_column_name="fwhm, low is real")
    result = BinaryEvaluation(Bootstrap(200), ()).evaluate(known)
    assert words in result.verdict
    assert bool(result.verdict) == bool(words)
    low, high = result.intervals["aucpr_minus_baseline_column"]
    value = result.metrics["aucpr_minus_baseline_column"]
    assert value == pytest.approx(
        average_precision_score(table["label"], score) - average_precision_score(table["label"], base)
    )
    assert value is not None and low <= value <= high
    if words:
        assert "fwhm, low is real" in result.verdict


def test_many_samples_are_thinned_but_the_rarer_class_stays() -> None:
    labels, train = np.arange(10_000) < 100, np.arange(10_000) % 5 > 0
    rows = Baselines(most=2000).chosen(labels, train)
    assert len(rows) == pytest.approx(2000, abs=2)
    assert labels[rows].sum() == 100


def test_columns_of_other_folds_are_compared_by_rank() -> None:
    table = pd.DataFrame({"round": [0, 0, 1, 1], COLUMN: [5.0, 6.0, -3.0, -2.0], NAME: ["a", "a", "b", "b"]})
    assert comparable(table, "round")[COLUMN].tolist() == [0.5, 1.0, 0.5, 1.0]
    same = table.assign(**{NAME: "a"})
    assert comparable(same, "round")[COLUMN].tolist() == [5.0, 6.0, -3.0, -2.0]
