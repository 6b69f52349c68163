"""The folds of an index are those that earlier versions gave: resumed runs and published splits rely on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.splits import column, options


def index_of(n: int = 900) -> pd.DataFrame:
    random = np.random.default_rng(5)
    group = random.integers(0, n // 3, n)
    index = pd.DataFrame({"id": [f"s{i * 7919 % n}" for i in range(n)], "group_id": [f"g{k}" for k in group]})
    index["label"] = pd.array((random.random(n) < 0.2).astype(int), dtype="Int8")
    index.loc[random.random(n) < 0.1, "label"] = pd.NA
    index["mission"] = np.array(["PS1", "ZTF", "swift", "galex"])[group % 4]
    index["ra"] = 10 + random.uniform(0, 0.3, n // 3)[group]
    index["dec"] = -30 + random.uniform(0, 0.3, n // 3)[group] + random.normal(0, 1e-4, n)
    index.loc[random.random(n) < 0.05, ["ra", "dec"]] = np.nan
    index["mjd"], index["field"] = random.uniform(59000, 60000, n), group % 11
    return index


KEPT: dict[Any, str] = {
    options.GroupSplit(seed=3): "a827d8231154",
    options.GroupSplit(link_radius=20.0): "b4f2db2bb8aa",
    options.SkySplit(order=9): "62a04ec6d4a0",
    options.SkySplit(order=9, buffer=20.0): "d7b764a0e3a0",
    options.TimeSplit(): "435b3f2029de",
    options.KFold(k=3): "88b7cd9616a8",
    options.MissionSplit(test=("galex",), link_radius=0): "7344eb53c963",
    options.LeaveOneMissionOut(held_out="PS1", link_radius=0): "f25af6f156ed",
    options.LeaveOneMissionOut(): "f2c5141c9759",
    column.ColumnSplit(column="field", shared="leave_out"): "c283b6698527",
    column.ColumnSplit(column="field", test_values=("3", "7"), link_radius=0): "46990380a8f9",
}


@pytest.mark.parametrize("split", KEPT, ids=str)
def test_folds_are_those_of_earlier_versions(split: Any) -> None:
    assert split.plan(index_of()).hash == KEPT[split]
