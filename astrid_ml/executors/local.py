"""Work on this machine: one item after the other, or several at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrid_ml.executors.contract import Work
from astrid_ml.executors.cores import cores
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.supervise import Crew
from astrid_ml.executors.within import within_memory
from astrid_ml.types import Whole


@dataclass(frozen=True)
class Serial:
    """One item after the other.

    Args:
        limits: of one item; they are held by a process of its own, in which the items run: files that hang, crash or
            fill the memory cost themselves. None: the items run in this process.
    """

    limits: Limits | None = None

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception)."""
        if self.limits is not None:
            yield from Crew(work, items, self.limits).run(1)
            return
        for position, item in enumerate(items):
            try:
                with within_memory("a piece of work"):
                    result = work(item)
            except Exception as error:
                result = error
            yield position, result


@dataclass(frozen=True)
class Processes:
    """Several items at a time, each in one of several processes, which use one thread each.

    Args:
        workers: how many; 0 means one for each core.
        limits: of one item.
    """

    workers: Whole = 0
    limits: Limits = field(default_factory=Limits)

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception) as they finish."""
        workers = min(self.workers or cores(), len(items))
        if workers:
            yield from Crew(work, items, self.limits).run(workers)
