"""An index by its columns: what reads one takes a table of pandas and anything else that gives columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.audit.audit import Audit
from astrid_ml.contracts.columns import Columns, HasColumns, PlansByColumn, columns_of, rows_of
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.splits import column, options
from astrid_ml.splits.plan import SplitPlan, index_for, planned


class OnlyColumns:
    """Columns of a table that refuses to be had as a whole."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table, self.asked = table, set[str]()

    @property
    def columns(self) -> list[str]:
        return list(self._table.columns)

    @property
    def dtypes(self) -> Any:
        return self._table.dtypes

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: Any) -> bool:
        return name in self._table

    def __getitem__(self, names: Any) -> Any:
        self.asked |= {names} if isinstance(names, str) else set(names)
        return self._table[names]


class Apart(MemorySource):
    """A source whose index is on disk, so to say."""

    def __init__(self, table: pd.DataFrame) -> None:
        super().__init__(table, {}, {})
        self.only = OnlyColumns(table)

    @property
    def by_column(self) -> Columns:
        return self.only


def index_of(n: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    group = np.arange(n) // 3
    index = pd.DataFrame({"id": [f"s{i}" for i in range(n)], "group_id": [f"g{k}" for k in group]})
    index["label"], index["mission"] = group % 2, np.array(["ztf", "ps1", "swift"])[group % 3]
    index["ra"], index["dec"] = random.uniform(0, 360, n // 3)[group], random.uniform(-60, 60, n // 3)[group]
    index["mjd"], index["field"] = random.uniform(59000, 60000, n), group % 7
    return index.assign(array="a", row=np.arange(n), unread="x")


SPLITS = [
    options.GroupSplit(),
    options.SkySplit(order=3),
    options.TimeSplit(),
    options.KFold(k=3),
    options.MissionSplit(test=("ps1",)),
    options.LeaveOneMissionOut(held_out="ztf"),
    options.LeaveOneMissionOut(),
    column.ColumnSplit(column="field"),
]


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_every_split_shares_out_columns_as_it_does_a_table(split: Any) -> None:
    table = index_of()
    source = Apart(table)
    plan = planned(split, index_for(split, source))
    assert plan.hash == split.plan(table).hash
    assert plan.counts(source.by_column).equals(plan.counts(table))
    assert not source.only.asked & {"unread", "array", "row"}


def test_every_split_of_ours_says_that_columns_are_enough() -> None:
    assert all(isinstance(split, PlansByColumn) for split in SPLITS)


def test_a_split_that_does_not_say_so_gets_the_table() -> None:
    class ByHalves:
        def plan(self, index: pd.DataFrame) -> SplitPlan:
            return SplitPlan("halves", [index[["id"]].assign(fold=["train", "val"] * (len(index) // 2))])

    source = Apart(index_of())
    assert planned(ByHalves(), index_for(ByHalves(), source)).name == "halves"
    assert not source.only.asked


def test_the_audit_asks_for_columns_only() -> None:
    table = index_of()
    source, split = Apart(table), options.GroupSplit()
    plan = planned(split, table)
    leaking = SplitPlan("x", [plan.rounds[0].assign(fold=["train", "test"] * (len(table) // 2))])
    for one in (plan, leaking):
        found = Audit(mode="warn").run(source, one).to_plain()
        assert found == Audit(mode="warn").run(MemorySource(table, {}, {}), one).to_plain()
    assert {finding["kind"] for finding in found["findings"]} == {"shared group", "same position"}
    assert not source.only.asked & {"unread"}  # where arrays lie is asked for to look for stamps


def test_a_source_without_columns_gives_its_index() -> None:
    class Plain:
        index = index_of()

    source: Any = Plain()
    assert not isinstance(source, HasColumns)
    assert columns_of(source) is source.index
    assert rows_of(source, np.array([4, 2]), ["id", "absent"])["id"].to_dict() == {4: "s4", 2: "s2"}
