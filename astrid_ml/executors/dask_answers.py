"""Answers of a dask scheduler that may never come: one that is stopped keeps its connections, and dask waits."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from typing import Any

from astrid_ml.executors.batch.gone import GoneError

EVERY = 0.5  # seconds between an answer and the next question
TOLD = 10.0  # seconds without an answer after which it is said
SILENCE = 60.0  # seconds without an answer after which a scheduler is given up
UNSEEN = 60.0  # seconds without a sign of life after which a worker is lost; it is noticed after twice that at most


class Scheduler:
    """What a scheduler says of its workers, asked without waiting for it.

    Args:
        client: that is connected.
        where: words for the cluster.
    """

    def __init__(self, client: Any, where: str) -> None:
        self.client, self.where = client, where
        self.threads = 0  # of all workers, when it was asked last
        self._told = False
        self._asked, self._question = time.monotonic(), self._ask()

    def look(self) -> None:
        """Take an answer that has come, and ask again.

        Raises:
            GoneError: no answer came for long.
        """
        now = time.monotonic()
        if self._question.done():
            if self._told:
                print(f"{self.where} answers again", file=sys.stderr, flush=True)
            self._told, self.threads = False, self._question.result()
            if now - self._asked > EVERY:
                self._asked, self._question = now, self._ask()
            return
        silent = now - self._asked
        if silent > SILENCE:
            raise GoneError(f"{self.where} has not answered for {SILENCE:.0f} s", "look whether its scheduler runs")
        if silent > TOLD and not self._told:
            self._told = True
            print(f"{self.where} does not answer; waiting {SILENCE:.0f} s", file=sys.stderr, flush=True)

    def _ask(self) -> Future[int]:
        async def threads() -> int:
            with suppress(OSError, AttributeError):  # a connection that is gone is the client's to tell
                known = await self.client.scheduler.identity(n_workers=-1)
                return sum(worker["nthreads"] for worker in known["workers"].values())
            return 0

        return asyncio.run_coroutine_threadsafe(threads(), self.client.loop.asyncio_loop)


def losing_unseen() -> AbstractContextManager[Any]:
    """A scheduler that begins inside gives up workers that are stopped, or whose machine is; dask waits ten minutes."""
    import dask

    return dask.config.set({"distributed.scheduler.worker-ttl": f"{UNSEEN}s"})


def in_time(do: Callable[[], Any], seconds: float) -> Any:
    """What a call returns or raises; a ``TimeoutError`` where nothing came in time. The call is left alone then.

    Args:
        do: is called in a thread.
        seconds: that it may take.

    Example:
        >>> in_time(lambda: 1 + 1, 5.0)
        2
    """
    said: list[Any] = []

    def work() -> None:
        try:
            said.append(do())
        except Exception as error:
            said.append(error)

    thread = threading.Thread(target=work, daemon=True, name="dask")
    thread.start()
    thread.join(seconds)
    return said[0] if said else TimeoutError(f"nothing came in {seconds:.0f} s")
