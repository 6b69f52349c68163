"""Jobs of SLURM that are asked to leave before their time is over: the training is kept, and the job queued again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from astrid_ml.run.folder import is_first_process

SIGNAL = signal.SIGUSR1  # sbatch --signal=USR1@120
_leave = threading.Event()
_fits: list[bool] = []  # whether a training has begun that will see the wish itself


def leaving() -> bool:
    """Whether this process was asked to leave."""
    return _leave.is_set()


def interrupt() -> None:
    """Stop this process as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def fitting() -> Iterator[None]:
    """A block that leaves by itself, once it has kept all that it did."""
    _fits.append(True)
    try:
        yield
    finally:
        _fits.pop()


@contextmanager
def requeued(trainer: Mapping[str, Any]) -> Iterator[None]:
    """A block in which SLURM's signal keeps what is done, ends the block, and has the job queued again.

    Args:
        trainer: the node of the configuration; without ``requeue``, or outside a job, nothing changes.
    """
    job = job_of(os.environ)
    if not trainer.get("requeue") or job is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(SIGNAL, _hear)
    try:
        yield
    except KeyboardInterrupt:
        if leaving() and is_first_process():
            print(f"asked to leave: job {job} is queued again", file=sys.stderr, flush=True)
            subprocess.run(["scontrol", "requeue", job], check=False)
        raise
    finally:
        signal.signal(SIGNAL, before)
        _leave.clear()


def job_of(environment: Mapping[str, str]) -> str | None:
    """The number under which SLURM knows this job; None outside one.

    >>> job_of({"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}), job_of({})
    ('7_1', None)
    """
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID")


def _hear(*_: object) -> None:
    _leave.set()
    if not _fits:
        interrupt()
