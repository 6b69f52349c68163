"""The exchange form: parquet with one row an object and list columns, written streaming, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.parquet import ParquetMeaning
from astrid_ml.errors import UserError
from astrid_ml.files import WholeFile
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.readable import reading_parquet
from astrid_ml.table_files import ending, longest_texts

LISTS = {"mjd": pa.float64(), "flux": pa.float32(), "flux_err": pa.float32(), "phot_flag": pa.int32()}
REQUIRED = ("object_id", "mjd", "band", "flux", "flux_err")
TEXTS = ("object_id", "label", "survey", "flux_kind", "variability", "part", "SIM_TYPE_NAME", "SIM_MODEL_NAME")
NUMBERS = (*OTHER_FEATURES, "PEAKMJD", "SNTYPE", "SIM_TYPE_INDEX", "SIM_REDSHIFT_HELIO")
# Of these every table has a column, be it empty.
MEANING = ParquetMeaning(TableMeaning("curves"))
ALWAYS = ("object_id", "label", "survey", "flux_kind")


def to_arrow(table: CurveTable) -> pa.Table:
    """One row an object: its columns, then lists ``mjd, band, wavelength, flux, flux_err, phot_flag``.

    Every file has the same columns, null where a survey does not have them: files of several surveys are one table.
    """
    offsets = pa.array(table.offsets.astype(np.int32))
    columns: dict[str, pa.Array] = {}
    for name in (*TEXTS, *NUMBERS):
        kind = pa.string() if name in TEXTS else pa.float64()
        given = name in table.objects
        columns[name] = pa.array(table.objects[name], from_pandas=True) if given else pa.nulls(len(table), kind)
        columns[name] = columns[name].cast(kind)  # labels of a user's own file may be numbers
    for name, kind in LISTS.items():
        columns[name] = pa.ListArray.from_arrays(offsets, pa.array(getattr(table, name), type=kind))
    codes = pa.array(table.band.astype(np.int8) if len(table.bands) < 127 else table.band)
    bands = pa.DictionaryArray.from_arrays(codes, pa.array(list(table.bands), type=pa.string()))
    columns["band"] = pa.ListArray.from_arrays(offsets, bands.dictionary_decode())
    columns["wavelength"] = pa.ListArray.from_arrays(offsets, pa.array(table.wavelengths[table.band], pa.float32()))
    return pa.table(columns)


def from_arrow(content: pa.Table) -> CurveTable:
    """The inverse of :func:`to_arrow` but for columns without any value; a missing ``phot_flag`` is 0."""
    absent = [name for name in REQUIRED if name not in content.column_names]
    if absent:
        raise UserError(f"the columns {', '.join(REQUIRED)}", f"no {', '.join(absent)}", "write them as astrid convert")
    content = content.combine_chunks()
    lists = {name: _flat(content[name]) for name in (*LISTS, "band", "wavelength") if name in content.column_names}
    offsets = lists["mjd"][0]
    for name, (other, _) in lists.items():
        if not np.array_equal(other, offsets):
            raise UserError("list columns of equal lengths", f"{name} differs from mjd", "fix the file")
    bands = lists["band"][1].dictionary_encode()
    codes = bands.indices.to_numpy(zero_copy_only=False).astype(np.int16)
    names = [str(name) for name in bands.dictionary.to_pylist()]
    wavelengths = np.full(len(names), np.nan, dtype=np.float32)
    if "wavelength" in lists and len(codes):
        first = np.unique(codes, return_index=True)
        wavelengths[first[0]] = lists["wavelength"][1].to_numpy(zero_copy_only=False)[first[1]]
    else:
        from astrid_ml.preprocessing.lightcurves.curves.bands import wavelengths_of

        wavelengths = wavelengths_of(names)
    flags = lists["phot_flag"][1].to_numpy(zero_copy_only=False) if "phot_flag" in lists else np.zeros(len(codes))
    known = {name: content[name].null_count < len(content) or name in ALWAYS for name in content.column_names}
    objects = content.select([name for name, there in known.items() if there and name not in lists])
    frame = objects.to_pandas()
    frame["object_id"] = frame["object_id"].astype(str)
    values = {name: lists[name][1].to_numpy(zero_copy_only=False) for name in ("mjd", "flux", "flux_err")}
    return CurveTable(
        frame,
        offsets,
        values["mjd"].astype(np.float64),
        values["flux"].astype(np.float32),
        values["flux_err"].astype(np.float32),
        flags.astype(np.int32),
        codes,
        tuple(names),
        wavelengths,
    )


def _flat(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    lists = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if lists.null_count:
        raise UserError("list columns without nulls", f"{lists.null_count} null lists", "write empty lists")
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    return offsets - offsets[0], lists.flatten()


def is_exchange(path: Path) -> bool:
    """Whether a parquet file is in the exchange form."""
    schema = pq.read_schema(path)
    return all(name in schema.names for name in REQUIRED) and pa.types.is_list(schema.field("mjd").type)


def read_exchange(path: Path, rows: int = 20_000) -> Iterator[CurveTable]:
    """Tables of up to ``rows`` objects, block by block."""
    with reading_parquet(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            if len(batch):
                yield from_arrow(pa.Table.from_batches([batch]))


def read_epochs(path: Path) -> pd.DataFrame:
    """A file in the exchange form as a long table: one row an epoch, with what is known of its object.

    Returns:
        ``object_id, label, survey, flux_kind``, ``RA, DEC`` where known, ``mjd, band, wavelength`` (micrometres),
        ``flux, flux_err`` (zero point 27.5), ``phot_flag``; objects as they come, each in time.
    """
    parts = []
    for table in read_exchange(path):
        static = [name for name in ("object_id", "label", "survey", "flux_kind", "RA", "DEC") if name in table.objects]
        rows = table.objects[static].iloc[table.owner].reset_index(drop=True)
        bands = np.array(table.bands, dtype=object)[table.band] if len(table.band) else np.zeros(0, dtype=object)
        epochs = {"mjd": table.mjd, "band": bands, "wavelength": table.wavelengths[table.band]}
        parts.append(rows.assign(**epochs, flux=table.flux, flux_err=table.flux_err, phot_flag=table.phot_flag))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


class ExchangeWriter:
    """Writes tables into one parquet file that appears whole or not at all.

    Args:
        path: the file.
        row_group: objects in a row group: some thousand make reads of a block a few MB.
    """

    def __init__(self, path: Path, row_group: int = 2000) -> None:
        self.path, self.row_group = path, row_group
        self.objects = 0
        self._file = WholeFile(path)
        self._writer: pq.ParquetWriter | None = None
        self._longest: dict[str, int] = {}

    def write(self, table: CurveTable) -> None:
        """Append the objects of a table; the first decides the columns."""
        for start in range(0, len(table), self.row_group):
            chosen = np.arange(start, min(start + self.row_group, len(table)), dtype=np.int64)
            content = to_arrow(table if len(chosen) == len(table) else table.take(chosen))
            if self._writer is None:
                self._schema = MEANING.schema(content.schema)
                self._writer = parquet_writer(self._file.part, self._schema)
            for name, length in longest_texts(content).items():
                self._longest[name] = max(length, self._longest.get(name, 0))
            self._writer.write_table(content, row_group_size=self.row_group)
            self.objects += len(chosen)

    def __enter__(self) -> ExchangeWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.add_key_value_metadata(ending(self._schema, MEANING.text_lengths(self._longest)))
            self._writer.close()
        if kind is None and self._writer is not None:
            self._file.publish()
        self._file.drop()


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Dictionaries for what repeats (text, bands, flags); split bytes for times and fluxes, which do not."""
    measured = [f"{name}.list.element" for name in ("mjd", "flux", "flux_err")]
    leaves = [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in schema]
    repeating = [leaf for leaf, f in zip(leaves, schema, strict=True) if pa.types.is_string(f.type) or leaf != f.name]
    return pq.ParquetWriter(
        path,
        schema,
        store_schema=False,  # it is written at the end
        compression="zstd",
        compression_level=1,
        use_dictionary=[leaf for leaf in repeating if leaf not in measured],
        use_byte_stream_split=measured,
    )
