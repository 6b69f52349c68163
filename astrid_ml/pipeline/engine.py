"""Runs a pipeline's units, finds finished ones again, and publishes the result as a prepared dataset."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.left_out import left_out_units
from astrid_ml.contracts.pipeline import DomainPipeline, Drop, Labeller, Unit
from astrid_ml.contracts.verbs import ChecksUnits
from astrid_ml.dataset.digests import read_digests
from astrid_ml.dataset.prepared import units_that_failed
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import discard, move, read_note, write_json
from astrid_ml.fingerprint import fingerprint, input_fingerprint
from astrid_ml.pipeline.contract import check_owner, each_once, units_of_plan
from astrid_ml.pipeline.lock import Lock, LockLostError
from astrid_ml.pipeline.machine import explained, refuse_lost_files
from astrid_ml.pipeline.publish import publish
from astrid_ml.pipeline.streams import chunked
from astrid_ml.pipeline.units import Job, do_unit, failed_drop, finished_units, make_jobs
from astrid_ml.progress import Progress
from astrid_ml.readable import in_words
from astrid_ml.reasons import mend, shortened
from astrid_ml.temporaries import forget_orphans

REPORT = "report.json"  # beside a dataset's bytes: times and hosts


@dataclass(frozen=True)
class PrepareOutcome:
    """What preparing did.

    Args:
        path: the published dataset.
        reused: the dataset was there already.
        units_done: units processed now.
        units_reused: units found finished in the store.
        units_failed: failed or incomplete units with their reasons.
        waited: another process was preparing the same dataset.
    """

    path: Path
    reused: bool
    units_done: int = 0
    units_reused: int = 0
    units_failed: list[Drop] = field(default_factory=list)
    waited: bool = False


def prepare_dataset(
    pipeline: DomainPipeline,
    raw: Sequence[Path],
    store: Path,
    *,
    name: str,
    labeller: Labeller | None = None,
    data_seed: int = 1,
    executor: Executor | None = None,
    max_failed: float = 0.05,
    config: dict[str, Any] | None = None,
    hash_inputs: bool = False,
    progress: bool = True,
) -> PrepareOutcome:
    """Prepare a dataset, or find it again.

    Args:
        pipeline: the domain's pipeline.
        raw: files and folders.
        store: gets ``<name>-<fingerprint12>/``, ``units/`` and ``latest.json``.
        name: the experiment's name.
        labeller: joins labels to the index; None keeps those that the pipeline set.
        data_seed: seeds each unit together with its id.
        executor: where units run; serial by default.
        max_failed: share of failed units up to which the dataset is published.
        config: stands in ``dataset.json``.
        hash_inputs: fingerprint inputs by content instead of size and mtime.
        progress: show a bar.

    Raises:
        UserError: nothing found, too many units failed, the disk is full, a mount is gone, the lock was lost.
    """
    try:
        made = planned(
            pipeline,
            raw,
            store,
            name=name,
            labeller=labeller,
            data_seed=data_seed,
            hash_inputs=hash_inputs,
            executor=executor,
            progress=progress,
        )
        units, jobs, mark, target = made.units, made.jobs, made.mark, made.target
        if is_whole(target):
            return _reuse(store, target)
        with Lock(store / "locks" / f"{mark[:24]}.lock", f"the dataset {target.name}") as lock:
            if is_whole(target):
                return PrepareOutcome(target, True, waited=lock.waited)
            started = time.time()
            jobs = [replace(job, claim=lock.claim) for job in jobs]
            summaries, reused = _run(jobs, executor or Serial(), progress, raw)
            errors = [failed_drop(summary) for summary in summaries if "error" in summary]
            failed = [Drop(unit.id, "missing " + ", ".join(unit.missing)) for unit in units if unit.missing] + errors
            _refuse_failures(failed, len(units), max_failed)
            done = [(job, summary) for job, summary in zip(jobs, summaries, strict=True) if "error" not in summary]
            mark, target, there = _place(mark, target, errors, lock)
            if not there:
                names: dict[str, Any] = {"fingerprint": mark, "name": name, "config": config or {}}
                publish(pipeline, done, failed, labeller, target, **names, before=lock.check)
                lock.check()
                _write_report(target, started, len(jobs) - reused, reused)
            _point_to_latest(store, target, lock)
            return PrepareOutcome(target, there, len(done) - reused, reused, failed, lock.waited)
    except OSError as error:
        raise explained(error, store) from error


@dataclass(frozen=True)
class Planned:
    """What is to be done for a dataset.

    Args:
        units: all, those with missing files too.
        jobs: of the units that are ready, in their order.
        mark: the dataset's fingerprint.
        target: its folder.
    """

    units: list[Unit]
    jobs: list[Job]
    mark: str
    target: Path


def planned(
    pipeline: DomainPipeline,
    raw: Sequence[Path],
    store: Path,
    *,
    name: str,
    labeller: Labeller | None = None,
    data_seed: int = 1,
    hash_inputs: bool = False,
    executor: Executor | None = None,
    progress: bool = True,
) -> Planned:
    """What :func:`prepare_dataset` will do with the same arguments; large files are looked through for their chunks."""
    units = chunked(pipeline, units_of_plan(pipeline, raw), raw, store, executor or Serial(), progress)
    units += left_out_units(raw)
    if isinstance(labeller, ChecksUnits):
        labeller.check_units(units)
    jobs = make_jobs(pipeline, [unit for unit in units if not unit.missing], raw, store, data_seed, hash_inputs)
    mark = dataset_fingerprint(units, jobs, labeller, store, name)
    return Planned(units, jobs, mark, store / f"{name}-{mark[:12]}")


def _place(mark: str, target: Path, errors: Sequence[Drop], lock: Lock) -> tuple[str, Path, bool]:
    """Fingerprint and folder of what is to be published, and whether it stands there; makes room where it does not."""
    lock.check()
    if errors:  # what may pass must not be published as the whole
        mark, target = partial_identity(mark, target, errors)
        if is_dataset(target):
            return mark, target, True
    else:
        _retire(mark, target)
    if target.exists():  # damaged: everything in it is made again from the units
        discard(target)
    return mark, target, False


def plan_dataset(
    pipeline: DomainPipeline,
    raw: Sequence[Path],
    store: Path,
    *,
    name: str,
    labeller: Labeller | None = None,
    data_seed: int = 1,
    hash_inputs: bool = False,
) -> Path:
    """Write ``plan.json``: what would be done, without doing it."""
    store.mkdir(parents=True, exist_ok=True)
    made = planned(pipeline, raw, store, name=name, labeller=labeller, data_seed=data_seed, hash_inputs=hash_inputs)
    units = made.units
    finished = {job.unit.id for job in made.jobs if job.done() is not None}
    rows = [
        {
            "name": unit.id,
            "status": "incomplete" if unit.missing else "ready",
            "missing": list(unit.missing),
            "finished": unit.id in finished,
            "bytes": unit.bytes_needed,
        }
        for unit in units
    ]
    content = {
        "dataset": made.target.name,
        "units": rows,
        "ready": sum(not unit.missing for unit in units),
        "incomplete": sum(bool(unit.missing) for unit in units),
        "bytes_needed": sum(unit.bytes_needed for unit in units if unit.id not in finished),
        "bytes_free": shutil.disk_usage(store).free,
    }
    path = store / "plan.json"
    write_json(path, content)
    return path


def dataset_fingerprint(
    units: Sequence[Unit], jobs: Sequence[Job], labeller: Labeller | None, store: Path, name: str
) -> str:
    """Over the units (pipeline, inputs, seeds), the incomplete ones, and the labels with their files.

    Where the store holds the dataset under the fingerprint of an earlier form, that one is returned.
    """
    incomplete = [[unit.id, list(unit.missing)] for unit in units if unit.missing]
    marks = []
    for complete in (False, True):
        labels = None
        if labeller is not None:
            labels = [fingerprint(labeller, complete=complete), input_fingerprint(labeller.inputs(), [], True)]
        marks.append(fingerprint([job.fingerprint for job in jobs], incomplete, labels))
    known = [mark for mark in marks if (store / f"{name}-{mark[:12]}" / "dataset.json").is_file()]
    return [*known, *marks][0]


def is_whole(target: Path) -> bool:
    """Whether a dataset is published there in which no unit failed.

    Earlier versions published what failed under the name of the whole; such a dataset is made anew.
    """
    return is_dataset(target) and not units_that_failed(_meta(target))


def is_dataset(target: Path) -> bool:
    """Whether a dataset is published there whose ``dataset.json`` can be read and is as it was written."""
    try:
        read_digests(target, _meta(target))
    except (UserError, ValueError, RecursionError, FileNotFoundError, NotADirectoryError):
        return False
    return True


def _meta(target: Path) -> dict[str, Any]:
    content = read_note(target / "dataset.json")
    if not isinstance(content, dict):
        raise ValueError("dataset.json holds no mapping")
    return content


def partial_identity(mark: str, target: Path, errors: Sequence[Drop]) -> tuple[str, Path]:
    """The fingerprint and the folder of a dataset without the units that failed; they are tried again next time."""
    names = sorted(drop.id for drop in errors)
    partial = fingerprint([mark], names, None)
    return partial, target.with_name(f"{target.name}-partial-{partial[:6]}")


def _retire(mark: str, target: Path) -> None:
    """Give a partial dataset that an earlier version published as the whole the name that it should have had."""
    if is_dataset(target):
        old = units_that_failed(_meta(target))
        move(target, partial_identity(mark, target, [Drop(drop["id"], "") for drop in old])[1])


def _run(
    jobs: Sequence[Job], executor: Executor, progress: bool, raw: Sequence[Path]
) -> tuple[list[dict[str, Any]], int]:
    """Summaries in the order of the jobs, and how many were found finished."""
    summaries, damaged = finished_units(jobs)
    for position in damaged:
        discard(jobs[position].target)
    reused = len(summaries)
    todo = [position for position in range(len(jobs)) if position not in summaries]
    with Progress("preparing", len(jobs), reused, wanted=progress) as shown:
        for order, result in each_once(executor, do_unit, [jobs[position] for position in todo]):
            position = todo[order]
            if isinstance(result, OSError | LockLostError):
                raise result
            if isinstance(result, ContractError) and all("error" in known for known in summaries.values()):
                raise result  # code that has done no unit yet: the other units would fail of it too
            if isinstance(result, Exception):
                result = {"id": jobs[position].unit.id, "error": shortened(in_words(result), 500)}
            check_owner(executor, jobs[position].unit.id, result)
            if "error" in result and not all(path.exists() for path in jobs[position].unit.inputs):
                refuse_lost_files(raw, (path for job in jobs for path in job.unit.inputs))
            summaries[position] = result
            shown.step()
    if todo:
        forget_orphans(jobs[0].folder)  # of processes that were ended at a limit
    return [summaries[position] for position in range(len(jobs))], reused


def _refuse_failures(failed: Sequence[Drop], total: int, max_failed: float) -> None:
    if len(failed) > max_failed * total:
        shown = "; ".join(f"{drop.id}: {drop.reason}" for drop in failed[:3])
        shown += f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        raise UserError(
            f"at most {max_failed:.0%} of the units to fail",
            f"{len(failed)} of {total} failed ({shown})",
            mend(
                (drop.reason for drop in failed),
                "fix or remove those files (finished units are kept), or raise max_failed",
            ),
        )


def _reuse(store: Path, target: Path) -> PrepareOutcome:
    _point_to_latest(store, target)
    return PrepareOutcome(target, True)


def _point_to_latest(store: Path, target: Path, lock: Lock | None = None) -> None:
    pointer = store / "latest.json"
    content = {"dataset": target.name}
    try:
        known = read_note(pointer)
    except (FileNotFoundError, ValueError):
        known = None
    if known != content:
        if lock is not None:
            lock.check()
        write_json(pointer, content)


def _write_report(target: Path, started: float, done: int, reused: int) -> None:
    """Times and hosts: beside the dataset's bytes, never in them."""
    content = {
        "host": platform.node(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "units_done": done,
        "units_reused": reused,
    }
    write_json(target / REPORT, content)
