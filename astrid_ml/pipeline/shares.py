"""A dataset that several jobs of a batch system prepare: each does its share of the units, then one publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor, Work
from astrid_ml.files import discard, read_note, write_json
from astrid_ml.pipeline.contract import each_once
from astrid_ml.pipeline.engine import REPORT, PrepareOutcome, planned, prepare_dataset
from astrid_ml.pipeline.machine import explained
from astrid_ml.pipeline.shards import SHARDS, Share, failed_of_shares, note_share, refuse_unfinished, shards_with
from astrid_ml.pipeline.units import Job, do_unit, finished_units
from astrid_ml.progress import Progress
from astrid_ml.readable import in_words
from astrid_ml.reasons import mend, only_limits, shortened

BY_SHARDS = "by_shards"  # key of a dataset's report.json: astrid publish joined it


@dataclass(frozen=True)
class ShareOutcome:
    """What one share of a preparation did.

    Args:
        done: units processed now.
        reused: units of this share that were finished.
        failed: units of this share that could not be done, with their reasons.
    """

    done: int
    reused: int
    failed: list[Drop] = field(default_factory=list)


def prepare_share(arguments: Mapping[str, Any], share: Share, executor: Executor) -> ShareOutcome:
    """Do the units of a share, those anew that were damaged since; nothing is published.

    Args:
        arguments: of :func:`~astrid_ml.pipeline.engine.planned`.
        share: which units.
        executor: where they run.

    Raises:
        UserError: nothing found, the disk is full, a mount is gone.
    """
    store = Path(arguments["store"])
    try:
        made = planned(**arguments, executor=executor)
        jobs = [job for position, job in enumerate(made.jobs) if share.takes(position)]
        finished, damaged = finished_units(jobs, content=True)
        for position in damaged:
            discard(jobs[position].target)
        todo = [job for position, job in enumerate(jobs) if position not in finished]
        failed: list[Drop] = []
        with Progress("preparing", len(jobs), len(jobs) - len(todo)) as shown:
            for position, result in each_once(executor, do_unit, todo):
                if isinstance(result, OSError):
                    raise result
                reason = in_words(result) if isinstance(result, Exception) else result.get("error")
                if reason:
                    failed.append(Drop(todo[position].unit.id, shortened(str(reason), 500)))
                shown.step()
        note_share(notes_of(made.target), share, failed)
        return ShareOutcome(len(todo) - len(failed), len(jobs) - len(todo), failed)
    except OSError as error:
        raise explained(error, store) from error


def publish_shares(arguments: Mapping[str, Any], **further: Any) -> PrepareOutcome:
    """Publish the dataset whose units shards have done.

    Args:
        arguments: of :func:`~astrid_ml.pipeline.engine.planned`.
        further: arguments of :func:`~astrid_ml.pipeline.engine.prepare_dataset` beside those.

    Raises:
        UserError: there are units that no shard did or tried, or that were damaged since, or too many failed.
    """
    made = planned(**arguments)
    folder = notes_of(made.target)
    failed = failed_of_shares(folder)
    names = [job.unit.id for job in made.jobs]
    finished, damaged = finished_units(made.jobs)
    refuse_unfinished(names, [names[position] for position in (*finished, *damaged)], failed, folder)
    for position, file in list(damaged.items())[:1]:
        got = f"{len(damaged)} that are damaged, the first is {names[position]} ({made.jobs[position].target / file})"
        fix = f"run {shards_with(damaged, folder)} again, which makes them anew, then astrid publish"
        raise UserError("units as the shards wrote them", got, fix)
    try:
        outcome = prepare_dataset(**arguments, **further, executor=Tried(failed))
    except UserError as error:
        if not only_limits(failed.values()):
            raise
        lost = [position for position, name in enumerate(names) if name in failed]
        fix = f"{mend(failed.values(), '')}: run {shards_with(lost, folder)} again with it, then astrid publish"
        raise UserError(error.expected, error.got, fix) from error
    write_json(outcome.path / REPORT, {**_report(outcome.path), BY_SHARDS: True})
    return outcome


def notes_of(target: Path) -> Path:
    """Where the shards of a dataset leave their notes.

    Args:
        target: the dataset's folder.
    """
    return target.parent / SHARDS / target.name


def notes_of_name(store: Path, name: str) -> list[Path]:
    """Where shards of datasets of a name have left notes: one folder for each state of the raw data.

    Args:
        store: with ``shards/``.
        name: of the datasets, whole.
    """
    return [path for path in sorted((store / SHARDS).glob("*")) if name == name_of(path.name)]


def joined_datasets(store: Path, name: str | None) -> list[Path]:
    """Folders of datasets that were published of shards.

    Args:
        store: of prepared data.
        name: of the datasets, whole; None for any.
    """
    known = [path.parent for path in sorted(store.glob(f"*/{REPORT}")) if name_of(path.parent.name) is not None]
    return [path for path in known if name in (None, name_of(path.name)) and _report(path).get(BY_SHARDS) is True]


def name_of(folder: str) -> str | None:
    """The name that a dataset was given, of its folder's; None for another folder.

    >>> name_of("a-b-0123456789ab"), name_of("a-0123456789ab-partial-012345"), name_of("units")
    ('a-b', 'a', None)
    """
    found = re.fullmatch(r"(.+?)-[0-9a-f]{12}(-partial-[0-9a-f]{6})?", folder, re.DOTALL)
    return found[1] if found else None


def _report(dataset: Path) -> dict[str, Any]:
    """What stands beside a dataset; nothing where it cannot be read."""
    try:
        content = read_note(dataset / REPORT)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@dataclass(frozen=True)
class Tried:
    """An executor that does nothing: it says of each unit what a shard said.

    Args:
        failed: unit -> reason.
    """

    failed: Mapping[str, str]

    def map(self, work: Work, items: Sequence[Job]) -> Iterator[tuple[int, Any]]:
        """Yield (position, what failed)."""
        for position, job in enumerate(items):
            yield position, {"id": job.unit.id, "error": self.failed.get(job.unit.id, "done by no shard")}
