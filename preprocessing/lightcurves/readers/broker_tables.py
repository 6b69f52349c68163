"""Light curves as surveys, brokers and services hand them on, known by the names of their columns.

What the columns mean stands in ``layouts/known/*.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import (
    TRUTH,
    VISITS,
    needs_visits,
    truth_beside,
    visits_beside,
)
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout, layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import known_layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import is_nested_parquet
from astrid_ml.preprocessing.lightcurves.readers.layouts.reading import RowsReading
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows, form_of, known_layout, look_at


def source_with(reader: CurveReader, path: Path, layout: TableLayout, names: list[str]) -> CurveSource:
    """The source that a file of a layout is, with the tables beside it.

    Args:
        reader: of it.
        path: of the file.
        layout: of its rows.
        names: of its columns.
    """
    beside: dict[str, Path] = {}
    missing: tuple[str, ...] = ()
    if needs_visits(layout, names):
        visits = visits_beside(path, layout, names)
        if visits is None:
            missing = (f"a table of visits with {' or '.join(layout.columns['time'])}",)
        else:
            beside[VISITS] = visits
    truth = truth_beside(path)
    return CurveSource(reader, path, beside | ({TRUTH: truth} if truth else {}), missing, members=(path,))


@dataclass(frozen=True)
class BrokerReader:
    """Tables, JSON and texts of known layouts; those of a folder together."""

    kind: ClassVar[str] = "brokers"
    known_as: ClassVar[str] = (
        f"tables of {len({one.name for one in layouts()})} surveys, brokers and services (docs/layouts.md)"
    )
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By the columns of one of the layouts."""
        form = form_of(path)
        if form is None or is_nested_parquet(path):
            return None
        for rows in look_at(path):
            layout = known_layout(rows, form)
            if layout is not None:
                return source_with(self, path, layout, rows.names)
        return None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from RowsReading(source, _known, account, wavelengths, zero_point).tables()


def _known(rows: Rows, path: Path) -> tuple[TableLayout, ...]:
    return tuple(known_layouts(rows, form=form_of(path)))


READERS: tuple[CurveReader, ...] = (BrokerReader(),)
