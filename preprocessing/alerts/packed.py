"""Files that are compressed once: gzip, bzip2, xz and zstandard, told by how they begin."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import IO, Any

from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError

MOST_BYTES = 256 * 2**20  # that are inflated into memory
ENDINGS = (".gz", ".bz2", ".xz", ".zst")
_GZIP, _BZIP2, _XZ, _ZSTANDARD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
LONGEST_MARK = 6


def compressed(start: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return start.startswith((_GZIP, _BZIP2, _XZ, _ZSTANDARD))


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed."""
    with path.open("rb") as file:
        return compressed(file.read(LONGEST_MARK))


def is_zstandard(path: Path) -> bool:
    """Whether a file is compressed by zstandard, which Python's own tarfile does not know."""
    with path.open("rb") as file:
        return file.read(LONGEST_MARK).startswith(_ZSTANDARD)


def opened(source: Path | bytes) -> IO[bytes]:
    """The content of a file, or of its bytes, as a stream that inflates while it is read; a plain one as it is.

    Args:
        source: the file, or its bytes.
    """
    file: IO[bytes] = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
    start = file.read(LONGEST_MARK)
    file.seek(0)
    inflating: Any
    if start.startswith(_GZIP):
        inflating = gzip.GzipFile(fileobj=file)
    elif start.startswith(_BZIP2):
        inflating = bz2.BZ2File(file)
    elif start.startswith(_XZ):
        inflating = lzma.LZMAFile(file)  # noqa: SIM115
    elif start.startswith(_ZSTANDARD):
        import pyarrow as pa

        inflating = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    else:
        return file
    return io.BufferedReader(inflating)


def inflated(stream: IO[bytes]) -> io.BytesIO:
    """What is left of a stream that inflates, in memory.

    Raises:
        PacketFileError: it is more than memory should hold.
    """
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise PacketFileError(f"more than {MOST_BYTES} bytes when it is inflated: unpack it first")
    return io.BytesIO(content)
