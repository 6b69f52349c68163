"""Names of files that are being written, and what is left of those whose writer was killed."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LONGEST = 150  # bytes of the name that a temporary repeats: file systems take 255 in all
_NUMBER = itertools.count()
_PART = re.compile(r"^\..*\.part-([0-9a-f]{8})-(\d+)-\d+(\..*)?$")
_swept: set[tuple[int, str]] = set()  # folders that this process has looked through


class Temporary(NamedTuple):
    """A file or folder that is being written, or was.

    Args:
        path: where it is.
        host: a short digest of the name of the machine that wrote it.
        process: the writer's number there.
    """

    path: Path
    host: str
    process: int

    @property
    def orphaned(self) -> bool:
        """Whether its writer was a process of this machine that is gone; a writer elsewhere counts as alive."""
        return self.host == this_host() and not process_lives(self.process)


def temporary_for(path: Path) -> Path:
    """A new name beside ``path`` that keeps its endings: ``.name.part-<host>-<process>-<n>.ext``.

    What killed writers of this machine left in that folder goes, once a process and folder.
    """
    key = (os.getpid(), str(path.parent))
    if key not in _swept:
        _swept.add(key)
        forget_orphans(path.parent)
    head, dot, tail = path.name.lstrip(".").partition(".")
    head = head.encode()[:LONGEST].decode(errors="ignore")
    return path.with_name(f".{head}.part-{this_host()}-{os.getpid()}-{next(_NUMBER)}{dot}{tail}")


def temporaries(folder: Path) -> Iterator[Temporary]:
    """All temporary files and folders anywhere below a folder."""
    for path in sorted(folder.rglob(".*")):
        if found := _of(path):
            yield found


def forget_orphans(folder: Path) -> None:
    """Remove what lies in a folder (not below it) of killed writers; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _of(Path(entry.path))
            if found is None or not found.orphaned:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(found.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    found.path.unlink()


def _of(path: Path) -> Temporary | None:
    found = _PART.match(path.name)
    return Temporary(path, found.group(1), int(found.group(2))) if found else None


def this_host() -> str:
    """Eight hexadecimal digits that stand for this machine's name."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def process_lives(number: int) -> bool:
    """Whether a process of this machine has that number.

    >>> process_lives(os.getpid())
    True
    """
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
