"""Headers of FITS files, read without astropy: what they declare is compared with what the file can hold.

A header of a few bytes can ask a reader for terabytes, or for an array of negative length. Nothing is reserved here.
Whoever opens a user's FITS file with astropy does so by :func:`open_checked`.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from astrid_ml.errors import UserError
from astrid_ml.inflating import SwollenError, refuse_swollen
from astrid_ml.reasons import shortened

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

Header = dict[str, Any]
CARD, RECORD = 80, 2880
BEGINNING = b"SIMPLE"
LONGEST = 4000  # records of one header: 144,000 cards
MOST_UNITS = 10_000  # headers in one file: the richest exposures of spectrographs have some thousand
DENSEST = 1032  # bytes that one byte of a gzip file can stand for, at most
_TEXT = re.compile(r"^\s*'((?:[^']|'')*)'")


class DamagedFitsError(ValueError):
    """The file ends too early, or is no FITS file."""


class TooLargeFitsError(ValueError):
    """One unit takes more memory than there is; the message says how much."""


def open_checked(path: Path, most: int | None = None, memmap: bool | None = False, checksum: bool = False) -> HDUList:
    """A user's FITS file, open for astropy after the look at its headers; as a block it is closed at its end.

    What astropy raises of it goes on as it is: see :func:`astrid_ml.readable.reading`.

    Args:
        path: plain or gzipped.
        most: bytes that one unit may take in memory; None asks nothing.
        memmap: pixels of plain files stay on the disk until they are used; None: where their bytes are the numbers.
        checksum: CHECKSUM and DATASUM are compared; astropy warns of what differs.

    Raises:
        UserError: see :func:`refuse_impossible`.
    """
    from astropy.io import fits

    refuse_impossible(path, most)
    return fits.open(path, memmap=memmap, checksum=checksum)


def refuse_impossible(path: Path, most: int | None = None) -> None:
    """Refuse a FITS file whose headers declare what it cannot hold, or more than memory can; only headers are read.

    Of a file that is no FITS file at all its reader says so.

    A gzip file is inflated up to its last header, and nothing of it is kept. What would inflate to more than
    :mod:`astrid_ml.inflating` lets it is refused by its header: all of a gzip file, one compressed image of another.

    Args:
        path: plain or gzipped.
        most: bytes that one unit may take in memory, its pixels as float64; None asks nothing.

    Raises:
        UserError: a header without end or with impossible axes, data beyond the end of the file, units without number,
            one that is larger than ``most``, or what inflates to more than it may.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            size = path.stat().st_size
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file
            if stream.read(len(BEGINNING)) == BEGINNING:
                stream.seek(0)
                check_units(stream, size * (DENSEST if zipped else 1), zipped, most, size)
    except SwollenError as error:
        got, _, fix = f"{path}: {error}".rpartition(": ")
        raise UserError("a FITS file that does not swell beyond its size", shortened(got, 300), fix) from error
    except TooLargeFitsError as error:
        fix = "cut out the part that you need, or use a machine with more memory"
        raise UserError(
            "a FITS file that fits into this machine's memory", shortened(f"{path}: {error}", 300), fix
        ) from error
    except (DamagedFitsError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        if "Not a gzipped file" in str(error):  # behind a whole one, where gzip passes over whatever stands there
            return
        raise UserError(
            "a whole FITS file", shortened(f"{path}: {error}", 300), "fetch the file again, or write a smaller one"
        ) from error


def check_units(
    stream: BinaryIO, room: int, zipped: bool = False, most: int | None = None, packed: int | None = None
) -> None:
    """Hold the headers of all units against what stands in the file.

    Args:
        stream: at its beginning.
        room: bytes that it can hold at most.
        zipped: it is inflated while it is read.
        most: bytes that one unit may take in memory; None asks nothing.
        packed: bytes of the file on the disk, against which what it inflates to is held; None asks nothing.

    Raises:
        DamagedFitsError: a header without end, impossible axes, data that are not there, units without number.
        TooLargeFitsError: a unit is larger than ``most``.
        SwollenError: see :func:`~astrid_ml.inflating.refuse_swollen`.
    """
    place = 0
    for _ in range(MOST_UNITS):
        try:
            header = read_header(stream)
        except DamagedFitsError:
            if place == 0:
                raise
            stream.seek(place)
            _look_behind(stream)
            return
        place = stream.tell()
        size = held_size(header, place, room, zipped)
        if packed is not None:
            refuse_swollen("data", place + size if zipped else 0, packed, "unpack it first (gunzip)")
            refuse_swollen("a compressed image", tiled_size(header), packed, "unpack it first (funpack)")
        needed = memory_size(header)
        if most is not None and needed > most:
            what = f"a unit of it takes {needed / 1e9:.1f} GB in memory, and {most / 1e9:.1f} GB are free"
            raise TooLargeFitsError(what)
        stream.seek(place + padded(size))
        if stream.tell() < place + size:  # a gzip file is no longer than what it holds
            raise DamagedFitsError(f"{size} bytes of data are declared, and {stream.tell() - place} are there")
        place += padded(size)
    raise DamagedFitsError(f"more than {MOST_UNITS} units")


def held_size(header: Header, place: int, room: int, zipped: bool) -> int:
    """Bytes of a unit's data, without padding, where they stand in the file.

    Args:
        header: of the unit.
        place: where its data begin, in bytes.
        room: bytes that the file can hold at most.
        zipped: it is inflated while it is read.

    Raises:
        DamagedFitsError: they are more, or see :func:`data_size`.

    >>> held_size({"BITPIX": 8, "NAXIS": 1, "NAXIS1": 10}, 2880, 2890, False)
    10
    """
    size = data_size(header)
    if place + size > room:
        held = "at most " if zipped else ""
        what = f"its header declares {size} bytes of data, and {held}{max(0, room - place)} are there"
        raise DamagedFitsError(what)
    return size


def _look_behind(stream: BinaryIO) -> None:
    """What stands behind the last unit belongs to nobody; a reader searches all of it for the end of a header."""
    rest = stream.read(LONGEST * RECORD + 1)
    if len(rest) > LONGEST * RECORD:
        raise DamagedFitsError(f"more than {LONGEST * RECORD} bytes behind its last unit")
    further = next((n for n in range(0, len(rest), RECORD) if rest.startswith(b"XTENSION", n)), None)
    if further is not None:
        raise DamagedFitsError(f"{further} bytes that no header declares stand before its next unit")


def read_header(stream: BinaryIO) -> Header:
    """The cards of one header as a dictionary; comments are left out, CONTINUE joins long texts.

    Raises:
        DamagedFitsError: no header stands there, or it has no end.
    """
    header: Header = {}
    last = ""
    for _ in range(LONGEST):
        record = bytearray(RECORD)
        fill(stream, memoryview(record), "a header")
        if not header and not record.startswith((b"SIMPLE", b"XTENSION")):
            raise DamagedFitsError("no FITS header, which begins with SIMPLE or XTENSION")
        for place in range(0, RECORD, CARD):
            card = record[place : place + CARD].decode("latin-1")
            key = card[:8].strip()
            if key == "END":
                return header
            if card[8:10] == "= ":
                header[key], last = card_value(card[10:]), key
            elif key == "HIERARCH" and "=" in card:  # names of more than eight letters
                name, _, content = card[8:].partition("=")
                header[name.strip()], last = card_value(content), name.strip()
            elif key == "CONTINUE" and isinstance(header.get(last), str):
                header[last] = header[last].removesuffix("&") + str(card_value(card[8:]))
    raise DamagedFitsError(f"a header without an end in {LONGEST} records")


def card_value(content: str) -> Any:
    """Text, logical, whole or real number of a card; None for an undefined one."""
    text = _TEXT.match(content)
    if text:
        return text.group(1).replace("''", "'").rstrip()
    word = content.split("/", 1)[0].strip()
    if word in ("T", "F"):
        return word == "T"
    for kind in (int, float):
        try:
            return kind(word.replace("D", "E"))
        except ValueError:
            continue
    return word or None


def data_size(header: Header) -> int:
    """Bytes of a unit's data, without padding (FITS standard 4.0, equations 2 and 4).

    Raises:
        DamagedFitsError: axes, or a size of a pixel, that no file can have.

    >>> data_size({"BITPIX": -32, "NAXIS": 2, "NAXIS1": 10, "NAXIS2": 4})
    160
    >>> data_size({"BITPIX": 8, "NAXIS": 0})
    0
    """
    count = whole_number(header, "NAXIS", 0, 999)
    axes = [whole_number(header, f"NAXIS{k}", 0) for k in range(1, count + 1)]
    if not axes:
        return 0
    if header.get("GROUPS") is True and axes[0] == 0:
        axes = axes[1:]  # random groups
    bits = whole_number(header, "BITPIX", -64, 64)
    if abs(bits) not in (8, 16, 32, 64):
        raise DamagedFitsError(f"BITPIX = {bits}")
    if str(header.get("XTENSION", "")).strip() in ("BINTABLE", "TABLE"):
        if "TFIELDS" in header:
            whole_number(header, "TFIELDS", 0, 999)
        if len(axes) > 1 and not axes[0] and axes[1]:
            raise DamagedFitsError(f"{axes[1]} rows of no byte")
    extra = whole_number(header, "PCOUNT", 0) if "PCOUNT" in header else 0
    groups = whole_number(header, "GCOUNT", 0) if "GCOUNT" in header else 1
    return abs(bits) // 8 * groups * (extra + math.prod(axes))


def memory_size(header: Header) -> int:
    """Bytes of a unit in memory: pixels as float64, also those of compressed images; tables as they are stored.

    Raises:
        DamagedFitsError: see :func:`data_size`.

    >>> memory_size({"BITPIX": 16, "NAXIS": 2, "NAXIS1": 10, "NAXIS2": 4})
    320
    >>> tiles = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": 8, "NAXIS2": 4, "ZIMAGE": True}
    >>> memory_size({**tiles, "ZNAXIS": 2, "ZNAXIS1": 1000, "ZNAXIS2": 4})
    32000
    """
    if header.get("ZIMAGE") is True:
        _refuse_coding(header)
        return max(data_size(header), 8 * _tiled_pixels(header))
    size = data_size(header)
    is_table = header.get("XTENSION") in ("BINTABLE", "TABLE", "A3DTABLE")
    return size if is_table else size * 64 // abs(header["BITPIX"]) if size else 0


def tiled_size(header: Header) -> int:
    """Bytes that a compressed image inflates to; 0 for a unit that is none.

    Raises:
        DamagedFitsError: axes, or a size of a pixel, that no image can have.

    >>> tiled_size({"ZIMAGE": True, "ZBITPIX": 16, "ZNAXIS": 2, "ZNAXIS1": 1000, "ZNAXIS2": 4})
    8000
    """
    if header.get("ZIMAGE") is not True:
        return 0
    return abs(whole_number(header, "ZBITPIX", -64, 64)) // 8 * _tiled_pixels(header)


def _tiled_pixels(header: Header) -> int:
    axes = [whole_number(header, f"ZNAXIS{k}", 0) for k in range(1, whole_number(header, "ZNAXIS", 0, 999) + 1)]
    return math.prod(axes) if axes else 0


def _refuse_coding(header: Header) -> None:
    """Refuse parameters of a compression that its decoder would believe, and crash (FITS standard 4.0, 10.4)."""
    for key in [key for key in header if key.startswith("ZNAME")]:
        name, value = str(header[key]).strip(), f"ZVAL{key.removeprefix('ZNAME')}"
        if name == "BYTEPIX" and header.get(value) not in (1, 2, 4, 8):
            raise DamagedFitsError(f"BYTEPIX = {header.get(value)}")
        if name == "BLOCKSIZE":
            whole_number(header, value, 1, 1 << 16)


def whole_number(header: Header, key: str, low: int, high: int | None = None) -> int:
    """A card that must be a whole number, in a range.

    Raises:
        DamagedFitsError: it is not there, or is something else.
    """
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        raise DamagedFitsError(f"{key} = {value}")
    return value


def padded(size: int) -> int:
    """Bytes in whole records."""
    return -(-size // RECORD) * RECORD


def fill(stream: BinaryIO, view: memoryview, what: str) -> None:
    """Read exactly as many bytes as ``view`` holds."""
    done = 0
    while done < len(view):
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise DamagedFitsError(f"the file ends at {what}")
        done += got
