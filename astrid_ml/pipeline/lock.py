"""One owner of a fingerprint at a time, by a folder that is made atomically and a heartbeat inside it.

No flock: it is unreliable over NFS. A lock whose owner is gone (same host and no such process) or silent for
``STALE`` seconds is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

BEAT, STALE, POLL = 2.0, 30.0, 0.2


class Lock:
    """``with Lock(path):`` waits, with one message, until this process owns the path.

    Args:
        path: a folder that exists only while it is owned.
        what: named in the message.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        self.waited = False
        self._stop = threading.Event()

    def __enter__(self) -> Lock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while not self._take():
            if not self.waited:
                print(f"waiting: {self._owner()} is working on {self.what}", file=sys.stderr, flush=True)
                self.waited = True
            time.sleep(POLL)
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        (self.path / "owner.json").unlink(missing_ok=True)
        self.path.rmdir()

    def _take(self) -> bool:
        try:
            self.path.mkdir()
        except FileExistsError:
            if not self._stale():
                return False
            # Rename first: of several that see a stale lock, one wins.
            grave = self.path.with_name(f"{self.path.name}.stale.{os.getpid()}.{time.monotonic_ns()}")
            try:
                self.path.rename(grave)
            except OSError:
                return False
            (grave / "owner.json").unlink(missing_ok=True)
            grave.rmdir()
            return False
        self._write()
        return True

    def _write(self) -> None:
        owner = self.path / "owner.json"
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "beat": time.time()}))
        os.replace(temporary, owner)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                self._write()
            except OSError:
                return

    def _read(self) -> dict[str, object]:
        try:
            content: dict[str, object] = json.loads((self.path / "owner.json").read_text())
        except (OSError, ValueError):
            return {}
        return content

    def _owner(self) -> str:
        owner = self._read()
        return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"

    def _stale(self) -> bool:
        owner = self._read()
        if not owner:
            try:  # made, but not signed yet: give it a moment
                return time.time() - self.path.stat().st_mtime > STALE
            except OSError:
                return False
        if owner["host"] == socket.gethostname() and not _alive(int(str(owner["pid"]))):
            return True
        return time.time() - float(str(owner["beat"])) > STALE


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
