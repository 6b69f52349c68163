"""Alerts with nested sources as tables of epochs and objects, block by block: parquet and Avro, Rubin and ELAsTiCC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from astrid_ml.avro import records
from astrid_ml.errors import UserError
from astrid_ml.inflating import refuse_swollen_parquet
from astrid_ml.preprocessing.lightcurves.curves.bands import short_name
from astrid_ml.preprocessing.lightcurves.curves.gathered import WITHDRAWN
from astrid_ml.preprocessing.lightcurves.curves.missing import static_columns
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import ALERT as SOURCES
from astrid_ml.preprocessing.lightcurves.readers.layouts.wire import messages_in, number_in
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Floats

BLOCK = 2000  # alerts that are held as they come
SATURATED, DETECTED = 1024, 4096
EXACT = 2**53  # from here on floats have not all whole numbers
# Names of a measurement's fields, in the newer and the older schema.
_FIELDS = {
    "object_id": ("diaObjectId",),
    "mjd": ("midpointMjdTai", "midPointTai"),
    "band": ("band", "filterName"),
    "flux": ("psfFlux", "psFlux"),
    "flux_err": ("psfFluxErr", "psFluxErr"),
    "saturated": ("pixelFlags_saturated",),
    "flag": ("psfFlux_flag", "forced_PsfFlux_flag"),
    "withdrawn": ("timeWithdrawnMjdTai",),
    "processed": ("timeProcessedMjdTai",),
}
_STATIC = {
    "ra": "RA", "dec": "DEC", "decl": "DEC", "mwebv": "MWEBV", "mwebv_err": "MWEBV_ERR", "z_final": "REDSHIFT_HELIO",
    "z_final_err": "REDSHIFT_HELIO_ERR", "hostgal_zspec": "HOSTGAL_SPECZ", "hostgal_zspec_err": "HOSTGAL_SPECZ_ERR",
    "hostgal_zphot": "HOSTGAL_PHOTOZ", "hostgal_zphot_err": "HOSTGAL_PHOTOZ_ERR", "hostgal_ra": "HOSTGAL_RA",
    "hostgal_dec": "HOSTGAL_DEC", "hostgal_snsep": "HOSTGAL_SNSEP", "hostgal_ellipticity": "HOSTGAL_ELLIPTICITY",
    **{f"hostgal_mag_{band}": f"HOSTGAL_MAG_{band}" for band in "ugrizY"},
    **{f"hostgal_magerr_{band}": f"HOSTGAL_MAGERR_{band}" for band in "ugrizY"},
}  # fmt: skip


class LostDigitsError(ValueError):
    """Identifiers that a table has kept as floats."""


@dataclass(frozen=True)
class Dialect:
    """What the schema says about units.

    Args:
        survey: ``LSST`` (nJy, zero point 31.4, TAI) or ``ELASTICC`` (FLUXCAL, zero point 27.5); "" where it
            does not say.
    """

    survey: str

    @property
    def zero_point(self) -> float | None:
        """AB, of the survey's fluxes; None where the schema does not say whose they are."""
        return {"LSST": 31.4, "ELASTICC": 27.5}.get(self.survey)

    def to_fluxcal(self, zero_point: float | None, path: Path) -> float:
        """Factor from the file's fluxes to FLUXCAL.

        Raises:
            UserError: neither the schema nor the user says which zero point the fluxes have.
        """
        found = zero_point if self.zero_point is None else self.zero_point
        if found is None:
            raise UserError(
                "a zero point of the fluxes", f"a schema that does not tell it in {path.name}", "zero_point=31.4 (nJy)"
            )
        return float(10 ** (-0.4 * (found - 27.5)))


def dialect_of(fields: Mapping[str, set[str]]) -> Dialect:
    """The dialect by the names of fields: ``psfFlux`` and visit numbers are Rubin's, simulated hosts ELAsTiCC's.

    ``psFlux`` alone is in both: nJy in Rubin's schemas up to 4, FLUXCAL in ELAsTiCC's.
    """
    source = fields.get("diaSource", set())
    if "psfFlux" in source or source & {"ccdVisitId", "apFlux"}:
        return Dialect("LSST")
    if fields.get("diaObject", set()) & {"simVersion", "hostgal_zphot"}:
        return Dialect("ELASTICC")
    return Dialect("")


def of_parquet(path: Path) -> Iterator[tuple[Dialect, pd.DataFrame, pd.DataFrame]]:
    """(dialect, epochs, objects) of blocks of alerts; cutouts are left on disk."""
    refuse_swollen_parquet(path)
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        columns = [name for name in (*SOURCES, "diaObject") if name in schema.names]
        dialect = dialect_of({name: struct_names(schema.field(name).type) for name in columns})
        for batch in file.iter_batches(batch_size=BLOCK, columns=columns):
            sources = flattened(batch.column("diaSource"))
            if sources is None:
                continue
            about = flattened(batch.column("diaObject")) if "diaObject" in columns else None
            measured = [epochs_of(piece, dialect, rank) for rank, piece in ranked(columns, batch)]
            yield dialect, pd.concat(measured, ignore_index=True), objects_of(about, sources)


def struct_names(kind: pa.DataType) -> set[str]:
    """Field names of a struct, or of a list of structs."""
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return {inner.field(k).name for k in range(inner.num_fields)} if pa.types.is_struct(inner) else set()


def ranked(columns: Sequence[str], batch: pa.RecordBatch) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    """(0 for sources, 1 for forced photometry; columns of the flattened structs)."""
    for name in columns:
        piece = flattened(batch.column(name)) if name in SOURCES else None
        if piece is not None:
            yield int(name == "prvDiaForcedSources"), piece


