"""Work in jobs that submitit starts: a SLURM array, or processes of this machine that behave like one."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from astrid_ml.errors import UserError
from astrid_ml.executors.batch.slurm import UP, need_options, need_programs, refused, submit
from astrid_ml.executors.batch.watch import PAUSE, JobWatch
from astrid_ml.executors.child import ONE_THREAD, environment
from astrid_ml.executors.contract import Work, WorkerDiedError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.remote import Chunk, Losses, cannot_work, chunk_of, do_chunk, need_package
from astrid_ml.temporaries import forget_orphans, process_lives, temporary_for
from astrid_ml.types import Count

YEAR = 60 * 24 * 365  # minutes
HOURS = {"time": 120}  # minutes that a job may take where nothing is said; submitit's own default is 5


@dataclass(frozen=True)
class Submitit:
    """Items in jobs of a batch system, every so-many-th in each job.

    Args:
        cluster: SLURM, or processes of this machine.
        folder: for what jobs are given and give, on a disk that all machines see; None: the current folder. What is
            written there goes at the end.
        jobs: how many there are at a time: tasks of one SLURM array.
        options: of submitit's SlurmExecutor: partition, time (minutes), mem, cpus_per_task, account, ...
        limits: of one item.
    """

    cluster: Literal["local", "slurm"] = "local"
    folder: str | None = None
    jobs: Count = 2
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        need_package("submitit", "submitit")
        if self.cluster == "slurm":
            from submitit import SlurmExecutor

            need_programs("sbatch", "srun", "sacct", "scancel")
            need_options(self.options, SlurmExecutor._valid_parameters())
        elif self.options:
            raise UserError(
                "executor.options beside executor.cluster=slurm only", "others", "leave out executor.options"
            )

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception) as they finish.

        Raises:
            UserError: jobs are refused, or cannot do the work.
        """
        if not items:
            return
        with _scratch(Path(self.folder or ".").expanduser().absolute()) as scratch:
            yield from _Rounds(self, scratch).run(work, items)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    _made(folder)
    forget_orphans(folder)
    path = temporary_for(folder / "jobs")
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "executor.folder that can be written", f"{folder}: {error.strerror}", "choose another folder"
        ) from error


class _Rounds:
    """Rounds of jobs, until each item has a result or was lost too often.

    Args:
        told: the executor.
        scratch: a folder of its own.
    """

    def __init__(self, told: Submitit, scratch: Path) -> None:
        self.told, self.scratch, self.number, self.idle = told, scratch, 0, 0
        self.losses, self.any_done = Losses(told.limits), False

    def run(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception).

        Args:
            work: what is done.
            items: in their order.
        """
        left = list(range(len(items)))
        while left:
            count = min(self.told.jobs, len(left))
            shares = [JobShare(k, left[k::count], self.scratch / f"{self.number}-{k}") for k in range(count)]
            self.number += 1
            chunks = [chunk_of(work, [items[n] for n in share.positions], self.told.limits) for share in shares]
            jobs = self._submitted(chunks, shares)
            watch = JobWatch(jobs, self.told.cluster == "slurm")
            try:
                yield from self._followed(watch, shares)
            finally:
                watch.cancel()
            self._refuse_idle(watch, shares)
            wait, left = 0.0, []
            for share in shares:
                lost = [position for position in share.positions if position not in share.done]
                left += lost[1:]  # never begun: they are as good as new
                if lost:
                    again = self.losses.again(lost[0])
                    if again is None:
                        yield lost[0], WorkerDiedError(f"the job that did it was lost{watch.end_of(share.number)}")
                    else:
                        left.append(lost[0])
                        wait = max(wait, again)
            time.sleep(wait)
            left.sort()

    def _submitted(self, chunks: list[Chunk], shares: list[JobShare]) -> list[Any]:
        owner = os.getpid() if self.told.cluster == "local" else 0
        files = [str(share.file) for share in shares]
        try:
            with environment(_environment()), _sbatch_asked_here():
                executor = _executor(self.told, self.scratch / "%j")
                jobs = executor.map_array(do_share, chunks, files, [owner] * len(files))
        except UserError:
            raise
        except Exception as error:
            if type(error).__module__.startswith("submitit") or isinstance(error, ValueError | OSError | RuntimeError):
                raise refused("jobs that sbatch takes", error) from error
            raise
        return list(jobs)

    def _followed(self, watch: JobWatch, shares: Sequence[JobShare]) -> Iterator[tuple[int, Any]]:
        """Results as they are written, until all jobs have ended."""
        running = list(shares)
        while running:
            watch.look([share.number for share in running])
            ended = [share for share in running if watch.ended(share.number)]  # before what they wrote is read
            for share in running:
                for result in share.read():
                    self.any_done = True
                    watch.heard()
                    yield result
            running = [share for share in running if share not in ended]
            if running:
                time.sleep(PAUSE)

    def _refuse_idle(self, watch: JobWatch, shares: Sequence[JobShare]) -> None:
        """Jobs that end time and again before they have done anything are no loss of an item's."""
        self.idle = 0 if any(share.done for share in shares) else self.idle + 1
        several = len(shares[0].positions) > 1
        if self.idle > self.told.limits.retries and (several or (watch.nothing_by_work() and not self.any_done)):
            raise UserError(
                "jobs that run until they have done something",
                f"{len(shares)} jobs, {self.idle} times, that ended before ({watch.last_words()})",
                f"look at what the batch system says of them (time, memory, partition in executor.options), or {UP}",
            )


