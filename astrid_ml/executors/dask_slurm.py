"""What the executor of dask needs: a scheduler that answers, workers that have us, and workers that are SLURM jobs."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from astrid_ml import __version__
from astrid_ml.errors import UserError
from astrid_ml.executors.remote import GoneError
from astrid_ml.executors.slurm import LOST, SUBMITTED, answer_of, in_time, refused
from astrid_ml.files import write_text
from astrid_ml.temporaries import forget_orphans, temporary_for

ASKED = 5.0  # seconds between two questions to SLURM
SILENT = logging.CRITICAL + 1
# Asked of workers in Python's own words: they may lack everything of ours.
_HAS_US = "all(__import__('importlib.util').util.find_spec(name) for name in ('astrid_ml', 'astrid_ml.executors'))"


@contextmanager
def slurm_jobs(options: Mapping[str, Any], workers: int, retries: int) -> Iterator[SlurmWorkers]:
    """SLURM jobs, each with a worker, and a scheduler in this process; certificates keep others out.

    Args:
        options: of dask-jobqueue's SLURMCluster.
        workers: how many jobs.
        retries: how often all are submitted again.

    Raises:
        UserError: the options are wrong, or sbatch refuses.
    """
    from dask_jobqueue.slurm import SLURMCluster

    logs = temporary_for(Path.cwd() / "dask")
    forget_orphans(logs.parent)
    logs.mkdir(mode=0o700)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, logs, ignore_errors=True)
        given = {
            "log_directory": str(logs), "local_directory": tempfile.gettempdir(), "python": sys.executable,
            "security": _certificates(logs), "silence_logs": SILENT,
            "scheduler_options": {"dashboard_address": None, "dashboard": False}, **options,
        }  # fmt: skip
        try:
            cluster = SLURMCluster(**given)
        except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
            raise refused("executor.options that dask-jobqueue takes", error) from error
        stack.callback(_closed, cluster)
        jobs = SlurmWorkers(cluster, workers, retries, logs)
        jobs.submit()
        yield jobs


class SlurmWorkers:
    """The SLURM jobs of a cluster: submitted, and submitted again where all are gone.

    Args:
        cluster: of dask-jobqueue.
        count: jobs.
        retries: how often all are submitted again.
        logs: folder of what they print.
    """

    def __init__(self, cluster: Any, count: int, retries: int, logs: Path) -> None:
        self.cluster, self.count, self.retries, self.logs = cluster, count, retries, logs
        self._asked = 0.0

    def submit(self) -> None:
        """Submit all jobs.

        Raises:
            UserError: sbatch refuses.
        """
        for _ in range(self.count):
            self.cluster.worker_spec.update(self.cluster.new_worker_spec())
        try:
            self.cluster.sync(self.cluster._correct_state, callback_timeout=SUBMITTED)
        except (RuntimeError, ValueError, OSError) as error:
            raise refused("jobs that sbatch takes", error) from error
        self._asked = time.monotonic()

    def look(self, seconds: float) -> None:
        """Whether jobs wait or run, while there is no worker.

        Args:
            seconds: since there was one.

        Raises:
            GoneError: all jobs end without a worker, time and again.
        """
        if time.monotonic() - self._asked < ASKED:
            return
        self._asked = time.monotonic()
        names = [job.job_id for job in self.cluster.workers.values() if getattr(job, "job_id", None)]
        listed, why = answer_of("squeue", "-h", "-o", "%T", "-j", ",".join(names) or "0")
        if why and "invalid job id" not in why.lower():
            if seconds > LOST:
                raise GoneError(f"SLURM says nothing of its jobs ({why})")
            return
        if listed.strip():
            return
        if not self.retries:
            raise GoneError(f"the SLURM jobs have ended{self._last_words()}")
        self.retries -= 1
        self.cluster.sync(self.cluster.scale, 0)
        self.submit()

    def _last_words(self) -> str:
        texts = [path.read_text("utf-8", "replace") for path in sorted(self.logs.glob("*.err"))]
        lines = [line for text in texts for line in text.splitlines()]
        said = [line.strip() for line in lines if line.strip()]
        return f" ({said[-1][:200]})" if said else ""


def _certificates(folder: Path) -> Any:
    """Certificates of this cluster alone, in files that the workers read.

    Args:
        folder: that only this user may read, on a disk that all machines see.
    """
    from distributed.security import Security

    made = Security.temporary()
    texts = {"ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    paths = {name: str(folder / f"{name}.pem") for name in texts}
    for name, text in texts.items():
        write_text(Path(paths[name]), str(text))
    roles = {
        f"tls_{role}_{part}": paths[part] for role in ("client", "scheduler", "worker") for part in ("cert", "key")
    }
    return Security(require_encryption=True, tls_ca_file=paths["ca"], **roles)


def known_options() -> set[str]:
    """Names that dask-jobqueue takes for SLURM."""
    import inspect

    from dask_jobqueue.core import Job, JobQueueCluster
    from dask_jobqueue.slurm import SLURMJob

    makers = (Job.__init__, SLURMJob.__init__, JobQueueCluster.__init__)
    names = {name for maker in makers for name in inspect.signature(maker).parameters}
    return names - {"self", "name", "args", "kwargs", "base_class_kwargs", "job_kwargs", "n_workers", "asynchronous"}


def _closed(cluster: Any) -> None:
    from distributed.core import Status

    for _ in range(2):
        with suppress(Exception):  # what it says of jobs that are gone helps nobody
            cluster.close(timeout=10)
        if cluster.status == Status.closed:
            return
        cluster.worker_spec.clear()  # jobs that were refused stopped it before its scheduler was closed
        cluster._created.clear()
        cluster.status = Status.running


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """A block in which dask logs nothing: workers that come and go are told of by us where it matters.

    Args:
        name: of the package.
    """
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


def ask_in_time(address: str, seconds: float) -> None:
    """Ask who is there: dask itself waits for ever for whoever takes a connection and says nothing.

    Args:
        address: of a scheduler.
        seconds: in which it must answer.

    Raises:
        Exception: of dask, or that there was no answer.
    """
    from distributed.core import rpc
    from distributed.security import Security

    async def asked() -> None:
        async with rpc(address, timeout=seconds, connection_args=Security().get_connection_args("client")) as there:
            await asyncio.wait_for(there.identity(n_workers=0), seconds)

    try:  # in a thread: this one may have a loop of its own, as in a notebook
        in_time(lambda: asyncio.run(asyncio.wait_for(asked(), seconds)), 2 * seconds)
    except TimeoutError as error:
        raise OSError(f"somebody is there and did not answer in {seconds:g} s") from error


def refuse_workers_without_us(client: Any, seconds: float) -> None:
    """Refuse workers that have no such package as this: they would end over the first piece of work.

    Args:
        client: of dask.
        seconds: in which they must answer.

    Raises:
        UserError: names them.
    """
    known = in_time(partial(client.run, eval, _HAS_US, on_error="return"), seconds)
    lost = [name for name, answer in known.items() if answer is not True]
    if lost:
        got = f"{', '.join(lost[:3])} without it{f', and {len(lost) - 3} more' if len(lost) > 3 else ''}"
        fix = "install the same version on every machine: pip install astrid-ml -c constraints.txt"
        raise UserError(f"workers that have astrid_ml {__version__}", got, fix)
