"""Which process of those that train together this one is: the first speaks, the others name themselves in errors only.

``torchrun`` says it by ``RANK``, Lightning's own processes by ``LOCAL_RANK``, ``srun`` by ``SLURM_PROCID``. The last is
believed of a training only: commands that ``srun`` starts side by side (shards) have nothing to do with each other.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_training = [False]


@contextmanager
def one_training(trains: bool) -> Iterator[None]:
    """A command, in which only the first of the processes that train together shows warnings.

    Args:
        trains: whether processes that ``srun`` starts do it together.
    """
    before, _training[0] = _training[0], trains
    try:
        if first_process():
            yield
            return
        level = logging.root.manager.disable
        with warnings.catch_warnings(action="ignore"):
            logging.disable(logging.WARNING)
            try:
                yield
            finally:
                logging.disable(level)
    finally:
        _training[0] = before


def first_process() -> bool:
    """Whether this process speaks for those that train together; what concerns all is said once."""
    return not rank_in_words()


def rank_in_words() -> str:
    """Which of the processes that train together this one is; empty for the first, and for one alone.

    Example:
        >>> os.environ["LOCAL_RANK"] = "2"
        >>> rank_in_words(), first_process()
        ('process 2', False)
        >>> del os.environ["LOCAL_RANK"]
        >>> rank_in_words()
        ''
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        number = _number("RANK")
        return f"process {number}" if number else ""
    local, node = _number("LOCAL_RANK"), _number("NODE_RANK") or _number("GROUP_RANK")
    if local or node:
        return f"process {local} of node {node}" if node else f"process {local}"
    number = _number("SLURM_PROCID") if _training[0] and not _interactive() else 0
    return f"process {number}" if number else ""


def say(text: str) -> None:
    """Print a line on standard error, if this is the first of the processes that train together.

    Args:
        text: of one line.
    """
    if first_process():
        print(text, file=sys.stderr, flush=True)


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0


def _interactive() -> bool:
    """Whether a user types in a shell that ``srun`` has started: what it starts is one process."""
    return os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
