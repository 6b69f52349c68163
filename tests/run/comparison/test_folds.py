"""Folds for comparisons."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.run.comparison.folds import flipped, held_out_by_value, random_folds
from astrid_ml.splits.options import GroupSplit


def dataset(n: int = 600, classes: tuple[object, ...] = (0, 1)) -> Any:
    random = np.random.default_rng(0)
    index = pd.DataFrame({"id": [f"s{i}" for i in range(n)], "group_id": [f"g{i // 4}" for i in range(n)]})
    index["label"] = np.array(classes, dtype=object)[random.integers(0, len(classes), n)]
    index["label"] = index["label"].infer_objects()
    index["mission"] = np.array(["ztf", "ps1", "few"])[np.where(np.arange(n) < 8, 2, np.arange(n) // 4 % 2)]
    return SimpleNamespace(index=index, by_column=index)


def honest(data: Any) -> pd.DataFrame:
    return GroupSplit(val=0.2, test=0.25).plan(data.index).rounds[0]


def test_random_folds_cut_groups_and_leave_the_honest_test_fold_alone() -> None:
    data = dataset()
    plan = honest(data)
    drawn = random_folds(data, plan, 1)
    fold = drawn["fold"].to_numpy()
    assert set(drawn["id"][fold == "test"]) == set(plan["id"][plan["fold"] == "test"])
    sets = drawn.assign(group=data.index["group_id"])[fold != "test"].groupby("group")["fold"].nunique()
    assert (sets > 1).mean() > 0.5
    assert (fold == "claim").sum() == pytest.approx((fold != "test").sum() * (fold == "test").mean(), abs=3)
    assert (fold == "val").sum() < (fold == "train").sum()
    assert not random_folds(data, plan, 2).equals(drawn)


@pytest.mark.parametrize("classes", [(0, 1), ("SNIa", "SNII", "AGN")])
def test_as_many_training_labels_are_wrong_as_asked_and_none_that_is_tested(classes: tuple[object, ...]) -> None:
    data = dataset(2000, classes)
    plan = honest(data)
    labels = flipped(data, plan, 0.1, 1)
    seen = plan["fold"].isin(["train", "val"]).to_numpy()
    wrong = labels.to_numpy() != data.index["label"].to_numpy()
    assert wrong[seen].mean() == pytest.approx(0.1, abs=0.02)
    assert not wrong[~seen].any()
    assert set(labels) == set(classes)
    assert labels.equals(flipped(data, plan, 0.1, 1)) and not labels.equals(flipped(data, plan, 0.1, 2))


def test_labels_of_one_class_cannot_be_flipped() -> None:
    data = dataset()
    with pytest.raises(UserError, match="two classes"):
        flipped(data.__class__(index=(one := data.index.assign(label=0)), by_column=one), honest(data), 0.1, 1)


def test_each_value_trains_by_itself_and_all_are_tested() -> None:
    data = dataset()
    values, rounds = held_out_by_value(data, honest(data), "mission", 20)
    assert values == ["ps1", "ztf"] and list(rounds) == ["ps1", "ztf", "all"]
    mission = data.index["mission"].to_numpy()
    tested = {name: set(table["id"][table["fold"] == "test"]) for name, table in rounds.items()}
    assert tested["ps1"] == tested["ztf"] == tested["all"]
    for name in values:
        seen = rounds[name]["fold"].isin(["train", "val"]).to_numpy()
        assert set(mission[seen]) == {name}
    groups = data.index["group_id"].to_numpy()
    for table in rounds.values():
        seen = table["fold"].isin(["train", "val"]).to_numpy()
        assert not set(groups[seen]) & set(groups[(table["fold"] == "test").to_numpy()])


def test_columns_without_two_large_values_are_refused() -> None:
    data = dataset()
    with pytest.raises(UserError, match="none in this dataset"):
        held_out_by_value(data, honest(data), "filter", 10)
    with pytest.raises(UserError, match="in the smallest fold"):
        held_out_by_value(data, honest(data), "mission", 500)
