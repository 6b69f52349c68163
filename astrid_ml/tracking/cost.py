"""What a run costs: wall time, processor time, peak memory."""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path
from types import TracebackType

STATUS = Path("/proc/self/status")


def anonymous_memory() -> float | None:
    """This process's anonymous memory in MB; None where the system does not tell.

    Resident size would also count the pages of memory-mapped arrays, which the system drops whenever it likes.
    """
    try:
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return None


class CostMeter:
    """Measures between ``with CostMeter() as meter`` and the end of the block, or until asked.

    Args:
        interval: seconds between two looks at the memory; a shorter peak may be missed.
    """

    def __init__(self, interval: float = 0.2) -> None:
        self.interval = interval
        self.peak = anonymous_memory()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> CostMeter:
        self._started, self._processor = time.perf_counter(), _processor_seconds()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._watcher.join()

    def account(self) -> dict[str, float]:
        """``wall_seconds``, ``cpu_seconds`` (finished child processes included), ``peak_anonymous_mb`` so far."""
        self._look()
        out = {
            "wall_seconds": round(time.perf_counter() - self._started, 2),
            "cpu_seconds": round(_processor_seconds() - self._processor, 2),
        }
        return out if self.peak is None else out | {"peak_anonymous_mb": round(self.peak, 1)}

    def _watch(self) -> None:
        while not self._stop.wait(self.interval):
            self._look()

    def _look(self) -> None:
        now = anonymous_memory()
        if now is not None:
            self.peak = max(self.peak or 0.0, now)


def _processor_seconds() -> float:
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)
