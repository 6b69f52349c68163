"""Work on a cluster of dask: one that runs, one on this machine, or one of SLURM jobs that is started for the work."""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from typing import Annotated, Any, Literal

import astrid_ml
from astrid_ml.errors import UserError
from astrid_ml.executors.batch.dask_slurm import SILENT, known_options, slurm_jobs
from astrid_ml.executors.batch.gone import GoneError
from astrid_ml.executors.batch.slurm import need_options, need_programs
from astrid_ml.executors.child import environment
from astrid_ml.executors.contract import Work, WorkerDiedError
from astrid_ml.executors.cores import cores
from astrid_ml.executors.dask_answers import Scheduler, in_time, losing_unseen
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.remote import Chunk, Spread, do_chunk, need_package
from astrid_ml.interrupts import starting_children
from astrid_ml.reasons import shortened
from astrid_ml.types import InUnits, Positive, Whole

ANSWER = 10.0  # seconds in which a scheduler must answer
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
            stack.enter_context(_quiet(distributed.__name__))
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
    """

    def __init__(self, client: Any, where: str, look: Any = None) -> None:
        self.client, self.where, self.look = client, where, look or self._wait_for_workers
        self.futures: list[Any] = []
        self.scheduler = Scheduler(client, where)
        self._silent_since: float | None = None
        self._alone_since: float | None = None
        self._told = self._asked = False

    def slots(self) -> int:
        """Threads of all workers, as the scheduler said last."""
        return self.scheduler.threads

    def send(self, chunk: Chunk) -> Any:
        """A future of the chunk's answers."""
        future = self.client.submit(run_chunk, chunk, pure=False)
        self.futures.append(future)
        return future

    def heard(self) -> list[tuple[Any, Any]]:
        """What has ended.

        Raises:
            GoneError: the scheduler does not answer, or there are no workers.
        """
        self._look()
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
        self.scheduler.look()
        if self.slots():
            self._refuse_strangers()
            self._alone_since, self._told = None, False
            return
        self._alone_since = self._alone_since or now
        self.look(now - self._alone_since)

    def _refuse_strangers(self) -> None:
        """Refuse workers that cannot even read what is sent: they would die of it, one after the other."""
        if self._asked:
            return
        self._asked = True
        module = type(self).__module__
        found = in_time(lambda: self.client.run(importlib.util.find_spec, module, on_error="return"), ANSWER)
        if isinstance(found, Exception):
            return  # whether it answers is looked at elsewhere
        strange = sorted(worker for worker, spec in found.items() if spec is None or isinstance(spec, Exception))
        if strange:
            raise UserError(
                f"workers that have astrid_ml {astrid_ml.__version__}",
                f"none, or an older one, on {', '.join(strange[:3])}",
                "install it on every machine: pip install astrid-ml -c constraints.txt",
            )

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
    with closing(do_chunk(chunk, rest=True)) as results:
        for answer in results:
            answers.append(answer)
            if task is not None and task.state == "cancelled":
                break
    return pickle.dumps(answers, protocol=5)


@contextmanager
def _connected(address: str) -> Iterator[DaskPool]:
    try:
        client = _client(address)
    except Exception as error:  # whatever dask thinks of the text, or of who answers
        raise UserError(
            "executor.address of a dask scheduler that answers, such as tcp://host:8786",
            shortened(f"{address}: {str(error) or type(error).__name__}".splitlines()[0], 200),
            "start one with: dask scheduler; or leave executor.address out, which starts a cluster here",
        ) from error
    pool = DaskPool(client, f"the cluster at {address}")
    try:
        yield pool
    finally:
        in_time(lambda: client.cancel(pool.futures, force=True), ANSWER)
        _closed(client)


def _client(address: str) -> Any:
    """A client of a scheduler.

    Raises:
        TimeoutError: whoever listens there says nothing: dask itself would wait for it without end.
        Exception: as dask has it.
    """
    from distributed import Client

    made = in_time(lambda: Client(address, timeout=ANSWER, set_as_default=False), 1.5 * ANSWER)
    if isinstance(made, BaseException):
        raise made
    return made


@contextmanager
def _on_this_machine(workers: int) -> Iterator[DaskPool]:
    """Processes of this machine that listen to this machine only."""
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(environment({}))  # dask sets numbers of threads and the seed of hashes, and leaves them
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="astrid-dask-", ignore_cleanup_errors=True))
        _start_tracker()
        with starting_children(), losing_unseen():  # Ctrl-C is ours to hear, not the workers'
            cluster = _begun(workers, scratch)
        stack.callback(_closed, cluster)
        client = Client(cluster, timeout=ANSWER, set_as_default=False)
        stack.callback(_closed, client)
        yield DaskPool(client, "the cluster on this machine")


def _begun(workers: int, scratch: str, again: bool = True) -> Any:
    """A cluster whose workers have started; one more is tried where one of them was ended meanwhile."""
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,  # ours holds
            local_directory=scratch,
            silence_logs=SILENT,
        )
    except (RuntimeError, OSError, TimeoutError) as error:
        if again:
            return _begun(workers, scratch, again=False)
        raise UserError(
            f"{workers} worker processes of dask that start on this machine",
            shortened(str(error).splitlines()[0], 200) if str(error) else type(error).__name__,
            "give fewer (executor.workers=1), see that memory is free, or choose executor=processes",
        ) from error


def _start_tracker() -> None:
    """Start the process that removes semaphores of processes that were killed.

    Before the workers: it would let signals through in the thread that starts them. What it says of what it removes
    names a line of Python's own, long after the command has ended.
    """
    given = [os.environ.get("PYTHONWARNINGS"), "ignore::UserWarning:multiprocessing.resource_tracker"]
    with environment({"PYTHONWARNINGS": ",".join(filter(None, given))}):
        resource_tracker.ensure_running()


@contextmanager
def _slurm_jobs(told: Dask) -> Iterator[DaskPool]:
    from distributed import Client

    with losing_unseen(), slurm_jobs(told.options, told.workers, told.limits.retries) as jobs:
        client = Client(jobs.cluster, timeout=ANSWER, set_as_default=False)
        try:
            print(f"waiting for the first of {told.workers} SLURM jobs", file=sys.stderr, flush=True)
            yield DaskPool(client, "the cluster of SLURM jobs", jobs.look)
        finally:
            _closed(client)


def _closed(part: Any) -> None:
    """Close a client or a cluster; what it says of a scheduler that is gone helps nobody."""
    in_time(lambda: part.close(timeout=ANSWER), 2 * ANSWER)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Workers that come and go are told of by us where it matters."""
    further = [f"{name}.{part}" for part in ("core", "client", "nanny", "scheduler", "comm")]
    found = [logging.getLogger(each) for each in (name, *further, "dask_jobqueue", "tornado.application")]
    levels = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(SILENT)
    try:
        yield
    finally:
        for logger, level in zip(found, levels, strict=True):
            logger.setLevel(level)
