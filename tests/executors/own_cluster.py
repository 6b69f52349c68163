"""A cluster of dask that a test runs itself: a scheduler and a worker, each a process."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_cluster(*words: str, **worker: Any) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the scheduler; both processes are gone at the end.

    Args:
        words: of the worker.
        worker: how its process is started.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    begin = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    scheduler = subprocess.Popen([*begin, "--no-dashboard"], **quiet)
    begin = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", *words]
    process = subprocess.Popen(begin, **quiet, **worker)
    try:
        yield address, scheduler
    finally:
        process.terminate()  # a nanny takes its worker with it
        try:
            process.wait(10)
        finally:
            for each in (process, scheduler):
                each.kill()
                each.wait()
