"""Columns of text for an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd


def texts(values: Iterable[str | None]) -> Any:
    """A column of text that may be missing."""
    return pd.array(list(values), dtype="string")


def same(value: str | None, n: int) -> Any:
    """One text in n rows."""
    return texts([value] * n)
