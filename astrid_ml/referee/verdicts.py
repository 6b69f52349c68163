"""What was said beside what was found: bit-equal, within tolerance, different, or not checkable."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened
from astrid_ml.types import Array, Mask

EQUAL, NEAR, DIFFERENT, UNKNOWN = "bit-equal", "within tolerance", "different", "not checkable"
ORDER = (UNKNOWN, EQUAL, NEAR, DIFFERENT)  # of several parts the last counts
WITHOUT_DATA = "not checkable without data"
SHOWN = 5  # differences that are named


@dataclass(frozen=True)
class Item:
    """One thing that was checked.

    Args:
        name: a word for it, the same in every bundle.
        what: in a sentence.
        verdict: one of ``EQUAL``, ``NEAR``, ``DIFFERENT``, ``UNKNOWN``, ``WITHOUT_DATA``.
        found: what was compared and what differs.
    """

    name: str
    what: str
    verdict: str
    found: str


@dataclass(frozen=True)
class Compared:
    """The answer of one check.

    Args:
        verdict: see :class:`Item`.
        words: what was compared, or what differs.

    Example:
        >>> Compared(EQUAL, "3 numbers").also(Compared(DIFFERENT, "the seed"))
        Compared(verdict='different', words='the seed')
    """

    verdict: str
    words: str

    def also(self, other: Compared) -> Compared:
        """Both: the graver verdict, with the words of that part."""
        ranks = [ORDER.index(UNKNOWN if part.verdict == WITHOUT_DATA else part.verdict) for part in (self, other)]
        if ranks[0] == ranks[1]:
            parts = dict.fromkeys(part for words in (self.words, other.words) for part in words.split("; ") if part)
            return Compared(self.verdict, "; ".join(parts))
        return self if ranks[0] > ranks[1] else other


class PartAbsentError(Exception):
    """A part that the bundle does not have.

    Args:
        name: of the part.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the bundle has no {name}")


def judged(name: str, what: str, check: Callable[[], Compared]) -> Item:
    """Run one check; what cannot be read or computed from the bundle differs from what a run leaves.

    Args:
        name: of the item.
        what: is checked.
        check: finds it.
    """
    try:
        found = check()
    except PartAbsentError as absent:
        found = Compared(UNKNOWN, str(absent))
    except UserError as error:
        found = Compared(DIFFERENT, f"expected {error.expected}; got {error.got}")
    except (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RecursionError, RuntimeError,
            TypeError, ValueError) as error:  # fmt: skip
        # A stranger's table of any columns and values: which of them fails is told, and no traceback.
        found = Compared(
            DIFFERENT, shortened(f"cannot be computed from this bundle: {type(error).__name__}: {error}", 300)
        )
    return Item(name, what, found.verdict, found.words)


def compare(said: Any, made: Any, tolerance: float = 0.0, what: str = "values", where: str = "") -> Compared:
    """Two trees of plain containers.

    Args:
        said: by the bundle.
        made: here.
        tolerance: of numbers, relative to the larger one, and absolute below 1.
        what: they are, for the words.
        where: they stand, for the words on a difference.

    Example:
        >>> compare({"a": 1.0, "b": [2]}, {"a": 1.0 + 1e-9, "b": [2]}, 1e-6)
        Compared(verdict='within tolerance', words='2 values, the largest difference 1e-09 (a)')
        >>> compare({"a": 1.0}, {"a": 0.5})
        Compared(verdict='different', words='1 of 1 values: a is 1.0, computed 0.5')
    """
    one, other = (dict(_leaves(tree)) for tree in (said, made))
    worst, at, wrong = 0.0, "", []
    names = [*one, *(name for name in other if name not in one)]
    for name in names:
        a, b = one.get(name, _ABSENT), other.get(name, _ABSENT)
        apart = _apart(a, b)
        if apart > tolerance:
            wrong.append(f"{name or 'it'} is {_shown(a)}, computed {_shown(b)}")
        elif apart > worst:
            worst, at = apart, name
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return Compared(DIFFERENT, f"{where}{len(wrong)} of {len(names)} {what}: {'; '.join(wrong[:SHOWN])}{more}")
    if worst:
        return Compared(NEAR, f"{len(names)} {what}, the largest difference {worst:.2g} ({at})")
    return Compared(EQUAL, f"{len(names)} {what}")


