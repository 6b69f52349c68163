"""What an array in a container is, told by its header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Stack:
    """An array in a container.

    Args:
        name: of the array; empty where the container is one array.
        shape: its own; of a column of lists (rows, then the lengths of the first row's lists).
        numbers: whether it holds numbers.
        channels: in their order, where the container names them.
        kind: of its values, where it is known and they are no numbers.
    """

    name: str
    shape: tuple[int, ...]
    numbers: bool = True
    channels: tuple[str, ...] = ()
    kind: str = ""

    @classmethod
    def of(cls, name: str, shape: Sequence[int], dtype: np.dtype[Any], channels: tuple[str, ...] = ()) -> Stack:
        """An array of a type of numpy: booleans and real numbers are numbers."""
        numbers = dtype.kind in "fiub"
        return cls(name, tuple(shape), numbers, channels, "" if numbers else _KINDS.get(dtype.kind, str(dtype)))

    def __str__(self) -> str:
        return f"{self.name or 'one'} {self.shape}" + (f" of {self.kind}" if self.kind else "")


_KINDS = {"U": "texts", "S": "texts", "O": "objects or texts", "M": "dates", "m": "times", "V": "records"}
