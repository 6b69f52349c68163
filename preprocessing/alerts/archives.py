"""Tar archives of alert packets: looked through once for their chunks, and read chunk by chunk as streams.

A plain archive is entered where a chunk begins. A compressed one has to be inflated up to there, so a process that does
one chunk after another keeps its place in the stream.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any

from astrid_ml.inflating import MOST_BYTES
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError
from astrid_ml.preprocessing.alerts.files import FITS, LOOSE, PARQUET, TARS, UNREAD, UNREADABLE, is_loose, read_loose
from astrid_ml.preprocessing.alerts.messages import NONE, Schemas
from astrid_ml.preprocessing.alerts.packed import is_compressed, opened
from astrid_ml.preprocessing.alerts.places import run_of
from astrid_ml.tars import BUFFER, ArchiveTooLargeError, Member, no_file, refuse_too_large, why_damaged

_BEHIND = 2**20  # bytes behind the end of an archive that are looked at
# What packets may be packed in once more: it is not unpacked a second time, and never passed over in silence.
PACKED = (*TARS, ".zip")
OUTSIDE = (*PARQUET, *FITS)  # read in folders, or named there as what nobody reads
_DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, LZMAError)


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
    plain = not is_compressed(path)
    out: list[dict[str, Any]] = []
    number = 0
    try:
        for member in _headers(path):
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


def read_tar(
    path: Path, first: int = 0, count: int | None = None, offset: int = -1, schemas: Schemas = NONE
) -> Iterator[tuple[str, Any]]:
    """(packet file, packet or what is wrong with that file) of an archive.

    Args:
        path: of the archive.
        first: number of the first packet file.
        count: of packet files; None reads to the end.
        offset: where the first one begins in a plain archive; -1 reads up to it.
        schemas: for messages, which do not bring theirs.

    Raises:
        PacketFileError: the archive itself is damaged.
    """
    try:
        for name, content in _run(path, first, count, offset):
            if isinstance(content, PacketFileError):
                yield name, content
                continue
            try:
                yield from ((name, packet) for packet in read_loose(content, schemas))
            except PacketFileError as error:
                yield name, error
    except ArchiveTooLargeError as error:
        yield error.member, PacketFileError(str(error))
    except _DAMAGE as error:
        if isinstance(error, PacketFileError):
            raise
        raise PacketFileError(f"damaged archive ({why_damaged(error)})") from error


def _run(path: Path, first: int, count: int | None, offset: int) -> Iterator[tuple[str, bytes | PacketFileError]]:
    if offset >= 0:
        yield from islice(_members(path, offset), count)
    else:
        yield from run_of(path, first, count, lambda: _members(path))


def _members(path: Path, offset: int = 0) -> Iterator[tuple[str, bytes | PacketFileError]]:
    with _opened(path) as file:
        if offset:
            file.seek(offset)
        for archive, member in _walk(file, "r|", None if offset else path):
            if why := no_file(member):
                yield member.name, PacketFileError(why)
                continue
            if not is_loose(member.name):
                yield member.name, PacketFileError(_why_unread(member.name.lower()))
                continue
            if member.size > MOST_BYTES:
                yield member.name, PacketFileError(f"a packet of {member.size} bytes")
                continue
            stream = archive.extractfile(member)
            yield member.name, b"" if stream is None else stream.read()


def _why_unread(name: str) -> str:
    if name.endswith(PACKED):
        return "packed once more inside the archive: unpack it first"
    return (
        "tables and FITS files are not read inside an archive: unpack it first"
        if name.endswith(OUTSIDE)
        else UNREADABLE
    )


def _headers(path: Path) -> Iterator[tarfile.TarInfo]:
    with _opened(path) as file:
        mode = "r|" if is_compressed(path) else "r:"
        yield from (member for _, member in _walk(file, mode, path))


def _opened(path: Path) -> AbstractContextManager[IO[bytes]]:
    """The archive as it is inside: tarfile's own inflating takes the memory of whatever a megabyte inflates to."""
    return opened(path) if is_compressed(path) else path.open("rb")


def _walk(file: IO[bytes], mode: str, whole: Path | None) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The packet files of an archive, and what is packed in it once more.

    What was passed is forgotten, else 200,000 of them fill the memory. A member that inflates to hundreds of times the
    archive ends it: what stands behind could be reached only through it.

    Args:
        file: as the archive is inside.
        mode: of tarfile.
        whole: the archive, where it is read from its beginning.

    Raises:
        ArchiveTooLargeError: there is one.
        ReadError: it is damaged, or something stands behind its end.
    """
    with tarfile.open(fileobj=file, mode=mode, bufsize=BUFFER, tarinfo=Member) as archive:  # type: ignore[call-overload]
        for member in archive:
            if whole is not None:
                refuse_too_large(member, whole, is_compressed(whole))
            if not member.isdir() and member.name.lower().endswith((*LOOSE, *PACKED, *UNREAD, *OUTSIDE)):
                yield archive, member
            archive.members = []
        if archive.fileobj.read(_BEHIND).strip(b"\0"):
            raise tarfile.ReadError("bytes behind its end, perhaps of a second archive: unpack both")