class JobShare:
    """Items of one job, and the file that it writes its results to as they come.

    Args:
        number: of the job.
        positions: of the items.
        file: grows.
    """

    def __init__(self, number: int, positions: list[int], file: Path) -> None:
        self.number, self.positions, self.file, self.offset = number, positions, file, 0
        self.done: set[int] = set()

    def read(self) -> Iterator[tuple[int, Any]]:
        """Results that were written since.

        Raises:
            UserError: the job cannot do the work at all.
        """
        with suppress(FileNotFoundError), self.file.open("rb") as stream:
            while True:
                stream.seek(self.offset)
                head = stream.read(8)
                size = int.from_bytes(head, "big")
                body = stream.read(size)
                if len(head) < 8 or len(body) < size:
                    return
                self.offset += 8 + size
                place, value = pickle.loads(body)
                if place is None:
                    raise cannot_work(value) from value
                self.done.add(self.positions[place])
                yield self.positions[place], value


def do_share(chunk: Chunk, file: str, owner: int) -> None:
    """In the job: do the items of a chunk, and append each result to a file.

    Args:
        chunk: as it was sent.
        file: gets the results.
        owner: number of the process whose work it is, where that is on this machine; 0 elsewhere.
    """
    with open(file, "ab") as stream, closing(do_chunk(chunk)) as results:
        try:
            for place, _, value in results:
                _append(stream, (place, value))
                if owner and not process_lives(owner):
                    return
        except UserError as error:
            _append(stream, (None, error))


def _append(stream: Any, content: tuple[int | None, Any]) -> None:
    body = pickle.dumps(content, protocol=5)
    stream.write(len(body).to_bytes(8, "big") + body)
    stream.flush()


def _executor(told: Submitit, folder: Path) -> Any:
    import submitit

    if told.cluster == "local":
        local = submitit.LocalExecutor(folder)
        local.update_parameters(timeout_min=YEAR)
        return local
    slurm = submitit.SlurmExecutor(folder)
    slurm.update_parameters(job_name="astrid", array_parallelism=told.jobs, **{**HOURS, **told.options})
    return slurm


@contextmanager
def _sbatch_asked_here() -> Iterator[None]:
    """Ask sbatch ourselves: submitit waits for it without end, and tells what it says in scraps."""
    from submitit import SlurmExecutor

    theirs = SlurmExecutor._make_submission_command

    def ours(self: Any, submission_file_path: Path) -> list[str]:
        return ["printf", "%s", submit(theirs(self, submission_file_path))]  # in which submitit finds the job's number

    SlurmExecutor._make_submission_command = ours  # type: ignore[method-assign]
    try:
        yield
    finally:
        SlurmExecutor._make_submission_command = theirs  # type: ignore[method-assign]


def _environment() -> dict[str, str]:
    """What jobs are started with: our modules, nobody else's from the current folder, one thread."""
    return {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place), "PYTHONSAFEPATH": "1", **ONE_THREAD}
