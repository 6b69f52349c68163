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
_NUMBERS = {"$numberDouble": float, "$numberLong": int, "$numberInt": int}
_LISTS = ("data", "alerts", "results")  # under which services hand on their answer
_WHITE = b" \t\r\n\0"


class Reason(str):
    """Why a line holds no document."""


NO_DOCUMENT = Reason("a line that is no document of JSON")
HALF = Reason("half a message: the file ends inside its last line")
_BLANK = " \t\r\n"


def documents(stream: IO[bytes]) -> Iterator[dict[str, Any] | PacketFileError]:
    """The documents of a stream; a line that is none costs itself alone.

    Args:
        stream: of bytes in UTF-8.

    Raises:
        PacketFileError: it is no JSON, or ends inside a document; what stands before is given first.
    """
    number, first = 0, b""
    while not first.strip():
        number, first = number + 1, stream.readline(LONGEST)
        if not first:
            raise PacketFileError("no JSON file: it is empty")
        first = first.removeprefix(codecs.BOM_UTF8)
    second = b""
    if first.lstrip()[:1] != b"[" and _parsed(first) is None:  # it goes on in the next line, or is broken
        second = stream.readline(LONGEST)
    several = second and not isinstance(_parsed(second), dict) and not isinstance(_parsed(first + second), Reason)
    if first.lstrip()[:1] == b"[" or several:
        for value in _values(first + second, stream):
            yield from _inside(value)
        return
    yield from _of_line(first, number)
    if second:
        yield from _of_line(second, number + 1)
    yield from _lines(stream, number + 1 + bool(second))


def _lines(stream: IO[bytes], first: int) -> Iterator[dict[str, Any] | PacketFileError]:
    """Documents of a line each; ``first`` is the number of the next line."""
    for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), first):
        if line.strip():
            yield from _of_line(line, number)


def _of_line(line: bytes, number: int) -> Iterator[dict[str, Any] | PacketFileError]:
    """What a line holds: documents, or the reason why none."""
    value = _parsed(line)
    if isinstance(value, dict):
        yield from _inside(value)
        return
    known = isinstance(value, Reason) and value != NO_DOCUMENT
    why = value if known else NO_DOCUMENT if line.endswith(b"\n") else HALF
    yield PacketFileError(why, f"line {number}")


def _inside(value: Any) -> Iterator[dict[str, Any] | PacketFileError]:
    """A document, or those that an answer of a service holds."""
    if not isinstance(value, dict):
        yield PacketFileError("JSON that is no packet")
        return
    if _by_columns(value):
        yield from ({name: column[row] for name, column in value.items()} for row in next(iter(value.values())))
        return
    listed = next((value[key] for key in _LISTS if isinstance(value.get(key), list | dict)), None)
    if listed is None or any("utout" in key for key in value):
        yield value
        return
    for part in listed if isinstance(listed, list) else [listed]:
        yield part if isinstance(part, dict) else PacketFileError("JSON that is no packet")


def _by_columns(value: dict[str, Any]) -> bool:
    """Whether a document is a table as pandas writes it: a document for each column, ``{"0": ..., "1": ...}``."""
    columns = list(value.values())
    if len(columns) < 2 or not all(isinstance(column, dict) and column for column in columns):
        return False
    rows = columns[0].keys()
    return all(row.isdigit() for row in rows) and all(column.keys() == rows for column in columns)


def _parsed(line: bytes) -> Any:
    """The value of a line; why it has none; None where it ends before its document does."""
    try:
        return json.loads(line, object_hook=_plain)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(error.doc.rstrip())
        return None if at_end and line.strip(_WHITE) else NO_DOCUMENT
    except (ValueError, RecursionError) as error:
        return _reason(error)


def _reason(error: Exception) -> Reason:
    if isinstance(error, UnicodeError):
        return Reason("a line that is no UTF-8")
    if isinstance(error, RecursionError):
        return Reason("a document that is nested too deeply")
    return Reason("a number that cannot be read")


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
    except PacketFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise PacketFileError(_reason(error)) from error


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
    if key == "$numberDecimal":  # of 34 digits: an identifier stays whole
        return int(value) if str(value).isdigit() else float(value)
    return str(value) if key == "$oid" else part
