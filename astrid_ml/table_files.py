"""Parquet tables that grow batch by batch and appear whole."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import pandas as pd

from astrid_ml.files import WholeFile
from astrid_ml.inflating import refuse_swollen_parquet
from astrid_ml.readable import in_words


class Describes(Protocol):
    """Says in a file what its columns mean."""

    def schema(self, schema: Any) -> Any:
        """The schema (of pyarrow) with its metadata."""

    def text_lengths(self, lengths: Mapping[str, int]) -> dict[str, str]:
        """What is said of texts: column -> letters of its longest one."""


class TableWriter:
    """A parquet file that grows batch by batch and appears whole; on an error nothing is left behind.

    The schema is that of the first table. A later table may lack columns (they become null) and its extra columns
    are kept only if the first had them.

    Args:
        path: the final file.
        metadata: texts for the file's own metadata.
        gathered: rows that small tables are gathered to before they are written; 0 writes each as it comes.
        describes: what columns mean, for the readers of the file; None says nothing.
    """

    def __init__(
        self,
        path: Path,
        metadata: Mapping[str, str] | None = None,
        gathered: int = 0,
        describes: Describes | None = None,
    ) -> None:
        self.path, self.gathered, self.describes = path, gathered, describes
        self._longest: dict[str, int] = {}
        self._waiting: list[Any] = []
        self.metadata = dict(metadata or {})
        self.empty = True
        self._file = WholeFile(path)
        self._writer: Any = None

    def write(self, table: pd.DataFrame | Any) -> None:
        """Append rows.

        Args:
            table: of pandas, or of pyarrow: of such a one nothing is guessed.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrow = table if isinstance(table, pa.Table) else None
        if self._writer is None:
            first = pa.Table.from_pandas(table, preserve_index=False) if arrow is None else arrow
            # A column that is all null in the first unit would get the type null and refuse later values.
            fields = [pa.field(f.name, _guess(f.name)) if pa.types.is_null(f.type) else f for f in first.schema]
            self.schema = pa.schema(fields, self.metadata)
            if self.describes is not None:
                self.schema = self.describes.schema(self.schema)
            self._writer = pq.ParquetWriter(
                self._file.part, self.schema, write_page_checksum=True, store_schema=self.describes is None
            )
        if arrow is None:
            aligned = table.reindex(columns=self.schema.names)
            rows = pa.Table.from_pandas(aligned, schema=self.schema, preserve_index=False, safe=False)
        else:
            absent = pa.nulls(len(arrow))
            own = dict(zip(arrow.column_names, arrow.columns, strict=True))
            rows = pa.table([own.get(f.name, absent).cast(f.type, safe=False) for f in self.schema], self.schema)
        self._waiting.append(rows.replace_schema_metadata(self.schema.metadata))
        self.empty = False
        if self.describes is not None:
            for name, length in longest_texts(rows).items():
                self._longest[name] = max(length, self._longest.get(name, 0))
        if sum(map(len, self._waiting)) >= self.gathered:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []

    def _describe(self) -> None:
        """Lengths of texts are known at the end: only there the schema can be stored that readers of arrow see."""
        if self.describes is not None:
            self._writer.add_key_value_metadata(ending(self.schema, self.describes.text_lengths(self._longest)))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            if kind is None and self._waiting:
                import pyarrow as pa

                self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._describe()
            self._writer.close()
        if kind is None and self._writer is not None:
            self._file.publish()
        self._file.drop()


def ending(schema: Any, more: Mapping[str, str]) -> dict[bytes, bytes]:
    """Metadata for a file that was begun with ``store_schema=False``: those of a schema, and some more.

    Args:
        schema: of pyarrow.
        more: what was known only at the end.
    """
    whole = {**(schema.metadata or {}), **{name.encode(): text.encode() for name, text in more.items()}}
    stored = schema.with_metadata(whole).serialize().to_pybytes()
    return {**whole, b"ARROW:schema": base64.b64encode(stored)}


def longest_texts(table: Any) -> dict[str, int]:
    """Letters of the longest text of each column of texts, or of lists of them.

    Args:
        table: of pyarrow.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for field in table.schema:
        column, kind = table[field.name], field.type
        if pa.types.is_list(kind):
            column, kind = pc.list_flatten(column), kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            found[field.name] = pc.max(pc.utf8_length(column)).as_py() or 0
    return found


def _guess(name: str) -> Any:
    """The type of a column of which the first unit knew nothing."""
    import pyarrow as pa

    return (
        pa.string()
        if name in ("mission", "survey", "filter", "source", "threshold_on", "set") or name.startswith("prediction_set")
        else pa.float64()
    )


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write one parquet table whole; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(path) as writer:
        writer.write(table)


def read_parquet(path: Path | str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a parquet table that a user gives.

    Args:
        path: of the file.
        columns: to read; None for all.

    Raises:
        ValueError: it is damaged, or more than its file may inflate to. What pandas wrote into the file about its
            columns may be damaged too, and pandas then raises whatever a lookup there raises.
        OSError: it cannot be read.
    """
    import pyarrow as pa

    try:
        refuse_swollen_parquet(Path(path), columns)
        table = pd.read_parquet(path, columns=None if columns is None else list(columns))
        for name in (name for name, kind in table.dtypes.items() if str(kind) in ("str", "string")):
            pa.array(table[name]).validate(full=True)  # bytes that are no UTF-8 end whoever looks at the text later
        return table
    except (ValueError, OSError):
        raise
    except Exception as error:
        raise ValueError(f"a damaged parquet file: {in_words(error)}") from error
