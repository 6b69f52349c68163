"""Packets as a message broker hands them on: the Avro body alone, whose schema stands elsewhere.

A value in Confluent's wire format is a byte 0, the number of the schema in four bytes (big-endian) and the body.
Rubin's numbers are 100 x major + minor of the schema's version: 900 is v9.0.
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from astrid_ml.avro import DamagedAvroError, refuse_recursive
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError
from astrid_ml.reasons import shortened

MAGIC = b"\0"
SUFFIX = ".avsc"
RUBIN = range(300, 10_000)  # numbers that Rubin's schemas have or may get
_RUBIN_NAME = re.compile(r"lsst\.v(\d+)_(\d+)\.alert")
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map")
EXTRA = "astrid-ml[rubin]"


@dataclass(frozen=True)
class Schemas:
    """The schemas at hand.

    Args:
        numbered: number -> file.
        others: files of alerts that carry no number.
    """

    numbered: Mapping[int, Path]
    others: tuple[Path, ...] = ()

    def of(self, number: int) -> Any:
        """The schema of a number, parsed.

        Raises:
            PacketFileError: it is not at hand, with what to give; or it cannot be read.
        """
        path = self.numbered.get(number) or installed(number)
        if path is None:
            with_rubin = f", or pip install '{EXTRA}'" if number in RUBIN else ""
            raise PacketFileError(
                f"a Kafka message of schema id {number}, which is not at hand: "
                f"give its folder (schemas=FOLDER with {number}{SUFFIX}){with_rubin}"
            )
        return parsed(path, path.stat().st_mtime_ns)

    @property
    def only(self) -> Any:
        """The one schema of alerts that is at hand, parsed; None where there is none, or there are several."""
        files = {*self.numbered.values(), *self.others}
        path = next(iter(files)) if len(files) == 1 else None
        return None if path is None else parsed(path, path.stat().st_mtime_ns)


NONE = Schemas({})


def schema_files(places: Sequence[Path]) -> list[Path]:
    """The files of schemas (.avsc) that are named, or lie directly or at any depth in a named folder, sorted.

    Raises:
        UserError: nothing stands at a place, or no schema is in it.
    """
    out: list[Path] = []
    for place in places:
        files = sorted(place.rglob(f"*{SUFFIX}")) if place.is_dir() else [place] if place.is_file() else []
        if not files:
            fix = f"give the folder of the schemas: NUMBER{SUFFIX}, or Rubin's folders as they are published"
            raise UserError(f"a folder with schemas of Avro ({SUFFIX})", found(place), fix)
        out += files
    return out


def schemas_of(files: Sequence[Path]) -> Schemas:
    """Which schema each file is: by a number for its name, by Rubin's name, or by the registry's answer in it."""
    numbered: dict[int, Path] = {}
    others = []
    for path in files:
        number = number_of(path, path.stat().st_mtime_ns)
        if number is not None:
            numbered.setdefault(number, path)
        elif path.stem.endswith("alert"):  # the others are parts of one
            others.append(path)
    return Schemas(numbered, tuple(others))


@cache
def number_of(path: Path, _: int) -> int | None:
    """The number of a file's schema; None where it has none."""
    if path.stem.isdigit():
        return int(path.stem)
    version = _RUBIN_NAME.fullmatch(path.stem)
    if version:
        return 100 * int(version[1]) + int(version[2])
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    number = said.get("id") if isinstance(said, dict) and "schema" in said else None
    return number if isinstance(number, int) else None


@cache
def installed(number: int) -> Path | None:
    """Rubin's schema of a number in the package that publishes them; None where either is not there."""
    try:
        package = importlib.util.find_spec("lsst.alert.packet")
    except (ImportError, ValueError):
        return None
    major, minor = divmod(number, 100)
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder, "schema", str(major), str(minor), f"lsst.v{major}_{minor}.alert{SUFFIX}")
        if path.is_file():
            return path
    return None


