"""Stage by stage, or object by object; what is done is noted, and skipped the next time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.preprocessing.acquisition.stages.asking import choose, query, write_pairs
from astrid_ml.preprocessing.acquisition.stages.bringing import download, join_manifest, organize
from astrid_ml.preprocessing.acquisition.stages.campaign import RECORDS, STAGES, Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import changed
from astrid_ml.preprocessing.acquisition.stages.making import difference, remove_stale, triplets
from astrid_ml.preprocessing.acquisition.stages.memory import forget_images, return_large_blocks
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain

Stage = Literal["all", "query", "filter", "download", "organize", "difference", "triplets", "report"]
Order = Literal["per_object", "per_stage"]
PROGRESS = "pipeline_progress.json"
ASKING = ("query", "filter")
TABLES_AT_ONCE = 64  # targets whose tables are held together
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
        stages: object -> stage that is done -> digest of what it depended on: its row of the catalogue and settings.

    Example:
        >>> import tempfile
        >>> done = PipelineProgress(Path(tempfile.mkdtemp()) / "pipeline_progress.json")
        >>> done.add("query", {"2014J": "a"}, {"2014J"})
        >>> done.left("query", {"2014J": "a"}), done.left("query", {"2014J": "b"}), done.left("filter", {"2014J": "a"})
        (set(), {'2014J'}, {'2014J'})
    """

    path: Path
    stages: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> PipelineProgress:
        """What an earlier run noted; nothing where it cannot be read."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))["completed"]
            return cls(
                path, {name: dict(zip(one["stages"], one["made_from"], strict=True)) for name, one in said.items()}
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path)

    def left(self, stage: str, marks: Mapping[str, str]) -> set[str]:
        """Objects for which a stage is not done, or was done with other settings."""
        return {name for name, mark in marks.items() if self.stages.get(name, {}).get(stage) != mark}

    def add(self, stage: str, marks: Mapping[str, str], done: set[str]) -> None:
        """Note what a stage has done of these objects; later stages of those that it did again count no more."""
        for name, mark in marks.items():
            earlier = STAGES[: STAGES.index(stage)]
            before = {one: made for one, made in self.stages.get(name, {}).items() if one in earlier}
            self.stages[name] = before | ({stage: mark} if name in done else {})

    def write(self, order: Sequence[Target]) -> None:
        """Write the file, in the order of the catalogue."""
        names = [target.name for target in order if target.name in self.stages]
        said = {name: {"stages": [*(done := self.stages[name])], "made_from": [*done.values()]} for name in names}
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
    progress = PipelineProgress.read(campaign.folder / PROGRESS)
    work = [stage for stage in stages if stage in WORK]
    if not skip_completed:
        for done in progress.stages.values():
            for stage in work:
                done.pop(stage, None)
    lost = {target.name: _lost(campaign, target, work, progress) for target in targets}
    if order == "per_object":
        # Groups of targets that share frames are known when the pairs of all are: tables come first, then images.
        for start in range(0, len(targets), TABLES_AT_ONCE):
            some = targets[start : start + TABLES_AT_ONCE]
            for stage in work:
                if stage in ASKING:
                    _do(campaign, stage, some, progress, lost)
            progress.write(targets)
            for target in some:
                campaign.forget_plan(target)
        return_large_blocks()
        for target in targets:
            for stage in work:
                if stage not in ASKING:
                    _do(campaign, stage, [target], progress, lost)
                    forget_images()
            progress.write(targets)
            campaign.forget_plan(target)
    else:
        for stage in work:
            _do(campaign, stage, targets, progress, lost)
            progress.write(targets)
    if "triplets" in work:
        remove_stale(campaign, targets)
    if "filter" in work:
        write_pairs(campaign, targets)
    if "organize" in work:
        join_manifest(campaign, targets)


def left_to_do(campaign: Campaign) -> dict[str, int]:
    """Stage -> targets of which it is not done, or was done with other settings.

    Args:
        campaign: with its targets.
    """
    progress, targets = PipelineProgress.read(campaign.folder / PROGRESS), campaign.targets.targets()
    counts = {
        stage: len(progress.left(stage, {target.name: campaign.mark(stage, target) for target in targets}))
        for stage in WORK
    }
    return {stage: count for stage, count in counts.items() if count}


def _lost(campaign: Campaign, target: Target, work: Sequence[str], progress: PipelineProgress) -> set[str]:
    """Stages that are done, and whose files were removed or cut short since, as far as anything still needs them.

    What was subtracted may go when its triplets are there: it is made again when they are to be made again.
    """
    done, lost, needed = progress.stages.get(target.name, {}), set[str](), True
    for stage in reversed(work):
        if done.get(stage) != campaign.mark(stage, target):
            needed = True
        elif needed:
            record = campaign.records(stage).get(plain(target.name))
            needed = record is None or bool(changed(record, campaign.folder))
            lost |= {stage} if needed else set()
    return lost


def _do(
    campaign: Campaign, stage: str, targets: Sequence[Target], progress: PipelineProgress, lost: Mapping[str, set[str]]
) -> None:
    marks = {target.name: campaign.mark(stage, target) for target in targets}
    asked_again = campaign.retry_absent and stage in ("filter", "download")
    left = set(marks) if asked_again else progress.left(stage, marks)
    left |= {name for name in marks if stage in lost.get(name, ())}
    if left:
        done = WORK[stage](campaign, [target for target in targets if target.name in left])
        progress.add(stage, {name: mark for name, mark in marks.items() if name in left}, done)


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
