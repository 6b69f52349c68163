"""How much a compressed file of a user may inflate to: a few bytes can declare, or become, more than any memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from astrid_ml.apart import is_watched, look_apart

MOST_BYTES = 256 * 2**20  # that any file may inflate to: of one packet, one member of an archive, one text
MOST_SWOLLEN = 100  # times a file's size, to which its content may inflate: packets and tables inflate to some times it
MOST_LOOKED = 64 * 2**20  # bytes of a file's columns that are read to see whether they can be
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


def refuse_swollen(what: str, declared: int, size: int, fix: str = "unpack it first") -> None:
    """Refuse what declares more than its file may inflate to, before anything is inflated.

    Args:
        what: declares it, for the message.
        declared: bytes of it when it is inflated.
        size: bytes that it, or all of its file, takes on the disk.
        fix: what to do, for the message.

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
        raise SwollenError(f"{what} of {declared} bytes in a file that may inflate to {most}: {fix}")


def refuse_swollen_parquet(path: Path, columns: Sequence[str] | None = ()) -> None:
    """Refuse a parquet table that is more in memory than its file may inflate to; other files pass.

    A value that stands a million times takes a few bytes of the file: numbers are counted by what its footer says of
    them. Texts that stand in dictionaries are read as such where their sum could be too much. A process beside this one
    looks, unless this one is watched: damaged bytes of a footer end the process that asks pyarrow for them.

    Args:
        path: of the file.
        columns: that will be read, of which that process reads the first ``MOST_LOOKED`` bytes too; None for all.

    Raises:
        SwollenError: see :func:`refuse_swollen`.
        EndedError: its bytes end whoever reads it.
        Exception: of pyarrow, for a damaged one.
    """
    state = path.stat()
    _refuse_swollen_parquet(path, state.st_size, state.st_mtime_ns, None if columns is None else tuple(columns))


@lru_cache(maxsize=64)  # a table is opened several times
def _refuse_swollen_parquet(path: Path, size: int, _: int, columns: tuple[str, ...] | None) -> None:
    with path.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return
    if is_watched():
        look_at_parquet(path, ())
        return
    look_apart("astrid_ml.inflating:look_at_parquet", path, 2**30 + 3 * most_inflated(size), columns)


def look_at_parquet(path: Path, columns: Sequence[str] | None) -> None:
    """What :func:`refuse_swollen_parquet` does in its process.

    Args:
        path: of a parquet file.
        columns: of which the content is read; None for all.
    """
    import pyarrow.parquet as pq

    size = path.stat().st_size
    with pq.ParquetFile(path) as file:
        about = file.metadata
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        places = [file.schema.column(place) for place in range(about.num_columns)]
    if sum(group.num_rows for group in groups) != about.num_rows:
        raise ValueError(f"{about.num_rows} rows in its footer, and others in its parts")
    declared = about.num_rows
    for place, column in enumerate(places):
        width = _WIDTHS.get(column.physical_type, column.length)
        for part in (group.column(place) for group in groups):
            declared += max(width * part.num_values, part.total_uncompressed_size)
    refuse_swollen("a table", declared, size, _SMALLER)
    texts: dict[str, set[int]] = {}  # column -> row groups in which a few texts could stand in very many rows
    for place, column in enumerate(places):
        if column.physical_type == "BYTE_ARRAY":
            coded = [number for number, group in enumerate(groups) if group.column(place).has_dictionary_page]
            parts = [groups[number].column(place) for number in coded]
            if declared + sum(part.num_values * part.total_uncompressed_size for part in parts) > most_inflated(size):
                texts.setdefault(column.path, set()).update(coded)
    for name, numbers in texts.items():
        declared += _text_bytes(path, name, sorted(numbers))
        refuse_swollen("a table", declared, size, _SMALLER)
    if columns is None or columns:
        _read_first(path, columns)


def _read_first(path: Path, columns: Sequence[str] | None) -> None:
    """Read columns as far as ``MOST_LOOKED`` bytes of the file go; what comes of them is nobody's."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        wanted = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        done = 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            parts = [group.column(place) for place in range(group.num_columns)]
            done += sum(
                part.total_compressed_size
                for part in parts
                if wanted is None or part.path_in_schema.partition(".")[0] in wanted
            )
            if done > MOST_LOOKED and number:
                return
            file.read_row_group(number, wanted)


_SMALLER = "write it in smaller files"
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 8, "BYTE_ARRAY": 4}


def _text_bytes(path: Path, name: str, groups: Sequence[int]) -> int:
    """Bytes of a column of texts, also within lists and structs, when each row has its own; each is read once."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=[name]) as file:
        tables = (file.read_row_group(number, [name]) for number in groups)
        return sum(shared_bytes(column) for table in tables for column in table.columns)


def shared_bytes(column: Any) -> int:
    """Bytes of texts of which many rows may share one (dictionaries, views), when each row has its own.

    Args:
        column: a column, or a part of one, of pyarrow; texts may stand within its lists and structs.

    Example:
        >>> import pyarrow as pa
        >>> shared_bytes(pa.array([["abc", "abc"], ["abc"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))))
        9
        >>> shared_bytes(pa.array([{"a": "abc"}], pa.struct({"a": pa.string()})))  # each row has its own
        0
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        return sum(map(shared_bytes, column.chunks))
    kind = column.type
    if pa.types.is_dictionary(kind):
        if kind.value_type not in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
            return 0
        lengths = pc.binary_length(column.dictionary).cast(pa.int64())
        return int(pc.sum(lengths.take(column.indices)).as_py() or 0)
    if kind in (pa.string_view(), pa.binary_view()):
        lengths = np.frombuffer(column.buffers()[1], np.int32)[::4][column.offset : column.offset + len(column)]
        return int(lengths[np.asarray(column.is_valid())].sum(dtype=np.int64))
    if pa.types.is_map(kind):
        return shared_bytes(column.keys) + shared_bytes(column.items)
    if pa.types.is_struct(kind):
        return sum(shared_bytes(column.field(place)) for place in range(kind.num_fields))
    return shared_bytes(column.flatten()) if hasattr(column, "flatten") and pa.types.is_nested(kind) else 0


class Held:
    """Bytes that a container's texts take in memory, which are bounded as what its file inflates to.

    Args:
        what: holds them, for the message.
        size: of the file, in bytes.

    Example:
        >>> held = Held("texts", 1000)
        >>> held.add(10**6)
    """

    def __init__(self, what: str, size: int) -> None:
        self.what, self.most, self.bytes = what, most_inflated(size), 0

    def add(self, more: int) -> None:
        """Count further bytes.

        Raises:
            SwollenError: they are more than they may be, together with those before.
        """
        self.bytes += more
        if self.bytes > self.most:
            raise SwollenError(f"{self.what} of more than {self.most} bytes, most of them again and again")


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
