"""How many processors this process may use: a job of a cluster, or a container, seldom has all of the machine's."""

from __future__ import annotations

import math
import os

from astrid_ml.executors.memory import CGROUP


def cores() -> int:
    """Processors that this process may use: by its affinity, and by the quota of its container; at least one.

    Example:
        >>> 1 <= cores() <= (os.cpu_count() or 1)
        True
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    allowed = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quota = _quota()
    return max(1, allowed if quota is None else min(allowed, quota))


def _quota() -> int | None:
    """Whole processors' worth of time that the container may use; None where nothing limits it."""
    try:
        given, period = (CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return math.ceil(int(given) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None
