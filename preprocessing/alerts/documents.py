"""JSON of every form in which packets travel: one document, an array, one a line, one behind another.

Of databases too: mongo's words for numbers and names (``$numberDouble``, ``$oid``) become numbers and texts. An array
is read piece by piece, so that a night of it needs no more memory than a packet.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError

PIECE = 2**20  # bytes that are read at a time
LONGEST = 256 * 2**20  # bytes of one document
_NUMBERS = {"$numberDouble": float, "$numberDecimal": float, "$numberLong": int, "$numberInt": int}
_LISTS = ("data", "alerts", "results")  # under which services hand on their answer
NO_DOCUMENT = "a line that is no document of JSON"
_BLANK = " \t\r\n"


def documents(stream: IO[bytes]) -> Iterator[dict[str, Any] | PacketFileError]:
    """The documents of a stream; a line that is none costs itself alone.

    Args:
        stream: of bytes in UTF-8.

    Raises:
        PacketFileError: it is no JSON, or ends inside a document; what stands before is given first.
    """
    first = b""
    while not first.strip():
        first = stream.readline(LONGEST)
        if not first:
            raise PacketFileError("no JSON file: it is empty")
    first = first.removeprefix(codecs.BOM_UTF8)
    alone = None if first.lstrip()[:1] == b"[" else _parsed(first)
    second = b"" if isinstance(alone, dict) else stream.readline(LONGEST)
    if isinstance(alone, dict):
        yield from _inside(alone)
        yield from _lines(stream, 2)
    elif isinstance(_parsed(second), dict):
        yield PacketFileError(NO_DOCUMENT, "line 1")
        yield from _inside(_parsed(second))
        yield from _lines(stream, 3)
    else:
        for value in _values(first + second, stream):
            yield from _inside(value)


def _lines(stream: IO[bytes], first: int) -> Iterator[dict[str, Any] | PacketFileError]:
    """Documents of a line each; ``first`` is the number of the next line."""
    for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), first):
        if not line.strip():
            continue
        value = _parsed(line)
        if isinstance(value, dict):
            yield from _inside(value)
        elif line.endswith(b"\n"):
            yield PacketFileError(NO_DOCUMENT, f"line {number}")
        else:
            yield PacketFileError("half a message: the file ends inside its last line", f"line {number}")


def _inside(value: Any) -> Iterator[dict[str, Any] | PacketFileError]:
    """A document, or those that an answer of a service holds."""
    if not isinstance(value, dict):
        yield PacketFileError("JSON that is no packet")
        return
    listed = next((value[key] for key in _LISTS if isinstance(value.get(key), list | dict)), None)
    if listed is None or any("utout" in key for key in value):
        yield value
        return
    for part in listed if isinstance(listed, list) else [listed]:
        yield part if isinstance(part, dict) else PacketFileError("JSON that is no packet")


def _parsed(line: bytes) -> Any:
    """The value of a line; None where it is not one."""
    try:
        return json.loads(line, object_hook=_plain)
    except (ValueError, RecursionError):
        return None


def _values(start: bytes, stream: IO[bytes]) -> Iterator[Any]:
    """Values one behind another, or of an array; each is decoded as soon as it is whole."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    decoder = json.JSONDecoder(object_hook=_plain)
    array, count, ended = False, 0, False
    try:
        text = decode(start).lstrip(_BLANK)
        if text.startswith("["):
            array, text = True, text[1:]
        while True:
            text = text.lstrip(_BLANK + "," if array else _BLANK)
            if array and text.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(text)
            except json.JSONDecodeError as error:
                if ended or len(text) > LONGEST:
                    if not text and not array:
                        return
                    raise PacketFileError(_why(text, error, count)) from error
                piece = stream.read(max(PIECE, len(text)))
                ended = not piece
                text += decode(piece, ended)
                continue
            yield value
            count, text = count + 1, text[end:]
    except (UnicodeDecodeError, RecursionError) as error:
        raise PacketFileError(f"no JSON file ({str(error)[:80]})") from error


def _why(text: str, error: json.JSONDecodeError, count: int) -> str:
    behind = f" behind {count} documents" if count else ""
    if error.pos >= len(text) - 1 or "Unterminated" in error.msg:
        return f"half a message{behind}: the file ends inside a document" if text or count else "no JSON file"
    return f"no JSON file{behind} ({error.msg})"


def _plain(part: dict[str, Any]) -> Any:
    """Mongo's spelling of a number or a name, as what it is."""
    if len(part) != 1:
        return part
    [(key, value)] = part.items()
    if key in _NUMBERS and isinstance(value, str | int | float):
        return _NUMBERS[key](value)
    return str(value) if key == "$oid" else part
