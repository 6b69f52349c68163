"""A bar on a terminal, silence elsewhere; long work always shows that it moves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def bar(items: Iterable[T], what: str, wanted: bool = True) -> Iterator[T]:
    """Iterate with a progress bar on standard error if that is a terminal."""
    from tqdm import tqdm

    total = len(items) if isinstance(items, Sized) else None
    yield from tqdm(items, desc=what, total=total, disable=not (wanted and sys.stderr.isatty()), leave=False)
