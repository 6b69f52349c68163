"""Alerts as a stream sends them: a byte 0, the number of their schema in four bytes, the body without a schema.

The schema is the file ``NUMBER.avsc`` beside them, whole or as a registry answers.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from astrid_ml.avro import DamagedAvroError, refuse_recursive
from astrid_ml.reasons import shortened

LARGEST = 2**26  # bytes of a message


def number_in(path: Path) -> int | None:
    """The number of the schema of a file's first message; None where it is no such file."""
    with path.open("rb") as stream:
        start = stream.read(5)
    return int(struct.unpack(">I", start[1:])[0]) if len(start) == 5 and start[:1] == b"\0" else None


def why_closed(path: Path) -> str:
    """What a message lacks to be read; empty where it lacks nothing, or is no message."""
    number = number_in(path)
    if number is None or schema_beside(path, number) is not None:
        return ""
    return f"a message of a stream, without its schema (id {number}): put that beside it as {number}.avsc"


def schema_beside(path: Path, number: int) -> Any:
    """The schema of a number, parsed; None where it does not stand beside a file.

    Raises:
        DamagedAvroError: it is no schema, or contains itself.
    """
    place = path.with_name(f"{number}.avsc")
    if not place.is_file():
        return None
    state = place.stat()
    return _schema(place, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _schema(path: Path, size: int, _: int) -> Any:
    import fastavro

    try:
        said = json.loads(path.read_bytes()[:LARGEST])
        inside = said.get("schema") if isinstance(said, dict) and "fields" not in said else None
        whole = said if inside is None else json.loads(inside) if isinstance(inside, str) else inside
        refuse_recursive(whole)
        if not (isinstance(whole, dict) and whole.get("fields")):
            raise DamagedAvroError(f"{path.name} is no schema of Avro: it has no fields")
        return fastavro.parse_schema(whole)
    except DamagedAvroError:
        raise
    except Exception as error:  # fastavro raises anything from KeyError to an error of its own
        raise DamagedAvroError(f"{path.name} is no schema of Avro ({shortened(str(error), 80)})") from error


def messages_in(path: Path) -> Iterator[Any]:
    """The packets of a file of messages, one behind another.

    Raises:
        DamagedAvroError: a schema that is not at hand, half a message, or one of another schema.
    """
    import fastavro

    if path.stat().st_size > LARGEST:
        raise DamagedAvroError(f"messages of more than {LARGEST} bytes in one file")
    stream = io.BytesIO(path.read_bytes())
    size = stream.getbuffer().nbytes
    while stream.tell() < size:
        start = stream.read(5)
        number = int(struct.unpack(">I", start[1:])[0]) if len(start) == 5 and start[:1] == b"\0" else None
        schema = None if number is None else schema_beside(path, number)
        if schema is None:
            raise DamagedAvroError(why_closed(path) or "bytes behind a message that are no message")
        try:
            yield fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:  # as of files: ValueError, EOFError, IndexError, ...
            raise DamagedAvroError(f"a message that is not of schema {number} ({str(error)[:60]})") from error
