"""Work that processes do for the tests, and what may come up in it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class OddError(Exception):
    """Asks for more than its text, so that it can be sent and not received."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one)
        self.other = other


@dataclass(frozen=True)
class Sized:
    """An item that says how large its files are."""

    bytes_read: int


def work(item: Any) -> Any:
    """Do what the item says."""
    words = str(item).split(" ", 1)
    if isinstance(item, Sized):
        time.sleep(0.8)
    if words[0] == "hang":
        time.sleep(600)
    if words[0] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if words[0] == "leave":
        os._exit(3)
    if words[0] == "swell":
        held = []
        while True:
            held.append(bytearray(20_000_000))
    if words[0] == "refuse":
        raise ValueError("no such file kind")
    if words[0] == "odd":
        raise OddError("odd", "other")
    if words[0] == "lambda":
        return lambda: None
    if words[0] == "once":
        mark = Path(words[1])
        if not mark.exists():
            mark.write_text("tried")
            os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "who":
        return os.getpid(), os.environ.get("OMP_NUM_THREADS")
    return str(item).upper()
