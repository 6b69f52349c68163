"""One file of an archive: resumed where it broke off, compared with what was promised, opened, moved whole."""

from __future__ import annotations

import errno
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from weakref import WeakValueDictionary

from astrid_ml.errors import UserError
from astrid_ml.files import move, read_note, write_json
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient, answered
from astrid_ml.preprocessing.acquisition.client.coding import BROKEN, coding_of, pieces_of
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError, CorruptError
from astrid_ml.preprocessing.acquisition.client.pace import pause
from astrid_ml.preprocessing.acquisition.client.room import DiskRoom
from astrid_ml.preprocessing.acquisition.client.stop import rest
from astrid_ml.preprocessing.acquisition.client.whole_fits import refuse_no_fits
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

if TYPE_CHECKING:
    from requests import Response

PIECE = 1 << 16
Told = Callable[[int], None]  # bytes that have come


@dataclass(frozen=True)
class Promise:
    """What an archive says of a file before it comes.

    Args:
        bytes: None where it says none.
        checksum: ``md5:...``, ``sha256:...``; empty where it says none.
    """

    bytes: int | None = None
    checksum: str = ""

    def refuse_other(self, path: Path) -> None:
        """Refuse a file of another length or checksum.

        Args:
            path: of the file.

        Raises:
            CorruptError: it is not what was promised.
        """
        size = path.stat().st_size
        if self.bytes is not None and size != self.bytes:
            raise CorruptError(f"{self.bytes} bytes", f"{size} bytes of {path.name}", "it is fetched again")
        if self.checksum:
            kind, _, wanted = self.checksum.partition(":")
            if kind not in ("md5", "sha1", "sha256", "sha512"):
                raise ArchiveError("a checksum of md5 or sha256", self.checksum[:40], "leave it out")
            digest = hashlib.new(kind, usedforsecurity=False)
            with path.open("rb") as stream:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
            if digest.hexdigest() != wanted.lower():
                raise CorruptError(
                    f"the {kind} {wanted}", f"{digest.hexdigest()} of {path.name}", "it is fetched again"
                )


def part_of(path: Path) -> Path:
    """Where the pieces of a file are gathered; a later run finds them there."""
    return path.with_name(f".{path.name}.part")


