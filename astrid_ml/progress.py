"""Long work shows that it moves: a bar on a terminal, a line now and then elsewhere, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from astrid_ml.ranks import first_process

T = TypeVar("T")
PATIENCE = 1.5  # seconds of silence before a word
WORTH_TELLING = 5.0  # seconds that are left


class Progress:
    """A bar on a terminal; elsewhere a line at every tenth of the work.

    Args:
        what: a word for the work: ``preparing``.
        total: steps in all.
        done: of them, done before.
        unit: a word for a step.
        wanted: False shows nothing; of bytes (unit ``B``) a line says MB.
    """

    def __init__(self, what: str, total: int, done: int = 0, unit: str = "unit", wanted: bool = True) -> None:
        from tqdm import tqdm

        self.what, self.total, self.done, self.unit, self.wanted = what, total, done, unit, wanted and first_process()
        self.terminal = sys.stderr.isatty()
        self._begun, self._before = time.monotonic(), done
        hidden = not (self.wanted and self.terminal)
        self._bar = tqdm(total=total, initial=done, desc=what, unit=unit, unit_scale=unit == "B", disable=hidden)

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        before, self.done = self.done, self.done + count
        self._bar.update(count)
        tenth = max(1, self.total // 10)
        if self.wanted and not self.terminal and before // tenth != self.done // tenth:
            amount = f"{self.done} of {self.total} {self.unit}s"
            if self.unit == "B":
                amount = f"{self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB"
            print(f"{self.what}: {amount}{self._left()}", file=sys.stderr, flush=True)

    def _left(self) -> str:
        each = (time.monotonic() - self._begun) / (self.done - self._before)
        seconds = each * (self.total - self.done)
        return f", {time_left(seconds)}" if seconds >= WORTH_TELLING else ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def time_left(seconds: float) -> str:
    """How long something still takes, in words.

    >>> time_left(45), time_left(200), time_left(9000)
    ('about 45 s left', 'about 3 min left', 'about 2.5 h left')
    """
    if seconds < 100:
        return f"about {seconds:.0f} s left"
    if seconds < 6000:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"


def bar(items: Iterable[T], what: str, wanted: bool = True) -> Iterator[T]:
    """Iterate with a progress bar on standard error if that is a terminal."""
    from tqdm import tqdm

    shown = wanted and first_process() and sys.stderr.isatty()
    total = len(items) if isinstance(items, Sized) else None
    yield from tqdm(items, desc=what, total=total, disable=not shown, leave=False)


@contextmanager
def waiting(what: str, wanted: bool = True) -> Iterator[None]:
    """A block that may take seconds and says nothing itself: after a moment it is named, with the seconds so far.

    On a terminal the line is written over and goes at the end; elsewhere there are lines ever farther apart.

    Args:
        what: a word for the work: ``evaluate``.
        wanted: False shows nothing.
    """
    if not (wanted and first_process()):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_name, args=(what, ended), daemon=True, name="waiting")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _name(what: str, ended: threading.Event) -> None:
    terminal, begun, pause, shown = sys.stderr.isatty(), time.monotonic(), PATIENCE, ""
    while not ended.wait(pause):
        shown = f"{what}: {time.monotonic() - begun:.0f} s"
        print(f"\r{shown}" if terminal else shown, end="" if terminal else "\n", file=sys.stderr, flush=True)
        pause = PATIENCE if terminal else 2 * pause
    if terminal and shown:
        print(f"\r{' ' * len(shown)}\r", end="", file=sys.stderr, flush=True)
