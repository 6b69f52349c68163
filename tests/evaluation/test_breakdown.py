"""Breakdowns: cells of what is known of all samples, and of what only the truth knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_score, recall_score

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.breakdown import breakdown, false_positives


def predictions(n: int = 3000) -> pd.DataFrame:
    random = np.random.default_rng(5)
    label = random.random(n) < 0.1
    table = pd.DataFrame({"group_id": np.arange(n).astype(str), "label": label.astype(float)})
    table["mag_truth"] = np.where(label, random.uniform(20, 26, n), np.nan)
    # Bright ones are found, faint ones are not.
    strength = np.where(label, 26 - table["mag_truth"].fillna(0), 0)
    table["score"] = 1 / (1 + np.exp(-(strength - 2 + random.normal(0, 1, n))))
    table["decision"] = (table["score"] > 0.5).astype(np.int8)
    table["injected"] = label & (random.random(n) < 0.5)
    table["filter"] = np.array(["R062", "H158"])[random.integers(0, 2, n)]
    return table


def made(table: pd.DataFrame, column: str, **other: Any) -> pd.DataFrame:
    score, label = table["score"].to_numpy(), table["label"].to_numpy(dtype=bool)
    found = breakdown(table, score, label, column, chosen=table["decision"].to_numpy(dtype=bool), **other)
    assert found is not None
    return found


def test_cells_of_a_known_column_have_precision_and_recall() -> None:
    table = predictions()
    cells = made(table, "filter").set_index("value")
    for name, part in table.groupby("filter"):
        row = cells.loc[name]
        assert row["aucpr"] == pytest.approx(average_precision_score(part["label"], part["score"]))
        assert row["precision"] == pytest.approx(precision_score(part["label"], part["decision"]))
        assert row["recall"] == pytest.approx(recall_score(part["label"], part["decision"]))
        assert row["low"] < row["aucpr"] < row["high"]
        tp = int((part["decision"] * part["label"]).sum())
        for rate, of in (("precision", part["decision"].sum()), ("recall", part["label"].sum())):
            exact = binomtest(tp, int(of)).proportion_ci(method="exact")
            assert (row[f"{rate}_low"], row[f"{rate}_high"]) == pytest.approx((exact.low, exact.high))


def test_a_recall_of_one_in_a_cell_has_an_interval_of_width() -> None:
    table = predictions().assign(decision=1)
    cells = made(table, "filter")
    assert (cells["recall"] == 1).all() and (cells["recall_high"] == 1).all()
    assert (cells["recall_low"] < 0.99).all()


def test_true_magnitudes_are_measured_against_all_bogus() -> None:
    table = predictions()
    cells = made(table, "mag_truth", of_truth=True)
    bogus = table[table["label"] == 0]
    real = table[table["label"] == 1]
    assert len(cells) == 5
    assert cells["positives"].sum() == len(real)
    assert (cells["n"] - cells["positives"] == len(bogus)).all()
    assert (cells["recall"].diff().dropna() < 0.01).all()
    edges = np.quantile(real["mag_truth"], [0, 0.2])
    part = pd.concat([real[real["mag_truth"] <= edges[1]], bogus])
    assert cells["aucpr"].iloc[0] == pytest.approx(average_precision_score(part["label"], part["score"]), abs=1e-3)
    assert cells["precision"].iloc[0] == pytest.approx(precision_score(part["label"], part["decision"]), abs=1e-3)
    assert cells.attrs["of_truth"] is True
    assert cells["value"].str.fullmatch(r"\(\d\d(\.\d{1,2})?, \d\d(\.\d{1,2})?\]").all()


def test_injected_and_natural_share_the_bogus_and_need_no_value_of_theirs() -> None:
    table = predictions()
    result = BinaryEvaluation(Bootstrap(50), ("injected", "mag_truth", "filter")).evaluate(table)
    cells = result.tables["breakdown/injected"].set_index("value")
    bogus = table["label"] == 0
    for name, flag in (("True", True), ("False", False)):
        part = table[bogus | (table["injected"] == flag) & ~bogus]
        assert cells.loc[name, "aucpr"] == pytest.approx(average_precision_score(part["label"], part["score"]))
        assert cells.loc[name, "recall"] == pytest.approx(recall_score(part["label"], part["decision"]))
    unknown = table.assign(injected=table["injected"].astype("boolean").mask(bogus))
    again = BinaryEvaluation(Bootstrap(50), ("injected",)).evaluate(unknown).tables["breakdown/injected"]
    pd.testing.assert_frame_equal(again.set_index("value").loc[["True", "False"]], cells.loc[["True", "False"]])


def test_where_bogus_is_the_rare_class_no_column_is_the_truths() -> None:
    result = BinaryEvaluation(Bootstrap(50), ("injected",), positive=0).evaluate(predictions())
    cells = result.tables["breakdown/injected"].set_index("value")
    assert cells.loc["True", ["aucpr", "recall"]].isna().all()
    assert cells.loc["True", "precision"] == 0  # what is called bogus there is real


def test_a_cell_without_a_real_one_has_the_precision_of_what_is_called_real() -> None:
    table = predictions()
    table["night"] = np.where(table["label"] == 0, np.where(np.arange(len(table)) % 2, "empty", "full"), "full")
    table["decision"] = (np.arange(len(table)) % 8 < 2).astype(np.int8)
    cell = made(table, "night").set_index("value").loc["empty"].astype(float).to_dict()
    assert np.isnan(cell["aucpr"]) and np.isnan(cell["recall"])
    assert cell["precision"] == 0 < cell["precision_high"] < 0.05


def test_the_headline_inside_and_outside_the_domain_is_told_with_counts_of_each_class() -> None:
    table = predictions()
    random = np.random.default_rng(1)
    real = table["label"] == 1
    outside = random.random(len(table)) < np.where(real, 0.3, 0.02)
    table["score"] = np.where(outside, random.random(len(table)), table["score"])
    table["in_domain"] = pd.array(~outside, dtype="boolean")
    result = BinaryEvaluation(Bootstrap(50), ()).evaluate(table)
    cells = result.tables["breakdown/in_domain"].set_index("value")
    said = " ".join(line for line in result.remarks if line.startswith("Outside the domain"))
    assert f"{(outside & real).sum():,} of {real.sum():,} real ones and {(outside & ~real).sum():,} of" in said
    for side, part in (("inside", table[~outside]), ("outside", table[outside])):
        exact = average_precision_score(part["label"], part["score"])
        assert cells["aucpr"].astype(float)[side] == pytest.approx(exact)
        assert f"{side} {exact:.3f} (95 % interval" in said
    few = table.assign(in_domain=pd.array(np.arange(len(table)) % 50 > 0, dtype="boolean"))
    again = BinaryEvaluation(Bootstrap(50), ()).evaluate(few)
    assert "breakdown/in_domain" in again.tables and not any("Outside the" in line for line in again.remarks)
    alike = BinaryEvaluation(Bootstrap(50), ()).evaluate(table.assign(in_domain=True))
    assert "breakdown/in_domain" not in alike.tables


def test_the_signed_significance_is_cut_by_its_absolute_value() -> None:
    random = np.random.default_rng(0)
    n = 1000
    known = pd.DataFrame({"group_id": np.arange(n), "snr": random.choice([-1, 1], n) * random.uniform(4, 40, n)})
    labels = random.random(n) < 0.5
    table = breakdown(known, random.random(n), labels, "snr")
    assert table is not None
    lowest = [float(value.strip("(]").split(",")[0]) for value in table["value"]]
    assert min(lowest) >= 3.9 and lowest == sorted(lowest)


def test_false_positives_are_counted_by_kind_and_an_interval_never_ends_at_nothing() -> None:
    kind = np.repeat(["ghost", "cosmic ray", "", None], [100, 40, 60, 20])
    known = pd.DataFrame({"artefact": kind, "label": np.repeat([0, 0, 1, 0], [100, 40, 60, 20])})
    known = known.assign(group_id=np.arange(220), decision=0)
    known.loc[:9, "decision"] = 1
    known.loc[150:, "decision"] = 1
    table = false_positives(known, "artefact")
    assert table is not None
    expected = [["ghost", 100, 100, 10], ["cosmic ray", 40, 40, 0]]
    assert table[["kind", "bogus", "groups", "called_real"]].values.tolist() == expected
    exact = [binomtest(10, 100).proportion_ci(0.95), binomtest(0, 40).proportion_ci(0.95)]
    np.testing.assert_allclose(table[["low", "high"]], [[ci.low, ci.high] for ci in exact])
    assert false_positives(known, "absent") is None
    result = BinaryEvaluation(Bootstrap(20), ()).evaluate(known.assign(score=np.linspace(0, 1, 220)))
    assert "false positives by artefact" in result.tables
