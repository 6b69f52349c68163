"""The other end of a :class:`~astrid_ml.executors.child.Child`: a process that does one item after the other."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from multiprocessing import spawn
from multiprocessing.connection import Connection
from typing import Any

from astrid_ml.apart import be_watched
from astrid_ml.interrupts import end_with_parent, hear_signals

READY = b"ready"
GRACE = 2.0  # seconds in which a process that is told to end removes what it has half written
_LEAVING = threading.Event()


def main() -> None:
    """Serve until the other end is closed. Arguments: the number of the open connection, the parent's number."""
    link, parent = Connection(int(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGTERM, _end)
    be_watched()
    hear_signals()  # Ctrl-C goes to the whole group: the parent decides
    end_with_parent(parent)
    sys.argv[1:] = []
    try:
        _prepare(link.recv())
        signal.signal(signal.SIGTERM, _leave)
        link.send_bytes(READY)
        while True:
            link.send_bytes(outcome(link.recv_bytes()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)  # nobody is there to take a result; what libraries would do at the end may take seconds


def _prepare(told: dict[str, Any]) -> None:
    """See modules as the parent does; its own main module is imported only where the work needs it."""
    sys.path[:] = told["sys_path"]
    if "main" in told:
        spawn.prepare(told["main"])


def outcome(blob: bytes) -> bytes:
    """Do the work that was sent: a pickled (whether it was done, result or exception).

    Args:
        blob: a pickled (work, item).
    """
    try:
        work, item = pickle.loads(blob)
        if _LEAVING.is_set():
            raise SystemExit(1)
        done, value = True, work(item)
        return _sent(done, value)
    except Exception as error:
        return _sent(False, error)


def _sent(done: bool, value: Any) -> bytes:
    try:
        blob = pickle.dumps((done, value), protocol=5)
        if not done:
            pickle.loads(blob)  # an exception whose class asks for more than its text can be sent, not received
        return blob
    except Exception as error:
        words = f"{type(value).__name__}: {value}" if not done else f"a result that cannot be sent ({error})"
        return pickle.dumps((False, RuntimeError(words[:2000])))


def _end(*_: object) -> None:
    """End a process that has begun nothing."""
    os._exit(1)


def _leave(*_: object) -> None:
    """End by an exception, so that temporaries are removed, and soon in any case."""
    _LEAVING.set()
    end = threading.Timer(GRACE, os._exit, (1,))
    end.daemon = True
    end.start()
    raise SystemExit(1)


if __name__ == "__main__":
    main()
