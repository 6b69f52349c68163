"""Binary tables of FITS files, read front to back in blocks: a few columns of a table much larger than memory.

FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; section 4 headers, 7.3 binary tables). Plain and gzipped files are
read the same way, and only the wanted columns are ever held.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import (
    DENSEST,
    DamagedFitsError,
    Header,
    data_size,
    fill,
    held_size,
    padded,
    read_header,
    whole_number,
)
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened
from astrid_ml.types import Array

_FORM = re.compile(r"^(\d*)([A-Z])")
_TYPES = {
    "L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """The first binary table of an open file, its data not yet read.

    Args:
        header: cards of the primary header and, over them, of the table's own.
        layout: one record: names, types (big-endian as stored) and places.
        rows: how many the header promises.
        scales: column -> (TSCAL, TZERO) where they are not 1 and 0.
        stream: stands on the first row.
    """

    header: Header
    layout: np.dtype[Any]
    rows: int
    scales: dict[str, tuple[float, float]]
    stream: BinaryIO

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return self.layout.names or ()

    def blocks(self, rows: int = 32768) -> Iterator[tuple[int, Array]]:
        """(first row, records as they are stored) of up to ``rows`` rows; the buffer is used again for the next.

        Raises:
            DamagedFitsError: the file ends before the last row.
        """
        size = self.layout.itemsize
        buffer = bytearray(min(rows, max(self.rows, 1)) * size)
        view = memoryview(buffer)
        for start in range(0, self.rows, rows):
            count = min(rows, self.rows - start)
            fill(self.stream, view[: count * size], f"row {start} of {self.rows}")
            yield start, np.frombuffer(buffer, dtype=self.layout, count=count)

    def column(self, block: Array, name: str) -> Array:
        """A column of a block in physical values (TSCAL and TZERO applied)."""
        values = block[name]
        if name not in self.scales:
            return values
        scale, zero = self.scales[name]
        whole = values.dtype.kind in "iu" and scale == 1 and zero == int(zero)
        return values.astype(np.int64) + int(zero) if whole else values * scale + zero


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """The first binary table of a plain or gzipped FITS file.

    Raises:
        UserError: the file is cut off, damaged, or holds no binary table.
    """
    try:
        with path.open("rb") as file:
            zipped = path.name.lower().endswith(".gz")
            room = path.stat().st_size * (DENSEST if zipped else 1)
            yield first_table(cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file, room, zipped)
    except (DamagedFitsError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path.name} to be a whole FITS file with a binary table",
            shortened(f"it is cut off or damaged: {error}", 200),
            "fetch it again",
        ) from error


def first_table(stream: BinaryIO, room: int, zipped: bool = False) -> Table:
    """Walk the units of a stream to the first binary table; it is held against what the file can hold.

    Args:
        stream: at its beginning.
        room: bytes that it can hold at most.
        zipped: it is inflated while it is read.

    Raises:
        DamagedFitsError: no table, one without meaning, or more rows than can be there.
    """
    primary = read_header(stream)
    header = primary
    while header.get("XTENSION") != "BINTABLE":
        skip(stream, padded(data_size(header)))
        header = read_header(stream)
    held_size(header, stream.tell(), room, zipped)
    try:
        layout, scales = table_layout(header)
        rows = whole_number(header, "NAXIS2", 0)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DamagedFitsError):
            raise
        raise DamagedFitsError(f"a header of a table in which {in_words(error)}") from error
    return Table({**primary, **header}, layout, rows, scales, stream)


def table_layout(header: Header) -> tuple[np.dtype[Any], dict[str, tuple[float, float]]]:
    """The type of one record and the scaled columns of a binary table's header."""
    fields: list[Any] = []
    scales = {}
    for number in range(1, int(header.get("TFIELDS", 0)) + 1):
        name, form = str(header.get(f"TTYPE{number}", f"COL{number}")), str(header.get(f"TFORM{number}", ""))
        fields.append((name, *column_type(form)))
        scale = float(header.get(f"TSCAL{number}", 1)), float(header.get(f"TZERO{number}", 0))
        if scale != (1.0, 0.0):
            scales[name] = scale
    try:
        layout = np.dtype(fields)
    except ValueError as error:
        raise DamagedFitsError(f"columns cannot be told apart: {error}") from error
    if not fields or layout.itemsize != int(header.get("NAXIS1", 0)):
        raise DamagedFitsError(f"its columns take {layout.itemsize} bytes, NAXIS1 says {header.get('NAXIS1')}")
    return layout, scales


def column_type(form: str) -> tuple[Any, ...]:
    """numpy's type and shape of a TFORM: ``E`` -> (">f4",), ``3J`` -> (">i4", (3,)), ``12A`` -> ("S12",)."""
    found = _FORM.match(form.strip())
    if found is None:
        raise DamagedFitsError(f"TFORM {form!r} is none")
    count, kind = int(found.group(1) or 1), found.group(2)
    if kind == "A":
        return (f"S{count}",)
    if kind == "X":
        return ("u1", (-(-count // 8),))
    if kind in "PQ":
        return (">i4" if kind == "P" else ">i8", (2 * count,))
    if kind not in _TYPES:
        raise DamagedFitsError(f"TFORM {form!r} is none")
    return (_TYPES[kind],) if count == 1 else (_TYPES[kind], (count,))


def skip(stream: BinaryIO, size: int) -> None:
    """Read over bytes: a gzipped stream knows no other way."""
    while size > 0:
        got = len(stream.read(min(size, 1 << 20)))
        if not got:
            raise DamagedFitsError("the file ends within a unit that stands before the table")
        size -= got


def read_columns(table: Table, wanted: Sequence[str]) -> dict[str, Array]:
    """Whole columns in this machine's byte order."""
    out: dict[str, Array] = {}
    for start, block in table.blocks():
        for name in wanted:
            values = table.column(block, name)
            if name not in out:
                out[name] = np.empty((table.rows, *values.shape[1:]), dtype=values.dtype.newbyteorder("="))
            out[name][start : start + len(values)] = values
    if not table.rows:
        out = {name: np.empty((0, *table.layout[name].shape), dtype=table.layout[name].base) for name in wanted}
    return out
