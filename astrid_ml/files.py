"""A parquet file that grows batch by batch and appears whole."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class TableWriter:
    """Write tables with a common schema; on an error nothing is left behind.

    The schema is that of the first table. A later table may lack columns (they become null) and its extra columns
    are kept only if the first had them.

    Args:
        path: the final file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self.writer: Any = None
        self.empty = True

    def write(self, table: pd.DataFrame) -> None:
        """Append rows."""
        if self.writer is None:
            arrow = pa.Table.from_pandas(table, preserve_index=False)
            # A column that is all null in the first unit would get the type null and refuse later values.
            fields = [pa.field(f.name, _guess(f.name)) if pa.types.is_null(f.type) else f for f in arrow.schema]
            self.schema = pa.schema(fields)
            self.writer = pq.ParquetWriter(self.temporary, self.schema)
        aligned = table.reindex(columns=self.schema.names)
        self.writer.write_table(pa.Table.from_pandas(aligned, schema=self.schema, preserve_index=False, safe=False))
        self.empty = False

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.close()
        if kind is None and self.writer is not None:
            os.replace(self.temporary, self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def _guess(name: str) -> Any:
    """The type of a column of which the first unit knew nothing."""
    return pa.string() if name in ("mission", "survey", "filter", "source", "threshold_on") else pa.float64()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write one table whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(path) as writer:
        writer.write(table)
