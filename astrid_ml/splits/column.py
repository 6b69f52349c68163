"""Whole values of a column are tested, and nothing of the sky that they show is trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.missions import COLUMN
from astrid_ml.nearest import nearest
from astrid_ml.sky import healpix
from astrid_ml.splits.common import PARTS, check_shares, one_round, strata_of
from astrid_ml.splits.groups import assign, joined, linked_groups
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.splits.shared import (
    need,
    refuse_crossing,
    without_shared,
)
from astrid_ml.types import Array, Decay, InUnits, Level, NonNegative, Range, Seed


@dataclass(frozen=True)
class ColumnSplit:
    """Whole values of a column (field, detector, filter, jid) are tested, and nothing of the sky that they show is
    trained on: an object that recurs under another value, or (for cutouts of full frames) its patch of sky, is refused
    or left out of training.

    Args:
        seed, val, test, link_radius: as in :class:`GroupSplit`; ``test`` only where ``test_values`` is empty.
        column: a column of the index.
        test_values: values to test on; empty shares them out at random.
        disjoint: columns that name one object over all frames; absent ones are passed over.
        cell_order: HEALPix cells that may stand in one fold only, checked where samples are cut from frames (column
            ``image``); 10 has cells of 3.4 arcmin. None does not check.
        shared: ``refuse`` what recurs, or ``leave_out``: the sample nearer to training becomes unused.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    column: str = "field"
    test_values: tuple[str, ...] | list[str] = ()
    disjoint: tuple[str, ...] | list[str] = ("truth_id",)
    cell_order: Annotated[int, Range(0, 29)] | None = 10
    shared: Literal["refuse", "leave_out"] = "refuse"

    @property
    def column_keys(self) -> dict[str, tuple[str, ...]]:
        """The column, so that one that no sample has is refused before there are samples."""
        return {"column": (self.column,)}

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing to train on, and values that the column cannot hold."""
        if not self.test_values:
            check_shares(self.val, self.test)
        elif self.column in known:
            self._check_values(known[self.column])

    def _check_values(self, there: Collection[str]) -> None:
        """Refuse values to test on that are not there, or that are all that is there."""
        values = sorted(set(map(str, there)))
        if unknown := sorted(set(map(str, self.test_values)) - set(values)):
            fix = nearest(unknown[0], values) or f"choose among {', '.join(values[:10])}"
            raise UserError(f"split.test_values among the values of {self.column}", ", ".join(unknown), fix)
        if not set(values) - set(map(str, self.test_values)):
            got = f"all {len(values)} values of {self.column} in split.test_values"
            raise UserError(f"a value of {self.column} that is not tested, to train on", got, "test fewer of them")

    by_column: ClassVar[bool] = True

    def plan(self, index: Columns) -> SplitPlan:
        """Values decide; what recurs over folds is refused by name, or left out and counted."""
        need(index, [self.column], f"a split by {self.column}")
        if self.shared not in ("refuse", "leave_out"):
            raise UserError("split.shared of refuse or leave_out", self.shared, "choose one of them")
        wanted = {"id", "group_id", "ra", "dec", "label", COLUMN, "image", self.column, *self.disjoint}
        return self._plan(index[[name for name in index.columns if name in wanted]])

    def _plan(self, index: pd.DataFrame) -> SplitPlan:
        groups = linked_groups(index, self.link_radius)
        for name in self.disjoint:
            groups = groups if name not in index else joined(groups, index[name])
        cells = self._cells(index, groups)
        folds = self._folds(index, groups if cells is None else cells)
        keys = [groups] if cells is None else [groups, cells]
        account: dict[str, Any] = {"column": self.column}
        if self.shared == "leave_out":
            before = folds
            folds = without_shared(folds, keys)
            account["left_out_shared"] = int((folds != before).sum())
        rounds = one_round(index.assign(group_id=groups), folds)
        if cells is not None:
            refuse_crossing(folds, cells)
        return SplitPlan(f"column {self.column}", rounds, account)

    def _cells(self, index: pd.DataFrame, groups: pd.Series) -> pd.Series | None:
        """The cell of each sample, its group where its position is unknown; None where cells do not matter."""
        if self.cell_order is None or not {"image", "ra", "dec"} <= set(index.columns):
            return None
        cells = healpix(index["ra"].to_numpy(float), index["dec"].to_numpy(float), self.cell_order)
        return pd.Series(cells, index=index.index).astype(str).where(cells >= 0, groups)

    def _folds(self, index: pd.DataFrame, units: pd.Series) -> Array:
        """Folds by value; validation takes whole ``units`` of what is not tested."""
        values = index[self.column].astype(str)
        if not self.test_values:
            check_shares(self.val, self.test)
            shares = [1 - self.val - self.test, self.val, self.test]
            return PARTS[assign(values, strata_of(index).texts(), shares, self.seed)]
        self._check_values(values.unique())
        folds = np.full(len(index), "test", dtype="<U5")
        rest = ~values.isin([str(value) for value in self.test_values]).to_numpy()
        folds[rest] = PARTS[assign(units[rest], strata_of(index)[rest].texts(), [1 - self.val, self.val], self.seed)]
        return folds
