"""How much a compressed file of a user may inflate to: a few bytes can declare, or become, more than any memory."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from astrid_ml.printable import printable

MOST_BYTES = 256 * 2**20  # that any file may inflate to: of one packet, one member of an archive, one text
MOST_SWOLLEN = 100  # times a file's size, to which its content may inflate: packets and tables inflate to some times it
_PIECE = 2**20


class SwollenError(ValueError):
    """A file that inflates to more than it may; the message says to how much."""


def most_inflated(size: int) -> int:
    """Bytes that a compressed file may inflate to.

    Args:
        size: of the file, in bytes.

    Example:
        >>> most_inflated(1000) == MOST_BYTES, most_inflated(10**8)
        (True, 10000000000)
    """
    return max(MOST_BYTES, MOST_SWOLLEN * size)


def refuse_swollen(what: str, declared: int, size: int) -> None:
    """Refuse what declares more than its file may inflate to, before anything is inflated.

    Args:
        what: declares it, for the message.
        declared: bytes of it when it is inflated.
        size: bytes that it, or all of its file, takes on the disk.

    Raises:
        SwollenError: it is more.

    Example:
        >>> refuse_swollen("stamps", 10**9, 10**8)
        >>> refuse_swollen("stamps", 10**9, 1000)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        astrid_ml.inflating.SwollenError: stamps of 1000000000 bytes in a file that may inflate to 268435456: ...
    """
    most = most_inflated(size)
    if declared > most:
        raise SwollenError(f"{what} of {declared} bytes in a file that may inflate to {most}: unpack it first")


def refuse_swollen_dataset(part: Any) -> None:
    """Refuse a dataset of HDF5 that declares more than its chunks may inflate to; nothing of it is read.

    A virtual one holds nothing itself and passes.

    Args:
        part: a dataset of h5py.

    Raises:
        SwollenError: see :func:`refuse_swollen`.
    """
    if not part.is_virtual:
        name = str(part.name).strip("/")
        refuse_swollen(printable(name), int(part.size or 0) * part.dtype.itemsize, int(part.id.get_storage_size()))


def read_inflated(path: Path) -> bytes:
    """The content of a file: of a gzip file what it inflates to, of another one as it is.

    Raises:
        SwollenError: it is more than it may be; no more than that was inflated.
        OSError, EOFError, zlib.error: a gzip file that is damaged or cut off.
    """
    if not is_gzip(path):
        return path.read_bytes()
    most = most_inflated(path.stat().st_size)
    with gzip.open(path, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise SwollenError(_more_than(most))
    return content


def refuse_swollen_gzip(path: Path) -> None:
    """Refuse a gzip file that inflates to more than it may; nothing of it is kept. Other files pass.

    Raises:
        SwollenError: see :func:`read_inflated`.
        OSError, EOFError, zlib.error: a gzip file that is damaged or cut off.
    """
    most = most_inflated(path.stat().st_size)
    if is_gzip(path) and inflates_beyond(path, most):
        raise SwollenError(_more_than(most))


def inflates_beyond(path: Path, most: int) -> bool:
    """Whether a gzip file holds more than so many bytes; no more than that is inflated.

    Raises:
        OSError, EOFError, zlib.error: it is damaged or cut off.
    """
    done = 0
    with gzip.open(path, "rb") as stream:
        while done <= most and (got := stream.read(_PIECE)):
            done += len(got)
    return done > most


def is_gzip(path: Path) -> bool:
    """Whether a file begins as a gzip file."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def start_of_gzip(path: Path, most: int) -> bytes:
    """The first bytes that a gzip file inflates to: of one that is cut off what can still be read.

    Args:
        path: of the file.
        most: bytes.

    Raises:
        OSError, EOFError, zlib.error: nothing can be read.
    """
    out = bytearray()
    with gzip.open(path, "rb") as stream:
        try:
            while len(out) < most and (got := stream.read1(most - len(out))):
                out += got
        except (OSError, EOFError, zlib.error):
            if not out:
                raise
    return bytes(out)


def _more_than(most: int) -> str:
    return f"more than {most} bytes when it is inflated: unpack it first"
