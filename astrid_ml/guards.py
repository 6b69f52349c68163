"""Folders in which nothing is published unless somebody agrees: those that this process owns by a lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_GUARDS: list[tuple[Path, Callable[[], None]]] = []


@contextmanager
def guarded(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """A block in which nothing gets its name below a folder unless ``check`` returns: whether we still own it.

    Args:
        folder: absolute or not; what lies at any depth of it counts.
        check: raises where this process may no longer write there.
    """
    entry = (folder.absolute(), check)
    _GUARDS.append(entry)
    try:
        yield
    finally:
        _GUARDS.remove(entry)


def ask_guards(path: Path) -> None:
    """Return if this process may publish at a path; else raise what the guard of its folder raises."""
    for folder, check in _GUARDS:
        if path.absolute().is_relative_to(folder):
            check()
