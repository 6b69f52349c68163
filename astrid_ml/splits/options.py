"""The splits that a user can choose. Each is a frozen dataclass whose ``plan(index)`` gives a SplitPlan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.missions import canonical, canonical_all
from astrid_ml.sky import healpix
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.common import among, check_label_sources, check_shares, missions_of, one_round, strata_of
from astrid_ml.splits.folds import LEFT, NAMES, TEST
from astrid_ml.splits.groups import linked, shared_out
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.splits.sealed import noted, of_tested, with_sealed
from astrid_ml.splits.shared import (
    check_missions,
    need,
    told_of_misspelt,
    without_near,
)
from astrid_ml.types import Decay, InUnits, Level, NonNegative, Range, Seed


@dataclass(frozen=True)
class GroupSplit:
    """Whole groups at random, stratified by label and mission.

    Args:
        seed: another number is another assignment.
        val, test: shares of the groups, above 0 (``test`` may be 0), together below 1.
        link_radius: arcsec within which groups are one, so that an object with two names is never cut.
        link_stamps: groups are one too whose stamps share pixels of one exposure.
        sealed: share of the groups that no command evaluates until ``astrid evaluate sealed=true``; the same ones for
            every seed. ``val`` and ``test`` are shares of the rest.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    link_stamps: bool = True
    sealed: Decay = 0.0

    by_column: ClassVar[bool] = True

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing."""
        check_shares(self.val, self.test)

    def plan(self, index: Columns) -> SplitPlan:
        """Share out the groups."""
        return self.of_strata(index, strata_of(index))

    def of_strata(self, index: Columns, strata: Coded) -> SplitPlan:
        """The same with strata of the caller's."""
        check_shares(self.val, self.test)
        groups = linked(index, self.link_radius, self.link_stamps)
        part = shared_out(groups, strata, [1 - self.val - self.test, self.val, self.test], self.seed)
        part = with_sealed(part, groups, self.sealed)
        fewer = len(groups.names) - groups.count()
        return SplitPlan("group", one_round(index, part), {"linked": fewer, **noted(self.sealed)})


@dataclass(frozen=True)
class SkySplit:
    """Whole cells of the sky (HEALPix nested) at random: neighbours, hosts and frames stay together.

    Args:
        seed, val, test, link_radius, link_stamps: as in :class:`GroupSplit`; shares of the cells.
        order: 12 * 4**order cells; 6 has cells of 55 arcmin.
        buffer: arcsec; nearer than this to a tested sample nothing is trained on, so that cutouts at the borders of
            cells share no pixels. The tested side stays whole. 0 leaves nothing out.
        sealed: share of the cells, as in :class:`GroupSplit`.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    link_stamps: bool = True
    order: Annotated[int, Range(0, 29)] = 6
    buffer: Annotated[NonNegative, InUnits("deg")] = 0.0
    sealed: Decay = 0.0

    by_column: ClassVar[bool] = True

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing."""
        check_shares(self.val, self.test)

    def plan(self, index: Columns) -> SplitPlan:
        """Share out the cells; a group goes where its first sample lies."""
        check_shares(self.val, self.test)
        need(index, ["ra", "dec"], "a split by sky")
        groups = linked(index, self.link_radius, self.link_stamps)
        cells = healpix(index["ra"].to_numpy(float), index["dec"].to_numpy(float), self.order)
        home = np.zeros(len(groups.names), dtype=np.int64)
        home[groups.codes[::-1]] = cells[::-1]
        place, known = pd.factorize(home[groups.codes])
        of_group = Coded.of(pd.Series(known))
        of_group = Coded(of_group.codes[place], of_group.names)
        part = shared_out(of_group, strata_of(index), [1 - self.val - self.test, self.val, self.test], self.seed)
        part = with_sealed(part, of_group, self.sealed)
        account = {"cells": of_group.count(), "order": self.order, **noted(self.sealed)}
        if self.buffer <= 0:
            return SplitPlan("sky", one_round(index, part), account)
        folds = without_near(np.array(NAMES)[part], index[["ra", "dec"]].to_numpy(dtype=float), self.buffer)
        account["left_out_near_a_border"] = int((folds == "unused").sum())
        return SplitPlan("sky", one_round(index, folds), account)


@dataclass(frozen=True)
class TimeSplit:
    """Earlier trains, later tests. An object that crosses a boundary belongs to its first detection.

    Args:
        seed, val, test, link_radius, link_stamps: as in :class:`GroupSplit`; ``seed`` does nothing: dates decide.
        column: the time, MJD.
        sealed: share of the tested groups that no command evaluates until ``astrid evaluate sealed=true``.
    """

    seed: Seed = 1
    val: Level = 0.15
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    link_stamps: bool = True
    column: str = "mjd"
    sealed: Decay = 0.0

    by_column: ClassVar[bool] = True

    @property
    def column_keys(self) -> dict[str, tuple[str, ...]]:
        """The column, so that one that no sample has is refused before there are samples."""
        return {"column": (self.column,)}

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse shares that leave nothing."""
        check_shares(self.val, self.test)

    def plan(self, index: Columns) -> SplitPlan:
        """Cut the objects' first detections at two quantiles."""
        check_shares(self.val, self.test)
        need(index, [self.column], "a split by time")
        groups = linked(index, self.link_radius, self.link_stamps)
        first = index[self.column].astype(float).groupby(groups.codes).min()
        cuts = first.quantile([1 - self.val - self.test, 1 - self.test]).to_numpy()
        part = np.zeros(len(groups.names), dtype=np.int8)
        part[first.index.to_numpy()] = np.searchsorted(cuts, first.to_numpy(), side="right")
        account = {"boundaries": [float(cut) for cut in cuts], "column": self.column, **noted(self.sealed)}
        folds = of_tested(part[groups.codes], groups, self.sealed)
        return SplitPlan("time", one_round(index, folds), account, time_ordered=True)


