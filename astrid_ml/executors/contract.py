"""What an executor is, and how work ends that a process did not survive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

Work = Callable[[Any], Any]


class Executor(Protocol):
    """Runs ``work`` on each item and yields (item's position, result or the exception that stopped it).

    Example:
        >>> class Backwards:
        ...     def map(self, work, items):
        ...         for position in reversed(range(len(items))):
        ...             try:
        ...                 yield position, work(items[position])
        ...             except Exception as error:
        ...                 yield position, error
        >>> list(Backwards().map(float, ["1.5", "x"]))
        [(1, ValueError("could not convert string to float: 'x'")), (0, 1.5)]
    """

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """In any order."""


class WorkerDiedError(RuntimeError):
    """The process that ran an item ended without a word, each time it was tried."""


class OverLimitError(RuntimeError):
    """An item took more time or memory than it may, each time it was tried."""
