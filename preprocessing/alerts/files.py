"""Alert files of every kind, found and read packet by packet."""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any

from astrid_ml.avro import MAGIC as AVRO
from astrid_ml.executors.within import TooSlowError, within_time
from astrid_ml.inflating import MOST_BYTES
from astrid_ml.preprocessing.alerts import messages
from astrid_ml.preprocessing.alerts.avro_packets import HISTORIES, PacketFileError, read_avro
from astrid_ml.preprocessing.alerts.documents import documents
from astrid_ml.preprocessing.alerts.forms import CUTOUT_KEYS, FLAT, has_cutouts
from astrid_ml.preprocessing.alerts.messages import Schemas
from astrid_ml.preprocessing.alerts.packed import ENDINGS, compressed, inflated, opened
from astrid_ml.preprocessing.alerts.stamp_files import is_stamp_file
from astrid_ml.readable import reading_parquet
from astrid_ml.reasons import shortened
from astrid_ml.walk import named_in_utf8, walk

Packets = Iterator[dict[str, Any] | PacketFileError]
AVRO_OR_JSON = (".avro", ".json", ".jsonl", ".ndjson")
LOOSE = tuple(name + ending for name in AVRO_OR_JSON for ending in ("", *ENDINGS))
PARQUET = (".parquet", ".pq")
FITS = (".fits", ".fits.gz", ".fits.fz", ".fit")
TARS = (".tar.gz", ".tgz", ".tar", ".tar.zst", ".tar.bz2", ".tar.xz")
# Kinds in which alerts travel and that nobody reads: said, never passed over in silence.
UNREAD = (".bson", ".msgpack", ".pb", ".pickle", ".pkl", ".voe", ".xml", ".zip", ".7z", ".lz4")
UNREADABLE = "a kind of file that nobody reads: give Avro, JSON or parquet"
LONGEST_LOOK = 60.0  # seconds, at a footer
_START = 512
_BLANK_LINE = re.compile(rb"\0[\0 \t\r]*\n")  # no message: its schema's number is not 0, and has four bytes
_LATER = re.compile(rb'[^\n]*\n\s*\{\s*"')  # lines of JSON, of which the first one is none


@dataclass(frozen=True)
class Found:
    """Alert files below some paths, each sorted.

    Args:
        loose: Avro and JSON files, a few packets each.
        tables: parquet files with cutout columns.
        tars: archives of such files.
        damaged: files named parquet whose footer cannot be read.
        stamps: FITS files of cutouts.
        schemas: of messages that do not bring their own.
        unread: files of kinds in which alerts travel and that nobody reads, tables without cutouts, other FITS files.
    """

    loose: list[Path]
    tables: list[Path]
    tars: list[Path]
    damaged: list[Path]
    stamps: list[Path]
    schemas: list[Path]
    unread: list[Path]


def find(raw: Sequence[Path]) -> Found:
    """Walk files and folders."""
    files = sorted(walk(raw))
    tables = {path: table_has_cutouts(path) for path in files if path.suffix.lower() in PARQUET}
    loose = [path for path in files if is_loose(path.name)]
    folders = {path.parent for path in loose}
    beside = {file for folder in folders for file in folder.glob(f"*{messages.SUFFIX}") if named_in_utf8(file)}
    return Found(
        loose,
        [path for path, holds in tables.items() if holds],
        [path for path in files if path.name.lower().endswith(TARS)],
        [path for path, holds in tables.items() if holds is None],
        [path for path in files if is_stamp_file(path)],
        sorted(beside | {path for path in files if path.suffix == messages.SUFFIX}),
        [path for path in files if path.suffix.lower() in UNREAD or tables.get(path) is False or _other_fits(path)],
    )


def _other_fits(path: Path) -> bool:
    return path.name.lower().endswith(FITS) and not is_stamp_file(path)


def why_unread(path: Path) -> str:
    """Why nobody reads a file of a kind in which alerts travel."""
    if path.suffix.lower() in PARQUET:
        return "a table without cutouts"
    return "FITS that is not called as a cutout is" if _other_fits(path) else UNREADABLE


def is_loose(name: str) -> bool:
    """Whether a file of this name may hold packets one behind another."""
    return name.lower().endswith(LOOSE)


