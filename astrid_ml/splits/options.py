"""The splits that a user can choose. Each is a frozen dataclass whose ``plan(index)`` gives a SplitPlan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.missions import canonical, canonical_all, with_canonical
from astrid_ml.nearest import nearest
from astrid_ml.sky import healpix
from astrid_ml.splits.groups import assign, joined, linked_groups
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.splits.shared import (
    check_label_sources,
    check_missions,
    check_shares,
    need,
    one_round,
    refuse_crossing,
    strata_of,
    told_of_misspelt,
    without_near,
    without_shared,
)
from astrid_ml.types import Array, Decay, InUnits, Level, NonNegative, Range, Seed

PARTS = np.array(["train", "val", "test"])


@dataclass(frozen=True)
class GroupSplit:
    """Whole groups at random, stratified by label and mission.

    Args:
        seed: another number is another assignment.
        val, test: shares of the groups, above 0 (``test`` may be 0), together below 1.
        link_radius: arcsec within which groups are one, so that an object with two names is never cut.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing."""
        check_shares(self.val, self.test)

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """Share out the groups."""
        check_shares(self.val, self.test)
        groups = linked_groups(index, self.link_radius)
        part = assign(groups, strata_of(index), [1 - self.val - self.test, self.val, self.test], self.seed)
        return SplitPlan(
            "group", one_round(index, PARTS[part]), {"linked": int(index["group_id"].nunique() - groups.nunique())}
        )


@dataclass(frozen=True)
class SkySplit:
    """Whole cells of the sky (HEALPix nested) at random: neighbours, hosts and frames stay together.

    Args:
        seed, val, test, link_radius: as in :class:`GroupSplit`; shares of the cells.
        order: 12 * 4**order cells; 6 has cells of 55 arcmin.
        buffer: arcsec; nearer than this to a tested sample nothing is trained on, so that cutouts at the borders of
            cells share no pixels. The tested side stays whole. 0 leaves nothing out.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    order: Annotated[int, Range(0, 29)] = 6
    buffer: Annotated[NonNegative, InUnits("deg")] = 0.0

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing."""
        check_shares(self.val, self.test)

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """Share out the cells; a group goes where its first sample lies."""
        check_shares(self.val, self.test)
        need(index, ["ra", "dec"], "a split by sky")
        groups = linked_groups(index, self.link_radius)
        cells = pd.Series(
            healpix(index["ra"].to_numpy(float), index["dec"].to_numpy(float), self.order), index=index.index
        )
        home = cells.groupby(groups).first()
        of_group = groups.map(home).astype(str)
        part = assign(of_group, strata_of(index), [1 - self.val - self.test, self.val, self.test], self.seed)
        folds = without_near(PARTS[part], index[["ra", "dec"]].to_numpy(dtype=float), self.buffer)
        account = {"cells": int(of_group.nunique()), "order": self.order}
        if self.buffer > 0:
            account["left_out_near_a_border"] = int((folds == "unused").sum())
        return SplitPlan("sky", one_round(index, folds), account)


@dataclass(frozen=True)
class TimeSplit:
    """Earlier trains, later tests. An object that crosses a boundary belongs to its first detection.

    Args:
        seed, val, test, link_radius: as in :class:`GroupSplit`; ``seed`` does nothing, for the dates decide.
        column: the time, MJD.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    column: str = "mjd"

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing."""
        check_shares(self.val, self.test)

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """Cut the objects' first detections at two quantiles."""
        check_shares(self.val, self.test)
        need(index, [self.column], "a split by time")
        groups = linked_groups(index, self.link_radius)
        first = index[self.column].astype(float).groupby(groups).min()
        cuts = first.quantile([1 - self.val - self.test, 1 - self.test]).to_numpy()
        part = np.searchsorted(cuts, first.to_numpy(), side="right")
        of_row = groups.map(pd.Series(part, index=first.index)).to_numpy(dtype=np.int64)
        account = {"boundaries": [float(cut) for cut in cuts], "column": self.column}
        return SplitPlan("time", one_round(index, PARTS[of_row]), account, time_ordered=True)


@dataclass(frozen=True)
class KFold:
    """Each group is tested once: k rounds, out-of-fold predictions pooled.

    Args:
        seed, link_radius: as in :class:`GroupSplit`.
        k: number of folds.
        val: share of the groups outside the tested fold.
    """

    seed: Seed = 1
    k: Annotated[int, Range(2)] = 5
    val: Level = 0.15
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """k rounds; the validation groups come from the training part."""
        if self.k < 2:
            raise UserError("split.k of at least 2", str(self.k), "for instance split.k=5")
        groups = linked_groups(index, self.link_radius)
        if (count := len(pd.unique(groups))) < self.k:
            fix = "choose fewer folds"
            raise UserError(f"split.k of at most {count}, the groups of this dataset", str(self.k), fix)
        strata = strata_of(index)
        part = assign(groups, strata, [1 / self.k] * self.k, self.seed)
        rounds = []
        for fold in range(self.k):
            folds = np.full(len(index), "test", dtype="<U5")
            rest = part != fold
            inner = assign(groups[rest], strata[rest], [1 - self.val, self.val], self.seed + 1000 * (fold + 1))
            folds[rest] = PARTS[inner]
            rounds += one_round(index, folds)
        return SplitPlan("kfold", rounds, {"k": self.k})


