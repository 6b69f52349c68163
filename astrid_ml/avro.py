"""Avro files, looked at before they are decoded: blocks that declare what they cannot hold end or stall a decoder.

A file is a header (schema, codec, 16 bytes of sync) and blocks (number of records, bytes, data, sync); see the
specification of Avro 1.11, "Object Container Files".
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

from isal import isal_zlib

from astrid_ml.inflating import MOST_BYTES
from astrid_ml.reasons import shortened

MAGIC, SYNC = b"Obj\x01", 16
LONGEST = 16 * 2**20  # bytes of a header: schemas of surveys take some ten thousand
# Bytes that one byte of a block can stand for at most, by codec; other codecs are not looked at.
DENSEST = {"null": 1, "deflate": 1032, "snappy": 64}


class DamagedAvroError(ValueError):
    """A file that is no Avro file, is cut short, or declares what it cannot hold; the message says which."""


@dataclass(frozen=True)
class AvroHeader:
    """What an Avro file says of itself.

    Args:
        meta: name -> value; ``avro.schema`` and ``avro.codec`` among them.
        sync: stands behind each block.
        start: what stands before those; files of one stream have it in common.
    """

    meta: dict[str, bytes]
    sync: bytes
    start: bytes

    @property
    def end(self) -> int:
        """Where the first block begins."""
        return len(self.start) + SYNC

    @property
    def codec(self) -> str:
        """How blocks are compressed."""
        return self.meta.get("avro.codec", b"null").decode("ascii", errors="replace")


@dataclass(frozen=True)
class AvroBlock:
    """Records that are stored together.

    Args:
        start: where it begins in the file.
        end: where the next one begins.
        records: how many it declares.
    """

    start: int
    end: int
    records: int


_headers: list[AvroHeader] = []  # the last one read: a night's packets have one schema, of some ten thousand bytes


def read_header(stream: IO[bytes]) -> AvroHeader:
    """The header of a stream that stands at its beginning and can seek.

    Raises:
        DamagedAvroError: it is no Avro file, is cut short, or its schema contains itself.
    """
    for last in _headers[:]:
        if stream.read(len(last.start)) == last.start:
            return AvroHeader(last.meta, _exactly(stream, SYNC), last.start)
        stream.seek(0)
    header = _parsed_header(stream)
    _headers[:] = [header]
    return header


def _parsed_header(stream: IO[bytes]) -> AvroHeader:
    if stream.read(len(MAGIC)) != MAGIC:
        raise DamagedAvroError("no Avro file")
    meta: dict[str, bytes] = {}
    while count := _long(stream):
        if count < 0:  # then the size of the entries in bytes follows
            count, _ = -count, _long(stream)
        for _ in range(count):
            name = _bytes(stream, LONGEST)
            meta[name.decode("utf-8", errors="replace")] = _bytes(stream, LONGEST)
            if len(meta) > 1000 or stream.tell() > LONGEST:
                raise DamagedAvroError("a header without an end")
    length = stream.tell()
    sync = _exactly(stream, SYNC)
    _schema_of(meta.get("avro.schema", b""))
    stream.seek(0)
    return AvroHeader(meta, sync, _exactly(stream, length + SYNC)[:length])


def read_blocks(stream: IO[bytes], header: AvroHeader, size: int) -> Iterator[AvroBlock]:
    """The blocks of a file, passed over and not decoded.

    Args:
        stream: can seek.
        header: of the file.
        size: of the whole file.

    Raises:
        DamagedAvroError: a block ends beyond the file, or declares more records than it has bytes for.
    """
    dense = DENSEST.get(header.codec)
    place = stream.seek(header.end)
    while place < size:
        records, length = _long(stream), _long(stream)
        data = stream.tell()
        if records < 0 or length < 0 or data + length + SYNC > size:
            raise DamagedAvroError(f"a block of {length} bytes where {max(0, size - data - SYNC)} are left")
        if dense is not None and records > dense * length:
            raise DamagedAvroError(f"a block of {length} bytes that declares {records} records")
        stream.seek(data + length)
        if _exactly(stream, SYNC) != header.sync:
            raise DamagedAvroError("a block that does not end where it should")
        yield AvroBlock(place, stream.tell(), records)
        place = stream.tell()


def records(stream: IO[bytes], blocks: tuple[int, int] | None = None, without: tuple[str, ...] = ()) -> Iterator[Any]:
    """The records of an Avro file, block after block; those before the first damage come before the error.

    Args:
        stream: of the whole file; it can seek.
        blocks: (start, end) in bytes of a run of blocks; None reads all.
        without: fields of the record whose names begin so are passed over where the schema allows it: histories are
            most of a packet.

    Raises:
        DamagedAvroError: see :func:`read_header` and :func:`read_blocks`; or a record cannot be decoded.
        ImportError: a codec that is not installed.
    """
    import fastavro

    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    header = read_header(stream)
    if blocks is not None:
        stream.seek(0)
        begin = stream.read(header.end)
        stream.seek(blocks[0])
        stream = io.BytesIO(begin + stream.read(blocks[1] - blocks[0]))
        size = stream.getbuffer().nbytes
    end, damage = _sound_until(stream, header, size)
    stream.seek(0)
    try:
        if header.codec in _INFLATE:
            yield from _decoded(stream, header, end, without)
        else:
            yield from fastavro.reader(stream if end == size else io.BytesIO(stream.read(end)))
    except ImportError:
        raise
    except Exception as error:  # fastavro raises anything from ValueError to struct.error on damaged files
        raise DamagedAvroError(shortened(str(error), 80) or "it cannot be decoded") from error
    if damage is not None:
        raise damage


def _decoded(stream: IO[bytes], header: AvroHeader, size: int, without: tuple[str, ...]) -> Iterator[Any]:
    """Records with a schema that is looked at once, not once a file: packets are files of one record."""
    import fastavro

    whole, part = _schemas(header.meta.get("avro.schema", b""), without)
    inflate, place = _INFLATE[header.codec], header.end
    while place < size:
        stream.seek(place)
        count, length = _long(stream), _long(stream)
        body = io.BytesIO(inflate(stream.read(length)))
        place = stream.tell() + SYNC
        for _ in range(count):
            yield fastavro.schemaless_reader(body, whole, part)


def _deflate(packed: bytes) -> bytes:
    stream = isal_zlib.decompressobj(wbits=-15)
    out = stream.decompress(packed, MOST_BYTES)
    if stream.unconsumed_tail:
        raise DamagedAvroError(f"a block of more than {MOST_BYTES} bytes")
    return out


def _snappy(packed: bytes) -> bytes:
    import cramjam

    out = bytes(cramjam.snappy.decompress_raw(packed[:-4]))  # a checksum stands behind
    if zlib.crc32(out) != int.from_bytes(packed[-4:], "big"):
        raise DamagedAvroError("a block whose checksum is wrong")
    return out


def _zstandard(packed: bytes) -> bytes:
    import pyarrow as pa  # fastavro would want one more library

    out: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(MOST_BYTES + 1)
    if len(out) > MOST_BYTES:
        raise DamagedAvroError(f"a block of more than {MOST_BYTES} bytes")
    return out


_INFLATE: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _deflate,
    "snappy": _snappy,
    "zstandard": _zstandard,
}


@lru_cache(maxsize=16)
def _schemas(text: bytes, without: tuple[str, ...]) -> tuple[Any, Any]:
    """A schema, parsed, and the part of it that is read; None for the part where all is.

    Raises:
        DamagedAvroError: it cannot be read, or contains itself.
    """
    import fastavro

    whole = _schema_of(text)
    fields = whole.get("fields") if isinstance(whole, dict) else None
    kept = [field for field in fields or [] if not str(field["name"]).startswith(without)] if without else fields
    if not isinstance(whole, dict) or not fields or kept == fields:
        return fastavro.parse_schema(whole), None
    try:
        return fastavro.parse_schema(whole), fastavro.parse_schema({**whole, "fields": kept})
    except fastavro.schema.UnknownType:  # defined in what would be passed over
        return fastavro.parse_schema(whole), None


def _sound_until(stream: IO[bytes], header: AvroHeader, size: int) -> tuple[int, DamagedAvroError | None]:
    """Where the last whole block ends, and what is wrong behind it."""
    end = header.end
    try:
        for block in read_blocks(stream, header, size):
            end = block.end
    except DamagedAvroError as error:
        return end, error
    return end, None


@lru_cache(maxsize=16)
def _schema_of(text: bytes) -> Any:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedAvroError("a schema that cannot be read") from error
    refuse_recursive(content)
    return content


def refuse_recursive(schema: Any) -> None:
    """Refuse types of which a few bytes fill the memory or the stack.

    One that contains itself can be nested a million deep; an array of nulls has any number of items in five bytes.

    Raises:
        DamagedAvroError: the schema has one, or is itself nested too deep.
    """
    try:
        _look(schema, ())
        _refuse_free_items(schema, {})
    except RecursionError as error:
        raise DamagedAvroError("a schema that cannot be read") from error


def _look(part: Any, inside: tuple[str, ...]) -> None:
    if isinstance(part, str):
        if part.rpartition(".")[2] in inside:
            raise DamagedAvroError(f"a schema in which {shortened(part, 80)} contains itself")
    elif isinstance(part, list):
        for option in part:
            _look(option, inside)
    elif isinstance(part, dict):
        name = str(part.get("name", "")).rpartition(".")[2]
        named = (*inside, name) if part.get("type") == "record" and name else inside
        for field in part.get("fields") or []:
            _look(field.get("type") if isinstance(field, dict) else None, named)
        for key in ("type", "items", "values"):
            if isinstance(part.get(key), str | list | dict):
                _look(part[key], inside)


def _refuse_free_items(part: Any, known: dict[str, bool]) -> bool:
    """Whether a value of this type takes no bytes; ``known`` holds named types that were met."""
    if isinstance(part, str):
        return part == "null" or known.get(part.rpartition(".")[2], False)
    if isinstance(part, list):
        for option in part:
            _refuse_free_items(option, known)
        return False  # the number of the option takes a byte
    if not isinstance(part, dict):
        return False
    kind, name = part.get("type"), str(part.get("name", "")).rpartition(".")[2]
    if kind == "array":
        if _refuse_free_items(part.get("items"), known):
            raise DamagedAvroError("a schema with an array of items that take no bytes")
        return False
    if kind == "map":
        _refuse_free_items(part.get("values"), known)
        return False
    if kind in ("record", "error"):
        fields = [field.get("type") if isinstance(field, dict) else None for field in part.get("fields") or []]
        free = [_refuse_free_items(field, known) for field in fields]  # each is looked at
        known[name] = all(free)
        return known[name]
    if kind == "fixed":
        known[name] = part.get("size") == 0
        return known[name]
    return _refuse_free_items(kind, known)


def _long(stream: IO[bytes]) -> int:
    """A number of variable length, zigzag-coded."""
    value = shift = 0
    while True:
        byte = _exactly(stream, 1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
        if shift > 63:
            raise DamagedAvroError("a number without an end")


def _bytes(stream: IO[bytes], most: int) -> bytes:
    length = _long(stream)
    if not 0 <= length <= most:
        raise DamagedAvroError(f"a text of {length} bytes in the header")
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise DamagedAvroError("the file ends too early")
    return content
