"""Alerts of Rubin and ELAsTiCC as light curves: nested ``diaSource``, ``prvDiaSources`` and ``prvDiaForcedSources``.

An object's alerts repeat its history, each a little longer: every epoch counts once. A visit that is in the sources and
in the forced photometry keeps the source's flux; only sources are detections.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from astrid_ml.avro import read_header
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.gathered import Gathered
from astrid_ml.preprocessing.lightcurves.curves.ingest import BY_GIVEN, Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths, why_damaged
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.alert_tables import (
    BLOCK,
    Dialect,
    LostDigitsError,
    alerts_in,
    dialect_in,
    of_avro,
    of_parquet,
    tables_of,
)
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import TRUTH, read_truth, with_truth
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import ALERT as SOURCES
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import is_nested_parquet
from astrid_ml.preprocessing.lightcurves.readers.layouts.wire import number_in, schema_beside
from astrid_ml.preprocessing.lightcurves.readers.long_tables import truth_of

SMALL = 2**20  # bytes of a file of a packet or a few
DAMAGE = (pa.ArrowException, OSError, EOFError, ValueError)  # what a file that is cut off or changed raises


def is_nested_avro(path: Path) -> bool:
    """Whether an Avro file's schema has ``diaSource`` and a history."""
    try:
        number = number_in(path)
        if number is not None:
            schema: Any = schema_beside(path, number)
        else:
            with path.open("rb") as stream:
                schema = json.loads(read_header(stream).meta.get("avro.schema", b"null"))
        names = {part["name"] for part in schema.get("fields", ())} if isinstance(schema, dict) else set()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # no Avro file, or a damaged one
        return False
    return "diaSource" in names and bool(names & set(SOURCES[1:]))


def read_alerts(
    members: Sequence[Path],
    account: Account,
    wavelengths: Mapping[str, float] | None = None,
    zero_point: float | None = None,
) -> Iterator[CurveTable]:
    """Curves of all objects in a folder's alert files, as one table: an object's alerts lie in many of them.

    Args:
        members: parquet and Avro files.
        account: gets damaged files, and sources without an object (solar-system bodies).
        wavelengths: the user's wavelengths of bands.
        zero_point: of the fluxes where the schema does not tell it.

    Raises:
        UserError: whole files without a light curve.
    """
    gathered = gather(members, account, zero_point)
    if gathered.epochs:
        yield gathered.joined(account, wavelengths)
    elif not account.failed:
        raise UserError("alerts with light curves", "none that can be read", "fetch the files again")


def gather(members: Sequence[Path], account: Account, zero_point: float | None) -> Gathered:
    """Epochs and objects of alert files, in their order; small packets are taken together, many at a time.

    Args:
        members, account, zero_point: see :func:`read_alerts`.
    """
    gathered, small = Gathered(), list[Path]()
    for path in members:
        if path.suffix == ".avro" and path.is_file() and path.stat().st_size <= SMALL:
            small.append(path)
            if len(small) < BLOCK:
                continue
        _add_packets(gathered, small, account, zero_point)
        if not small or small[-1] != path:
            _add_file(gathered, path, account, zero_point)
        small = []
    _add_packets(gathered, small, account, zero_point)
    return gathered


def _add_file(gathered: Gathered, path: Path, account: Account, zero_point: float | None) -> None:
    """Add a file, which counts whole or not at all."""
    own, given = Gathered(), False
    try:
        for dialect, measured, about in of_parquet(path) if path.suffix.lower() == ".parquet" else of_avro(path):
            own.add(*_scaled(dialect, measured, about, zero_point, path))
            given |= dialect.zero_point is None
    except DAMAGE as error:
        account.fail(path.name, str(error) if isinstance(error, LostDigitsError) else why_damaged(error))
        return
    gathered.merge(own)
    account.counts[BY_GIVEN] += int(given)


def _add_packets(gathered: Gathered, paths: Sequence[Path], account: Account, zero_point: float | None) -> None:
    """Add small files as one table for each dialect: tables of one packet would take most of the time."""
    whole: list[tuple[Path, list[dict[str, Any]]]] = []
    for path in paths:
        try:
            whole.append((path, list(alerts_in(path))))
        except DAMAGE as error:
            account.fail(path.name, why_damaged(error))
    for dialect, run in groupby(((p, alerts) for p, alerts in whole if alerts), key=lambda each: dialect_in(each[1])):
        files = list(run)
        try:
            measured, about = tables_of([alert for _, alerts in files for alert in alerts], dialect)
        except DAMAGE:  # one of them: each is told by itself
            for path, _ in files:
                _add_file(gathered, path, account, zero_point)
            continue
        gathered.add(*_scaled(dialect, measured, about, zero_point, files[0][0]))
        account.counts[BY_GIVEN] += len(files) if dialect.zero_point is None else 0


def _scaled(
    dialect: Dialect, measured: pd.DataFrame, about: pd.DataFrame, zero_point: float | None, path: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Epochs in FLUXCAL, and objects with their survey."""
    scale = dialect.to_fluxcal(zero_point, path)
    scaled = measured.assign(flux=measured["flux"] * scale, flux_err=measured["flux_err"] * scale)
    return scaled, about.assign(survey=dialect.survey or None)


@dataclass(frozen=True)
class NestedAlertReader:
    """Alerts that bring their earlier sources: Avro packets, or parquet with nested columns."""

    kind: ClassVar[str] = "alerts"
    known_as: ClassVar[str] = "alerts with nested sources"
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = False  # one object's alerts may lie in all of the files

    def recognise(self, path: Path) -> CurveSource | None:
        """By its schema."""
        nested = is_nested_avro(path) if path.suffix == ".avro" else is_nested_parquet(path)
        return CurveSource(self, path, truth_of(path), members=(path,)) if nested else None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        for table in read_alerts(source.members, account, wavelengths, zero_point):
            yield self.told(source, table, account)

    def told(self, source: CurveSource, table: CurveTable, account: Account) -> CurveTable:
        """Curves with what the table of truth beside their alerts says."""
        truth = read_truth(source.companions[TRUTH]) if TRUTH in source.companions else None
        return with_truth(table, truth, account)


READERS: tuple[CurveReader, ...] = (NestedAlertReader(),)
