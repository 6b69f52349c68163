"""Tables whose columns nobody described: read by what their names may mean, or by a map of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.broker_tables import source_with
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import is_truth
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import guess
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import lacking_in
from astrid_ml.preprocessing.lightcurves.readers.layouts.reading import RowsReading
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows, form_of, look_at


@dataclass(frozen=True)
class GuessedReader:
    """Tables whose columns have names that say what they are; those of a folder together."""

    kind: ClassVar[str] = "guessed"
    known_as: ClassVar[str] = "tables with columns of time, filter, flux or magnitude, and its error"
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By the names of its columns, where nothing is lacking."""
        if form_of(path) is None or is_truth(path):
            return None
        for rows in look_at(path):
            found = guess(rows)
            if not found.lacks:
                return source_with(self, path, found.layout, rows.names)
        return None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from RowsReading(source, _guessed, account, wavelengths, zero_point).tables()


def _guessed(rows: Rows) -> TableLayout | None:
    found = guess(rows)
    return None if found.lacks else found.layout


@dataclass(frozen=True)
class MappedReader:
    """Tables that a map of the user's describes.

    Args:
        layout: of the map.
    """

    layout: TableLayout
    kind: ClassVar[str] = "mapped"
    known_as: ClassVar[str] = "tables of a map of columns"
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By the columns that the map names."""
        if form_of(path) is None:
            return None
        for rows in look_at(path, self.layout.names):
            if self._of(rows) is not None:
                return source_with(self, path, self.layout, rows.names)
        return None

    def _of(self, rows: Rows) -> TableLayout | None:
        return None if lacking_in(self.layout, rows) else self.layout

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from RowsReading(source, self._of, account, wavelengths, zero_point, self.layout.names).tables()


READERS: tuple[CurveReader, ...] = (GuessedReader(),)
