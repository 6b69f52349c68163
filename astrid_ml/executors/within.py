"""Work in this process that takes no more memory than the machine has, and looks that take no more than their time.

A process beside this one (:mod:`astrid_ml.executors.child`) is watched from outside and can be ended. A command that
reads one file does so in its own process: here the system refuses what would be too much, and Python says MemoryError.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.executors import memory
from astrid_ml.executors.limits import GB, LEAST_LEFT
from astrid_ml.reasons import shortened

NEEDED = (
    256 * 2**20
)  # bytes that are always allowed: a machine that is full already is no reason to refuse a small file
GPU = Path("/dev/nvidiactl")  # its driver maps more than the machine has: such a process runs without a bound
_TORCH = "can't allocate memory"  # torch has no MemoryError: it raises a RuntimeError with these words


@contextmanager
def within_memory(
    what: str, fix: str = "give a smaller part of it, or use a machine with more memory"
) -> Iterator[None]:
    """A block whose memory is bounded by what the machine has to give when the block begins.

    The system holds the bound on Linux (``RLIMIT_DATA``); elsewhere the block runs without one. Mapped files do not
    count. Blocks may stand in one another.

    Args:
        what: is worked on, for the message.
        fix: what to do instead.

    Raises:
        UserError: the block asked for more.

    Example:
        >>> with within_memory("a night"):
        ...     print(len(bytes(1000)))
        1000
    """
    left = allowed()
    before = _bound(left)
    try:
        yield
    except MemoryError as error:
        raise too_much(what, fix, left, str(error)) from error
    except RuntimeError as error:
        if _TORCH not in str(error):
            raise
        raise too_much(what, fix, left, "") from error
    finally:
        _restore(before)


class TooSlowError(RuntimeError):
    """A look at a file that took longer than it may; the message says how long."""


@contextmanager
def within_time(seconds: float) -> Iterator[None]:
    """A block that is ended after so many seconds: for looks at files before their work is handed to a process.

    A timer of the system ends it, in the main thread and where nobody else uses that timer; elsewhere the block runs
    without a limit. A call of a library ends first.

    Args:
        seconds: that it may take.

    Raises:
        TooSlowError: it took longer.

    Example:
        >>> with within_time(60.0):
        ...     print("soon done")
        soon done
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer") or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def ring(*_: object) -> None:
        raise TooSlowError(f"it was not looked through after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def allowed() -> int | None:
    """Bytes that work may take now; None where the machine does not tell."""
    left, whole = memory.available(), memory.total()
    return None if left is None or whole is None else max(NEEDED, left - int(LEAST_LEFT * whole))


def too_much(what: str, fix: str, left: int | None, said: str) -> UserError:
    """What to say of something that does not fit into the memory.

    Args:
        what: is too large.
        fix: what to do instead.
        left: bytes that there are; None where nothing tells.
        said: what the library said, which often names a size.
    """
    there = "more" if left is None else f"more than the {left / GB:.1f} GB that are free"
    size = f" ({shortened(' '.join(said.split()), 120)})" if said.strip() else ""
    return UserError(f"{what} that fits into this machine's memory", f"{what} takes {there}{size}", fix)


def _bound(left: int | None) -> tuple[int, int] | None:
    """Let this process take so many bytes more; what was allowed before."""
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        used = _data()
        if left is None or used is None or GPU.exists():
            return None
        before = resource.getrlimit(resource.RLIMIT_DATA)
        ceilings = [size for size in (used + left, *before) if size != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(ceilings), before[1]))
        return before
    return None


def _restore(before: tuple[int, int] | None) -> None:
    if before is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data() -> int | None:
    """Bytes that count against the bound: what this process may write, used or only asked for."""
    try:
        text = Path(f"/proc/{os.getpid()}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"VmData:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else None
