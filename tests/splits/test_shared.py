"""A split by job, field or filter never trains on an object or a patch of sky that it tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.sky import healpix
from astrid_ml.splits.column import ColumnSplit
from astrid_ml.splits.groups import joined
from astrid_ml.splits.options import SkySplit
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.splits.shared import crossing, refuse_crossing, without_near, without_shared

FIELDS, PER_FIELD = 30, 20


def frames_index(recurring: bool = False) -> pd.DataFrame:
    """Detections in fields half a degree apart, each seen in one filter; with ``recurring`` each in two jobs."""
    random = np.random.default_rng(0)
    field = np.repeat(np.arange(FIELDS), PER_FIELD)
    n = len(field)
    table = pd.DataFrame(
        {"field": field, "jid": [f"jid{k}" for k in field], "image": [f"images/{k}.npy" for k in field]}
    )
    table["filter"] = np.array(["R062", "H158", "Y106"])[field % 3]
    table["ra"], table["dec"] = 10 + 0.5 * field + random.uniform(0, 0.008, n), random.uniform(-40, -39.992, n)
    table["label"] = (np.arange(n) % 5 == 0).astype(float)
    table["truth_id"] = pd.array([f"sn{k}" if k % 5 == 0 else None for k in range(n)], dtype="string")
    if recurring:
        table = pd.concat([table, table.assign(jid="again_" + table["jid"], filter="F184")], ignore_index=True)
    table["id"] = table["group_id"] = [f"d{k}" for k in range(len(table))]
    return table


def folds(index: pd.DataFrame, plan: SplitPlan) -> Any:
    return index["id"].map(plan.rounds[0].set_index("id")["fold"])


def assert_disjoint(index: pd.DataFrame, fold: Any) -> None:
    cell = pd.Series(healpix(index["ra"].to_numpy(), index["dec"].to_numpy(), 10), index=index.index)
    used = fold != "unused"
    for key in (index["truth_id"], cell):
        assert fold[used].groupby(key[used]).nunique().max() == 1


@pytest.mark.parametrize("column", ["jid", "field"])
def test_values_that_share_no_sky_are_split_whole(column: str) -> None:
    index = frames_index()
    fold = folds(index, ColumnSplit(column=column).plan(index))
    assert fold.groupby(index[column]).nunique().max() == 1
    assert set(fold) == {"train", "val", "test"}
    assert_disjoint(index, fold)


@pytest.mark.parametrize(("column", "value"), [("jid", "jid3"), ("filter", "F184")])
def test_a_supernova_that_recurs_over_jobs_or_filters_is_refused(column: str, value: str) -> None:
    index = frames_index(recurring=True)
    with pytest.raises(UserError, match="in two"):
        ColumnSplit(column=column, test_values=[value]).plan(index)
    far = index.assign(ra=index["ra"] + 180 * index["jid"].str.startswith("again"))  # other sky, the same truth
    with pytest.raises(UserError, match="groups in two folds"):
        ColumnSplit(column=column, test_values=[value], link_radius=0).plan(far)


def test_jobs_of_one_field_share_their_patch_of_sky_without_any_object_in_common() -> None:
    index = frames_index(recurring=True).assign(truth_id=None)
    index["dec"] += 5 / 3600 * index["jid"].str.startswith("again")  # no object in common
    split = ColumnSplit(column="jid", test_values=["jid3"], link_radius=0)
    with pytest.raises(UserError, match="cell of the sky"):
        split.plan(index)
    assert replace(split, cell_order=None).plan(index).rounds
    assert split.plan(index.drop(columns="image")).rounds


def test_without_positions_only_objects_are_compared() -> None:
    index = frames_index().assign(ra=np.nan, dec=np.nan)
    fold = folds(index, ColumnSplit(column="field", test_values=["3"]).plan(index))
    assert set(fold) == {"train", "val", "test"}
    with pytest.raises(UserError, match="groups in two folds"):
        ColumnSplit(column="jid", test_values=["jid3"]).plan(frames_index(recurring=True).assign(ra=np.nan, dec=np.nan))


def test_left_out_rows_are_unused_and_the_test_fold_stays_whole() -> None:
    index = frames_index(recurring=True)
    plan = ColumnSplit(column="jid", test_values=["jid3", "jid8"], shared="leave_out").plan(index)
    fold = folds(index, plan)
    assert (fold[index["jid"].isin(["jid3", "jid8"])] == "test").all()
    assert (fold[index["jid"].isin(["again_jid3", "again_jid8"])] == "unused").all()
    assert plan.account["left_out_shared"] == (fold == "unused").sum() == 2 * PER_FIELD
    assert {"train", "val"} <= set(fold)
    assert_disjoint(index, fold)


def test_nothing_left_to_train_on_is_said() -> None:
    index = frames_index(recurring=True)
    with pytest.raises(UserError, match="train fold that shares no object"):
        ColumnSplit(column="filter", test_values=["F184"], shared="leave_out").plan(index)
    with pytest.raises(UserError, match="leave_out"):
        ColumnSplit(shared="drop").plan(index)  # type: ignore[arg-type]


def test_the_default_by_sky_keeps_a_recurring_supernova_in_one_fold() -> None:
    index = frames_index(recurring=True)
    fold = folds(index, SkySplit(order=9).plan(index))
    assert set(fold) == {"train", "val", "test"}
    assert fold.groupby(index["truth_id"]).nunique().max() == 1


def test_groups_are_joined_through_shared_values_only() -> None:
    groups = pd.Series(["a", "b", "c", "d", "e"])
    values = pd.Series(["x", "y", "x", None, None])
    assert joined(groups, values).tolist() == ["a", "b", "a", "d", "e"]
    chained = joined(pd.Series(["a", "b", "b", "c"]), pd.Series(["x", "x", "y", "y"]))
    assert chained.tolist() == ["a"] * 4
    assert joined(groups, pd.Series([None] * 5)).tolist() == groups.tolist()


def test_around_tested_samples_nothing_is_trained_on() -> None:
    random = np.random.default_rng(2)
    n = 4000  # one frame of a quarter of a degree, cut by the borders of cells
    index = pd.DataFrame({"id": np.arange(n).astype(str), "group_id": np.arange(n).astype(str)})
    index["ra"], index["dec"] = 10 + random.uniform(0, 0.25, n), random.uniform(0, 0.25, n)
    index["label"] = 0.0
    plain = folds(index, SkySplit(order=9).plan(index))
    plan = SkySplit(order=9, buffer=10.0).plan(index)
    fold = folds(index, plan)
    assert (fold[plain == "test"] == "test").all()
    assert plan.account["left_out_near_a_border"] == (fold == "unused").sum() > 0
    place = {name: index.loc[fold == name, ["ra", "dec"]].to_numpy() * 3600 for name in ("train", "val", "test")}
    for one, other in (("train", "test"), ("val", "test"), ("train", "val")):
        gap = np.sqrt(((place[one][:, None] - place[other][None]) ** 2).sum(axis=2))
        assert gap.min() > 10
    lost = (fold == "unused").to_numpy()
    tested = index.loc[plain != "train", ["ra", "dec"]].to_numpy() * 3600
    near = np.sqrt(((index.loc[lost, ["ra", "dec"]].to_numpy()[:, None] * 3600 - tested[None]) ** 2).sum(axis=2))
    assert (np.sort(near, axis=1)[:, :2].max(axis=1) < 40).all()
    assert near.min(axis=1).max() < 10.01


FOLD = np.array(["train", "train", "val", "test", "test", "unused"])


def test_only_keys_in_two_used_folds_cross() -> None:
    keys = pd.Series(["a", "b", "b", "c", "a", "c"])
    assert crossing(FOLD, keys).to_dict() == {"a": 2, "b": 2}
    with pytest.raises(UserError, match="2 of 3 cells in two"):
        refuse_crossing(FOLD, keys)
    refuse_crossing(FOLD, pd.Series(["a", "a", "b", "c", "c", "c"]))


def test_what_recurs_gives_way_to_the_fold_that_is_tested() -> None:
    one, other = pd.Series(["a", "b", "c", "a", "d", "e"]), pd.Series(["p", "q", "r", "s", "t", "t"])
    assert without_shared(FOLD, [one, other]).tolist() == ["unused", "train", "val", "test", "test", "unused"]
    with pytest.raises(UserError, match="val fold that shares no object"):
        without_shared(FOLD, [pd.Series(["a", "b", "c", "c", "d", "e"])])


def test_what_lies_near_a_later_fold_gives_way_and_what_has_no_place_stays() -> None:
    fold = np.array(["test", "train", "train", "val", "train", "train"])
    dec = np.array([0.0, 4.9, 5.1, 100.0, 104.9, np.nan]) / 3600
    sky = np.column_stack([np.full(6, 10.0), dec])
    assert without_near(fold, sky, 5.0).tolist() == ["test", "unused", "train", "val", "unused", "train"]
    assert without_near(fold, sky, 0.0).tolist() == fold.tolist()
