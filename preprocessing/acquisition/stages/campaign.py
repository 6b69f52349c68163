"""What all stages of a run share: the data set, its archives, the folder, the records of what is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.executors.contract import Executor
from astrid_ml.fingerprint import file_hash, fingerprint
from astrid_ml.preprocessing.acquisition.archives.alerce import Broker
from astrid_ml.preprocessing.acquisition.archives.archive import Archive, Observation
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.data_set import Acquisition, OpenedArchives
from astrid_ml.preprocessing.acquisition.pairs.choose import TargetPlan
from astrid_ml.preprocessing.acquisition.stages.groups import groups_of
from astrid_ml.preprocessing.acquisition.stages.kept import KeptRecords, digest
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target, TargetList
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget
from astrid_ml.preprocessing.acquisition.triplets.known import KnownSources
from astrid_ml.preprocessing.acquisition.triplets.label import LabelTriplets
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline

STAGES = ("query", "filter", "download", "organize", "difference", "triplets", "report")
RECORDS = "records"
NEAR = 10.0  # degrees; more than half of any frame here


@dataclass(frozen=True)
class Campaign:
    """One data set on its way.

    Args:
        asked: the data set with its archives.
        folder: of all results.
        targets: of the catalogue.
        pipeline: how pairs are subtracted.
        executor: where; None is this process.
        retry_absent: ask again for what an archive does not have or does not give.
        plans: plans that were made in this process, by the target's name.
        found_groups: groups that were found in this process; cleared where pairs are chosen.
    """

    asked: OpenedArchives
    folder: Path
    targets: TargetList
    pipeline: DifferencingPipeline
    executor: Executor | None = None
    retry_absent: bool = False
    plans: dict[str, TargetPlan] = field(default_factory=dict)
    found_groups: dict[str, str] = field(default_factory=dict)

    @property
    def data_set(self) -> Acquisition:
        """What is wanted."""
        return self.asked.data_set

    def records(self, stage: str) -> KeptRecords:
        """Of one stage."""
        return KeptRecords(self.folder / RECORDS / stage)

    def before(self, stage: str, target: Target) -> dict[str, Any] | None:
        """The record that the stage before has left of a target; None where that is not done.

        Args:
            stage: that is to work now.
            target: on which.
        """
        return self.records(STAGES[STAGES.index(stage) - 1]).get(plain(target.name))

    def plan(self, target: Target) -> TargetPlan | None:
        """The pairs of a target; None where it was not asked for.

        They are chosen anew in each process, since that costs less than a millisecond.

        Args:
            target: of the catalogue.
        """
        if target.name not in self.plans:
            said = self.records("query").get(plain(target.name))
            if said is None or said["failed"]:
                return None
            found = [Observation(**row) for row in said["observations"]]
            self.plans[target.name] = self.data_set.pairs(target, found)
        return self.plans[target.name]

    def forget_plan(self, target: Target) -> None:
        """Let go of a plan: those of a large catalogue would fill the memory."""
        self.plans.pop(target.name, None)

    def each_plan(self, targets: Sequence[Target]) -> Iterator[TargetPlan]:
        """The plans of targets, one at a time.

        Args:
            targets: of the catalogue; of those that were not asked for there is none.
        """
        for target in targets:
            plan = self.plan(target)
            self.forget_plan(target)
            if plan is not None:
                yield plan

    def groups(self) -> Mapping[str, str]:
        """Target -> the first one of those that share its images, by the frames of all chosen pairs."""
        if not self.found_groups:
            rows = self.targets.rows
            said = [self.records("filter").get(plain(str(name))) or {"frames": {}} for name in rows["name"]]
            places = rows[["ra", "dec"]].to_numpy(dtype=float)
            frames = [one["frames"] for one in said]
            names = rows["name"].astype(str).tolist()
            self.found_groups.update(groups_of(names, places, frames, self.data_set.labels.together, self.objects()))
        return self.found_groups

    def objects(self) -> Mapping[str, str]:
        """Target -> the moving object that it is a place of."""
        moving = self.targets.moving.items()
        return {name: target.object for name, target in moving if isinstance(target, MovingTarget)}

    def others(self) -> pd.DataFrame:
        """Places of all usable rows of the catalogue, chosen or not: each may shine in an image of another."""
        return self.targets.everything[["ra", "dec"]]

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """Stage -> digest of the settings that decide what it makes of the record before it."""
        data_set = self.data_set
        archives = {name: self._said_of(archive) for name, archive in self.asked.archives.items()}
        counted = data_set.count_all
        rules, size = _by_content(data_set.labels), self.pipeline.cutout.size
        return {
            "query": fingerprint(data_set.search, archives, counted),
            "filter": fingerprint(data_set.pairs, archives),
            "download": "",
            "organize": fingerprint(data_set.pairs),
            "difference": fingerprint(self.pipeline, data_set.control),
            "triplets": fingerprint(*rules, size),
            "alerts": fingerprint({name: self._said_of(one) for name, one in self.asked.brokers.items()}),
        }

    def mark(self, stage: str, target: Target) -> str:
        """Digest of all that a stage of a target depends on: its row, the settings of this stage and those before."""
        before = [self.settings[name] for name in STAGES[: STAGES.index(stage) + 1]]
        return digest(asdict(target), before, self.surroundings(target) if stage == "triplets" else None)

    def surroundings(self, target: Target) -> list[Any]:
        """What other targets mean for the labels of one: its group, and what shines or moves near it."""
        near = KnownSources(self.others()).around(target.ra, target.dec, NEAR).rows
        said = [self.groups()[target.name], near.to_numpy(dtype=float).tolist()]
        tracks = self.targets.tracks
        if tracks is None:
            return said
        return [*said, KnownSources(tracks).around(target.ra, target.dec, NEAR).rows.to_numpy().tolist()]

    def _said_of(self, archive: Archive | Broker) -> Any:
        """An archive's settings, but for how it is asked and on which port a simulated one listens."""
        if not is_dataclass(archive):
            return type(archive).__qualname__
        said = {one.name: getattr(archive, one.name) for one in fields(archive)}
        plain_ones = {name: value for name, value in said.items() if not isinstance(value, ArchiveClient)}
        if self.asked.base and plain_ones.get("server") == self.asked.base:
            plain_ones["server"] = ""
        return {"archive": type(archive).__qualname__, **plain_ones}


def _by_content(rules: LabelTriplets) -> tuple[LabelTriplets, list[str | None]]:
    """The rules, and the content of the tables that they name, wherever those lie."""
    tables = [rules.known, rules.spoilt.hand_list]
    plain_rules = replace(rules, known=None, spoilt=replace(rules.spoilt, hand_list=None))
    return plain_rules, [None if path is None else file_hash(Path(path)) for path in tables]
