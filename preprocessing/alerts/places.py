"""Places in streams that can only be read from their beginning: who does chunk after chunk keeps the place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class StreamPlace:
    """A file that is being read.

    Args:
        key: of the file: its path, size and time.
        members: those that are left.
        next: number of the member that comes next.
    """

    key: tuple[str, int, int]
    members: Iterator[Any]
    next: int = 0


@dataclass
class _Kept:
    place: StreamPlace | None = field(default=None)


_KEPT = _Kept()  # of this process: it does one unit at a time


def run_of(path: Path, first: int, count: int | None, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Some members of a file.

    Args:
        path: of the file.
        first: number of the first member.
        count: of members; None reads to the end.
        begin: reads all of them.

    Raises:
        EOFError: the file ends before the first.
    """
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    kept, _KEPT.place = _KEPT.place, None
    place = kept if kept is not None and kept.key == key and kept.next <= first else StreamPlace(key, begin())
    while place.next < first:
        if next(place.members, None) is None:
            raise EOFError(f"it ends before packet {first}")
        place.next += 1
    taken = 0
    while count is None or taken < count:
        found = next(place.members, None)
        if found is None:
            return
        taken, place.next = taken + 1, place.next + 1
        yield found
    _KEPT.place = place


def runs(path: Path, most: int, begin: Callable[[], Iterator[Any]]) -> list[dict[str, Any]]:
    """Runs of members of a file that is read once to count them.

    Args:
        path: of the file.
        most: members in a run.
        begin: reads all of them.

    Returns:
        For each run ``first`` and ``count``. A file that is damaged somewhere ends with a run whose count is None, for
        what cannot be read: what stands before is not lost.
    """
    number, damaged = 0, False
    try:
        for _ in begin():
            number += 1
    except ValueError:
        damaged = True
    out: list[dict[str, Any]] = [
        {"first": first, "count": min(most, number - first)} for first in range(0, number, most)
    ]
    return [*out, {"first": number, "count": None}] if damaged or not out else out
