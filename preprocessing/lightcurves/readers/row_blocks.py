"""Tables of rows, CSV or parquet: read whole, or some rows at a time without cutting an object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from astrid_ml.table_files import read_parquet

BLOCK = 1_000_000  # rows that are held at a time
LARGE = 32_000_000  # bytes of a CSV file that is read in blocks


def columns_of(path: Path) -> set[str]:
    """Column names of a CSV or parquet file, index columns included."""
    if path.suffix == ".parquet":
        return set(pq.read_schema(path).names)
    return set(pd.read_csv(path, nrows=0).columns)


def read_any(path: Path) -> pd.DataFrame:
    """A CSV or parquet file as a table, index columns included."""
    if path.suffix != ".parquet":
        return pd.read_csv(path, low_memory=False)
    table = read_parquet(path)
    return table.reset_index() if table.index.name else table


def is_large(path: Path) -> bool:
    """Whether a table takes much more than a block: by its rows, of CSV by its size."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows) > BLOCK
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
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                block = batch.to_pandas()
                yield block.reset_index() if block.index.name else block
        return
    with pd.read_csv(path, chunksize=rows, low_memory=False, usecols=columns) as reader:
        yield from reader


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