class _Absent:
    def __repr__(self) -> str:
        return "absent"


_ABSENT = _Absent()


def _shown(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _leaves(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        return [leaf for key, part in tree.items() for leaf in _leaves(part, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(tree, list | tuple) and tree:
        return [leaf for place, part in enumerate(tree) for leaf in _leaves(part, f"{prefix}[{place}]")]
    return [(prefix, tree)]


def _apart(a: Any, b: Any) -> float:
    """0 where two leaves are the same, how far two numbers are apart, infinity for anything else."""
    numbers = all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in (a, b))
    if not numbers:
        return 0.0 if type(a) is type(b) and a == b else math.inf
    a, b = float(a), float(b)
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return abs(a - b) / max(1.0, abs(a), abs(b)) if math.isfinite(a) and math.isfinite(b) else math.inf


def compare_tables(said: pd.DataFrame, made: pd.DataFrame, tolerance: float, skip: Sequence[str] = ()) -> Compared:
    """Two tables of predictions, row by row.

    Args:
        said: of the bundle.
        made: here, in the same order; columns that only ``said`` has must be null in it.
        tolerance: of floating-point columns.
        skip: columns that are not compared.
    """
    if len(said) != len(made):
        return Compared(DIFFERENT, f"{len(said):,} rows, computed {len(made):,}")
    if len(said) and not (said["id"].astype(str).to_numpy() == made["id"].astype(str).to_numpy()).all():
        return Compared(DIFFERENT, "the rows are of other samples, or in another order")
    wrong, worst, where = [], 0.0, ""
    columns = [name for name in dict.fromkeys([*said.columns, *made.columns]) if name not in skip]
    for name in columns:
        if name not in made or name not in said:
            there = made if name in made else said
            if there[name].notna().any():
                wrong.append(f"{name} is only {'in the bundle' if name in said else 'computed'}")
            continue
        apart = _columns_apart(said[name], made[name])
        bad = np.flatnonzero(apart > tolerance)
        if len(bad):
            row = int(bad[0])
            values = f"{_shown(said[name].iloc[row])}, computed {_shown(made[name].iloc[row])}"
            wrong.append(f"{name} in {len(bad):,} rows ({said['id'].iloc[row]}: {values})")
        elif len(apart) and float(apart.max()) > worst:
            worst, where = float(apart.max()), name
    if wrong:
        more = f" and {len(wrong) - SHOWN} columns more" if len(wrong) > SHOWN else ""
        return Compared(DIFFERENT, f"{'; '.join(wrong[:SHOWN])}{more}")
    size = f"{len(said):,} rows, {len(columns)} columns"
    return Compared(NEAR, f"{size}, the largest difference {worst:.2g} ({where})") if worst else Compared(EQUAL, size)


def _columns_apart(a: pd.Series, b: pd.Series) -> Array:
    """How far the values of two columns are apart, (n,)."""
    if all(pd.api.types.is_float_dtype(column) for column in (a, b)):
        one, other = (column.to_numpy(dtype=np.float64, na_value=np.nan) for column in (a, b))
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        with np.errstate(invalid="ignore"):
            apart = np.abs(one - other) / np.maximum(1.0, np.maximum(np.abs(one), np.abs(other)))
        return np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
    unlike: Mask = np.array([not _same(x, y) for x, y in zip(a, b, strict=True)], dtype=bool)
    apart = np.where(unlike, np.inf, 0.0)
    if unlike.any() and all(isinstance(value, np.ndarray) for value in (*a, *b)):  # floats of a whole ramp in one cell
        for row in np.flatnonzero(unlike):
            apart[row] = _arrays_apart(a.iloc[row], b.iloc[row])
    return apart


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return np.array_equal(np.asarray(x), np.asarray(y))
    if pd.isna(x) or pd.isna(y):
        return bool(pd.isna(x) and pd.isna(y))
    return bool(x == y)


def _arrays_apart(x: Array, y: Array) -> float:
    if x.shape != y.shape or not all(np.issubdtype(part.dtype, np.floating) for part in (x, y)):
        return math.inf
    return float(_columns_apart(pd.Series(x), pd.Series(y)).max())
