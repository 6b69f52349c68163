"""Tar archives of alert packets: looked through once for their chunks, and read chunk by chunk as streams.

A plain archive is entered where a chunk begins. A compressed one has to be inflated up to there, so a process that does
one chunk after another keeps its place in the stream.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any

from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError, read_avro

MOST_BYTES = 256 * 2**20  # of packets in a chunk; also of one packet's file
BUFFER = 2**20
# What packets may be packed in once more: it is not unpacked a second time, and never passed over in silence.
PACKED = (".avro.gz", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".avro.bz2", ".avro.xz", ".avro.zst")
_DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)


@dataclass
class TarPlace:
    """A compressed archive that is being read.

    Args:
        key: of the file: its path, size and time.
        members: those that are left.
        next: number of the member that comes next.
    """

    key: tuple[str, int, int]
    members: Iterator[tuple[str, bytes | PacketFileError]]
    next: int = 0


@dataclass
class _Kept:
    place: TarPlace | None = field(default=None)


_KEPT = _Kept()  # of this process: it does one unit at a time


def tar_chunks(path: Path, most: int) -> list[dict[str, Any]]:
    """Runs of packet files in an archive.

    Args:
        path: of the archive.
        most: files in a chunk.

    Returns:
        For each chunk ``first`` (number of its first packet file), ``count`` (None: to the end), ``bytes``, and
        ``offset``: where it can be entered in the archive (-1: nowhere, it is compressed). An
        archive that is damaged somewhere ends with a chunk of its own for what cannot be read: the rest is not lost.
    """
    plain, size = not _compressed(path), path.stat().st_size
    out: list[dict[str, Any]] = []
    number = 0
    try:
        for member in _headers(path):
            if plain and member.offset_data + member.size > size:
                raise EOFError(f"it ends inside {member.name}")
            last = out[-1] if out else None
            if last is None or last["count"] >= most or last["bytes"] + member.size > MOST_BYTES:
                out.append({"first": number, "count": 0, "bytes": 0, "offset": member.offset if plain else -1})
                last = out[-1]
            last["count"] += 1
            last["bytes"] += member.size
            number += 1
    except _DAMAGE:
        if out and not plain:  # the last one that was counted has not been read to its end
            number -= 1
            out[-1]["count"] -= 1
            out = out if out[-1]["count"] else out[:-1]
        out.append({"first": number, "count": None, "bytes": 0, "offset": -1})
    return out


def read_tar(path: Path, first: int = 0, count: int | None = None, offset: int = -1) -> Iterator[tuple[str, Any]]:
    """(packet file, packet or what is wrong with that file) of an archive.

    Args:
        path: of the archive.
        first: number of the first packet file.
        count: of packet files; None reads to the end.
        offset: where the first one begins in a plain archive; -1 reads up to it.

    Raises:
        PacketFileError: the archive itself is damaged.
    """
    try:
        for name, content in _run(path, first, count, offset):
            if isinstance(content, PacketFileError):
                yield name, content
                continue
            try:
                yield from ((name, packet) for packet in read_avro(BytesIO(content)))
            except PacketFileError as error:
                yield name, error
    except _DAMAGE as error:
        if isinstance(error, PacketFileError):
            raise
        raise PacketFileError(f"damaged archive ({error})") from error


def _run(path: Path, first: int, count: int | None, offset: int) -> Iterator[tuple[str, bytes | PacketFileError]]:
    if offset >= 0:
        yield from islice(_members(path, offset), count)
        return
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    kept, _KEPT.place = _KEPT.place, None
    place = kept if kept is not None and kept.key == key and kept.next <= first else TarPlace(key, _members(path))
    while place.next < first:
        if next(place.members, None) is None:
            raise EOFError(f"it ends before packet {first}")
        place.next += 1
    taken = 0
    while count is None or taken < count:
        found = next(place.members, None)
        if found is None:
            return
        taken, place.next = taken + 1, place.next + 1
        yield found
    _KEPT.place = place


def _members(path: Path, offset: int = 0) -> Iterator[tuple[str, bytes | PacketFileError]]:
    with path.open("rb") as file:
        file.seek(offset)
        for archive, member in _walk(file, "r|" if offset else "r|*"):
            if not member.name.endswith(".avro"):
                yield member.name, PacketFileError("packed once more inside the archive: unpack it first")
                continue
            if member.size > MOST_BYTES:
                yield member.name, PacketFileError(f"a packet of {member.size} bytes")
                continue
            stream = archive.extractfile(member)
            yield member.name, b"" if stream is None else stream.read()


def _headers(path: Path) -> Iterator[tarfile.TarInfo]:
    with path.open("rb") as file:
        mode = "r|*" if _compressed(path) else "r:"
        yield from (member for _, member in _walk(file, mode))


def _walk(file: IO[bytes], mode: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The packet files of an archive, and what is packed in it once more.

    What was passed is forgotten, else 200,000 of them fill the memory.
    """
    with tarfile.open(fileobj=file, mode=mode, bufsize=BUFFER, tarinfo=_Member) as archive:  # type: ignore[call-overload]
        for member in archive:
            if member.isfile() and member.name.endswith((".avro", *PACKED)):
                yield archive, member
            archive.members = []


class _Member(tarfile.TarInfo):
    """A member whose header must be whole: tarfile takes a damaged one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: Any) -> _Member:
        try:
            return super().fromtarfile(tarfile_)  # type: ignore[no-any-return, misc, unused-ignore]
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # blocks of zeros: the end as it should be
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"its end is not there: {error}") from error


def _compressed(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(6)
    return start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"))
