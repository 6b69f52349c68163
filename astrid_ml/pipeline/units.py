"""One unit on disk: processed into a folder of its own, renamed whole."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astrid_ml.contracts.by_part import said_of
from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import DomainPipeline, Drop, Unit
from astrid_ml.dataset.digests import SMALL, digest_of_file
from astrid_ml.errors import UserError
from astrid_ml.files import discard, read_note, whole_folder, write_json
from astrid_ml.fingerprint import file_hash, fingerprint, input_fingerprint, relative, seed_of
from astrid_ml.pipeline.contract import process
from astrid_ml.pipeline.lock import Claim
from astrid_ml.pipeline.machine import LOST, machine_fault
from astrid_ml.pipeline.writer import DiskUnitWriter
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened

MARK, RECORDS = "unit.json", "records.parquet"


@dataclass(frozen=True)
class Job:
    """A unit, and all that is needed to do it in any process.

    Args:
        pipeline: the domain's pipeline.
        unit: what to do.
        fingerprint: of the pipeline, the unit's inputs and its seed.
        seed: for the unit's random numbers.
        folder: ``STORE/units``.
        states: (bytes, mtime in ns) of each input when the fingerprint was taken; empty: not compared.
        claim: the owner's lock, asked before the unit gets its name; None where nobody else may work on it.
    """

    pipeline: DomainPipeline
    unit: Unit
    fingerprint: str
    seed: int
    folder: Path
    states: tuple[tuple[int, int], ...] = ()
    claim: Claim | None = None

    @property
    def bytes_read(self) -> int:
        """Bytes of the unit's files."""
        return sum(size for size, _ in self.states)

    @property
    def target(self) -> Path:
        """Where the finished unit lies."""
        return self.folder / self.fingerprint

    def done(self) -> dict[str, Any] | None:
        """The finished unit's summary, or None: where it is not there, or files of it are missing or cut short."""
        return summary_of(self.target)

    def changed(self) -> list[str]:
        """Names of inputs that are not as they were when the fingerprint was taken."""
        now = zip(self.unit.inputs, self.states, strict=True) if self.states else ()
        return [path.name for path, state in now if state_of(path) != state]


def summary_of(folder: Path) -> dict[str, Any] | None:
    """What a finished unit says of itself; None where it is unfinished, unreadable, or files do not have their size."""
    try:
        summary: dict[str, Any] = read_note(folder / MARK)
        sizes = {name: int(size) for name, (size, _) in (summary.get("files") or {RECORDS: (-1, "")}).items()}
        whole = all(size in (-1, (folder / name).stat().st_size) for name, size in sizes.items())
        return summary if whole and {"id", "records", "drops", "counts"} <= set(summary) else None
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def finished_units(jobs: Sequence[Job], content: bool = False) -> tuple[dict[int, dict[str, Any]], dict[int, str]]:
    """What is done already of some units, by their position.

    Arrays are compared with what was written where all together are small, as a dataset does when it is opened; what is
    read whole to publish it (records, tables) always is.

    Args:
        jobs: of the units.
        content: compare large arrays too.

    Returns:
        position -> summary of those that are sound; position -> first damaged file of those that are not.
    """
    done = {position: found for position, job in enumerate(jobs) if (found := job.done()) is not None}
    total = sum(int(size) for found in done.values() for size, _ in (found.get("files") or {}).values())
    damaged = {}
    for position, found in done.items():
        for name, (_, digest) in (found.get("files") or {}).items():
            whole = content or total <= SMALL or not name.endswith(".npy")
            if whole and file_hash(jobs[position].target / name) != digest:
                damaged[position] = name
                break
    return {position: found for position, found in done.items() if position not in damaged}, damaged