def table_has_cutouts(path: Path) -> bool | None:
    """Whether a parquet file has columns of cutouts; None where its footer cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with within_time(LONGEST_LOOK):
            schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, TooSlowError):
        return None
    keys = next((keys for keys in CUTOUT_KEYS if set(keys) <= set(schema.names)), None)
    return keys is not None and not (_are_arrays(schema, keys) and not _has_records(schema))


def _are_arrays(schema: Any, names: Sequence[str]) -> bool:
    """Whether columns of a parquet file are rows of numbers, not the bytes of FITS files."""
    import pyarrow.types as kinds

    def numbers(kind: Any) -> bool:
        inside = kind.value_type if kinds.is_nested(kind) and hasattr(kind, "value_type") else None
        return kinds.is_floating(kind) or kinds.is_integer(kind) if inside is None else numbers(inside)

    return all(numbers(schema.field(name).type) for name in names)


def _has_records(schema: Any) -> bool:
    """Whether a parquet file has what packets have beside their cutouts: records of a measurement, or Fink's columns.

    Without them its cutouts are somebody's stamps with a table of their own.
    """
    import pyarrow.types as kinds

    records = any(kinds.is_struct(field.type) for field in schema)
    return records or any(name.startswith(FLAT) or name in ("diaSourceId", "publisher") for name in schema.names)


def row_groups(path: Path, rows: int) -> list[tuple[int, int]]:
    """Row groups of a parquet file in runs of at most ``rows`` rows (or one group): [(first, past the last), ...]."""
    import pyarrow.parquet as pq

    meta = pq.read_metadata(path)
    runs, start, size = [], 0, 0
    for number in range(meta.num_row_groups):
        count = meta.row_group(number).num_rows
        if size and size + count > rows:
            runs.append((start, number))
            start, size = number, 0
        size += count
    return [*runs, (start, meta.num_row_groups)] if meta.num_row_groups else []


def rows_before(path: Path, group: int) -> int:
    """Rows of a parquet file before a row group."""
    import pyarrow.parquet as pq

    meta = pq.read_metadata(path)
    return sum(meta.row_group(number).num_rows for number in range(group))


def read_parquet(path: Path, groups: tuple[int, int]) -> Packets:
    """Packets of some row groups; histories are left on disk. A row whose text is none costs itself alone."""
    import pyarrow.parquet as pq

    with reading_parquet(path), pq.ParquetFile(path) as file:
        columns = [name for name in file.schema_arrow.names if not name.startswith(HISTORIES)]
        for batch in file.iter_batches(batch_size=256, row_groups=list(range(*groups)), columns=columns):
            try:
                yield from batch.to_pylist()
            except UnicodeDecodeError:
                yield from (_row(batch.slice(number, 1)) for number in range(len(batch)))


def _row(batch: Any) -> dict[str, Any] | PacketFileError:
    try:
        return dict(batch.to_pylist()[0])
    except UnicodeDecodeError:
        return PacketFileError("a row whose text is no UTF-8")


def read_loose(source: Path | bytes, schemas: Schemas = messages.NONE) -> Packets:
    """Packets of a file of Avro, of messages or of JSON, compressed or not; its content tells which.

    Args:
        source: the file, or its bytes.
        schemas: for messages, which do not bring theirs.

    Returns:
        packets, and what is wrong with one that costs itself alone.

    Raises:
        PacketFileError: the file is none of them, or is damaged; what stands before is given first.
    """
    try:
        some = False
        with opened(source) as stream:
            for packet in _packets(stream, source, schemas):
                yield packet
                some = True
        if not some:
            raise PacketFileError("no packet in it")
    except PacketFileError:
        raise
    except (OSError, EOFError, ValueError, LZMAError) as error:  # of an inflating stream
        raise PacketFileError(f"a damaged file ({shortened(str(error), 80)})") from error


def _packets(stream: IO[bytes], source: Path | bytes, schemas: Schemas) -> Packets:
    raw = isinstance(stream, io.BytesIO) or isinstance(getattr(stream, "raw", None), io.FileIO)  # nothing inflates
    start = stream.read(_START) if raw else stream.peek(_START)[:_START]  # type: ignore[attr-defined]
    if raw:
        stream.seek(0)
    if start.startswith(AVRO):
        yield from read_avro(stream if raw else inflated(stream))
    elif start.startswith(messages.MAGIC) and not _BLANK_LINE.match(start):
        with _in_memory(stream, source, raw) as whole:
            yield from messages.read_messages(whole, schemas)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") or _LATER.match(start):
        for packet in documents(stream):
            if isinstance(packet, PacketFileError) or has_cutouts(packet):
                yield packet
            else:
                yield PacketFileError("JSON without cutouts")
    elif compressed(start):
        raise PacketFileError("compressed twice: unpack it first")
    elif start and schemas.only is not None:
        with _in_memory(stream, source, raw) as whole:
            yield messages.read_body(whole, schemas.only)
    else:
        raise PacketFileError("no Avro file, no message and no JSON")


def _in_memory(stream: IO[bytes], source: Path | bytes, raw: bool) -> Any:
    """A stream that can seek and reads no more than there is: a declared length costs nothing."""
    if not raw or isinstance(source, bytes) or source.stat().st_size <= MOST_BYTES:
        return inflated(stream)
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