def flattened(column: pa.Array) -> dict[str, pa.Array] | None:
    """Fields of a struct, or of a list of structs laid end to end; None where there is nothing."""
    inner = pc.list_flatten(column) if not pa.types.is_struct(column.type) else column
    if not pa.types.is_struct(inner.type) or not len(inner):
        return None
    names = [inner.type.field(k).name for k in range(inner.type.num_fields)]
    return dict(zip(names, inner.flatten(), strict=True))


def epochs_of(columns: Mapping[str, Any], dialect: Dialect, rank: int) -> pd.DataFrame:
    """Measurements of one kind as a long table, fluxes in the file's unit, times in UTC."""
    chosen = {role: next((columns[n] for n in names if n in columns), None) for role, names in _FIELDS.items()}
    absent = [role for role in ("object_id", "mjd", "band", "flux", "flux_err") if chosen[role] is None]
    if absent:
        raise ValueError(f"no {', '.join(absent)} in the alert's sources")
    # ELAsTiCC's times are those of its simulation.
    mjd = numeric(chosen["mjd"]) - (survey_named("rubin").time.ahead_of_utc if dialect.survey == "LSST" else 0.0)
    saturated = chosen["saturated"]
    lost = np.zeros(len(mjd), dtype=bool) if saturated is None else np.nan_to_num(numeric(saturated)) > 0

    def told(role: str, otherwise: float) -> Floats:
        return np.full(len(mjd), otherwise) if chosen[role] is None else numeric(chosen[role])

    withdrawn = np.isfinite(told("withdrawn", np.nan))
    return pd.DataFrame(
        {
            "object_id": identifiers(chosen["object_id"]),
            "mjd": mjd,
            "band": [short_name(str(name)) for name in listed(chosen["band"])],
            "flux": numeric(chosen["flux"]),
            "flux_err": numeric(chosen["flux_err"]),
            "phot_flag": np.where(lost, SATURATED, 0) | (DETECTED if rank == 0 else 0),
            "rank": np.where(withdrawn, WITHDRAWN, rank),
            "bad": np.nan_to_num(told("flag", 0.0)) > 0,
            "processed": np.nan_to_num(told("processed", 0.0)),
        }
    )


def objects_of(about: Mapping[str, Any] | None, sources: Mapping[str, Any]) -> pd.DataFrame:
    """One row an alert: the object's identifier and static columns; the source's position where it has none."""
    names = {"object_id": identifiers(sources["diaObjectId"]), "source": identifiers(sources["diaSourceId"])}
    frame = pd.DataFrame(names)
    given = {**{k: sources[k] for k in ("ra", "dec", "decl") if k in sources}, **(about or {})}
    static = {_STATIC[name]: numeric(values) for name, values in given.items() if name in _STATIC}
    return pd.concat([frame, static_columns(pd.DataFrame(static))], axis=1)


def numeric(values: Any) -> Floats:
    """Arrow or plain values as floats, null as NaN."""
    if isinstance(values, pa.Array) and not pa.types.is_string(values.type):
        out: Floats = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return out
    return pd.to_numeric(pd.Series(listed(values), dtype=object), errors="coerce").to_numpy(dtype=np.float64)


def identifiers(values: Any) -> list[str]:
    """Identifiers as text; empty where there is none.

    Raises:
        LostDigitsError: floats that have lost digits: another object may have the same.
    """
    plain = listed(values)
    if any(isinstance(value, float) and abs(value) >= EXACT for value in plain):
        raise LostDigitsError("identifiers as floats, which do not survive it: save them as whole numbers")
    return ["" if value is None or value != value else str(int(value)) for value in plain]


def listed(values: Any) -> list[Any]:
    """Plain Python values."""
    return values.to_pylist() if isinstance(values, pa.Array) else list(values)


def of_avro(path: Path) -> Iterator[tuple[Dialect, pd.DataFrame, pd.DataFrame]]:
    """(dialect, epochs, objects) of blocks of an Avro file's alerts."""
    dialect: Dialect | None = None
    usable = alerts_in(path)
    while alerts := list(islice(usable, BLOCK)):
        dialect = dialect or dialect_in(alerts)
        yield dialect, *tables_of(alerts, dialect)


def alerts_in(path: Path) -> Iterator[dict[str, Any]]:
    """The alerts of an Avro file that have a source, without their cutouts."""
    with path.open("rb") as stream:
        for alert in records(stream) if number_in(path) is None else messages_in(path):
            if isinstance(alert, dict) and alert.get("diaSource"):
                yield {name: alert.get(name) for name in (*SOURCES, "diaObject")}


def dialect_in(alerts: Sequence[Mapping[str, Any]]) -> Dialect:
    """The dialect of the first alert of a file."""
    return dialect_of({"diaSource": set(alerts[0]["diaSource"]), "diaObject": set(alerts[0]["diaObject"] or {})})


def tables_of(alerts: Sequence[Mapping[str, Any]], dialect: Dialect) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Epochs and objects of alerts."""
    measured = []
    for name in SOURCES:
        rows = [row for alert in alerts for row in rows_of(alert[name])]
        if rows:
            measured.append(epochs_of(transposed(rows), dialect, int(name == "prvDiaForcedSources")))
    about = transposed([alert["diaObject"] or {} for alert in alerts])
    return pd.concat(measured, ignore_index=True), objects_of(about, transposed([a["diaSource"] for a in alerts]))


def rows_of(nested: Any) -> Iterable[dict[str, Any]]:
    """The structs of a nested field: one, several, or none."""
    return [nested] if isinstance(nested, dict) else nested or ()


def transposed(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; a field that a row lacks is None."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
