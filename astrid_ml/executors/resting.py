"""Processes that wait a moment for more work: to start one costs seconds, and a worker gets one chunk after another."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from astrid_ml.executors.child import Child

PATIENCE = 30.0  # seconds that a process waits


class Resting:
    """Processes that crews of this process have left.

    Example:
        >>> Resting().children("a folder")
        []
    """

    def __init__(self) -> None:
        self._left: dict[Hashable, list[Child]] = {}
        self._lock, self._timer = threading.Lock(), threading.Timer(0.0, self.end)

    def children(self, kind: Hashable) -> list[Child]:
        """Those that may do one kind of work: whoever takes one takes it out, and puts it back.

        Args:
            kind: where it stands and what it can import.
        """
        with self._lock:
            self._timer.cancel()
            return self._left.setdefault(kind, [])

    def end_later(self) -> None:
        """End them all unless somebody asks for one before."""
        with self._lock:
            self._timer.cancel()
            self._timer = threading.Timer(PATIENCE, self.end)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """End those that rest now."""
        with self._lock:
            for left in self._left.values():
                while left:
                    left.pop().end(at_once=True)


RESTING = Resting()
