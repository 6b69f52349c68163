"""Ctrl-C and SIGTERM, of the process as a whole: work ends at once, once, and quietly."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

PARENT = "ASTRID_PARENT"  # the environment's name for the number of the process that starts others
STOPPING = (signal.SIGINT, signal.SIGTERM)
LONGEST = 20.0  # seconds that a signal may stay unheard inside a library
AGAIN = 2.0  # seconds in which a second signal waits for what the first one began
_moments: list[float] = []  # of the signals since the outermost block began
_blocks: list[dict[int, Any]] = []  # the handlers before each block


@contextmanager
def interruptible() -> Iterator[None]:
    """A block in which a signal to stop raises ``KeyboardInterrupt``; those that follow soon after it are ignored.

    Whatever comes up after the signal (a library that was in the middle of its work, a worker that the same signal has
    ended) is its consequence: :func:`asked` says so. Blocks may stand in each other. In other threads nothing changes.

    Example:
        >>> import os
        >>> with interruptible():
        ...     try:
        ...         os.kill(os.getpid(), signal.SIGTERM)
        ...     except KeyboardInterrupt:
        ...         print(asked())
        True
        >>> asked()
        False
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _blocks.append({number: signal.getsignal(number) for number in STOPPING})
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_unheard, hook)
    take_signals()
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in _blocks.pop().items():
            signal.signal(number, handler)
        if not _blocks:
            _moments.clear()


def asked() -> bool:
    """Whether a signal to stop has come since the outermost block began."""
    return bool(_moments)


@contextmanager
def bounded(give_up: Callable[[], object]) -> Iterator[None]:
    """A block that a signal ends also where the main thread is inside a library and hears nothing.

    Processes that train together wait in one for each other, half an hour if one of them is gone.

    Args:
        give_up: called from another thread where the signal has not been heard within ``LONGEST``; it ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while came := os.read(reader, 64):
            if set(came) & set(STOPPING) and not ended.wait(LONGEST) and not asked():
                give_up()

    thread = threading.Thread(target=watch, daemon=True, name="signals")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


@contextmanager
def starting_children() -> Iterator[None]:
    """A block in which signals to stop wait; a process that is started there keeps them waiting until it hears them.

    Otherwise one that comes while a child still imports what it needs would be told of by the child's traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_signals() -> None:
    """In a child that :func:`starting_children` began, once its handlers stand: Ctrl-C is the parent's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def name_parent() -> None:
    """Let the processes that this one will start know whose children they are."""
    os.environ[PARENT] = str(os.getpid())


def end_with_parent(parent: int | None = None) -> None:
    """Watch the process that started this one; when it is gone, end: nobody would tell this one to.

    A worker whose main process was killed would wait for work, or for others to join it, for ever.

    Args:
        parent: its number; None takes the one that :func:`name_parent` left, else whose child this process is now.
            A main process may be gone before its child comes here: then that child is somebody else's.
    """
    now = os.getppid()
    stated = parent or int(os.environ.get(PARENT, now))
    known = now if _lives(stated) else stated
    threading.Thread(target=_watch, args=(known,), daemon=True, name="parent").start()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    try:
        state = (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        )
    except (OSError, IndexError):
        return True
    return state not in "ZX"  # killed, and nobody has asked for its exit code yet


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def take_signals() -> None:
    """Be the handler, also where a library has put its own in between; only inside a block of the main thread."""
    for number in STOPPING if _blocks else ():
        signal.signal(number, _handle)


def ignore_signals(for_good: bool = False) -> None:
    """For the end of a block, where nothing is left that could be stopped.

    Args:
        for_good: for the end of the process: after the blocks too.
    """
    # CPython ends a process by SIGINT, whatever its exit code, where the interrupt came while a text was executed (as
    # dataclasses do when they are made); the next text that is executed makes it forget.
    exec("")
    if threading.current_thread() is not threading.main_thread():
        return
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
        for before in _blocks if for_good else ():
            before[number] = signal.SIG_IGN


def _unheard(hook: Callable[[Any], Any], error: Any) -> None:
    """An interrupt that came where Python lets nothing through (a destructor, a fork) comes again a moment later."""
    if error.exc_type is not KeyboardInterrupt or not _moments:
        hook(error)
        return
    _moments[-1] = float("-inf")
    again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    again.daemon = True
    again.start()


def _handle(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    soon = bool(_moments) and now - _moments[-1] < AGAIN
    if not soon:
        _moments.append(now)
        raise KeyboardInterrupt
