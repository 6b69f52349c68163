"""Work on a cluster of dask: one that runs, one on this machine, or one of SLURM jobs that is started for the work."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from typing import Annotated, Any, Literal

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Work, WorkerDiedError
from astrid_ml.executors.cores import cores
from astrid_ml.executors.dask_slurm import (
    SILENT,
    ask_in_time,
    known_options,
    quiet,
    refuse_workers_without_us,
    slurm_jobs,
)
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.remote import Chunk, GoneError, Spread, do_chunk, need_package
from astrid_ml.executors.slurm import need_options, need_programs
from astrid_ml.interrupts import starting_children
from astrid_ml.types import InUnits, Positive, Whole

ANSWER = 10.0  # seconds in which a scheduler must answer
SILENCE = 60.0  # seconds without an answer after which a scheduler that is still connected is given up
TOLD = 5.0  # seconds without any worker after which it is said
ALONE = 300.0  # seconds without any worker after which a cluster that somebody else runs is given up
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # a chunk that is lost with its worker is told of at once
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@dataclass(frozen=True)
class Dask:
    """Items on the workers of a dask cluster, in chunks that are worth sending.

    Args:
        address: of a scheduler that runs (``tcp://host:8786``); None starts a cluster for the work.
        cluster: what is started: processes of this machine, or SLURM jobs.
        workers: processes, or SLURM jobs; 0 means one process for each core.
        options: of dask-jobqueue's SLURMCluster: queue, cores, memory, walltime, ...
        limits: of one item.
        chunk_seconds: that a chunk of items should take.
    """

    address: str | None = None
    cluster: Literal["local", "slurm"] = "local"
    workers: Whole = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    chunk_seconds: Annotated[Positive, InUnits("s")] = 30.0

    def __post_init__(self) -> None:
        need_package("distributed", "dask")
        if self.address is None and self.cluster == "slurm":
            need_package("dask_jobqueue", "dask executor.cluster=slurm")
            need_programs("sbatch", "scancel", "squeue")
            need_options(self.options, known_options(), ("cores", "memory"))
            if self.workers < 1:
                raise UserError("executor.workers of 1 or more with executor.cluster=slurm", "0", "set how many jobs")
        elif self.options:
            raise UserError(
                "executor.options beside executor.cluster=slurm only", "others", "leave out executor.options"
            )

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception) as they finish.

        Raises:
            UserError: no cluster answers, it goes away, or its workers cannot do the work.
        """
        if not items:
            return
        with self._pool(len(items)) as pool:
            yield from Spread(pool, self.limits, self.chunk_seconds).run(work, items)

    @contextmanager
    def _pool(self, items: int) -> Iterator[DaskPool]:
        import dask
        import distributed  # its defaults must stand before ours are put over them, or both go

        with ExitStack() as stack:
            stack.enter_context(dask.config.set(SETTINGS))
            stack.enter_context(quiet(distributed.__name__))
            if self.address is not None:
                pool = stack.enter_context(_connected(self.address))
            elif self.cluster == "local":
                pool = stack.enter_context(_on_this_machine(min(self.workers or cores(), items)))
            else:
                pool = stack.enter_context(_slurm_jobs(self))
            yield pool


class DaskPool:
    """The workers behind a client of dask.

    Args:
        client: that is connected.
        where: words for the cluster.
        look: is asked now and then while there is no worker; raises ``GoneError`` or ``UserError``.
        strange: the workers are somebody else's: whether they have this package is asked before they get work, for
            without it they end.
    """

    def __init__(self, client: Any, where: str, look: Any = None, strange: bool = False) -> None:
        self.client, self.where, self.look = client, where, look or self._wait_for_workers
        self.strange = strange
        self.futures: list[Any] = []
        self.gone = False
        self._threads = 0
        self._silent_since: float | None = None
        self._unanswered: float | None = None  # since when nothing was answered on a line that is open
        self._alone_since: float | None = None
        self._told = False

    def slots(self) -> int:
        """Threads of all workers that there are now; of a scheduler that is silent, what it said last."""
        begun = time.monotonic()
        try:
            self._threads = self.client.sync(self._count, callback_timeout=ANSWER)
            self._unanswered = None
        except TimeoutError:
            if self._unanswered is None:
                self._unanswered = begun
                said = f"{self.where} is silent; waiting {SILENCE:.0f} s"
                print(said, file=sys.stderr, flush=True)
        except OSError:
            self._threads = 0
        return self._threads

    async def _count(self) -> int:
        if self.client.status not in ("running", "connecting") or self.client.scheduler is None:
            return 0
        known = await self.client.scheduler.identity(n_workers=-1)
        return sum(worker["nthreads"] for worker in known.get("workers", {}).values())

    def send(self, chunk: Chunk) -> Any:
        """A future of the chunk's answers.

        Raises:
            UserError: a worker has no such package.
        """
        if self.strange:
            refuse_workers_without_us(self.client, 3 * ANSWER)
            self.strange = False
        future = self.client.submit(run_chunk, chunk, pure=False)
        self.futures.append(future)
        return future

    def heard(self) -> list[tuple[Any, Any]]:
        """What has ended.

        Raises:
            GoneError: the scheduler does not answer, or there are no workers.
        """
        try:
            self._look()
        except GoneError:
            self.gone = True
            raise
        out = []
        for future in [future for future in self.futures if future.done()]:
            answer = self._answer(future)
            if answer is not None:
                self.futures.remove(future)
                out.append((future, answer))
        return out

    def _look(self) -> None:
        now = time.monotonic()
        if self.client.status == "running":
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        if self._silent_since is not None and (self.client.status == "closed" or now - self._silent_since > ANSWER):
            raise GoneError(f"{self.where} does not answer any more")
        if self._unanswered is not None:
            if now - self._unanswered > SILENCE:
                raise GoneError(f"{self.where} does not answer any more")
            return
        if self.slots():
            self._alone_since, self._told = None, False
            return
        self._alone_since = self._alone_since or now
        self.look(now - self._alone_since)

    def _answer(self, future: Any) -> Any:
        """A chunk's answers or exception; None where it is not known yet."""
        from distributed import KilledWorker, TimeoutError

        if future.status in ("cancelled", "lost"):  # the scheduler is gone, or began anew
            raise GoneError(f"{self.where} has lost its work")
        try:
            return pickle.loads(future.result(timeout=ANSWER))
        except (TimeoutError, OSError):
            return None  # the worker that held it was lost: the scheduler has it done again
        except KilledWorker:
            return WorkerDiedError("the worker that did it was lost")
        except Exception as error:
            return error

    def _wait_for_workers(self, seconds: float) -> None:
        start = f"start workers (dask worker {self.client.scheduler.address})"
        if seconds > ALONE:
            raise GoneError(f"{self.where} had no worker for {ALONE:.0f} s", start)
        if seconds > TOLD and not self._told:
            self._told = True
            print(f"{self.where} has no worker: {start}; waiting {ALONE:.0f} s", file=sys.stderr, flush=True)


def run_chunk(chunk: Chunk) -> bytes:
    """Do a chunk inside a worker of dask, until nobody wants it any more.

    Args:
        chunk: as it was sent.
    """
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    answers = []
    with closing(do_chunk(chunk)) as results:
        for answer in results:
            answers.append(answer)
            if task is not None and task.state == "cancelled":
                break
    return pickle.dumps(answers, protocol=5)


@contextmanager
def _connected(address: str) -> Iterator[DaskPool]:
    from distributed import Client

    try:
        ask_in_time(address, ANSWER)
        client = Client(address, timeout=ANSWER, set_as_default=False)
    except Exception as error:  # whatever dask thinks of the text, or of who answers
        raise UserError(
            "executor.address of a dask scheduler that answers, such as tcp://host:8786",
            f"{address}: {str(error) or type(error).__name__}".splitlines()[0][:200],
            "start one with: dask scheduler; or leave executor.address out, which starts a cluster here",
        ) from error
    pool = DaskPool(client, f"the cluster at {address}", strange=True)
    try:
        yield pool
    finally:
        with suppress(Exception):  # the scheduler may be gone
            if not pool.gone:
                client.cancel(pool.futures, force=True)
        _closed(client)


@contextmanager
def _on_this_machine(workers: int) -> Iterator[DaskPool]:
    """Processes of this machine that listen to this machine only."""
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="astrid-dask-", ignore_cleanup_errors=True))
        _start_tracker()
        try:
            with starting_children():  # Ctrl-C is ours to hear, not the workers'
                cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=0,  # ours holds
                    local_directory=scratch,
                    silence_logs=SILENT,
                )
        except Exception as error:  # a worker was killed before it began, or this machine gives no further process
            got = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:200]
            fix = "type the same command again; or fewer executor.workers, or executor=processes"
            raise UserError(f"{workers} workers of dask that start on this machine", got, fix) from error
        stack.callback(_closed, cluster)
        client = Client(cluster, timeout=ANSWER, set_as_default=False)
        stack.callback(_closed, client)
        yield DaskPool(client, "the cluster on this machine")


def _start_tracker() -> None:
    """Start the process that removes semaphores of processes that were killed.

    Before the workers: it would let signals through in the thread that starts them. What it says of what it removes
    names a line of Python's own, long after the command has ended.
    """
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(
        filter(None, [before, "ignore::UserWarning:multiprocessing.resource_tracker"])
    )
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


@contextmanager
def _slurm_jobs(told: Dask) -> Iterator[DaskPool]:
    from distributed import Client

    with slurm_jobs(told.options, told.workers, told.limits.retries) as jobs:
        client = Client(jobs.cluster, timeout=ANSWER, set_as_default=False)
        try:
            print(f"waiting for the first of {told.workers} SLURM jobs", file=sys.stderr, flush=True)
            yield DaskPool(client, "the cluster of SLURM jobs", jobs.look)
        finally:
            _closed(client)


def _closed(part: Any) -> None:
    """Close a client or a cluster; what it says of a scheduler that is gone helps nobody."""
    with suppress(Exception):
        part.close(timeout=ANSWER)
