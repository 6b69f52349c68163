"""Folds from a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.splits.given import GivenSplit
from astrid_ml.splits.plan import planned

INDEX = pd.DataFrame({"id": ["a", "b", "c"], "group_id": ["x", "x", "y"], "label": [0, 1, 0]})


def table(folder: Path, **columns: list[str]) -> str:
    path = folder / "folds.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def test_samples_stand_where_the_table_says_and_others_are_unused(tmp_path: Path) -> None:
    path = table(tmp_path, id=["b", "a", "z"], fold=["test", "train", "val"])
    plan = planned(GivenSplit(path), INDEX)
    assert dict(zip(plan.rounds[0]["id"], plan.rounds[0]["fold"], strict=True)) == {
        "a": "train",
        "b": "test",
        "c": "unused",
    }
    assert plan.account == {"file": "folds.csv", "not_named": 1, "groups_cut": 1}


def test_a_table_that_is_none_of_these_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="whose 1 ids are others"):
        GivenSplit(table(tmp_path, id=["z"], fold=["train"])).plan(INDEX)
    with pytest.raises(UserError, match="folds among train, val"):
        GivenSplit(table(tmp_path, id=["a"], fold=["learn"])).check_first({})
    with pytest.raises(UserError, match="fold"):
        GivenSplit(table(tmp_path, id=["a"])).check_first({})
    with pytest.raises(UserError):
        GivenSplit(str(tmp_path / "absent.csv")).check_first({})