@cache
def parsed(path: Path, _: int) -> Any:
    """A schema with the parts that it names, which lie beside it.

    Raises:
        PacketFileError: it is no schema, lacks a part, or contains itself.
    """
    import fastavro

    try:
        said = _content(path)
        whole = _whole(said, path.parent, "", set())
        refuse_recursive(whole)
        if not (isinstance(whole, dict) and whole.get("fields")):
            raise PacketFileError(f"{path.name} is no schema of Avro (it has no fields)")
        return fastavro.parse_schema(whole)
    except PacketFileError:
        raise
    except DamagedAvroError as error:
        raise PacketFileError(f"{path.name}: {error}") from error
    except Exception as error:  # fastavro raises anything from KeyError to an error of its own
        raise PacketFileError(f"{path.name} is no schema of Avro ({shortened(str(error), 80)})") from error


def _content(path: Path) -> Any:
    """What a file says; of a registry's answer, the schema in it."""
    said = json.loads(path.read_bytes())
    inside = said.get("schema") if isinstance(said, dict) and "fields" not in said else None
    return said if inside is None else json.loads(inside) if isinstance(inside, str) else inside


def _whole(part: Any, folder: Path, space: str, defined: set[str]) -> Any:
    """A schema in which each type that is named and not defined yet stands as the file of its name says it.

    Not fastavro's own loader: it never ends where a file defines another name than its own.
    """
    if isinstance(part, str):
        name = part if "." in part or not space else f"{space}.{part}"
        path = folder / f"{name}{SUFFIX}"
        if part in PRIMITIVES or name in defined or not path.is_file():
            return part
        said = _content(path)
        if not isinstance(said, dict) or _full_name(said, "") != name:
            raise PacketFileError(f"{path.name} does not define {name}")
        return _whole(said, folder, "", defined)
    if isinstance(part, list):
        return [_whole(option, folder, space, defined) for option in part]
    if not isinstance(part, dict):
        return part
    out = dict(part)
    if "name" in part and part.get("type") in ("record", "enum", "fixed"):
        name = _full_name(part, space)
        defined.add(name)
        space = name.rpartition(".")[0]
    for key in ("type", "items", "values"):
        if key in part:
            out[key] = _whole(part[key], folder, space, defined)
    if isinstance(part.get("fields"), list):
        out["fields"] = [_whole(field, folder, space, defined) for field in part["fields"]]
    return out


def _full_name(record: Mapping[str, Any], space: str) -> str:
    name, space = str(record.get("name")), str(record.get("namespace") or space)
    return name if "." in name or not space else f"{space}.{name}"


def read_messages(stream: IO[bytes], schemas: Schemas) -> Iterator[dict[str, Any]]:
    """The packets of a file of one message, or of several one behind another.

    Args:
        stream: of the whole file, in memory or mapped: it can seek, and reads no more than there is.
        schemas: those at hand.

    Raises:
        PacketFileError: a schema that is not at hand, half a message, or one of another schema.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    while stream.tell() < size:
        place = stream.tell()
        head = stream.read(5)
        if len(head) < 5 or head[:1] != MAGIC:
            raise PacketFileError(f"{size - place} bytes behind a message that are no message")
        [number] = struct.unpack(">I", head[1:])
        yield _body(stream, schemas.of(number), f"schema id {number}", size)


def read_body(stream: IO[bytes], schema: Any) -> dict[str, Any]:
    """The packet of a file that holds the body alone, without a number.

    Args:
        stream: as of :func:`read_messages`.
        schema: parsed.

    Raises:
        PacketFileError: it is not of that schema, or holds more.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    packet = _body(stream, schema, "the given schema", size)
    if stream.tell() < size:
        raise PacketFileError(f"{size - stream.tell()} bytes behind a body of the given schema: is it another's?")
    return packet


def _body(stream: IO[bytes], schema: Any, of: str, size: int) -> dict[str, Any]:
    import fastavro

    place = stream.tell()
    try:
        packet: Any = fastavro.schemaless_reader(stream, schema, None)
    except Exception as error:  # as of files: ValueError, EOFError, IndexError, UnicodeDecodeError, ...
        if stream.tell() >= size:
            raise PacketFileError(f"half a message of {of}: it ends after {size - place} bytes") from error
        raise PacketFileError(f"a message that is not of {of} ({str(error)[:60]})") from error
    if not isinstance(packet, dict):
        raise PacketFileError(f"a message of {of} that is no packet")
    return packet
