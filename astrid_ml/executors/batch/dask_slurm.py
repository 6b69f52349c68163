"""A cluster of dask whose workers are SLURM jobs."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.executors.batch.gone import GoneError
from astrid_ml.executors.batch.slurm import ASKING, SUBMITTING, UP, SilentError, answer_of, refused
from astrid_ml.files import write_text
from astrid_ml.reasons import shortened
from astrid_ml.temporaries import forget_orphans, temporary_for

ASKED = 5.0  # seconds between two questions to SLURM
SILENT = logging.CRITICAL + 1
NOBODY = "127.0.0.1:0"  # where pages of dask, which know no certificates, would be served: to this machine alone


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
            "scheduler_options": {"dashboard_address": NOBODY, "dashboard": False},
            "worker_extra_args": ["--dashboard-address", NOBODY, "--no-dashboard"], **options,
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
            self.cluster.sync(self.cluster._correct_state, callback_timeout=SUBMITTING)
        except TimeoutError as error:
            expected, got = "jobs that sbatch takes", f"no answer in {SUBMITTING:.0f} s"
            raise UserError(expected, got, UP) from error
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
        with suppress(SilentError):  # it says so too of jobs that are none any more
            if answer_of(["squeue", "-h", "-o", "%T", "-j", ",".join(names) or "0"], ASKING).strip():
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
        return f" ({shortened(said[-1], 200)})" if said else ""


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
