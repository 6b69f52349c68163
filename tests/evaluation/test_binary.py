"""The evaluation of a binary task, on good and on hopeless predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, recall_score

from astrid_ml.errors import UserError
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.evaluation.prevalence import prevalence_table
from astrid_ml.evaluation.remarks import remarks

EVALUATION = BinaryEvaluation(Bootstrap(200), ("mission", "snr", "injected", "absent", "empty"))


def predictions(n: int = 2000, separation: float = 3.0, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    label = random.random(n) < 0.1
    score = 1 / (1 + np.exp(-random.normal(separation * label - 2, 1)))
    table = pd.DataFrame({"id": np.arange(n).astype(str), "group_id": (np.arange(n) // 2).astype(str)})
    table["label"], table["score"], table["probability"] = label.astype(float), score, score**1.2
    table["threshold"], table["decision"] = 0.4, (score**1.2 >= 0.4).astype(np.int8)
    table["mission"] = np.array(["PS1", "ZTF", "SWIFT", None], dtype=object)[np.arange(n) % 4]
    table["snr"], table["injected"], table["empty"] = random.lognormal(2, 1, n), np.arange(n) % 2 == 0, np.nan
    table["peak_snr"] = random.normal(label, 2)
    return table


def test_headline_and_interval() -> None:
    table = predictions()
    result = EVALUATION.evaluate(table)
    exact = average_precision_score(table["label"], table["score"])
    low, high = result.intervals["aucpr"]
    assert result.metrics["aucpr"] == pytest.approx(exact, abs=1e-9)
    assert low < exact < high
    assert result.metrics["prevalence"] == table["label"].mean()
    assert result.metrics["f1"] == pytest.approx(f1_score(table["label"], table["decision"]))
    assert result.metrics["aucpr_at_1_in_100"] < exact
    flat = result.flat("test")
    assert flat["test/aucpr_low"] == low
    assert "test/aucpr/ZTF" in flat


def test_breakdown_has_counts_and_skips_what_is_missing() -> None:
    table = predictions()
    table.loc[table["mission"] == "SWIFT", "label"] = 0.0
    result = EVALUATION.evaluate(table)
    assert {name for name in result.tables if name.startswith("breakdown/")} == {
        "breakdown/mission",
        "breakdown/snr",
        "breakdown/injected",
    }
    cells = result.tables["breakdown/mission"].set_index("value")
    assert cells.loc["SWIFT", ["aucpr", "low", "high", "recall"]].isna().all()
    assert cells.loc["SWIFT", "n"] == 500
    ztf = table[table["mission"] == "ZTF"]
    assert cells.loc["ZTF", "aucpr"] == pytest.approx(average_precision_score(ztf["label"], ztf["score"]))
    assert cells.loc["ZTF", "recall"] == pytest.approx(recall_score(ztf["label"], ztf["decision"]))
    assert result.metrics["aucpr/SWIFT"] is None
    assert "class is absent" in result.why["aucpr/SWIFT"]
    assert result.tables["breakdown/snr"]["n"].sum() == len(table)


def test_bogus_as_the_rare_class_mirrors_everything() -> None:
    table = predictions()
    table["label"] = 1 - table["label"]
    result = BinaryEvaluation(Bootstrap(50), ("mission",), positive=0).evaluate(table)
    assert result.metrics["aucpr"] == pytest.approx(average_precision_score(1 - table["label"], 1 - table["score"]))
    assert result.metrics["recall"] == pytest.approx(recall_score(1 - table["label"], 1 - table["decision"]))
    ztf = table[table["mission"] == "ZTF"]
    cells = result.tables["breakdown/mission"].set_index("value")
    assert cells.loc["ZTF", "recall"] == pytest.approx(recall_score(1 - ztf["label"], 1 - ztf["decision"]))


@pytest.mark.parametrize("positive", [0, 1])
def test_the_threshold_table_repeats_the_decisions_at_the_runs_threshold(positive: int) -> None:
    table = predictions()
    threshold = float(table["probability"].sort_values().iloc[-150])  # a sample's own value, as max F1 chooses
    table["threshold"], table["decision"] = threshold, (table["probability"] >= threshold).astype(np.int8)
    result = BinaryEvaluation(Bootstrap(20), (), positive=positive).evaluate(table)
    own = threshold if positive else 1 - threshold
    rows = result.tables["thresholds"]
    row = rows.iloc[(rows["threshold"] - own).abs().argmin()]
    assert (row["tp"], row["fp"]) == (result.metrics["tp"], result.metrics["fp"])


def test_the_threshold_table_counts_the_samples_that_have_no_probability() -> None:
    table = predictions()
    table.loc[table.index[:70], "probability"] = np.nan
    rows = EVALUATION.evaluate(table).tables["thresholds"]
    assert rows.attrs["without"] == 70
    assert (rows[["tp", "fp", "fn", "tn"]].sum(axis=1) == len(table) - 70).all()
    assert EVALUATION.evaluate(predictions()).tables["thresholds"].attrs["without"] == 0


def test_prevalence_table_uses_the_scores_ranking_and_the_decisions() -> None:
    table = predictions()
    table["probability"] = np.round(table["probability"])  # a calibration that ties must not change the ranking
    rows = EVALUATION.evaluate(table).tables["prevalence"]
    assert rows["aucpr"].iloc[0] == pytest.approx(average_precision_score(table["label"], table["score"]))
    chosen, label = table["decision"].to_numpy(bool), table["label"].to_numpy(bool)
    assert rows["precision_at_threshold"].iloc[0] == pytest.approx(label[chosen].mean())
    assert rows["aucpr"].dropna().is_monotonic_decreasing
    assert len(rows) == 5
    group = table["group_id"]
    none = prevalence_table(table["score"], label, np.zeros(len(label), bool), group, [0.1, 0.01], 0.95)
    assert none["precision_at_threshold"].isna().all()
    assert none["precision_why"].tolist()[0] == "nothing was chosen"


def sky(real: int, bogus: int, seed: int = 0) -> pd.DataFrame:
    """So many of either class, each a group of its own."""
    random, label = np.random.default_rng(seed), np.arange(real + bogus) < real
    score = 1 / (1 + np.exp(-random.normal(3.0 * label - 2, 1)))
    table = pd.DataFrame({"id": np.arange(len(label)).astype(str), "group_id": np.arange(len(label)), "score": score})
    return table.assign(label=label.astype(float), decision=(score > 0.5).astype(np.int8), threshold=0.5)


def test_other_prevalences_end_where_the_bogus_end() -> None:
    """125 real and 1,078 bogus know nothing of one in a thousand."""
    result = BinaryEvaluation(Bootstrap(100), ()).evaluate(sky(125, 1078))
    rows = result.tables["prevalence"].set_index("prevalence")
    known = rows.loc[0.01]
    assert known["aucpr_low"] < known["aucpr"] < known["aucpr_high"]
    for rare in (0.001, 0.0001):
        assert np.isnan(rows.loc[rare]["aucpr"])
        assert "not measurable with 1,078 bogus" in rows.loc[rare]["aucpr_why"]
    assert result.metrics["fnr_at_fpr_0.001"] is None
    assert "at least 10,000 are needed" in result.why["fnr_at_fpr_0.001"]
    assert result.metrics["fnr_at_fpr_0.01"] is not None
    few = BinaryEvaluation(Bootstrap(100), ()).evaluate(sky(125, 900)).flat("test")
    assert few["test/aucpr_at_1_in_100"] is None
    assert "not measurable with 900 bogus" in str(few["test/aucpr_at_1_in_100/why"])


def test_a_precision_elsewhere_needs_ten_bogus_above_the_threshold() -> None:
    table = sky(125, 1078)
    bogus = table[table["label"] == 0].nlargest(11, "score")["score"].to_numpy()
    for above in (9, 10):
        cut = (bogus[above - 1] + bogus[above]) / 2
        made = table.assign(decision=(table["score"] > cut).astype(np.int8), threshold=cut)
        rows = BinaryEvaluation(Bootstrap(100), ()).evaluate(made).tables["prevalence"].iloc[1:]
        assert rows["precision_at_threshold"].isna().all() == (above < 10)
        assert all("bogus above the threshold" in why for why in rows["precision_why"]) == (above < 10)
        assert rows["precision_low"].notna().all() == (above >= 10)


def test_numbers_at_another_prevalence_are_those_of_a_larger_sample_there() -> None:
    """Case: the same model on many more bogus; the interval of the few holds what the many measure."""
    few, many = sky(400, 4000, 1), sky(1000, 99_000, 2)
    own = BinaryEvaluation(Bootstrap(200), ()).evaluate(few).tables["prevalence"].set_index("prevalence").loc[0.01]
    assert own["aucpr_low"] < average_precision_score(many["label"], many["score"]) < own["aucpr_high"]
    called = many[many["decision"] == 1]["label"]
    assert own["precision_low"] < called.mean() < own["precision_high"]


def test_an_all_bogus_model_is_called_out() -> None:
    table = predictions()
    table["score"], table["probability"], table["decision"] = 0.05, 0.05, 0
    result = EVALUATION.evaluate(table)
    assert result.metrics["aucpr"] == pytest.approx(table["label"].mean())
    assert result.metrics["recall"] == 0
    said = " ".join(result.remarks)
    assert "calls everything bogus" in said
    assert "holds no information" in said


def test_an_all_real_model_is_called_out() -> None:
    table = predictions()
    table["score"], table["probability"], table["decision"] = 0.95, 0.95, 1
    said = " ".join(EVALUATION.evaluate(table).remarks)
    assert f"calls everything real: no bogus is refused. Its precision of {table['label'].mean():.1%}" in said
    assert "everything bogus" not in said


def test_a_share_without_any_of_its_class_is_undefined_at_every_threshold() -> None:
    table = predictions()
    table["decision"] = 0
    assert EVALUATION.evaluate(table).why["precision"] == "its denominator is zero at this threshold"
    assert EVALUATION.evaluate(table.assign(label=0.0)).why["recall"] == "its denominator is zero at every threshold"
    assert EVALUATION.evaluate(table.assign(label=1.0)).why["fpr"] == "its denominator is zero at every threshold"


def test_one_group_of_a_class_is_one_group() -> None:
    table = predictions()
    one = table[(table["label"] == 0) | (table["label"].cumsum() <= 1)]
    assert any("Only 1 group of the rarer class" in line for line in EVALUATION.evaluate(one).remarks)


def test_a_model_that_finds_nothing_real_but_calls_some_real_is_not_said_to_call_all_bogus() -> None:
    table = predictions()
    table["decision"] = 0
    table.loc[table.index[table["label"] == 0][:2], "decision"] = 1
    said = " ".join(EVALUATION.evaluate(table).remarks)
    assert "calls everything" not in said
    assert "recall is 0, and the 2 that it calls real are bogus" in said


def test_an_aucpr_above_the_prevalence_whose_interval_reaches_it_may_be_chance() -> None:
    result = EVALUATION.evaluate(predictions())
    result.metrics["aucpr"], result.intervals["aucpr"] = 0.14, (0.06, 0.22)
    result.metrics["prevalence"] = 0.1
    said = " ".join(remarks(result, predictions()))
    assert "AUCPR 0.140: its 95 % interval (0.060 to 0.220) reaches down to the prevalence 0.100" in said
    assert "not shown to be better than a guess" in said
    assert "holds no information" not in said


def test_a_note_is_not_false_where_the_value_lies_above_and_the_interval_below() -> None:
    result = EVALUATION.evaluate(predictions())
    for value in (0.849, 0.69):
        result.metrics["aucpr"], result.intervals["aucpr"] = value, (0.681, 0.979)
        result.metrics["prevalence"] = 0.7
        said = " ".join(remarks(result, predictions()))
        assert "the 95 % interval" in said.replace("its 95", "the 95")
        assert "reaches down to the prevalence 0.700" in said
        assert "is not above" not in said


def test_a_ranking_that_is_turned_round_is_told() -> None:
    table = predictions()
    said = " ".join(EVALUATION.evaluate(table.assign(score=1 - table["score"])).remarks)
    assert "worse than a guess" in said


@pytest.mark.parametrize("label", [0.0, 1.0, np.nan])
def test_one_class_or_no_label_is_undefined_not_zero(label: float) -> None:
    table = predictions(200).assign(label=label)
    result = EVALUATION.evaluate(table)
    assert result.metrics["aucpr"] is None
    assert result.why["aucpr"]
    assert any("AUCPR is undefined" in line for line in result.remarks)


def test_ten_samples_have_a_warning() -> None:
    table = predictions(10).assign(label=[1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    assert any("so few say little" in line for line in EVALUATION.evaluate(table).remarks)


def test_nan_scores_and_decisions_are_refused() -> None:
    table = predictions(100)
    with pytest.raises(UserError, match="NaN"):
        EVALUATION.evaluate(table.assign(score=np.nan))
    with pytest.raises(UserError, match="only the values"):
        EVALUATION.evaluate(table.assign(score=table["decision"].astype(float)))


def test_ends_of_aucpr_rise_with_prevalence_as_it_does() -> None:
    """A referee found tables whose lower end fell where more real ones were assumed."""
    for seed in range(12):
        table = sky(20, 2000, seed)
        rows = BinaryEvaluation(Bootstrap(20), ()).evaluate(table).tables["prevalence"]
        own = rows.iloc[0]
        rows = rows.dropna(subset=["aucpr_low"]).sort_values("prevalence")
        assert rows["aucpr_low"].is_monotonic_increasing and rows["aucpr_high"].is_monotonic_increasing
        assert (own["aucpr_low"], own["aucpr_high"]) == area_interval(table["score"], table["label"], table["group_id"])


def test_three_positives_beat_no_baseline() -> None:
    table = sky(3, 300)
    trees = table.assign(baseline_trees=np.random.default_rng(0).random(303))
    result = BinaryEvaluation(Bootstrap(100), ()).evaluate(trees)
    assert "aucpr_minus_baseline_trees" not in result.intervals and "too few groups" in result.verdict


def test_probabilities_that_were_taken_away_are_not_judged() -> None:
    table = sky(60, 300)
    table = table.assign(probability=table["score"].where(np.arange(360) % 3 > 0))
    result, rest = (EVALUATION.evaluate(part) for part in (table, table[table["probability"].notna()]))
    assert result.metrics["nll"] == rest.metrics["nll"] and result.metrics["n"] == 360
    assert any("240 of 360 samples" in said for said in result.remarks)
