"""Where units run: one after the other in this process, or in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol

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
        """Yield (position, result or exception) as they finish. A worker that dies fails the unit it held."""
        left = dict(enumerate(items))
        while left:
            try:
                for position, result in self._pool(work, left):
                    left.pop(position)
                    yield position, result
            except BrokenProcessPool:
                # Nobody knows which unit killed its worker: run what is left one by one, each in a pool of its own.
                yield from self._one_by_one(work, left)
                return

    def _pool(self, work: Work, items: dict[int, Any]) -> Iterator[tuple[int, Any]]:
        workers = min(self.workers or os.cpu_count() or 1, len(items))
        threads = max(1, (os.cpu_count() or 1) // workers)
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(threads,))
        try:
            futures = {pool.submit(work, item): position for position, item in items.items()}
            for future in as_completed(futures):
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise error
                yield futures[future], error if error is not None else future.result()
        except BaseException:
            # Ctrl-C, an error, or a reader that stops: units under way are lost, finished ones are kept.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _one_by_one(self, work: Work, items: dict[int, Any]) -> Iterator[tuple[int, Any]]:
        for position, item in items.items():
            try:
                yield from self._pool(work, {position: item})
            except BrokenProcessPool:
                yield position, RuntimeError("the worker process died (killed, or out of memory)")


def _start_worker(threads: int) -> None:
    # Ctrl-C goes to the whole process group: the parent decides, workers finish or are ended by it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)


def _end_with_parent(parent: int) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
