"""Labels: joined, mapped, cut; and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.pipeline import Unit
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.labels import ColumnLabel, MatchLabel, ScoreThresholdLabel, TableLabel, TruthLabel


def index() -> pd.DataFrame:
    return pd.DataFrame(
        {"id": ["1", "2", "3"], "group_id": ["a", "b", "c"], "drb": [0.9, 0.2, np.nan], "kind": ["t", "f", "x"]}
    )


def test_a_table_is_joined_on_the_id_as_text(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("candid,real\n1,1\n2,0\n99,1\n")
    out, account = TableLabel(str(tmp_path / "labels.csv"), "candid", "real").apply(index())
    assert out["label"].tolist()[:2] == [1, 0]
    assert out["label"].isna().tolist() == [False, False, True]
    assert (account["labelled"], account["unlabelled"], account["rows_without_sample"]) == (2, 1, 1)
    assert account["proxy"] is False


def test_words_of_a_table_are_mapped(tmp_path: Path) -> None:
    """A student's table said real and bogus; the message named a key that label=table did not take."""
    (tmp_path / "labels.csv").write_text("id,label\n1,real\n2,bogus\n3,unsure\n")
    out, account = TableLabel(str(tmp_path / "labels.csv"), mapping={"real": 1, "bogus": 0}).apply(index())
    assert out["label"].tolist()[:2] == [1, 0] and out["label"].isna().tolist() == [False, False, True]
    assert str(out["label"].dtype) == "Int8" and account["labelled"] == 2
    with pytest.raises(UserError, match=r"label\.mapping; got real, bogus, unsure"):
        TableLabel(str(tmp_path / "labels.csv"), mapping={"Real": 1}).apply(index())


def test_pairs_without_any_truth_are_refused_before_they_are_subtracted() -> None:
    def unit(name: str, **parameters: object) -> Unit:
        return Unit(name, (), dict(parameters))

    with pytest.raises(UserError, match="a truth table"):
        MatchLabel().check_units([unit("a", truth=None), unit("b", truth="")])
    MatchLabel().check_units([unit("a", truth=None), unit("b", truth="known.csv")])
    MatchLabel().check_units([unit("of another pipeline")])
    MatchLabel().check_units([])


def test_a_table_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,label\n7,1\n")
    with pytest.raises(UserError, match="none of 1 does"):
        TableLabel(str(tmp_path / "labels.csv")).apply(index())


def test_two_labels_for_one_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,label\n1,1\n1,0\n")
    with pytest.raises(UserError, match="1 ids with two"):
        TableLabel(str(tmp_path / "labels.csv")).apply(index())


def test_a_missing_file_or_column_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing at"):
        TableLabel(str(tmp_path / "none.csv")).apply(index())
    (tmp_path / "labels.csv").write_text("id,real\n1,1\n")
    with pytest.raises(UserError, match=r"label\.label_column"):
        TableLabel(str(tmp_path / "labels.csv")).apply(index())


def test_another_models_score_is_a_proxy_and_says_so() -> None:
    out, account = ScoreThresholdLabel("drb", 0.5).apply(index())
    assert out["label"].tolist()[:2] == [1, 0]
    assert pd.isna(out["label"].iloc[2])
    assert account["proxy"] is True
    assert "not human truth" in account["words"]


def test_a_label_from_the_judged_score_is_refused() -> None:
    with pytest.raises(UserError, match="both are drb"):
        ScoreThresholdLabel("drb", 0.5, judged=["drb"]).apply(index())


def test_a_column_is_mapped_and_other_values_stay_unlabelled() -> None:
    out, account = ColumnLabel("kind", {"t": 1, "f": 0}).apply(index())
    assert out["label"].isna().tolist() == [False, False, True]
    assert account["labelled"] == 2
    with pytest.raises(UserError, match=r"label\.mapping"):
        ColumnLabel("kind", {"q": 1}).apply(index())


def test_a_column_of_numbers_or_booleans_is_the_label_itself() -> None:
    frame = index().assign(flag=[True, False, True], known=[1.0, np.nan, 0.0])
    assert ColumnLabel("flag").apply(frame)[0]["label"].tolist() == [1, 0, 1]
    out = ColumnLabel("known").apply(frame)[0]["label"]
    assert (out.iloc[0], out.isna().tolist()) == (1, [False, True, False])


def test_values_that_are_no_labels_are_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"gives 0\.9, 0\.2"):
        ColumnLabel("drb").apply(index())
    for labeller in (ColumnLabel("kind"), ScoreThresholdLabel("kind")):
        with pytest.raises(UserError, match="numbers in the column kind"):
            labeller.apply(index())


def test_truth_must_be_there() -> None:
    with pytest.raises(UserError, match="no label"):
        TruthLabel().apply(index())
    assert TruthLabel().apply(index().assign(label=[1, 0, 1]))[1]["labelled"] == 3
