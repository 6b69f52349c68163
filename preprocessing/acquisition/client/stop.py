"""Threads that ask archives end soon where the command is stopped, whatever a server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_OWN = threading.local()


class StoppedError(Exception):
    """The command is ending: nobody wants what a thread would still bring."""


@contextmanager
def asking_threads(at_once: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that wait and read by this module's functions; where the block ends badly they end as soon as they can.

    Args:
        at_once: threads.
    """
    stop = threading.Event()
    threads = ThreadPoolExecutor(at_once, "asking", initializer=_begin, initargs=(stop,))
    try:
        yield threads
    except BaseException:
        stop.set()
        raise
    finally:
        threads.shutdown(cancel_futures=True)


def rest(seconds: float) -> None:
    """Do nothing for so long.

    Args:
        seconds: 0 only looks whether the command is ending.

    Raises:
        StoppedError: it is.
    """
    stop: threading.Event | None = getattr(_OWN, "stop", None)
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise StoppedError


def _begin(stop: threading.Event) -> None:
    _OWN.stop = stop