@dataclass(frozen=True)
class MissionSplit:
    """Train on some missions, test on others; validation comes from the training missions.

    Args:
        seed, link_radius: as in :class:`GroupSplit`.
        val: share of the training missions' groups.
        train: missions to train on; empty means all that are not tested.
        test: missions to test on.
        allow_mixed_labels: accept missions whose labels come from different sources.
    """

    seed: Seed = 1
    val: Level = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    train: tuple[str, ...] | list[str] = ()
    test: tuple[str, ...] | list[str] = ()
    allow_mixed_labels: bool = False

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse lists that overlap or leave nothing, and names that the data cannot hold."""
        check_missions(canonical_all(self.train), canonical_all(self.test), canonical_all(known.get("mission", ())))
        if "mission" not in known:
            told_of_misspelt(self.train, "split.train")
            told_of_misspelt(self.test, "split.test")

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """Missions decide; a group seen by a tested mission is never trained on."""
        need(index, ["mission"], "a split by mission")
        index = with_canonical(index)
        mission = index["mission"].astype(str)
        known, test = sorted(mission.unique()), canonical_all(self.test)
        check_missions(canonical_all(self.train), test, known)
        train = canonical_all(self.train) or [name for name in known if name not in test]
        check_label_sources(index, [*train, *test], self.allow_mixed_labels)
        groups = linked_groups(index, self.link_radius)
        folds = np.full(len(index), "unused", dtype="<U6")
        tested = mission.isin(test).to_numpy()
        seen_there = groups.isin(groups[tested]).to_numpy()
        usable = mission.isin(train).to_numpy() & ~seen_there
        folds[tested] = "test"
        if usable.any():
            part = assign(groups[usable], strata_of(index)[usable], [1 - self.val, self.val], self.seed)
            folds[usable] = PARTS[part]
        account = {"train": train, "test": test, "left_out_shared": int((seen_there & ~tested).sum())}
        return SplitPlan("missions", one_round(index, folds), account)


@dataclass(frozen=True)
class LeaveOneMissionOut:
    """Train on all missions but one and test on that one; ``none`` pools them (a group split).

    Args:
        seed, link_radius: as in :class:`GroupSplit`.
        val: share of the groups of the training missions.
        test: share of the groups tested when pooled.
        held_out: a mission, or ``none``.
        allow_mixed_labels: accept missions whose labels come from different sources.
    """

    seed: Seed = 1
    val: Level = 0.2
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    held_out: str | None = "none"
    allow_mixed_labels: bool = False

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse a mission that the data cannot hold, or that is all that they hold."""
        if self.mission is None:
            check_shares(self.val, self.test)
            return
        check_missions((), (self.mission,), canonical_all(known.get("mission", ())), str(self.held_out))
        if "mission" not in known:
            told_of_misspelt((str(self.held_out),), "split.held_out")

    @property
    def mission(self) -> str | None:
        """The one name of the mission that is held out; None where all are pooled."""
        name = "none" if self.held_out is None else canonical(self.held_out)
        return None if name == "none" else name

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """One round for the chosen mission."""
        need(index, ["mission"], "a split by mission")
        index = with_canonical(index)
        known = sorted(index["mission"].astype(str).unique())
        held_out = self.mission
        if held_out is None:
            check_label_sources(index, known, self.allow_mixed_labels)
            pooled = GroupSplit(self.seed, self.val, self.test, self.link_radius).plan(index)
            return SplitPlan("leave_one_mission_out", pooled.rounds, {"held_out": "none", **pooled.account})
        check_missions((), (held_out,), known, str(self.held_out))
        split = MissionSplit(self.seed, self.val, self.link_radius, (), (held_out,), self.allow_mixed_labels)
        plan = split.plan(index)
        return SplitPlan("leave_one_mission_out", plan.rounds, {"held_out": held_out, **plan.account})


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

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """Values decide; what recurs over folds is refused by name, or left out and counted."""
        need(index, [self.column], f"a split by {self.column}")
        if self.shared not in ("refuse", "leave_out"):
            raise UserError("split.shared of refuse or leave_out", self.shared, "choose one of them")
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
            return PARTS[assign(values, strata_of(index), [1 - self.val - self.test, self.val, self.test], self.seed)]
        self._check_values(values.unique())
        folds = np.full(len(index), "test", dtype="<U5")
        rest = ~values.isin([str(value) for value in self.test_values]).to_numpy()
        folds[rest] = PARTS[assign(units[rest], strata_of(index)[rest], [1 - self.val, self.val], self.seed)]
        return folds
