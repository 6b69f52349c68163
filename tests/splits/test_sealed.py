"""A sealed test set is the same for every seed, is used by no run, and opens once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.folds import KEPT, TEST, TRAIN
from astrid_ml.splits.options import GroupSplit, KFold, LeaveOneMissionOut, MissionSplit, SkySplit, TimeSplit
from astrid_ml.splits.plan import Split, planned
from astrid_ml.splits.sealed import Seal, of_tested, sealed_units, with_sealed

N = 3000


def made(n: int = N, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    group = np.arange(n) // 2
    place = (
        np.random.default_rng(7).uniform(0, 360, n // 2 + 1)[group],
        np.random.default_rng(8).uniform(-60, 60, n // 2 + 1)[group],
    )
    return pd.DataFrame(
        {
            "id": [f"s{k}" for k in range(n)],
            "group_id": [f"g{k}" for k in group],
            "label": random.integers(0, 2, n),
            "mission": np.array(["ztf", "ps1"])[group % 2],
            "mjd": 59000.0 + group,
            "ra": place[0],
            "dec": place[1],
        }
    )


def ids_of(split: Split, index: pd.DataFrame, fold: str = "sealed") -> set[str]:
    rounds = planned(split, index).rounds
    found = [set(table["id"][table["fold"] == fold]) for table in rounds]
    assert all(part == found[0] for part in found) or fold != "sealed"
    return set().union(*found)


@pytest.mark.parametrize("kind", [GroupSplit, KFold, LeaveOneMissionOut])
def test_the_same_groups_are_sealed_whatever_the_seed_the_split_and_the_size(kind: type) -> None:
    index = made()
    sealed = ids_of(kind(seed=1, sealed=0.1), index)
    assert 0.07 * N < len(sealed) < 0.13 * N
    assert sealed == ids_of(kind(seed=5, sealed=0.1), index) == ids_of(GroupSplit(val=0.3, sealed=0.1), index)
    more = ids_of(kind(sealed=0.1), made(2 * N))
    assert sealed == {name for name in more if int(name[1:]) < N}
    assert sealed < ids_of(kind(sealed=0.2), index)
    assert not ids_of(kind(), index)


def test_shares_are_of_the_rest_and_groups_stay_whole() -> None:
    index = made(20000)
    [table] = planned(GroupSplit(val=0.15, test=0.2, sealed=0.25), index).rounds
    share = table["fold"].value_counts() / (len(table) - (table["fold"] == "sealed").sum())
    assert share["train"] == pytest.approx(0.65, abs=0.02) and share["test"] == pytest.approx(0.2, abs=0.02)
    assert table["fold"].groupby(index["group_id"]).nunique().max() == 1
    counts = planned(GroupSplit(sealed=0.25), index).counts(index).set_index("fold")
    assert counts.loc["sealed", "samples"] == (table["fold"] == "sealed").sum()


@pytest.mark.parametrize(
    "split",
    [TimeSplit(sealed=0.3), MissionSplit(test=["ps1"], sealed=0.3), LeaveOneMissionOut(held_out="ps1", sealed=0.3)],
)
def test_where_chance_does_not_choose_what_is_tested_only_that_is_sealed(split: Split) -> None:
    index = made()
    sealed, tested = ids_of(split, index), ids_of(split, index, "test")
    if isinstance(split, TimeSplit):
        assert (
            sealed and index[index["id"].isin(sealed)]["mjd"].min() >= index[index["id"].isin(tested)]["mjd"].min() - 30
        )
    else:
        assert set(index[index["id"].isin(sealed)]["mission"]) == {"ps1"}
    assert 0.2 < len(sealed) / len(sealed | tested) < 0.4


def test_whole_cells_are_sealed_and_nothing_near_them_is_trained_on() -> None:
    random = np.random.default_rng(3)
    index = made().assign(
        ra=random.uniform(10, 14, N), dec=random.uniform(0, 4, N), group_id=[f"o{k}" for k in range(N)]
    )
    [table] = planned(SkySplit(sealed=0.2, order=7, buffer=120.0), index).rounds
    fold = table["fold"].to_numpy()
    assert (fold == "sealed").sum() > 100
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    sky = SkyCoord(index["ra"], index["dec"], unit="deg")
    learned = np.isin(fold, ["train", "val"])
    _, apart, _ = sky[learned].match_to_catalog_sky(sky[fold == "sealed"])
    assert apart.min() > 120 * u.arcsec


def test_folds_are_numbers() -> None:
    units = Coded.of(pd.Series([f"u{k}" for k in range(1000)]))
    folds = np.where(np.arange(1000) < 500, TEST, TRAIN).astype(np.int8)
    chosen = sealed_units(units, 0.1)
    assert ((with_sealed(folds, units, 0.1) == KEPT) == chosen).all()
    assert ((of_tested(folds, units, 0.1) == KEPT) == (chosen & (folds == TEST))).all()
    assert with_sealed(folds, units, 0.0) is folds and of_tested(folds, units, 0.0) is folds


def test_what_is_sealed_is_used_by_no_other_split_and_opens_once(tmp_path: Path) -> None:
    index, seal = made(), Seal(tmp_path / "data")
    first = planned(GroupSplit(sealed=0.1), index)
    assert seal.ids.empty and seal.openings == []
    first.keep(tmp_path / "data")
    kept = set(seal.ids)
    assert kept == ids_of(GroupSplit(sealed=0.1), index)
    seal.refuse_use(first.rounds)
    seal.refuse_use(planned(GroupSplit(seed=9, sealed=0.2), index).rounds)
    with pytest.raises(UserError, match=r"give split\.sealed=0\.1;"):
        seal.refuse_use(planned(GroupSplit(sealed=0.05), index).rounds)
    with pytest.raises(UserError, match="sealed"):
        seal.refuse_use(planned(KFold(), index).rounds)
    planned(GroupSplit(sealed=0.2), index).keep(tmp_path / "data")
    assert kept < set(seal.ids)
    once = seal.open({"checkpoint": "a.ckpt", "samples": 3}, again=False)
    assert once["opening"] == 1
    with pytest.raises(UserError, match="opened 1 time, first"):
        seal.open({"checkpoint": "b.ckpt"}, again=False)
    twice = seal.open({"checkpoint": "b.ckpt", "samples": 3}, again=True)
    assert twice["opening"] == 2 and twice["first"] == once["time"]
    assert [entry["checkpoint"] for entry in seal.openings] == ["a.ckpt", "b.ckpt"]
