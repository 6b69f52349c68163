"""Rows of archives' answers, of which nothing is certain: what cannot be read costs a row, or a target, never a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

Made = TypeVar("Made")
Row = TypeVar("Row")
UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, ArithmeticError, RecursionError,
)  # fmt: skip
_LOG = logging.getLogger(__name__)


def readable_rows(archive: str, rows: Iterable[Row], make: Callable[[Row], Made | None]) -> list[Made]:
    """What rows say, without those that cannot be read, of which there is a warning with their number.

    Args:
        archive: its name.
        rows: of its answer.
        make: of a row; None leaves it out in silence.

    Raises:
        ArchiveError: no row can be read.

    Example:
        >>> readable_rows("mast", ["1", "2", "3"], lambda row: None if row == "2" else int(row))
        [1, 3]
    """
    made: list[Made] = []
    wrong: list[str] = []
    for row in rows:
        try:
            one = make(row)
        except (*UNREADABLE, ArchiveError) as error:
            wrong.append(shortened(printable(f"{type(error).__name__}: {error}"), 120))
            continue
        made += [] if one is None else [one]
    if wrong and not made:
        raise ArchiveError(f"rows of {archive} that can be read", f"{len(wrong)} that cannot: {wrong[0]}", "try later")
    if wrong:
        _LOG.warning("%s: %d rows of an answer cannot be read and are left out: %s", archive, len(wrong), wrong[0])
    return made


@contextmanager
def reading_answer(archive: str) -> Iterator[None]:
    """Tell an answer that cannot be read as what it is.

    Args:
        archive: its name.

    Raises:
        ArchiveError: in the place of whatever the reading of a strange answer raises.
    """
    try:
        yield
    except UNREADABLE as error:
        got = shortened(printable(f"{type(error).__name__}: {error}"), 160)
        raise ArchiveError(f"an answer of {archive} that can be read", got, "try again later") from error


def finite(value: Any) -> float | None:
    """A number; None where nothing, a mask or no number at all stands there.

    >>> finite("2.5"), finite(None), finite("nan"), finite("soon")
    (2.5, None, None, None)
    """
    if np.ma.is_masked(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < float("inf") else None


def names_among(wanted: Sequence[str], known: Iterable[str]) -> list[str]:
    """Those of the wanted names that an archive knows, in their order: another mission's are no question to it."""
    there = set(known)
    return [name for name in wanted if name in there]
