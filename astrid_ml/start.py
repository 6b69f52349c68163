"""The start of a command: libraries are read without searching for garbage on the way."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

# Turns of its loop in which a thread of OpenMP waits before it sleeps. GNU's 300,000 keep a processor for milliseconds:
# beside another program on the same cores a pair took 45 s instead of 3.
SPINS = "10000"


def threads_that_give_way(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let the threads of torch leave a processor to others while they wait; before torch is loaded.

    Args:
        environ: of this process, and those that it starts; who has set how threads wait is heard.

    Example:
        >>> given, own = dict[str, str](), {"OMP_WAIT_POLICY": "active"}
        >>> threads_that_give_way(given), threads_that_give_way(own)
        (None, None)
        >>> given, own
        ({'GOMP_SPINCOUNT': '10000'}, {'OMP_WAIT_POLICY': 'active'})
    """
    if "OMP_WAIT_POLICY" not in environ:
        environ.setdefault("GOMP_SPINCOUNT", SPINS)


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
