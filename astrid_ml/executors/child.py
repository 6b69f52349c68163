"""One process beside this one that does work: it may hang, crash or swell, and costs only what it was doing."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import spawn
from multiprocessing.connection import Connection
from typing import Any

from astrid_ml.executors import memory
from astrid_ml.executors.contract import OverLimitError, Work, WorkerDiedError
from astrid_ml.executors.limits import GB, Limits, size_of
from astrid_ml.executors.serve import GRACE, READY
from astrid_ml.interrupts import starting_children

# Sums in another number of threads end in other last digits; an item has one, wherever it is done.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_SERVE = "from astrid_ml.executors.serve import main; main()"


class Child:
    """A process that does one item at a time.

    Args:
        work: what it does with each item.
        limits: of one item.
    """

    def __init__(self, work: Work, limits: Limits) -> None:
        self.work, self.limits = work, limits
        self.most = limits.bytes()
        self.position = -1
        self.ready = False
        self._begun = self._allowed = 0.0
        ours, theirs = socket.socketpair()
        with starting_children(), theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )
        self.link = Connection(ours.detach())
        told: dict[str, Any] = {"sys_path": list(sys.path)}
        if b"__main__" in pickle.dumps(work):
            told["main"] = spawn.get_preparation_data("worker")
        with suppress(BrokenPipeError, ConnectionResetError):  # it could not even start
            self.link.send(told)

    def take(self, work: Work, limits: Limits) -> None:
        """Serve other work from now on.

        Args:
            work: what it does with each item.
            limits: of one item.
        """
        self.work, self.limits, self.most = work, limits, limits.bytes()

    def give(self, position: int, item: Any) -> None:
        """Let it do an item.

        Args:
            position: of the item, kept for the one who asks.
            item: is pickled.
        """
        self.position, self._begun = position, time.monotonic()
        self._allowed = self.limits.time(size_of(item))
        with suppress(BrokenPipeError, ConnectionResetError):  # it has just died: who listens to it hears of it
            self.link.send_bytes(pickle.dumps((self.work, item), protocol=5))

    def received(self) -> tuple[bool, Any]:
        """(whether the item was done, its result or exception) once the link has something to read.

        Raises:
            WorkerDiedError: the process is gone.
        """
        try:
            blob = self.link.recv_bytes()
        except (EOFError, OSError) as error:
            raise WorkerDiedError(self.death()) from error
        if blob == READY:
            self.ready = True
            return True, READY
        done, value = pickle.loads(blob)
        return bool(done), value

    def over(self) -> OverLimitError | None:
        """What limit it is over now, if any."""
        took = time.monotonic() - self._begun
        if took > self._allowed:
            more = "executor.limits.seconds or executor.limits.seconds_per_mb"
            return OverLimitError(f"it was not done after {_digits(self._allowed)} s, which is its limit ({more})")
        used = memory.anonymous(self.process.pid)
        if self.most is not None and used is not None and used > self.most:
            return OverLimitError(
                f"it took {_digits(used / GB)} GB of memory, and its limit is {_digits(self.most / GB)} GB "
                "(executor.limits.memory)"
            )
        return None

    def memory(self) -> int:
        """Bytes of anonymous memory, 0 where nothing tells."""
        return memory.anonymous(self.process.pid) or 0

    def death(self) -> str:
        """How it ended, in words."""
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "its process does not answer"
        if code == -signal.SIGKILL:
            return "its process was killed (by the system where memory ran out, or by somebody)"
        if code < 0:
            return f"its process crashed with {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"

    def end(self, at_once: bool = False) -> None:
        """End the process, and wait until it is gone.

        Args:
            at_once: leave it no time to remove what it has half written.
        """
        with suppress(OSError):
            self.link.close()
        if self.process.poll() is None:
            self.process.kill() if at_once else self.process.terminate()
        try:
            self.process.wait(GRACE + 0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """``os.environ`` with these values; afterwards it is as it was, whatever libraries have put there meanwhile.

    Args:
        changes: name -> value.
    """
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def _environment() -> dict[str, str]:
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return env | ONE_THREAD


def _digits(number: float) -> str:
    """A number with at least two digits that say something.

    >>> _digits(0.00123), _digits(0.6), _digits(2.04), _digits(36000.2)
    ('0.0012', '0.6', '2', '36000')
    """
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
