"""Work on other machines: what is sent there, who may do it, and what becomes of chunks that are lost."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import os
import pickle
import platform
import sys
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import astrid_ml
from astrid_ml.errors import UserError
from astrid_ml.executors.batch.gone import GoneError
from astrid_ml.executors.contract import Work, WorkerDiedError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.resting import RESTING
from astrid_ml.executors.supervise import Crew
from astrid_ml.reasons import shortened

PAUSE = 0.05  # seconds between two looks at what others do
PACKAGES = ("numpy", "torch")  # whose minor versions decide bytes
EXTRA = "pip install 'astrid-ml[scale]' -c constraints.txt"


@dataclass(frozen=True)
class Chunk:
    """Items that go to a worker together.

    Args:
        versions: package -> version that the worker must have.
        folder: the current folder, from which relative paths count.
        places: where modules may lie beside the worker's own places.
        content: the pickled work and items.
        limits: of one item.
    """

    versions: dict[str, str]
    folder: str
    places: tuple[str, ...]
    content: bytes
    limits: Limits


@dataclass(frozen=True)
class Timed:
    """Work from another folder, with the seconds that it took.

    Args:
        work: is done in a process that has nothing else to do.
        folder: to stand in.
    """

    work: Work
    folder: str

    def __call__(self, item: Any) -> tuple[float, Any]:
        """(Seconds, result).

        Args:
            item: of the work.
        """
        os.chdir(self.folder)
        begun = time.monotonic()
        value = self.work(item)
        return time.monotonic() - begun, value


def versions_here() -> dict[str, str]:
    """Package -> version: of astrid_ml the whole, of others what decides bytes."""
    found = {"astrid_ml": str(astrid_ml.__version__)}
    for name in PACKAGES:
        try:
            found[name] = ".".join(importlib.metadata.version(name).split(".")[:2])
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def need_package(module: str, option: str) -> None:
    """Refuse an executor whose package is not installed.

    Args:
        module: that is imported.
        option: of ``executor=``.

    Raises:
        UserError: says what to install.
    """
    if importlib.util.find_spec(module) is None:
        raise UserError(f"the package {module} for executor={option}", "none", EXTRA)


def chunk_of(work: Work, items: Sequence[Any], limits: Limits) -> Chunk:
    """What is sent to do some items.

    Args:
        work: pickled by name.
        items: pickled.
        limits: of one item.
    """
    places = tuple(os.path.abspath(place) for place in sys.path if place)
    return Chunk(versions_here(), os.getcwd(), places, pickle.dumps((work, list(items)), protocol=5), limits)


def do_chunk(chunk: Chunk, rest: bool = False) -> Generator[tuple[int, float, Any], None, None]:
    """Do the items of a chunk in a process beside this one: (place in the chunk, seconds, result or exception).

    Args:
        chunk: as it was sent.
        rest: leave that process to the next chunk, for a moment.

    Raises:
        UserError: this machine has other versions, lacks the folder, or cannot import the work.
    """
    _refuse_other_versions(chunk.versions)
    if not os.path.isdir(chunk.folder):
        raise UserError(
            "workers that see the folder in which the command was typed",
            f"no {chunk.folder} on {platform.node()}",
            "type the command in a folder on a disk that all machines share",
        )
    sys.path += [place for place in chunk.places if place not in sys.path]
    try:
        work, items = pickle.loads(chunk.content)
    except (ImportError, AttributeError) as error:
        raise UserError(
            "workers that can import the work",
            f"{type(error).__name__}: {error} on {platform.node()}",
            "install that package on every machine, and keep its classes in a module, not in a script",
        ) from error
    idle = RESTING.children((chunk.folder, chunk.places)) if rest and b"__main__" not in chunk.content else None
    try:
        for place, value in Crew(Timed(work, chunk.folder), items, chunk.limits, idle).run(1):
            seconds, result = (0.0, value) if isinstance(value, Exception) else value
            yield place, seconds, result
    finally:
        if idle is not None:
            RESTING.end_later()


def _refuse_other_versions(wanted: dict[str, str]) -> None:
    here = versions_here()
    other = [name for name, version in wanted.items() if here.get(name) != version]
    if other:
        raise UserError(
            "workers with " + ", ".join(f"{name} {wanted[name]}" for name in other),
            ", ".join(f"{name} {here.get(name, 'none')}" for name in other) + f" on {platform.node()}",
            "install the same versions on every machine: pip install astrid-ml -c constraints.txt",
        )


def cannot_work(error: Exception) -> UserError:
    """What to say where a worker could not even begin.

    Args:
        error: that it ended with.
    """
    if isinstance(error, UserError):
        return error
    return UserError(
        f"workers that have astrid_ml {astrid_ml.__version__} and what it needs",
        shortened(f"{type(error).__name__}: {error}", 300),
        "install the same versions on every machine: pip install astrid-ml -c constraints.txt",
    )


class Losses:
    """How often items were lost with their worker.

    Args:
        limits: say how often they are tried again.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.times = limits, Counter[int]()

    def again(self, position: int) -> float | None:
        """Seconds until the item is tried again; None where it was tried often enough.

        Args:
            position: of the item.
        """
        self.times[position] += 1
        count = self.times[position]
        return self.limits.pause(count - 1) if count <= self.limits.retries else None


