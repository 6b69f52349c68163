"""Stage by stage, or object by object; what is done is noted, and skipped the next time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.preprocessing.acquisition.stages.asking import choose, query, write_pairs
from astrid_ml.preprocessing.acquisition.stages.bringing import download, join_manifest, organize
from astrid_ml.preprocessing.acquisition.stages.campaign import RECORDS, STAGES, Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import digest
from astrid_ml.preprocessing.acquisition.stages.making import difference, triplets
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target

Stage = Literal["all", "query", "filter", "download", "organize", "difference", "triplets", "report"]
Order = Literal["per_object", "per_stage"]
PROGRESS = "pipeline_progress.json"
WORK: Mapping[str, Callable[[Campaign, Sequence[Target]], set[str]]] = {
    "query": query,
    "filter": choose,
    "download": download,
    "organize": organize,
    "difference": difference,
    "triplets": triplets,
}


@dataclass
class PipelineProgress:
    """Which stages each object has behind it: ``pipeline_progress.json``.

    Args:
        path: of the file.
        stages: object -> stages that are done.
        targets: object -> digest of its row of the catalogue: a row that was changed begins anew.

    Example:
        >>> import tempfile
        >>> done = PipelineProgress(Path(tempfile.mkdtemp()) / "pipeline_progress.json")
        >>> target = Target("2014J", 148.9, 69.7, 56678.0)
        >>> done.add("query", [target], {"2014J"})
        >>> done.left("query", [target]), [one.name for one in done.left("filter", [target])]
        ([], ['2014J'])
    """

    path: Path
    stages: dict[str, list[str]] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> PipelineProgress:
        """What an earlier run noted; nothing where it cannot be read."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))["completed"]
            stages = {str(name): [str(stage) for stage in one["stages"]] for name, one in said.items()}
            return cls(path, stages, {str(name): str(one["target"]) for name, one in said.items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path)

    def left(self, stage: str, targets: Sequence[Target]) -> list[Target]:
        """Targets for which a stage is not done."""
        return [
            target
            for target in targets
            if stage not in self.stages.get(target.name, []) or self.targets.get(target.name) != digest(asdict(target))
        ]

    def add(self, stage: str, targets: Sequence[Target], done: set[str]) -> None:
        """Note what a stage has done of these targets; later stages of those that it did again count no more."""
        for target in targets:
            before = [one for one in self.stages.get(target.name, []) if STAGES.index(one) < STAGES.index(stage)]
            self.stages[target.name] = [*before, stage] if target.name in done else before
            self.targets[target.name] = digest(asdict(target))

    def write(self, order: Sequence[Target]) -> None:
        """Write the file, in the order of the catalogue."""
        names = [target.name for target in order if target.name in self.stages]
        said = {name: {"target": self.targets[name], "stages": self.stages[name]} for name in names}
        write_json(self.path, {"completed": said})


def stages_of(stage: Stage, dry_run: bool) -> list[str]:
    """The stages that a run has.

    Args:
        stage: all, or one.
        dry_run: nothing is downloaded.

    >>> stages_of("all", True), stages_of("download", False)
    (['query', 'filter'], ['download'])
    """
    if dry_run:
        return [name for name in STAGES[:2] if stage in ("all", *STAGES[STAGES.index(name) :])]
    return [*STAGES] if stage == "all" else [str(stage)]


def run_stages(campaign: Campaign, stages: Sequence[str], order: Order, skip_completed: bool = True) -> None:
    """Do stages of all targets.

    Args:
        campaign: with its targets.
        stages: in their order; ``report`` is made by whoever calls.
        order: stage by stage, or object by object: then one object's images are worked on at a time.
        skip_completed: do not look again at what is noted as done.
    """
    targets = campaign.targets.targets()
    progress = PipelineProgress.read(campaign.folder / PROGRESS) if skip_completed else PipelineProgress(Path())
    progress.path = campaign.folder / PROGRESS
    work = [stage for stage in stages if stage in WORK]
    if order == "per_object":
        for target in targets:
            for stage in work:
                _do(campaign, stage, [target], progress)
            progress.write(targets)
            campaign.plans.pop(target.name, None)
    else:
        for stage in work:
            _do(campaign, stage, targets, progress)
            progress.write(targets)
    if "filter" in work:
        write_pairs(campaign, targets)
    if "organize" in work:
        join_manifest(campaign, targets)


def _do(campaign: Campaign, stage: str, targets: Sequence[Target], progress: PipelineProgress) -> None:
    left = progress.left(stage, targets)
    if left:
        progress.add(stage, left, WORK[stage](campaign, left))


def refuse_early(folder: Path, stages: Sequence[str]) -> None:
    """Refuse one stage where the one before has done nothing.

    Args:
        folder: of the output.
        stages: of the run.

    Raises:
        UserError: names the stage to be run before.
    """
    if len(stages) > 1 or stages[0] not in STAGES[1:]:
        return
    before = "query" if stages[0] == "report" else STAGES[STAGES.index(stages[0]) - 1]
    if not any((folder / RECORDS / before).glob("*.json")):
        fix = f"run stage={before} before, or stage=all"
        raise UserError(f"the results of stage={before} in {folder}", "none", fix)
