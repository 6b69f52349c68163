"""One unit on disk: processed into a folder of its own, renamed whole."""

from __future__ import annotations

import errno
import json
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astrid_ml.contracts.pipeline import DomainPipeline, Drop, Unit
from astrid_ml.files import whole_folder
from astrid_ml.fingerprint import fingerprint, input_fingerprint, seed_of
from astrid_ml.pipeline.writer import DiskUnitWriter


@dataclass(frozen=True)
class Job:
    """A unit, and all that is needed to do it in any process.

    Args:
        pipeline: the domain's pipeline.
        unit: what to do.
        fingerprint: of the pipeline, the unit's inputs and its seed.
        seed: for the unit's random numbers.
        folder: ``STORE/units``.
    """

    pipeline: DomainPipeline
    unit: Unit
    fingerprint: str
    seed: int
    folder: Path

    @property
    def target(self) -> Path:
        """Where the finished unit lies."""
        return self.folder / self.fingerprint

    def done(self) -> dict[str, Any] | None:
        """The finished unit's summary, or None."""
        file = self.target / "unit.json"
        if not file.is_file():
            return None
        summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return summary


def make_jobs(
    pipeline: DomainPipeline, units: Sequence[Unit], roots: Sequence[Path], store: Path, data_seed: int, hashed: bool
) -> list[Job]:
    """A job for each unit, with its fingerprint: the one under which it is finished already, if it is."""
    forms = [fingerprint(pipeline), fingerprint(pipeline, complete=True)]
    jobs = []
    for unit in units:
        seed = seed_of(data_seed, unit.id)
        inputs = input_fingerprint(unit.inputs, roots, hashed)
        marks = [fingerprint(own, unit.id, dict(unit.parameters), inputs, seed)[:24] for own in forms]
        known = [mark for mark in marks if (store / "units" / mark / "unit.json").is_file()]
        jobs.append(Job(pipeline, unit, [*known, *marks][0], seed, store / "units"))
    return jobs


def do_unit(job: Job) -> dict[str, Any]:
    """Process one unit and rename its folder into place.

    Returns:
        Its summary: ``id``, ``records``, ``drops``, ``counts``; with ``error`` where the unit failed.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    with whole_folder(job.target, "unit.json") as work:
        writer = DiskUnitWriter(work, job.fingerprint[:12])
        try:
            job.pipeline.process(job.unit, writer, job.seed)
            records = writer.close()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # not this unit's fault: stop the run
                raise
            return _failure(job, error)
        except Exception as error:
            return _failure(job, error)
        summary = {
            "id": job.unit.id,
            "records": records,
            "drops": [asdict(drop) for drop in writer.drops],
            "counts": dict(sorted(writer.counts.items())),
        }
        (work / "unit.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        return summary


def _failure(job: Job, error: Exception) -> dict[str, Any]:
    where = traceback.extract_tb(error.__traceback__)[-1]
    reason = f"{type(error).__name__}: {error}"[:500]
    return {"id": job.unit.id, "error": reason, "where": f"{Path(where.filename).name}:{where.lineno}"}


def failed_drop(summary: dict[str, Any]) -> Drop:
    """A failed unit as a drop with its reason."""
    return Drop(str(summary["id"]), str(summary["error"]))