class Pool(Protocol):
    """Workers somewhere that take chunks."""

    def slots(self) -> int:
        """How many chunks they do at a time."""

    def send(self, chunk: Chunk) -> Any:
        """Give a chunk to any of them; returns a ticket."""

    def heard(self) -> list[tuple[Any, Any]]:
        """(Ticket, list of what :func:`do_chunk` yields, or the exception) of chunks that ended since.

        A chunk whose worker was lost ends with a ``WorkerDiedError``.

        Raises:
            GoneError: nobody answers any more.
        """


class Spread:
    """Hands items out to a pool: first one item a worker, then as many as take long enough to be worth sending.

    Args:
        pool: the workers.
        limits: of one item.
        seconds: that a chunk should take.
    """

    def __init__(self, pool: Pool, limits: Limits, seconds: float) -> None:
        self.pool, self.limits, self.seconds = pool, limits, seconds
        self.losses = Losses(limits)
        self.took, self.timed, self.done = 0.0, 0, 0
        self.waiting: deque[int] = deque()
        self.alone: list[tuple[float, int]] = []  # lost items: not before that time
        self.flying: dict[Any, list[int]] = {}

    def run(self, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result or exception) as they come.

        Args:
            work: what is done.
            items: in their order.

        Raises:
            UserError: a worker cannot do the work at all, or the pool is gone.
        """
        self.waiting.extend(range(len(items)))
        while self.waiting or self.alone or self.flying:
            while len(self.flying) < self.pool.slots() and (taken := self._take()):
                self.flying[self.pool.send(chunk_of(work, [items[n] for n in taken], self.limits))] = taken
            try:
                heard = self.pool.heard()
            except GoneError as error:
                raise UserError(
                    "a cluster that stays until the work is done",
                    f"{error}, when {self.done} of {len(items)} pieces were done",
                    f"finished pieces are kept: {error.start}, and type the same command again",
                ) from error
            for ticket, answer in heard:
                for position, value in self._ended(self.flying.pop(ticket), answer):
                    self.done += 1
                    yield position, value
            if not heard:
                time.sleep(PAUSE)

    def _take(self) -> list[int]:
        """The next items that go together: a lost one alone, so that its next loss is its own."""
        now = time.monotonic()
        due = next((entry for entry in self.alone if entry[0] <= now), None)
        if due is not None:
            self.alone.remove(due)
            return [due[1]]
        return [self.waiting.popleft() for _ in range(min(self._size(), len(self.waiting)))]

    def _size(self) -> int:
        """Half of what is left is shared out, so that the last chunks end together."""
        if not self.timed:
            return 1
        enough = self.seconds * self.timed / max(self.took, 1e-6)
        return max(1, int(min(enough, math.ceil(len(self.waiting) / (2 * max(1, self.pool.slots()))))))

    def _ended(self, taken: list[int], answer: Any) -> Iterator[tuple[int, Any]]:
        if isinstance(answer, WorkerDiedError):
            for position in taken:
                wait = 0.0 if len(taken) > 1 else self.losses.again(position)
                if wait is None:
                    yield position, answer
                else:
                    self.alone.append((time.monotonic() + wait, position))
        elif isinstance(answer, Exception):
            raise cannot_work(answer) from answer
        else:
            for place, seconds, value in answer:
                if seconds:
                    self.took, self.timed = self.took + seconds, self.timed + 1
                yield taken[place], value
