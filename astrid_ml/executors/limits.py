"""What one piece of work may take, before its process is ended so that the others go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from astrid_ml.executors import memory
from astrid_ml.types import InUnits, NonNegative, Positive, Whole

MOST = 0.8  # share of the machine's memory that one unit may take where nothing is said
LEAST_LEFT = 0.04  # share of the machine's memory below which the largest unit is ended
MB, GB = 1e6, 1e9
_MOST_MEMORY = 1e9  # GB; what is more says no more
_LONGEST = 3600.0  # s between two tries


@dataclass(frozen=True)
class Limits:
    """Limits of one unit of work, and how often a unit is tried whose process died or went over them.

    Args:
        seconds: of wall time, whatever the size of the unit's files.
        seconds_per_mb: further seconds for each MB of the unit's files.
        memory: GB of anonymous memory; None: four fifths of the machine's.
        retries: how often such a unit is tried again, each time with no other beside it.
        backoff: seconds before the first repetition; each further one waits twice as long, an hour at most.

    Example:
        >>> limits = Limits(seconds=60, seconds_per_mb=2, memory=3)
        >>> limits.time(10_000_000), limits.bytes()
        (80.0, 3000000000)
    """

    seconds: Annotated[Positive, InUnits("s")] = 120.0
    seconds_per_mb: Annotated[NonNegative, InUnits("s")] = 10.0
    memory: Annotated[Positive, InUnits("GB")] | None = None
    retries: Whole = 2
    backoff: Annotated[NonNegative, InUnits("s")] = 1.0

    def time(self, size: int) -> float:
        """Seconds that a unit may take.

        Args:
            size: bytes of its files.
        """
        return self.seconds + self.seconds_per_mb * size / MB

    def pause(self, attempt: int) -> float:
        """Seconds before lost units are tried again: twice as many each time, an hour at most.

        Args:
            attempt: from 0.
        """
        return min(self.backoff * 2.0 ** min(attempt, 20), _LONGEST)

    def bytes(self) -> int | None:
        """Bytes of memory that a unit may take; None where the machine does not tell what it has."""
        if self.memory is not None:
            return int(min(self.memory, _MOST_MEMORY) * GB)
        whole = memory.total()
        return None if whole is None else int(MOST * whole)


def size_of(item: Any) -> int:
    """Bytes of the files that an item of work reads; 0 where it does not say (``bytes_read``)."""
    return int(getattr(item, "bytes_read", 0))


def short_of_memory() -> bool:
    """Whether the machine has so little memory left that everything on it would slow down or be killed."""
    whole, left = memory.total(), memory.available()
    return whole is not None and left is not None and left < LEAST_LEFT * whole
