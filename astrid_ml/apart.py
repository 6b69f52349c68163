"""Looks into a user's files by a process beside this one: damage that ends a library's process ends that one.

Libraries in C and C++ end their process over a byte (``std::terminate``, a segmentation fault), and no ``except`` sees
it. Units of work run in processes that are watched. What a command reads itself is looked at here first.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SECONDS, SECONDS_PER_MB = 30.0, 1.0  # that a look may take; that of a small file takes milliseconds
IDLE = 30.0  # seconds after which the process ends that nobody asks
MB = 1e6
_SERVE = "from astrid_ml.apart import serve; serve()"
_WATCHED = threading.Event()
_LOCK = threading.Lock()


class EndedError(ValueError):
    """A look that ended its process, or did not end itself; the message says how."""


def be_watched(watched: bool = True) -> None:
    """Say that somebody else ends this process where it hangs or swells: its looks need no further one.

    Args:
        watched: whether it is so.
    """
    _WATCHED.set() if watched else _WATCHED.clear()


def is_watched() -> bool:
    """Whether this process is the boundary itself."""
    return _WATCHED.is_set()


def look_apart(look: str, path: Path, memory: int, *told: Any) -> None:
    """Look at a file in a process beside this one, which serves the next looks too.

    Args:
        look: ``module:function`` of ours, which is called with the path; it returns nothing.
        path: of the file.
        memory: bytes that the process may take.
        told: further arguments of the function.

    Raises:
        EndedError: the process crashed, twice, or was not done in its time.
        Exception: what the look raised.

    Example:
        >>> look_apart("astrid_ml.inflating:refuse_swollen_gzip", Path(__file__), 2**30)
    """
    allowed = SECONDS + SECONDS_PER_MB * path.stat().st_size / MB
    with _LOCK:
        try:
            raised = _ask((look, str(path.absolute()), memory, told), allowed)
        except _GoneError:  # killed by another, or crashed: the second time tells
            try:
                raised = _ask((look, str(path.absolute()), memory, told), allowed)
            except _GoneError as error:
                raise EndedError(f"its bytes end whoever reads it ({error})") from error
    if raised is not None:
        raise raised


class _GoneError(Exception):
    """The process is gone; the message says how."""


@dataclass(frozen=True)
class _Looker:
    """The process.

    Args:
        process: itself.
        link: to it.
        owner: number of the process that started it; one that was forked from that one starts its own.
    """

    process: subprocess.Popen[bytes]
    link: Connection
    owner: int

    def end(self) -> None:
        with suppress(OSError):
            self.link.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


_LOOKERS: list[_Looker] = []  # at most one


def _ask(asked: tuple[Any, ...], allowed: float) -> Exception | None:
    looker = _looker()
    try:
        looker.link.send((*asked, allowed))
        if not looker.link.poll(allowed):
            _end()
            raise EndedError(f"it was not looked through after {allowed:.0f} s")
        answer: Exception | None = pickle.loads(looker.link.recv_bytes())
        return answer
    except (EOFError, OSError) as error:
        with suppress(subprocess.TimeoutExpired):
            looker.process.wait(2.0)
        code = looker.process.poll()
        _end()
        if code is not None and code < 0:
            raise _GoneError(signal.Signals(-code).name) from error
        raise _GoneError(f"exit code {code}") from error
    except BaseException:  # Ctrl-C: the answer that is to come is nobody's
        _end()
        raise


def _looker() -> _Looker:
    if _LOOKERS and (_LOOKERS[0].owner != os.getpid() or _LOOKERS[0].process.poll() is not None):
        _end()
    if not _LOOKERS:
        ours, theirs = socket.socketpair()
        paths = [path for path in sys.path if path]
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # last words of a crash: what they mean is said
                process_group=0,  # Ctrl-C is for the process that asks
            )
        _LOOKERS.append(_Looker(process, Connection(ours.detach()), os.getpid()))
        atexit.register(_end)
    return _LOOKERS[0]


def _end() -> None:
    while _LOOKERS:
        _LOOKERS.pop().end()
    atexit.unregister(_end)


def serve() -> None:
    """The process: looks at what it is told until nobody is there, or asks for a while. Argument: the connection."""
    link = Connection(int(sys.argv[1]))
    be_watched()
    with suppress(EOFError, OSError):
        while link.poll(IDLE):
            look, path, memory, told, allowed = link.recv()
            signal.alarm(int(allowed) + 10)  # nobody would end it where the other process is gone
            _bound(memory)
            link.send_bytes(_outcome(look, Path(path), told))
            signal.alarm(0)
    os._exit(0)


def _outcome(look: str, path: Path, told: tuple[Any, ...]) -> bytes:
    module, _, name = look.partition(":")
    try:
        getattr(import_module(module), name)(path, *told)
    except Exception as error:
        with suppress(Exception):
            blob = pickle.dumps(error)
            pickle.loads(blob)  # an exception whose class asks for more than its text can be sent, not received
            return blob
        return pickle.dumps(ValueError(str(error)[:2000]))
    return pickle.dumps(None)


def _bound(memory: int) -> None:
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        ceiling = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = memory if ceiling == resource.RLIM_INFINITY else min(memory, ceiling)
        resource.setrlimit(resource.RLIMIT_DATA, (most, ceiling))
