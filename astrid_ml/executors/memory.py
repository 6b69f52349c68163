"""Memory that processes use and that the machine has; None where the system does not tell (other than Linux).

What counts is anonymous memory: pages of mapped files are given back whenever somebody else needs them.
"""

from __future__ import annotations

import re
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def anonymous(process: int) -> int | None:
    """Bytes of anonymous memory of a process; None where it is gone or nothing tells.

    Args:
        process: its number.

    Example:
        >>> import os, sys
        >>> anonymous(os.getpid()) > 1_000_000 if sys.platform == "linux" else True
        True
    """
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else None


def total() -> int | None:
    """Bytes that this machine has, or that its container may use."""
    machine = _of_machine("MemTotal")
    allowed = _number(CGROUP / "memory.max")
    known = [size for size in (machine, allowed) if size is not None]
    return min(known) if known else None


def available() -> int | None:
    """Bytes that more work could use now without anything being moved to the disk."""
    machine = _of_machine("MemAvailable")
    allowed, used = _number(CGROUP / "memory.max"), _anonymous_of_group()
    if allowed is None or used is None:
        return machine
    return min(allowed - used, allowed if machine is None else machine)


def _of_machine(name: str) -> int | None:
    try:
        found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _anonymous_of_group() -> int | None:
    try:
        found = re.search(r"^anon (\d+)$", (CGROUP / "memory.stat").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def _number(path: Path) -> int | None:
    """The number in a file of the system; None where there is none (``max``: no limit)."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
