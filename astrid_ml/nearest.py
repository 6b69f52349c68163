"""The nearest right name for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean X?`` for the closest of the known names; empty where none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.65)
    return f"did you mean {found[0]}?" if found else ""
