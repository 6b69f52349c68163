"""What all stages of a run share: the data set, its archives, the folder, the records of what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.data_set import Acquisition, OpenedArchives
from astrid_ml.preprocessing.acquisition.files.organise import plain
from astrid_ml.preprocessing.acquisition.pairs.choose import TargetPlan
from astrid_ml.preprocessing.acquisition.stages.kept import KeptRecords
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target, TargetList
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.sky import SkyStrips

STAGES = ("query", "filter", "download", "organize", "difference", "triplets", "report")
RECORDS = "records"


@dataclass(frozen=True)
class Campaign:
    """One data set on its way.

    Args:
        asked: the data set with its archives.
        folder: of all results.
        targets: of the catalogue.
        pipeline: how pairs are subtracted.
        executor: where; None is this process.
        plans: plans that were made in this process, by the target's name.
    """

    asked: OpenedArchives
    folder: Path
    targets: TargetList
    pipeline: DifferencingPipeline
    executor: Executor | None = None
    plans: dict[str, TargetPlan] = field(default_factory=dict)

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

    def groups(self) -> Mapping[str, str]:
        """Target -> the first one of those that may share its images."""
        rows = self.targets.rows
        places = rows[["ra", "dec"]].to_numpy(dtype=float)
        names = rows["name"].astype(str).tolist()
        first = list(range(len(names)))
        if len(names) > 1 and self.data_set.labels.together > 0:
            first = _connected(places, self.data_set.labels.together)
        return {name: names[first[number]] for number, name in enumerate(names)}

    def others(self) -> pd.DataFrame:
        """Places of all targets, ra and dec."""
        return self.targets.rows[["ra", "dec"]]


def _connected(places: np.ndarray[Any, Any], radius: float) -> list[int]:
    """For each place the first one that it is linked with, over any number of steps of at most ``radius`` degrees."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    one, other, _ = SkyStrips(places, radius * 3600).pairs(places)
    n = len(places)
    _, which = connected_components(coo_matrix((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)
    first: dict[int, int] = {}
    for number, component in enumerate(which.tolist()):
        first.setdefault(component, number)
    return [first[component] for component in which.tolist()]


def distinct(targets: Sequence[Target]) -> None:
    """Refuse targets whose names are one name of a file.

    Args:
        targets: of a catalogue.

    Raises:
        UserError: names both.
    """
    seen: dict[str, str] = {}
    for target in targets:
        name = plain(target.name).casefold()
        if name in seen:
            got = f"{seen[name]} and {target.name}"
            raise UserError("targets whose names differ as names of files", got, "rename one of them in the catalogue")
        seen[name] = target.name
