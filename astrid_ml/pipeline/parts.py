"""The pieces of a command's work, each kept when it is done: the same command typed again does what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.files import discard, json_text, read_note, write_text
from astrid_ml.fingerprint import file_hash, fingerprint, input_fingerprint
from astrid_ml.footprint import inner_folder
from astrid_ml.pipeline.contract import each_once
from astrid_ml.pipeline.machine import explained, machine_fault
from astrid_ml.pipeline.shards import Share, failed_of_shares, note_share, refuse_unfinished
from astrid_ml.pipeline.units import state_of
from astrid_ml.progress import Progress
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened
from astrid_ml.temporaries import forget_orphans

_OWN = re.compile(r"[0-9a-f]{24}\.")
_NOTE = re.compile(r"[0-9a-f]{24}\.json")
PARTS = "parts"  # folder: a note for each finished piece
# A piece of work gives what is to be said of it (JSON), and the files that it wrote, in the folder of the results.
PieceWork = Callable[[Any], tuple[dict[str, Any], Sequence[Path]]]


@dataclass(frozen=True)
class Part:
    """A piece of work that succeeds or fails whole.

    Args:
        name: unique within the command; the same the next time it is typed.
        item: what the work is given; pickled on its way to another process.
        inputs: files that it reads.
        decides: what else decides its result, and not that of others: plain values.
    """

    name: str
    item: Any
    inputs: tuple[Path, ...] = ()
    decides: Any = None


@dataclass(frozen=True)
class PartJob:
    """A piece of work with all that is needed to do it in any process.

    Args:
        work: gives its result, and the files that it wrote.
        part: the piece.
        folder: of the results.
        mark: fingerprint of the piece, its files and the settings.
        bytes_read: size of its files.
    """

    work: PieceWork
    part: Part
    folder: Path
    mark: str
    bytes_read: int

    @property
    def note(self) -> Path:
        """The file that says that it is done."""
        return self.folder / PARTS / f"{self.mark}.json"

    def done(self) -> dict[str, Any] | None:
        """Its result; None where it is unfinished, or what was written is missing, cut short or damaged.

        Files below ``parts/`` are read by the command itself, so their content is compared; of products the size.
        """
        try:
            note = read_note(self.note)
            digests = note.get("digests") or {}  # earlier versions kept none
            whole = all((self.folder / name).stat().st_size == size for name, size in note["files"].items())
            whole = whole and note.get("digest") in (None, _digest_of(note["files"], digests, note["result"]))
            whole = whole and all(file_hash(self.folder / name) == digest for name, digest in digests.items())
            return dict(note["result"]) if whole else None
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


class RefusedError(UserError):
    """What stops a piece of work and would stop every other one too: the command ends with it.

    Args:
        expected: what the program needed.
        got: what it found instead.
        fix: what the user can do now.
    """


def do_part(job: PartJob) -> dict[str, Any]:
    """Do a piece of work, and note that it is done.

    The same command may be at work elsewhere (a shard that a batch system started twice): what that has done is taken.

    Args:
        job: the piece.
    """
    done = job.done()
    if done is not None:
        return done
    try:
        return _noted(job, *job.work(job.part.item))
    except OSError:
        done = job.done()  # the other one wrote over what this one wrote, and ended
        if done is None:
            raise
        return done


def _noted(job: PartJob, result: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    sizes = {path.relative_to(job.folder).as_posix(): path.stat().st_size for path in files}
    digests = {name: file_hash(job.folder / name) for name in sizes if Path(name).parts[0] == PARTS}
    result = json.loads(json_text(result, None))
    said = {"files": sizes, "digests": digests, "result": result, "digest": _digest_of(sizes, digests, result)}
    text = json_text({"name": job.part.name, **said}, None)
    write_text(job.note, text)
    return dict(json.loads(text)["result"])  # as it will be read the next time


def _digest_of(*values: Any) -> str:
    """Of what a note says, so that a note whose numbers were damaged is none."""
    return hashlib.sha256(json_text(values, None, sort_keys=True).encode()).hexdigest()


def do_parts(
    work: PieceWork,
    parts: Sequence[Part],
    folder: Path,
    *,
    settings: Any,
    executor: Executor,
    share: Share | None = None,
    what: str = "working",
    roots: Sequence[Path] = (),
    progress: bool = True,
    forget: bool = True,
    beside: Collection[str] = (),
) -> list[dict[str, Any] | Exception] | None:
    """Do all pieces that are not done, and give all results.

    Args:
        work: gives a piece's result (JSON) and the files that it wrote below ``folder``; it writes each of them whole.
        parts: the pieces.
        folder: of the results; exists.
        settings: all else that decides the results: plain values and dataclasses.
        executor: where they run.
        share: which of them are done here; None does all.
        what: a word for the work.
        roots: files are known by their place below these.
        progress: show that it moves.
        forget: notes of pieces that are not among these go; False where they are some of more in this folder.
        beside: marks of further pieces, whose notes stay.

    Returns:
        The result or the exception of each piece, in their order; None where a share is done and others are not here.

    Raises:
        UserError: ``parts`` is a file or a link; the machine failed; a piece was refused for all; or shares are joined
            that are not all done.
        ContractError: a class does not do what its contract says, and nothing was done before.
    """
    inner_folder(folder, PARTS)
    own = fingerprint(settings)
    jobs = [_job(work, part, folder, own, roots) for part in parts]
    if forget:
        _forget_others(folder, {job.mark for job in jobs} | set(beside))
    results: dict[int, dict[str, Any] | Exception] = {}
    for position, job in enumerate(jobs):
        found = job.done()
        if found is not None:
            results[position] = found
    todo = [n for n in range(len(jobs)) if n not in results and (share is None or share.takes(n))]
    if todo:
        _run(jobs, todo, results, executor, Progress(what, len(jobs), len(jobs) - len(todo), wanted=progress))
        forget_orphans(folder / PARTS)
    if share is None:
        return [results[position] for position in range(len(jobs))]
    if not share.joins:
        lost = [(jobs[n].part.name, results[n]) for n in todo if isinstance(results[n], Exception)]
        note_share(folder, share, [Drop(name, in_short(error)) for name, error in lost])
        return None
    failed = failed_of_shares(folder)
    names = [part.name for part in parts]
    refuse_unfinished(names, [names[position] for position in results], failed, folder)
    return [results.get(n, ShardFailedError(failed.get(names[n], ""))) for n in range(len(jobs))]


def all_done(parts: Sequence[Part], folder: Path, settings: Any, roots: Sequence[Path]) -> bool:
    """Whether :func:`do_parts` would find all of these done."""
    own = fingerprint(settings)
    return all(_job(_nothing, part, folder, own, roots).done() is not None for part in parts)


def _nothing(item: Any) -> tuple[dict[str, Any], Sequence[Path]]:
    raise NotImplementedError(f"{item} is asked about, not done")


def said_of_share(folder: Path, share: Share | None) -> dict[str, Any]:
    """What a command prints that did a share of its work: the share, and what failed of it.

    Args:
        folder: of the results.
        share: that was done.
    """
    failed = {} if share is None else failed_of_shares(folder, f"{share.index}-of-{share.of}")
    reasons = [f"{name}: {reason}" for name, reason in failed.items()]
    return {"shard": str(share), "failed": len(failed)} | ({"failed_parts": reasons} if reasons else {})


class ShardFailedError(RuntimeError):
    """What a shard said of a piece of work that it could not do."""


def in_short(error: object) -> str:
    """One line on an exception, in words for the user."""
    return shortened(in_words(error) if isinstance(error, BaseException) else str(error), 500)


def _forget_others(folder: Path, marks: Collection[str]) -> None:
    """Remove the notes of other settings and of files that have changed since: their results may be written over."""
    kept = {f"{mark}.json" for mark in marks}
    for path in (folder / PARTS).glob("*.json"):
        strange = path.name not in kept or not path.is_file()  # a folder cannot be written over
        if _NOTE.fullmatch(path.name) and strange:  # pieces may keep files of their own beside it
            discard(path)


def _job(work: PieceWork, part: Part, folder: Path, settings: str, roots: Sequence[Path]) -> PartJob:
    size = sum(state_of(path)[0] for path in part.inputs if os.path.isfile(path))
    return PartJob(work, part, folder, mark_of(part, settings, roots), size)


def mark_of(part: Part, settings: str, roots: Sequence[Path] = ()) -> str:
    """The name of a piece's note, which its own files may have too: another one for other files or settings.

    Args:
        part: the piece.
        settings: fingerprint of the settings of all.
        roots: files are known by their place below these.
    """
    there = [path for path in part.inputs if os.path.isfile(path)]
    files = input_fingerprint(there, roots or [path.parent for path in there])
    return fingerprint(settings, part.name, part.decides, files)[:24]


def forget_other_parts(folder: Path, marks: Collection[str]) -> None:
    """Remove the notes and files of pieces that the same command had with other files or settings.

    Args:
        folder: of the results.
        marks: of the pieces that stay.
    """
    for path in sorted((folder / PARTS).iterdir()):
        if _OWN.match(path.name) and path.name[:24] not in marks:
            discard(path)


def _run(
    jobs: Sequence[PartJob],
    todo: Sequence[int],
    results: dict[int, dict[str, Any] | Exception],
    executor: Executor,
    progress: Progress,
) -> None:
    with progress as shown:
        for order, result in each_once(executor, do_part, [jobs[position] for position in todo]):
            job = jobs[todo[order]]
            if isinstance(result, Exception):
                fault = machine_fault(result, job.folder)
                if fault is not None:
                    raise explained(fault, job.folder) from result
                if isinstance(result, RefusedError):
                    raise result
                if isinstance(result, ContractError) and not any(isinstance(r, dict) for r in results.values()):
                    raise result  # code that has done nothing yet would fail of the others too
            results[todo[order]] = result
            shown.step()
