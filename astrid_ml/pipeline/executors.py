"""Where units run: one after the other in this process, or in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from astrid_ml.interrupts import end_with_parent, hear_signals, starting_children
from astrid_ml.types import Whole

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


@dataclass(frozen=True)
class Serial:
    """In this process, in order."""

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception)."""
        for position, item in enumerate(items):
            try:
                yield position, work(item)
            except Exception as error:
                yield position, error


@dataclass(frozen=True)
class Processes:
    """In several processes; torch's threads are shared out among them.

    Args:
        workers: how many; 0 means one for each core.
    """

    workers: Whole = 0

    def map(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception) as they finish.

        A worker that dies (killed for memory, a crash of a library) does not say which unit it held: those that were
        under way run once more, each alone in a process of its own, and the rest goes on in a new pool. One whose
        process dies again fails with :class:`WorkerDiedError`.
        """
        left = dict(enumerate(items))
        while left:
            suspects: list[int] = []
            for position, result in self._pool(work, left, suspects):
                left.pop(position)
                yield position, result
            for position in suspects:
                yield position, self._alone(work, left.pop(position))

    def _pool(self, work: Work, items: dict[int, Any], suspects: list[int]) -> Iterator[tuple[int, Any]]:
        """Run until all is done or a worker dies; then ``suspects`` are the positions that were under way."""
        workers = min(self.workers or os.cpu_count() or 1, len(items))
        threads = max(1, (os.cpu_count() or 1) // workers)
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(threads, os.getpid())
        )
        waiting, running = iter(list(items.items())), dict[Any, int]()
        try:
            while True:
                # One more than can run: few are under suspicion when a worker dies, and none waits for the next.
                for position, item in islice(waiting, workers + 1 - len(running)):
                    with starting_children():
                        running[pool.submit(_unless_leaving, work, item)] = position
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        raise error
                    yield running.pop(future), error if error is not None else future.result()
        except BrokenProcessPool:
            suspects += running.values()
        except BaseException:
            # Ctrl-C, an error, or a reader that stops: units under way are lost, finished ones are kept.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _alone(self, work: Work, item: Any) -> Any:
        suspects: list[int] = []
        for _, result in self._pool(work, {0: item}, suspects):
            return result
        why = "out of memory, or a library crashed"
        return WorkerDiedError(f"its process was killed, among others and then alone ({why})")


class WorkerDiedError(RuntimeError):
    """The process that ran an item ended without a word, also when nothing else ran beside it."""


def _start_worker(threads: int, parent: int) -> None:
    # Ctrl-C goes to the whole process group: the parent decides, workers finish or are ended by it.
    signal.signal(signal.SIGTERM, _end)
    hear_signals()
    end_with_parent(parent)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)


_LEAVING = threading.Event()  # of a worker: it was told to end
GRACE = 2.0  # seconds in which a worker removes what it has half written


def _end(*_: object) -> None:
    """End a worker that has begun nothing."""
    os._exit(1)


def _leave(*_: object) -> None:
    """End a worker by an exception, so that temporaries are removed, and soon in any case."""
    _LEAVING.set()
    end = threading.Timer(GRACE, os._exit, (1,))
    end.daemon = True
    end.start()
    raise SystemExit(1)


def _unless_leaving(work: Work, item: Any) -> Any:
    signal.signal(signal.SIGTERM, _leave)
    if _LEAVING.is_set():
        raise SystemExit(1)
    return work(item)
