"""Files that are compressed once: gzip, bzip2, xz and zstandard, told by how they begin."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from astrid_ml.inflating import MOST_BYTES
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError

ENDINGS = (".gz", ".bz2", ".xz", ".zst")
_GZIP, _BZIP2, _XZ, _ZSTANDARD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
LONGEST_MARK = 6
_PIECE = 2**16


def compressed(start: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return start.startswith((_GZIP, _BZIP2, _XZ, _ZSTANDARD))


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed."""
    with path.open("rb") as file:
        return compressed(file.read(LONGEST_MARK))


@contextmanager
def opened(source: Path | bytes) -> Iterator[IO[bytes]]:
    """The content of a file, or of its bytes, as a stream that inflates while it is read; a plain one as it is.

    Args:
        source: the file, or its bytes.
    """
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        start = file.read(LONGEST_MARK)
        file.seek(0)
        inflating = _inflating(file, start)
        yield file if inflating is None else io.BufferedReader(inflating)


def _inflating(file: IO[bytes], start: bytes) -> Any:
    """A stream over a compressed one; None where it is not compressed."""
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(_BZIP2):
        return _Streams(file, bz2.BZ2Decompressor)
    if start.startswith(_XZ):
        return _Streams(file, lzma.LZMADecompressor)
    if start.startswith(_ZSTANDARD):
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    return None


class _Streams(io.RawIOBase):
    """Streams of bzip2 or xz one behind another; Python's own readers stop in silence at one whose head is damaged.

    Args:
        file: that holds them.
        make: a decompressor of one.
    """

    def __init__(self, file: IO[bytes], make: Callable[[], Any]) -> None:
        self._file, self._make, self._one = file, make, make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end.

        Raises:
            OSError, LZMAError: what is there is no such stream.
            EOFError: it ends inside one.
        """
        while True:
            given = b""
            if self._one.eof:
                given = self._one.unused_data.lstrip(b"\0")  # padding
                while not given and (more := self._file.read(_PIECE)):
                    given = more.lstrip(b"\0")
                if not given:
                    return 0
                self._one = self._make()
            elif self._one.needs_input and not (given := self._file.read(_PIECE)):
                raise EOFError("it ends too early")
            out = self._one.decompress(given, len(buffer))
            if out:
                buffer[: len(out)] = out
                return len(out)


def inflated(stream: IO[bytes]) -> io.BytesIO:
    """What is left of a stream that inflates, in memory.

    Raises:
        PacketFileError: it is more than memory should hold.
    """
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise PacketFileError(f"more than {MOST_BYTES} bytes when it is inflated: unpack it first")
    return io.BytesIO(content)
