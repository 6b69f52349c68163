"""Files that hold more than fits in memory: looked through once, then done chunk by chunk, each a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astrid_ml.contracts.pipeline import DomainPipeline, Streams, Unit
from astrid_ml.executors.contract import Executor
from astrid_ml.files import read_note, write_json
from astrid_ml.fingerprint import fingerprint, input_fingerprint
from astrid_ml.footprint import inner_folder
from astrid_ml.pipeline.contract import each_once
from astrid_ml.pipeline.machine import explained, machine_fault

STREAMS = "streams"  # folder of a store: what was found in each file


@dataclass(frozen=True)
class Look:
    """A file to be looked through.

    Args:
        pipeline: knows its chunks.
        unit: the file as the plan has it.
        note: keeps the answer.
    """

    pipeline: Streams
    unit: Unit
    note: Path

    @property
    def bytes_read(self) -> int:
        """Size of the file."""
        return sum(path.stat().st_size for path in self.unit.inputs)

    def known(self) -> list[Unit] | None:
        """The chunks that were found the last time; None where nobody has looked."""
        try:
            chunks = read_note(self.note)["chunks"]
            return [self._unit(str(id), dict(parameters), int(size)) for id, parameters, size in chunks]
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _unit(self, id: str, parameters: dict[str, Any], size: int) -> Unit:
        return replace(self.unit, id=id, parameters=parameters, bytes_needed=size)


def look_through(look: Look) -> None:
    """Find the chunks of a file and note them.

    Args:
        look: the file.
    """
    chunks = look.pipeline.chunks(look.unit)
    found = [[chunk.id, dict(chunk.parameters), chunk.bytes_needed] for chunk in chunks]
    write_json(look.note, {"file": look.unit.id, "chunks": found}, indent=None)


def chunked(
    pipeline: DomainPipeline,
    units: Sequence[Unit],
    raw: Sequence[Path],
    folder: Path,
    executor: Executor,
    progress: bool = True,
) -> list[Unit]:
    """The units of a plan, with the chunks of large files in the place of those files.

    Args:
        pipeline: that made the plan.
        units: of the plan.
        raw: files and folders that the user named.
        folder: keeps what was found, below ``streams/``; exists or is made.
        executor: where files are looked through.
        progress: show that it moves.

    Raises:
        UserError: the disk is full, a mount is gone.
    """
    if not isinstance(pipeline, Streams):
        return list(units)
    large = [unit for unit in units if not unit.missing and pipeline.is_large(unit)]
    own = fingerprint(pipeline)
    looks = {}
    for unit in large:
        mark = fingerprint(own, unit.id, dict(unit.parameters), input_fingerprint(unit.inputs, raw))[:24]
        looks[unit.id] = Look(pipeline, unit, folder / STREAMS / f"{mark}.json")
    todo = [look for look in looks.values() if look.known() is None]
    if todo:
        from astrid_ml.progress import waiting

        inner_folder(folder, STREAMS)
        with waiting("looking through large files", progress):
            for _, result in each_once(executor, look_through, todo):
                if isinstance(result, Exception):
                    fault = machine_fault(result, folder)
                    if fault is not None:
                        raise explained(fault, folder) from result
    out: list[Unit] = []
    for unit in units:
        chunks = looks[unit.id].known() if unit.id in looks else None
        out += [unit] if chunks is None else chunks  # a file that could not be looked through fails as a unit
    return out
