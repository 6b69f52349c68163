"""Tables whose columns nobody described: read by what their names may mean, or by a map of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.broker_tables import source_with
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import is_truth
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import guesses
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import ColumnMaps
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
            found = guesses(rows)
            if not found[0].lacks:
                return source_with(self, path, found[0].layout, rows.names)
        return None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from RowsReading(source, _guessed, account, wavelengths, zero_point).tables()


def _guessed(rows: Rows, _: Path) -> tuple[TableLayout, ...]:
    return tuple(one.layout for one in guesses(rows) if not one.lacks)


@dataclass(frozen=True)
class MappedReader:
    """Tables that maps of the user's describe.

    Args:
        maps: of them the first that fits is taken; where it tells the filter of all rows, those of other filters that
            fit too.
    """

    maps: ColumnMaps
    kind: ClassVar[str] = "mapped"
    known_as: ClassVar[str] = "tables of a map of columns"
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By the columns that a map names."""
        if form_of(path) is None:
            return None
        for rows in look_at(path, self._names(path)):
            if found := self.maps.that_fit(rows):
                return source_with(self, path, found[0], rows.names)
        return None

    def _names(self, path: Path) -> tuple[str, ...]:
        """Of the columns of a text in which no line names them: those of the first map that fits them."""
        named = (one.names for one in self.maps.layouts if one.names)
        fitting = (names for names in named if any(self.maps.that_fit(rows) for rows in look_at(path, names)))
        return next(fitting, ())

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from RowsReading(source, self._fitting, account, wavelengths, zero_point, self._names).tables()

    def _fitting(self, rows: Rows, _: Path) -> Sequence[TableLayout]:
        return self.maps.that_fit(rows)


READERS: tuple[CurveReader, ...] = (GuessedReader(),)