@dataclass(frozen=True)
class KFold:
    """Each group is tested once: k rounds, out-of-fold predictions pooled.

    Args:
        seed, link_radius, link_stamps, sealed: as in :class:`GroupSplit`.
        k: number of folds.
        val: share of the groups outside the tested fold.
    """

    seed: Seed = 1
    k: Annotated[int, Range(2)] = 5
    val: Level = 0.15
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    link_stamps: bool = True
    sealed: Decay = 0.0

    by_column: ClassVar[bool] = True

    def plan(self, index: Columns) -> SplitPlan:
        """k rounds; the validation groups come from the training part."""
        if self.k < 2:
            raise UserError("split.k of at least 2", str(self.k), "for instance split.k=5")
        groups = linked(index, self.link_radius, self.link_stamps)
        if (count := groups.count()) < self.k:
            fix = "choose fewer folds"
            raise UserError(f"split.k of at most {count}, the groups of this dataset", str(self.k), fix)
        strata = strata_of(index)
        part = shared_out(groups, strata, [1 / self.k] * self.k, self.seed)
        rounds = []
        for fold in range(self.k):
            folds = np.full(len(index), TEST, dtype=np.int8)
            rest = part != fold
            seed = self.seed + 1000 * (fold + 1)
            folds[rest] = shared_out(groups[rest], strata[rest], [1 - self.val, self.val], seed)
            rounds += one_round(index, with_sealed(folds, groups, self.sealed))
        return SplitPlan("kfold", rounds, {"k": self.k, **noted(self.sealed)})


@dataclass(frozen=True)
class MissionSplit:
    """Train on some missions, test on others; validation comes from the training missions.

    Args:
        seed, link_radius, link_stamps: as in :class:`GroupSplit`.
        val: share of the training missions' groups.
        train: missions to train on; empty means all that are not tested.
        test: missions to test on.
        allow_mixed_labels: accept missions whose labels come from different sources.
        sealed: as in :class:`TimeSplit`.
    """

    seed: Seed = 1
    val: Level = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    link_stamps: bool = True
    train: tuple[str, ...] | list[str] = ()
    test: tuple[str, ...] | list[str] = ()
    allow_mixed_labels: bool = False
    sealed: Decay = 0.0

    by_column: ClassVar[bool] = True

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse lists that overlap or leave nothing, and names that the data cannot hold."""
        check_missions(canonical_all(self.train), canonical_all(self.test), canonical_all(known.get("mission", ())))
        if "mission" not in known:
            told_of_misspelt(self.train, "split.train")
            told_of_misspelt(self.test, "split.test")

    def plan(self, index: Columns) -> SplitPlan:
        """Missions decide; a group seen by a tested mission is never trained on."""
        mission = missions_of(index)
        known, test = mission.names.tolist(), canonical_all(self.test)
        train = canonical_all(self.train) or [name for name in known if name not in test]
        check_missions(canonical_all(self.train), test, known)
        check_label_sources(index, mission, [*train, *test], self.allow_mixed_labels)
        groups = linked(index, self.link_radius, self.link_stamps)
        folds = np.full(len(index), LEFT, dtype=np.int8)
        tested = among(mission, test)
        there = np.zeros(len(groups.names), dtype=bool)
        there[groups.codes[tested]] = True
        seen_there = there[groups.codes]
        usable = among(mission, train) & ~seen_there
        folds[tested] = TEST
        if usable.any():
            strata = strata_of(index, mission)[usable]
            folds[usable] = shared_out(groups[usable], strata, [1 - self.val, self.val], self.seed)
        folds = of_tested(folds, groups, self.sealed)
        account = {
            **noted(self.sealed),
            "train": train,
            "test": test,
            "left_out_shared": int((seen_there & ~tested).sum()),
        }
        return SplitPlan("missions", one_round(index, folds), account)


@dataclass(frozen=True)
class LeaveOneMissionOut:
    """Train on all missions but one and test on that one; ``none`` pools them (a group split).

    Args:
        seed, link_radius, link_stamps: as in :class:`GroupSplit`.
        val: share of the groups of the training missions.
        test: share of the groups tested when pooled.
        held_out: a mission, or ``none``.
        allow_mixed_labels: accept missions whose labels come from different sources.
        sealed: as in :class:`TimeSplit`; when pooled as in :class:`GroupSplit`.
    """

    seed: Seed = 1
    val: Level = 0.2
    test: Decay = 0.2
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0
    link_stamps: bool = True
    held_out: str | None = "none"
    allow_mixed_labels: bool = False
    sealed: Decay = 0.0

    by_column: ClassVar[bool] = True

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

    def plan(self, index: Columns) -> SplitPlan:
        """One round for the chosen mission."""
        mission = missions_of(index)
        known = mission.names.tolist()
        held_out = self.mission
        if held_out is None:
            check_label_sources(index, mission, known, self.allow_mixed_labels)
            split = GroupSplit(self.seed, self.val, self.test, self.link_radius, self.link_stamps, self.sealed)
            pooled = split.of_strata(index, strata_of(index, mission))
            return SplitPlan("leave_one_mission_out", pooled.rounds, {"held_out": "none", **pooled.account})
        check_missions((), (held_out,), known, str(self.held_out))
        others = MissionSplit(
            self.seed,
            self.val,
            self.link_radius,
            self.link_stamps,
            (),
            (held_out,),
            self.allow_mixed_labels,
            self.sealed,
        )
        plan = others.plan(index)
        return SplitPlan("leave_one_mission_out", plan.rounds, {"held_out": held_out, **plan.account})
