"""The nearest right name for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from astrid_ml.errors import MissingNameError


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean X?`` for the closest of the known names; empty where none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.65)
    return f"did you mean {found[0]}?" if found else ""


def missing(what: str, names: Iterable[object], known: Iterable[object]) -> MissingNameError:
    """What to say of names that are not there.

    Args:
        what: they would be, in the singular.
        names: that were asked for.
        known: that there are.

    >>> print(missing("a column", ["rra"], ["id", "ra"]))
    expected a column: id, ra; got rra. To fix it: did you mean ra?
    """
    asked, there = [str(name) for name in names], [str(name) for name in known]
    fixes = [fix for name in asked if (fix := nearest(name, there))]
    listed = ", ".join(there[:30]) + (", ..." if len(there) > 30 else "")
    return MissingNameError(
        f"{what}: {listed or 'there is none'}", ", ".join(asked), " ".join(fixes) or "choose one of them"
    )