def fetch(
    client: ArchiveClient,
    url: str,
    path: Path,
    size: int | None = None,
    checksum: str = "",
    room: DiskRoom | None = None,
    told: Told | None = None,
) -> None:
    """Bring a file whole to its place.

    A file that lies there already is left as it is: it was looked at before it was moved there.

    Args:
        client: how the archive is asked.
        url: of the file.
        path: where it goes; its folder is made.
        size: bytes, as the archive says.
        checksum: as the archive says, ``md5:...`` or ``sha256:...``.
        room: on the disk; None does not look at it.
        told: is told of bytes as they come.

    Raises:
        AbsentError: the archive does not have it.
        ArchiveError: after all tries what came is not what was promised, or no FITS file.
        HostError: a host that is not allowed, of the address or of a redirect.
        UserError: no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place = _place(path.absolute())
    with place.held:
        if not path.is_file():
            _fetch(client, url, path, Promise(size, checksum), room, told)


class _OnePath:
    """Of a file: two threads that want it bring it once."""

    def __init__(self) -> None:
        self.held = threading.Lock()


_PLACES: WeakValueDictionary[Path, _OnePath] = WeakValueDictionary()  # as long as a thread is there
_LOCK = threading.Lock()


def _place(path: Path) -> _OnePath:
    with _LOCK:
        return _PLACES.setdefault(path, _OnePath())


def _fetch(
    client: ArchiveClient, url: str, path: Path, promise: Promise, room: DiskRoom | None, told: Told | None
) -> None:
    part = part_of(path)
    failed: ArchiveError | None = None
    until = time.monotonic() + client.deadline
    for attempt in range(client.tries):
        if failed is not None:
            rest(pause(attempt - 1, client.first_wait, client.longest_wait))
        try:
            _bring(client, url, part, promise, Course(until, room, told))
            promise.refuse_other(part)
            refuse_no_fits(part)
        except _BrokenOffError as error:
            failed = error.reason  # what has come stays: the next try goes on there
        except CorruptError as error:
            failed = error
            _forget(part, room)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                got = f"{error.strerror} at {path.parent}"
                raise UserError("room on the disk", got, "make room and run it again: what has come is kept") from error
            raise
        else:
            move(part, path)
            _note_of(part).unlink(missing_ok=True)
            return
        if time.monotonic() > until:
            break
    assert failed is not None
    raise type(failed)(
        failed.expected, f"{failed.got} ({shortened(printable(url), 100)}, {attempt + 1} tries)", failed.fix
    )


@dataclass(frozen=True)
class Course:
    """What bounds a file while it comes, and who is told of it.

    Args:
        until: ``time.monotonic()`` at which it must be here.
        room: on the disk; None does not look at it.
        told: is told of bytes as they come.
    """

    until: float
    room: DiskRoom | None = None
    told: Told | None = None


class _BrokenOffError(Exception):
    """The connection broke off; what came before is good."""

    def __init__(self, reason: ArchiveError) -> None:
        self.reason = reason
        super().__init__(str(reason))


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path, room: DiskRoom | None = None) -> None:
    """Remove what has come; the budget has it again."""
    if room is not None and part.is_file():
        room.give(part.stat().st_size)
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _bring(client: ArchiveClient, url: str, part: Path, promise: Promise, course: Course) -> None:
    """Append what is missing of a file to its part.

    Raises:
        _BrokenOffError: the connection broke off before the end.
        CorruptError: the server says another length than the archive, or sends more.
        ArchiveError: the server refuses.
    """
    have, validator = _begun(part, url, promise)
    if promise.bytes is not None and have == promise.bytes:
        return
    headers = {"Accept-Encoding": "identity"}  # bytes as they lie there: their number and checksum are promised
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})
    with client.asking(url):
        response = client.session.get(url, stream=True, headers=headers)
    with response:
        if response.status_code == 416 and have:  # nothing after what we have: it is all, or another file by now
            _forget(part, course.room)
            raise _BrokenOffError(ArchiveError("the rest of a file", "HTTP 416: it has no more", "it is fetched again"))
        answered(response)
        coding = coding_of(response, url)
        begin = have if response.status_code == 206 and _first_byte(response) == have and not coding else 0
        if not begin and course.room is not None and part.is_file():
            course.room.give(part.stat().st_size)  # it is written over
        total = None if coding else _total(response, begin)
        if promise.bytes is not None and total is not None and total != promise.bytes:
            raise CorruptError(f"{promise.bytes} bytes", f"{total} bytes offered", "it is fetched again")
        if course.room is not None:
            course.room.ask(max(0, (total or 0) - begin))
        said = response.headers.get("ETag") or response.headers.get("Last-Modified")
        write_json(_note_of(part), {"url": url, "validator": None if coding else said, "bytes": total})
        with part.open("r+b" if begin else "wb") as stream:
            stream.seek(begin)
            _write(pieces_of(response, coding, PIECE), stream, begin, promise.bytes or total, course)


def _write(pieces: Iterator[bytes], stream: BinaryIO, begin: int, wanted: int | None, course: Course) -> None:
    """Write pieces as they come, no more than were promised and no longer than they may take."""
    came, why = begin, ""
    try:
        for piece in pieces:
            if wanted is not None and came + len(piece) > wanted:
                raise CorruptError(f"{wanted} bytes", "more", "it is fetched again")
            stream.write(piece)
            came += len(piece)
            if course.room is not None:
                course.room.take(len(piece))
            if course.told is not None:
                course.told(len(piece))
            if time.monotonic() > course.until and came != wanted:
                why = "time is over"
                break
    except BROKEN as error:
        why = type(error).__name__
    if why or (wanted is not None and came < wanted):
        got = f"{came} of {wanted or 'unknown'} bytes" + (f" ({why})" if why else "")
        raise _BrokenOffError(ArchiveError("a whole file", got, "try again later: what has come is kept"))


def _begun(part: Path, url: str, promise: Promise) -> tuple[int, str | None]:
    """Bytes that are there of this address, and how its server called their version.

    Without a version or a checksum nobody knows that the rest belongs to them: none count.
    """
    try:
        said = read_note(_note_of(part))
        size = part.stat().st_size
    except (OSError, ValueError):
        said, size = {}, 0
    validator = said.get("validator") if isinstance(said, dict) else None
    strong = isinstance(validator, str) and not validator.startswith("W/")
    if not isinstance(said, dict) or said.get("url") != url or not (strong or promise.checksum):
        return 0, None
    return size, str(validator) if strong else None


def _first_byte(response: Response) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _total(response: Response, begin: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return begin + int(length) if length.isdigit() else None
