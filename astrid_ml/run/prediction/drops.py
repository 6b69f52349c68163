"""What a prediction left out: all of it in a table of its own, and a choice of it for the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.contracts.pipeline import Drop
from astrid_ml.table_files import TableWriter

NAMED = 1000  # drops of a report that are named
COLUMNS = ("id", "reason", "source", "count")


def table_of(drops: Iterable[Drop], unit: str) -> pd.DataFrame:
    """The table of a unit's drops: ``id``, ``reason``, ``source`` and ``count`` of those that one row stands for.

    The source is the unit where no other place is known.

    Args:
        drops: that were left out.
        unit: its id.
    """
    rows = [(drop.id, drop.reason, drop.source or unit, drop.count) for drop in drops]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[:3], object))


def with_counts(table: pd.DataFrame) -> pd.DataFrame:
    """A table of :func:`table_of` that was written; those of earlier versions count nothing.

    Args:
        table: as it was read.
    """
    return table if "count" in table else table.assign(count=1)


@dataclass
class NamedDrops:
    """A choice of drops that lets no file hide the others: of each unit and reason the first, then the second of each.

    Args:
        groups: (unit, reason) -> the first of them.
    """

    groups: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, unit: str, drops: pd.DataFrame) -> None:
        """Look at what a unit dropped.

        Args:
            unit: its id.
            drops: of :func:`table_of`.
        """
        for reason, rows in drops.groupby("reason", sort=False):
            key = (unit, str(reason))
            if key not in self.groups and len(self.groups) >= NAMED:
                continue
            known = self.groups.setdefault(key, [])
            known += [_named(row) for row in rows.head(NAMED - len(known)).itertuples(False)]

    def chosen(self) -> list[dict[str, Any]]:
        """At most ``NAMED`` of them."""
        return list(islice(self._in_turns(), NAMED))

    def _in_turns(self) -> Iterator[dict[str, Any]]:
        for turn in zip_longest(*self.groups.values()):
            yield from (drop for drop in turn if drop is not None)


def _named(row: tuple[Any, ...]) -> dict[str, Any]:
    """A row of the table as reports have it: with its count where that is more than one."""
    said = dict(zip(COLUMNS, row, strict=True))
    count = int(said.pop("count"))
    return said | ({"count": count} if count > 1 else {})


class DropsFile:
    """``drops.parquet``, which exists only where something was left out.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._writer = path, TableWriter(path)

    def write(self, drops: pd.DataFrame) -> None:
        """Append drops."""
        if len(drops):
            self._writer.write(drops)

    def __enter__(self) -> DropsFile:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)
        if self._writer.empty and error[0] is None:
            self.path.unlink(missing_ok=True)  # of an earlier prediction
