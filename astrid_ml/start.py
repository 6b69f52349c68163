"""The start of a command: libraries are read without searching for garbage on the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(at_start: bool = True) -> Iterator[None]:
    """A block that imports much.

    What an import makes stays until the process ends. To look through it for garbage, again and again while it grows
    and once more at the end, is a third of the processor time of starting torch.

    Args:
        at_start: nothing is at work yet. Else what waits to be freed is not kept with what stays: an import leaves
            frames behind that hold the whole stack, and so the planes of a pair.

    Example:
        >>> import gc
        >>> with importing():
        ...     gc.isenabled()
        False
        >>> gc.isenabled()
        True
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_start:
            gc.freeze()
        if before:
            gc.enable()


def ending() -> None:
    """The process ends: what it holds goes as a whole, and is not searched for garbage first."""
    gc.freeze()
