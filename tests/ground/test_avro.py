"""Avro files that declare what they cannot hold are refused by their headers; whole ones are read as fastavro does."""

from __future__ import annotations

import io
import json
import random
from contextlib import suppress
from itertools import islice
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_ml.avro import DamagedAvroError, read_blocks, read_header, records

SCHEMA = {
    "type": "record",
    "name": "packet",
    "fields": [{"name": "id", "type": "long"}, {"name": "x", "type": "bytes"}],
}


def zigzag(number: int) -> bytes:
    """A number as Avro writes it."""
    number = (number << 1) ^ (number >> 63)
    out = b""
    while number & ~0x7F:
        out, number = out + bytes([(number & 0x7F) | 0x80]), number >> 7
    return out + bytes([number])


def file_of(count: int, codec: str = "null", schema: Any = None, interval: int = 300) -> bytes:
    stream = io.BytesIO()
    rows = [{"id": n, "x": bytes([n % 256]) * 20} for n in range(count)]
    fastavro.writer(stream, schema or SCHEMA, rows, codec=codec, sync_interval=interval, sync_marker=b"s" * 16)
    return stream.getvalue()


def hostile(schema: Any, count: int, data: bytes) -> bytes:
    """A file with one block that says what we like."""
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": b"null"}
    head = b"Obj\x01" + zigzag(len(meta))
    for name, value in meta.items():
        head += zigzag(len(name)) + name.encode() + zigzag(len(value)) + value
    return head + zigzag(0) + b"s" * 16 + zigzag(count) + zigzag(len(data)) + data + b"s" * 16


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
@pytest.mark.parametrize("count", [0, 1, 57])
def test_whole_files_and_their_blocks_give_what_fastavro_gives(codec: str, count: int) -> None:
    content = file_of(count, codec)
    stream = io.BytesIO(content)
    header = read_header(stream)
    blocks = list(read_blocks(stream, header, len(content)))
    assert header.codec == codec and sum(block.records for block in blocks) == count
    assert count < 2 or len(blocks) > 1
    expected = list(fastavro.reader(io.BytesIO(content)))
    assert list(records(io.BytesIO(content))) == expected
    parts = [list(records(io.BytesIO(content), (block.start, block.end))) for block in blocks]
    assert [row for part in parts for row in part] == expected


NULLS = {"type": "record", "name": "a", "fields": [{"name": "n", "type": "null"}]}
FREE = {
    "type": "record",
    "name": "a",
    "fields": [
        {"name": "f", "type": {"type": "fixed", "name": "none", "size": 0}},
        {
            "name": "n",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "b", "fields": [{"name": "x", "type": "none"}]},
            },
        },
    ],
}
CHAIN = {"type": "record", "name": "R", "fields": [{"name": "c", "type": ["null", "R"]}]}
SPACED = {
    "type": "record",
    "name": "R",
    "namespace": "b",
    "fields": [{"name": "c", "type": {"type": "array", "items": {"type": "map", "values": "b.R"}}}],
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (hostile(NULLS, 10**10, b""), "declares 10000000000 records"),
        (hostile(CHAIN, 1, b"\x02" * 100_000 + b"\x00"), "R contains itself"),
        (hostile(SPACED, 1, b"\x00"), "b.R contains itself"),
        (hostile(NULLS, -5, b""), "a block of 0 bytes"),
        (hostile("no type", 1, b"x"), "no type"),
        (hostile(FREE, 1, b"\x02\x0c\xfe\xff\xff\xff\x0f\x00"), "items that take no bytes"),
        (file_of(20)[:-7], "a block of"),
        (file_of(20)[:30], "ends too early"),
        (b"Obj\x01" + zigzag(1) + zigzag(2**40) + b"x" * 50, "a text of"),
        (b"Obj\x01" + b"\xff" * 30, "a number without an end"),
        (b"no avro", "no Avro file"),
        (b"", "no Avro file"),
        (file_of(3).replace(b"ssssssssssssssss", b"ssssssssssssssst", 1), "does not end where it should"),
        (b"Obj\x01" + zigzag(1) + zigzag(11) + b"avro.schema" + zigzag(4) + b"[[[[" + zigzag(0) + b"s" * 16, "schema"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_decoded(content: bytes, said: str) -> None:
    with pytest.raises(DamagedAvroError, match=said):
        list(records(io.BytesIO(content)))


def test_what_stands_before_the_damage_is_read() -> None:
    content = file_of(57)
    for damaged in (content[:-30], content + b"something else"):
        read = records(io.BytesIO(damaged))
        found = list(islice(read, 41))
        with pytest.raises(DamagedAvroError):
            list(read)
        assert len(found) == 41


def test_one_type_may_stand_in_several_fields() -> None:
    stamp = {"type": "record", "name": "stamp", "fields": [{"name": "data", "type": "bytes"}]}
    schema = {
        "type": "record",
        "name": "alert",
        "fields": [{"name": "one", "type": stamp}, {"name": "two", "type": ["null", "stamp"]}],
    }
    stream = io.BytesIO()
    fastavro.writer(stream, schema, [{"one": {"data": b"1"}, "two": {"data": b"2"}}])
    assert next(records(stream))["two"] == {"data": b"2"}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["null", "deflate"]))
def test_damage_anywhere_ends_in_one_kind_of_error_or_in_records(seed: int, codec: str) -> None:
    content = bytearray(file_of(12, codec))
    dice = random.Random(seed)
    for _ in range(dice.randint(1, 8)):
        content[dice.randrange(len(content))] = dice.randrange(256)
    with suppress(DamagedAvroError, ImportError):
        assert len(list(records(io.BytesIO(bytes(content))))) <= 12 * 300
