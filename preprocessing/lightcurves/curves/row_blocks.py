"""Tables of rows, CSV or parquet: read whole, or some rows at a time without cutting an object."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.errors import UserError
from astrid_ml.inflating import SwollenError, inflates_beyond, is_gzip, refuse_swollen_gzip
from astrid_ml.readable import in_words, reading_parquet
from astrid_ml.reasons import shortened
from astrid_ml.table_files import read_parquet

# What the reader of CSV says, and what it means.
_SAID = (
    ("EOF inside string", "a quote that is not closed"),
    ("Expected", "a row with more columns than the first line names"),
    ("No columns", "no line with names of columns"),
)
_DAMAGE = (
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
    UnicodeDecodeError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    SwollenError,
)
_WHOLE = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
# Names of objects: as numbers they would be floats where one is missing, and lose their last figures.
_AS_WRITTEN = dict.fromkeys(("SNID", "object_id", "objectId", "oid", "diaObjectId"), str)
MOST_COLUMNS = 5000
LONGEST_LINE = 2**20  # bytes of the names of a CSV file's columns
BLOCK = 1_000_000  # rows that are held at a time
LARGE = 32_000_000  # bytes of a CSV file that is read in blocks


def columns_of(path: Path) -> frozenset[str]:
    """Column names of a CSV or parquet file, index columns included; of CSV only the first line is read.

    Raises:
        ValueError: it is damaged, or has more columns than any table of curves; says so.
        OSError: it cannot be read.
    """
    status = path.stat()
    return _columns(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)  # each reader asks
def _columns(path: Path, size: int, _: int) -> frozenset[str]:
    if not size:
        raise ValueError("an empty file")
    names = pq.read_schema(path).names if path.suffix == ".parquet" else _names_in(_first_line(path))
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"{len(names)} columns, and a table of curves has at most {MOST_COLUMNS}")
    return frozenset(names)


def _first_line(path: Path) -> bytes:
    """The line of names of a CSV file, plain or gzipped, behind blank ones."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for _ in range(100):
                line = stream.readline(LONGEST_LINE)
                if line.strip():
                    break
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError("a gzip file that is cut off or damaged") from error
    if not line.strip():
        raise ValueError("no line with names of columns")
    if len(line) == LONGEST_LINE:
        raise ValueError(f"a first line of more than {LONGEST_LINE} bytes")
    return line


def _names_in(line: bytes) -> list[str]:
    found = line.count(b",") + 1
    if found > MOST_COLUMNS:  # pandas would take minutes to give equal ones other names
        return [""] * found
    try:
        return [str(name) for name in pd.read_csv(io.BytesIO(line), nrows=0).columns]
    except pd.errors.ParserError as error:
        raise ValueError("a first line whose quotes are not closed") from error


def read_any(path: Path) -> pd.DataFrame:
    """A CSV or parquet file as a table, index columns included."""
    if path.suffix != ".parquet":
        with told(path):
            refuse_swollen_gzip(path)
            return pd.read_csv(path, low_memory=False, dtype=_AS_WRITTEN)
    with told(path):
        table = read_parquet(path)
        for name in (name for name in _AS_WRITTEN if name in table and pd.api.types.is_float_dtype(table[name])):
            table[name] = exact(pq.read_table(path, columns=[name]))[name].array
    return table.reset_index() if table.index.name else table


def is_large(path: Path) -> bool:
    """Whether a table takes much more than a block: by its rows, of CSV by its size when it is inflated."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows) > BLOCK
    if is_gzip(path):
        with told(path):
            return inflates_beyond(path, LARGE)
    return path.stat().st_size > LARGE


def stand_together(blocks: Iterable[pd.Series]) -> bool:
    """Whether the rows of each object follow each other.

    Args:
        blocks: whose rows they are.

    Example:
        >>> stand_together([pd.Series([1, 1, 2]), pd.Series([2, 3])]), stand_together([pd.Series([1, 2, 1])])
        (True, False)
    """
    seen: set[object] = set()
    last: object = None
    for block in blocks:
        names = block[block.ne(block.shift())].tolist()
        names = names[1:] if names[:1] == [last] else names
        if len(set(names)) < len(names) or not seen.isdisjoint(names):
            return False
        seen.update(names)
        last = block.iloc[-1] if len(block) else last
    return True


def row_blocks(path: Path, rows: int = BLOCK, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Some rows of a CSV or parquet file at a time, index columns included.

    Args:
        path: of the file.
        rows: in a block.
        columns: that are read; None for all.
    """
    if path.suffix == ".parquet":
        with told(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                block = exact(batch)
                yield block.reset_index() if block.index.name else block
        return
    options: dict[str, Any] = {"low_memory": False, "usecols": columns, "dtype": _AS_WRITTEN}
    with told(path), pd.read_csv(path, chunksize=rows, **options) as reader:
        yield from reader


def exact(table: pa.RecordBatch | pa.Table) -> pd.DataFrame:
    """Rows of Arrow in which whole numbers of 64 bits stay whole where one is missing: they may be names of objects.

    Args:
        table: of any columns.

    Example:
        >>> exact(pa.table({"id": pa.array([2**60 + 1, None])}))["id"].tolist()
        [1152921504606846977, <NA>]
    """
    rows: pd.DataFrame = table.to_pandas()
    for field in table.schema:
        if field.type in _WHOLE and field.name in rows and pd.api.types.is_float_dtype(rows[field.name]):
            whole = table.column(field.name).to_pandas(types_mapper=_WHOLE.get)
            rows[field.name] = pd.Series(whole.array, index=rows.index)
    return rows


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What a library says of a damaged table, as the mistake that it is; a table has a companion, so the file is named.

    Raises:
        UserError: instead of what the library raised.
    """
    if path.suffix == ".parquet":
        with reading_parquet(path):
            yield
        return
    try:
        yield
    except _DAMAGE as error:
        said = next((words for mark, words in _SAID if mark in str(error)), in_words(error))
        found = re.search(r"\b(?:row|line) \d+", str(error))
        where = f", from {found.group()} on" if found else ""
        raise UserError(
            "a whole table", f"{path.name}: {shortened(said, 200)}{where}", "mend it, or fetch it again"
        ) from error


def whole_objects(blocks: Iterable[pd.DataFrame], name: str) -> Iterator[pd.DataFrame]:
    """Blocks cut so that no object lies in two: the last object's rows wait for the next block."""
    waiting: pd.DataFrame | None = None
    for block in blocks:
        if waiting is not None:
            last = waiting[name] == waiting[name].iloc[-1]
            if not last.all():
                yield waiting[~last]
            block = pd.concat([waiting[last], block], ignore_index=True)
        waiting = block
    if waiting is not None:
        yield waiting
