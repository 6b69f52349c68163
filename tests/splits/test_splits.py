"""Whole groups in one fold, whatever the split; each option keeps its promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_ml.errors import UserError
from astrid_ml.sky import healpix
from astrid_ml.splits import column, options
from astrid_ml.splits.groups import linked_groups
from astrid_ml.splits.plan import SplitPlan, check_disjoint


def index_of(n: int = 600, per_group: int = 3, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    group = np.arange(n) // per_group
    index = pd.DataFrame({"id": [f"s{i}" for i in range(n)], "group_id": [f"g{k}" for k in group]})
    index["label"] = ((random.random(n) < 0.1)[group * per_group]).astype(float)
    index["mission"] = np.array(["PS1", "ZTF", "SWIFT", "GALEX"])[group % 4]
    index["ra"] = random.uniform(0, 360, n)[group * per_group]
    index["dec"] = np.degrees(np.arcsin(random.uniform(-1, 1, n)))[group * per_group]
    index["mjd"], index["field"] = random.uniform(59000, 60000, n), group % 11
    return index


def fold_of(index: pd.DataFrame, plan: SplitPlan, number: int = 0) -> pd.Series:
    return index["id"].map(plan.rounds[number].set_index("id")["fold"])


EVERY = [
    options.GroupSplit(),
    options.SkySplit(order=2),
    options.TimeSplit(),
    options.KFold(k=4),
    options.MissionSplit(train=["SWIFT", "PS1"], test=["GALEX"]),
    options.LeaveOneMissionOut(held_out="GALEX"),
    options.LeaveOneMissionOut(),
    column.ColumnSplit(column="field"),
    column.ColumnSplit(column="field", test_values=["3", "7"]),
]


@pytest.mark.parametrize("split", EVERY, ids=str)
def test_no_group_is_cut_and_the_same_seed_gives_the_same_folds(split: options.GroupSplit) -> None:
    index = index_of()
    plan = split.plan(index)
    for number in range(len(plan.rounds)):
        fold = fold_of(index, plan, number)
        assert fold.groupby(index["group_id"]).nunique().max() == 1
        assert {"train", "val", "test"} <= set(fold)
    assert plan.hash == split.plan(index).hash
    assert plan.hash == split.plan(index.sample(frac=1, random_state=1)).hash


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 80), st.integers(1, 6), st.integers(0, 5), st.sampled_from(["group", "time", "kfold"]))
def test_random_datasets_are_never_cut(groups: int, per_group: int, seed: int, kind: str) -> None:
    index = index_of(groups * per_group, per_group, seed)
    split: Any = {"group": options.GroupSplit(seed), "time": options.TimeSplit(), "kfold": options.KFold(seed, k=2)}[
        kind
    ]
    plan = split.plan(index)
    for number in range(len(plan.rounds)):
        assert fold_of(index, plan, number).groupby(index["group_id"]).nunique().max() == 1


def test_shares_and_strata() -> None:
    index = index_of(12_000)
    fold = fold_of(index, options.GroupSplit(val=0.15, test=0.2).plan(index))
    assert (fold == "test").mean() == pytest.approx(0.2, abs=0.01)
    assert (fold == "val").mean() == pytest.approx(0.15, abs=0.01)
    positives = index["label"].groupby([index["mission"], fold]).mean().unstack()
    assert (positives.sub(index.groupby("mission")["label"].mean(), axis=0).abs() < 0.01).all().all()
    other = fold_of(index, options.GroupSplit(seed=2).plan(index))
    assert (fold != other).mean() > 0.3


def test_every_group_is_tested_once_in_k_folds() -> None:
    index = index_of()
    plan = options.KFold(k=5).plan(index)
    tested = np.sum([(fold_of(index, plan, number) == "test").to_numpy() for number in range(5)], axis=0)
    assert len(plan.rounds) == 5
    assert (tested == 1).all()


def test_positional_duplicates_of_two_missions_share_a_group() -> None:
    index = index_of(8, 1)
    ra, dec = float(index["ra"].iloc[2]), float(index["dec"].iloc[2])
    index.loc[5, ["ra", "dec"]] = ra + 0.5 / 3600, dec
    index.loc[6, ["ra", "dec"]] = ra + 1.0 / 3600, dec
    index.loc[7, ["ra", "dec"]] = np.nan
    linked = linked_groups(index, 1.0)
    assert linked[2] == linked[5] == linked[6]
    assert linked.nunique() == 6
    assert linked_groups(index, 0).nunique() == 8
    across = pd.DataFrame({"group_id": ["a", "b"], "ra": [0.0, 360 - 1e-5], "dec": [0.0, 0.0]})
    assert linked_groups(across, 1.0).nunique() == 1


def test_an_object_that_crosses_a_boundary_belongs_to_its_first_detection() -> None:
    index = index_of(300, 3)
    plan = options.TimeSplit().plan(index)
    fold, first = fold_of(index, plan), index["mjd"].groupby(index["group_id"]).transform("min")
    low, high = plan.account["boundaries"]
    assert (first[fold == "train"] < low).all()
    assert (first[fold == "test"] >= high).all()
    assert first[fold == "val"].between(low, high, inclusive="left").all()
    assert plan.time_ordered
    assert (index["mjd"][fold == "train"] > low).any()


def test_sky_cells_stay_whole() -> None:
    index = index_of(900, 1)
    fold = fold_of(index, options.SkySplit(order=1, link_radius=0).plan(index))
    cell = healpix(index["ra"].to_numpy(), index["dec"].to_numpy(), 1)
    assert fold.groupby(cell).nunique().max() == 1
    assert len(np.unique(cell)) == 48


def test_known_healpix_cells() -> None:
    """Base cells and the poles (Gorski et al. 2005, figure 4): north 0-3, equator 4-7, south 8-11."""
    cells = healpix(np.array([45.0, 135, 0, 90, 45, 315, np.nan]), np.array([60.0, 60, 0, 0, -60, -60, 0]), 0)
    assert cells.tolist() == [0, 1, 4, 5, 8, 11, -1]


def test_missions_train_validate_and_test_where_they_should() -> None:
    index = index_of()
    index.loc[0, "mission"] = "GALEX"  # g0 is also seen by PS1: those rows must not train
    plan = options.MissionSplit(train=["SWIFT", "PS1"], test=["GALEX"]).plan(index)
    fold = fold_of(index, plan)
    assert set(index["mission"][fold == "test"]) == {"GALEX"}
    assert set(index["mission"][fold == "val"]) == set(index["mission"][fold == "train"]) == {"SWIFT", "PS1"}
    assert fold[1] == fold[2] == "unused"
    assert set(fold[index["mission"] == "ZTF"]) == {"unused"}
    assert plan.account["left_out_shared"] == 2
    left_out = options.LeaveOneMissionOut(held_out="GALEX").plan(index)
    assert set(index["mission"][fold_of(index, left_out) == "train"]) == {"SWIFT", "PS1", "ZTF"}


@pytest.mark.parametrize("held_out", ["GALEX", "none"])
def test_mixed_label_sources_are_refused_unless_allowed(held_out: str) -> None:
    index = index_of()
    index["label_source"] = np.where(index["mission"] == "ZTF", "drb", "scanned")
    with pytest.raises(UserError, match="ztf: drb"):
        options.LeaveOneMissionOut(held_out=held_out).plan(index)
    options.LeaveOneMissionOut(held_out=held_out, allow_mixed_labels=True).plan(index)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (options.GroupSplit(val=0.6, test=0.5), "0.6 and 0.5"),
        (options.KFold(k=1), "at least 2"),
        (options.LeaveOneMissionOut(held_out="GALAX"), "GALAX"),
        (options.MissionSplit(train=["PS1"], test=["ps1"]), "ps1"),
        (options.MissionSplit(train=["HST"], test=["PS1"]), "got hst"),
        (options.MissionSplit(), "split.test"),
        (column.ColumnSplit(column="detector"), "detector"),
        (column.ColumnSplit(column="field", test_values=["99"]), "99"),
        (options.TimeSplit(column="jd"), "jd"),
        (column.ColumnSplit(column="mission_of_day"), "groups in two folds"),
    ],
)
def test_what_cannot_be_is_refused(split: options.GroupSplit, message: str) -> None:
    index = index_of().assign(mission_of_day=lambda table: np.arange(len(table)) % 3)
    with pytest.raises(UserError, match=message):
        split.plan(index)


def test_shared_groups_and_ids_are_named() -> None:
    index = pd.DataFrame({"id": ["a", "b"], "group_id": ["SN1", "SN1"]})
    with pytest.raises(UserError, match="SN1"):
        check_disjoint(index, [pd.DataFrame({"id": ["a", "b"], "fold": ["train", "test"]})])
    with pytest.raises(UserError, match="a"):
        check_disjoint(index, [pd.DataFrame({"id": ["a", "a"], "fold": ["train", "test"]})])


def test_the_split_file_stands_beside_the_dataset_and_in_the_run(tmp_path: Path) -> None:
    index = index_of()
    plan = options.GroupSplit().plan(index)
    (written,) = plan.write(tmp_path / "run" / "splits")
    assert written == tmp_path / "run" / "splits" / f"{plan.hash}.parquet"
    (kept,) = plan.keep(tmp_path / "data")
    assert kept == tmp_path / "data-splits" / written.name
    for path in (written, kept):
        pd.testing.assert_frame_equal(pd.read_parquet(path), plan.rounds[0])
    kept.write_bytes(b"as it was")
    assert plan.keep(tmp_path / "data") == [kept] and kept.read_bytes() == b"as it was"
    assert len(list((tmp_path / "data-splits").iterdir())) == 1
    counts = plan.counts(index)
    assert counts["samples"].sum() == len(index)
    assert counts["positives"].sum() == index["label"].sum()
