"""Several processes at work, watched: whoever dies or goes over a limit is replaced, and its item tried again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

from astrid_ml.executors.child import Child
from astrid_ml.executors.contract import OverLimitError, Work, WorkerDiedError
from astrid_ml.executors.limits import GB, Limits, short_of_memory
from astrid_ml.executors.serve import READY

TICK = 0.1  # seconds between two looks at what the processes take


class Crew:
    """Does items in processes of its own.

    Args:
        work: what is done with each item; it, the items and the results are pickled.
        items: in their order.
        limits: of one item.
        idle: processes that an earlier crew left, and that this one leaves when it has done all; None: it ends them.
    """

    def __init__(self, work: Work, items: Sequence[Any], limits: Limits, idle: list[Child] | None = None) -> None:
        self.work, self.items, self.limits, self.idle = work, items, limits, idle
        self.children: list[Child] = []
        self.lost: dict[int, Exception] = {}

    def run(self, workers: int) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception) as they come.

        An item whose process died or went over a limit is tried again when the others are done, alone on the machine:
        what was killed for another's memory then passes, and what kills its process does so with nobody beside it.

        Args:
            workers: processes at a time.
        """
        try:
            yield from self._round(range(len(self.items)), workers)
            for attempt in range(self.limits.retries):
                again, self.lost = sorted(self.lost), {}
                if not again:
                    break  # else a billion retries of nothing
                self._end_all()
                time.sleep(self.limits.pause(attempt))
                yield from self._round(again, 1)
            yield from ((position, self.lost[position]) for position in sorted(self.lost))
            self._leave_idle()
        finally:
            self._end_all()

    def _round(self, positions: Iterable[int], workers: int) -> Iterator[tuple[int, Any]]:
        waiting = deque(positions)
        while waiting or any(child.position >= 0 for child in self.children):
            self._hand_out(waiting, workers)
            heard = wait([child.link for child in self.children], TICK)
            for child in list(self.children):
                if child.link in heard or child.link.poll():  # done while somebody took the last result
                    yield from self._hear(child)
                elif child.position >= 0 and (fault := child.over()) is not None:
                    self._give_up(child, fault)
            self._relieve()

    def _hand_out(self, waiting: deque[int], workers: int) -> None:
        """Give items to those who have none; start processes while there is more to do than they can."""
        for child in self.children:
            if waiting and child.ready and child.position < 0:
                position = waiting.popleft()
                child.give(position, self.items[position])
        starting = sum(not child.ready for child in self.children)
        for _ in range(min(workers - len(self.children), len(waiting) - starting)):
            self.children.append(self._taken_over() or Child(self.work, self.limits))

    def _taken_over(self) -> Child | None:
        """A process that an earlier crew left."""
        while self.idle:
            try:
                child = self.idle.pop()
            except IndexError:  # another thread of this process was faster
                return None
            if child.process.poll() is None:
                child.take(self.work, self.limits)
                return child
            child.end()
        return None

    def _hear(self, child: Child) -> Iterator[tuple[int, Any]]:
        try:
            _, value = child.received()
        except WorkerDiedError as error:
            if not child.ready:
                raise WorkerDiedError(f"a process for the work could not start: {error}") from error
            self._give_up(child, error)
            return
        if isinstance(value, bytes) and value == READY and child.position < 0:
            return
        position, child.position = child.position, -1
        yield position, value

    def _give_up(self, child: Child, fault: Exception) -> None:
        """End a process, and keep its item with the reason."""
        self.children.remove(child)
        if child.position >= 0:
            self.lost[child.position] = fault
        child.end(at_once=isinstance(fault, OverLimitError) and "memory" in str(fault))

    def _relieve(self) -> None:
        """End the largest of several processes before the machine has no memory left for anything."""
        busy = [child for child in self.children if child.position >= 0]
        if len(busy) > 1 and short_of_memory():
            largest = max(busy, key=Child.memory)
            words = f"the machine ran out of memory while it took {largest.memory() / GB:.1f} GB (executor.workers)"
            self._give_up(largest, OverLimitError(words))

    def _leave_idle(self) -> None:
        """Leave whoever has nothing to do to the next crew: to start one costs seconds."""
        if self.idle is not None:
            rested = [child for child in self.children if child.ready and child.position < 0]
            self.children = [child for child in self.children if child not in rested]
            self.idle += rested

    def _end_all(self) -> None:
        for child in self.children:
            if child.process.poll() is None and child.position >= 0:
                child.process.terminate()  # all at once: each may need a moment
        while self.children:
            child = self.children.pop()
            child.end(at_once=child.position < 0)
