"""Parquet of ``astrid convert``: the exchange format of this project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from astrid_ml.preprocessing.lightcurves.curves.exchange import is_exchange, read_exchange
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable


@dataclass(frozen=True)
class ExchangeReader:
    """Parquet of ``astrid convert``."""

    kind: ClassVar[str] = "exchange"
    known_as: ClassVar[str] = "parquet of astrid convert"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        """By its schema."""
        if path.suffix != ".parquet":
            return None
        try:
            return CurveSource(self, path, {}) if is_exchange(path) else None
        except (OSError, ValueError):
            return None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        for table in read_exchange(source.path):
            account.read += len(table)
            yield table


READERS: tuple[CurveReader, ...] = (ExchangeReader(),)