def state_of(path: Path) -> tuple[int, int]:
    """(bytes, mtime in ns): what tells that a file was written since."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def make_jobs(
    pipeline: DomainPipeline, units: Sequence[Unit], roots: Sequence[Path], store: Path, data_seed: int, hashed: bool
) -> list[Job]:
    """A job for each unit, with its fingerprint: the one under which it is finished already, if it is."""
    forms = [fingerprint(pipeline), fingerprint(pipeline, complete=True)]
    jobs = []
    for unit in units:
        seed = seed_of(data_seed, unit.id)
        inputs = input_fingerprint(unit.inputs, roots, hashed)
        states = tuple(state_of(path) for path in unit.inputs)
        # As it is now: files by their place below the raw folder, however that was named; then as it was once.
        parameters = [portable(unit, roots), dict(unit.parameters)]
        marks = [fingerprint(own, unit.id, each, inputs, seed)[:24] for each in parameters for own in forms]
        known = [mark for mark in marks if (store / "units" / mark / MARK).is_file()]
        jobs.append(Job(pipeline, unit, [*known, *marks][0], seed, store / "units", states))
    return jobs


def portable(unit: Unit, roots: Sequence[Path]) -> dict[str, Any]:
    """A unit's parameters with the names of its own files as they stand below the raw folders.

    Args:
        unit: with its files.
        roots: what the user named.
    """
    places = {str(path): relative(path, roots) for path in unit.inputs}

    def named(value: Any) -> Any:
        if isinstance(value, str):
            file, bracket, extension = value.partition("[")
            return f"{places[file]}{bracket}{extension}" if file in places else places.get(value, value)
        if isinstance(value, Mapping):
            return {key: named(part) for key, part in value.items()}
        return [named(part) for part in value] if isinstance(value, list | tuple) else value

    return {key: named(value) for key, value in unit.parameters.items()}


def do_unit(job: Job) -> dict[str, Any]:
    """Process one unit and rename its folder into place.

    Returns:
        Its summary: ``id``, ``records``, ``drops``, ``counts``, ``files`` (path -> bytes and SHA-256); with ``error``
        where the unit failed.

    Raises:
        OSError: the machine failed, not the unit: the disk is full, a mount is gone.
        ContractError: a class does not do what its contract says.
        LockLostError: another process owns the dataset by now.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.target.exists():
        found = job.done()
        if found is not None:  # another dataset's preparation was faster
            return found
        discard(job.target)
    with whole_folder(job.target, MARK, job.claim.check if job.claim else None) as work:
        writer = DiskUnitWriter(work, job.fingerprint[:12])
        try:
            process(job.pipeline, job.unit, writer, job.seed)
            records = writer.close()
            if changed := job.changed():
                raise ValueError(f"{', '.join(changed[:3])} was written while it was read")
        except ContractError:
            raise  # of the pipeline's class: whoever runs the units knows whether it ever did one
        except Exception as error:
            fault = machine_fault(error, job.folder)
            if fault is not None:
                raise _named(fault, job) from error
            return _failure(job, error)
        summary = {
            "id": job.unit.id,
            "records": records,
            "drops": [said_of(drop if drop.source else replace(drop, source=job.unit.id)) for drop in writer.drops],
            "counts": dict(sorted(writer.counts.items())),
            "files": {
                path.relative_to(work).as_posix(): list(digest_of_file(path))
                for path in sorted(work.rglob("*"))
                if path.is_file()
            },
        }
        write_json(work / MARK, summary, indent=1)
        return summary


def _named(fault: OSError, job: Job) -> OSError:
    """An error of reading knows no file: the unit's first one says where to look."""
    if fault.filename is None and fault.errno in LOST and job.unit.inputs:
        return OSError(fault.errno, fault.strerror, str(job.unit.inputs[0]))
    return fault


def _failure(job: Job, error: Exception) -> dict[str, Any]:
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    reason = shortened(in_words(error), 500)
    if not isinstance(error, OSError | ValueError | EOFError | MemoryError | RecursionError | UserError):
        reason += f" (at {place})"  # perhaps a mistake of the code, not of the file
    return {"id": job.unit.id, "error": reason, "where": place}


def failed_drop(summary: dict[str, Any]) -> Drop:
    """A failed unit as a drop with its reason."""
    return Drop(str(summary["id"]), str(summary["error"]))
