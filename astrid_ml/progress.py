"""Long work shows that it moves: a bar on a terminal, a line now and then elsewhere, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """A bar on a terminal; elsewhere a line at every tenth of the work.

    Args:
        what: a word for the work: ``preparing``.
        total: steps in all.
        done: of them, done before.
        unit: a word for a step.
        wanted: False shows nothing.
    """

    def __init__(self, what: str, total: int, done: int = 0, unit: str = "unit", wanted: bool = True) -> None:
        from tqdm import tqdm

        self.what, self.total, self.done, self.unit, self.wanted = what, total, done, unit, wanted
        self.terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=done, desc=what, unit=unit, disable=not (wanted and self.terminal))

    def step(self) -> None:
        """One more is done."""
        before, self.done = self.done, self.done + 1
        self._bar.update()
        tenth = max(1, self.total // 10)
        if self.wanted and not self.terminal and before // tenth != self.done // tenth:
            print(f"{self.what}: {self.done} of {self.total} {self.unit}s", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def bar(items: Iterable[T], what: str, wanted: bool = True) -> Iterator[T]:
    """Iterate with a progress bar on standard error if that is a terminal."""
    from tqdm import tqdm

    total = len(items) if isinstance(items, Sized) else None
    yield from tqdm(items, desc=what, total=total, disable=not (wanted and sys.stderr.isatty()), leave=False)
