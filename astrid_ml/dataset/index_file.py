"""An index on disk that is larger than what one wants in memory: columns and rows are read when they are asked for.

It lies in one parquet file, or in several parts while it is made. ``ROWS`` samples make a row group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.column_kinds import schemas_to_join
from astrid_ml.contracts.columns import Columns
from astrid_ml.dataset.digests import damaged
from astrid_ml.dataset.pages import open_pages, reading
from astrid_ml.dataset.repeats import BLOCK, repeats
from astrid_ml.missions import with_canonical
from astrid_ml.nearest import missing
from astrid_ml.types import Codes, Ints

COLUMN = "a column of the index"
ROWS = 1 << 20  # of a row group; an index of at most so many rows is read as one table


class IndexTable(pd.DataFrame):
    """An index in memory; one that is asked for a column which it has not says which it has."""

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except KeyError:
            asked = [key] if isinstance(key, str) else key if isinstance(key, list) else []
            absent = [name for name in asked if name not in self.columns]
            if not absent:
                raise
            raise missing(COLUMN, absent, self.columns) from None


class IndexFile:
    """Columns of an index on disk, see :class:`astrid_ml.contracts.columns.Columns`.

    Args:
        paths: the file, or its parts in order.
        types: of columns that are of different kinds in the parts, see :mod:`astrid_ml.column_kinds`.

    Raises:
        UserError: a file is missing or damaged.

    Example:
        >>> import tempfile
        >>> from astrid_ml.dataset.pages import write_pages
        >>> path = Path(tempfile.mkdtemp()) / "index.parquet"
        >>> write_pages(pd.DataFrame({"id": ["a", "b", "c"], "flux": [1.0, 2.0, 3.0]}), path)
        >>> index = IndexFile([path])
        >>> len(index), "flux" in index, index["flux"].sum(), index.rows(np.array([2, 0]), ["id"])["id"].tolist()
        (3, True, np.float64(6.0), ['c', 'a'])
    """

    def __init__(self, paths: Sequence[Path], types: Mapping[str, Any] | None = None) -> None:
        import pyarrow as pa

        self.paths = list(paths)
        self._held: dict[str, pd.Series] = {}
        files = [open_pages(path) for path in self.paths]
        schemas = schemas_to_join(files, types or {})
        self._known = [{field.name for field in one if not pa.types.is_null(field.type)} for one in schemas]
        self.schema = pa.unify_schemas([one.remove_metadata() for one in schemas], promote_options="permissive")
        self._groups = [
            (number, group, file.metadata.row_group(group).num_rows)
            for number, file in enumerate(files)
            for group in range(file.metadata.num_row_groups)
        ]
        self._starts = np.concatenate([[0], np.cumsum([rows for *_, rows in self._groups])]).astype(np.int64)
        self._nulls = _columns_with_nulls(files, self.schema)
        self.dtypes = _dtypes([one.empty_table().to_pandas() for one in schemas], self._nulls)
        empty = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in self.dtypes.items()})
        self._metadata = pa.Schema.from_pandas(empty, preserve_index=False).metadata

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)

    def __len__(self) -> int:
        """Number of samples."""
        return int(self._starts[-1])

    def __contains__(self, name: object) -> bool:
        """Whether there is such a column."""
        return name in self.schema.names

    def __getitem__(self, names: Any) -> Any:
        """A column, or a table of several; read anew each time."""
        if isinstance(names, str):
            return self.table([names])[names]
        return self.table(list(names))

    def __getstate__(self) -> dict[str, Any]:
        """Columns that are kept are read again in another process."""
        return {**self.__dict__, "_held": {}}

    def table(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Whole columns, as one table; of all of them where none are named."""
        import pyarrow as pa

        self._need(names)
        parts = [self._read(place, names) for place in range(len(self._groups))]
        return self._frame(pa.concat_tables(parts) if parts else self._schema(names).empty_table())

    def rows(self, rows: Ints, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Some rows, of all columns or of some; columns that are named are kept for the next call.

        Args:
            rows: positions, (n,), in any order.
            names: of columns.
        """
        if names is not None:
            self._need(names)
            for name in names:
                if name not in self._held:
                    self._held[name] = self._one_piece(name)
            return pd.DataFrame({name: self._held[name].array.take(rows) for name in names}, index=rows)
        order = np.argsort(rows, kind="stable")
        table = self._taken(rows[order])
        out = self._frame(table).set_axis(rows[order])
        return out if bool((order[1:] > order[:-1]).all()) else out.iloc[np.argsort(order)]

    def blocks(self, names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Tables of successive rows, a few hundred thousand each."""
        self._need(names)
        for place in range(len(self._groups)):
            table = self._read(place, names)
            for start in range(0, len(table), BLOCK):
                yield self._frame(table.slice(start, BLOCK))

    def codes(self, name: str) -> tuple[Codes, list[str]]:
        """A column with few different texts as numbers, (n,), and the texts in the order in which they come."""
        places: dict[str, int] = {}
        out = np.empty(len(self), dtype=np.int32)
        start = 0
        for block in self.blocks([name]):
            own, words = pd.factorize(block[name].astype(str))
            known = np.array([places.setdefault(str(word), len(places)) for word in words], dtype=np.int32)
            out[start : start + len(own)] = known[own]
            start += len(own)
        return out, list(places)

    def different(self, name: str) -> set[str]:
        """The different texts of a column that has few."""
        return {str(text) for block in self.blocks([name]) for text in block[name].dropna().astype(str).unique()}

    def has_nulls(self, name: str) -> bool:
        """Whether a column holds nothing in some row."""
        return name in self._nulls

    def _need(self, names: Iterable[str] | None) -> None:
        absent = [name for name in names or () if name not in self]
        if absent:
            raise missing(COLUMN, absent, self.schema.names)

    def _schema(self, names: Sequence[str] | None) -> Any:
        import pyarrow as pa

        if names is None:
            return self.schema
        return pa.schema([self.schema.field(name) for name in names])

    def _read(self, place: int, names: Sequence[str] | None) -> Any:
        """One row group of some columns, with the types that they have in the whole."""
        import pyarrow as pa

        number, group, rows = self._groups[place]
        path, schema = self.paths[number], self._schema(names)
        with reading(path):
            file = open_pages(path)
            known = [name for name in schema.names if name in self._known[number]]
            table = file.read_row_group(group, columns=known, use_threads=False)
        columns = [
            table.column(field.name).cast(field.type) if field.name in known else pa.nulls(rows, field.type)
            for field in schema
        ]
        return pa.table(columns, schema=schema)

    def _taken(self, rows: Ints) -> Any:
        """Rows in order, of all columns, read row group by row group."""
        import pyarrow as pa

        parts = []
        cuts = np.searchsorted(rows, self._starts)
        for place, (begin, end) in enumerate(pairwise(cuts)):
            if end > begin:
                parts.append(self._read(place, None).take(pa.array(rows[begin:end] - self._starts[place])))
        return pa.concat_tables(parts) if parts else self.schema.empty_table()

    def _frame(self, table: Any) -> pd.DataFrame:
        """As pandas holds the whole index: a column with a null anywhere has the type that nulls give it."""
        frame: pd.DataFrame = table.replace_schema_metadata(self._metadata).to_pandas()
        wanted = {name: self.dtypes[str(name)] for name in frame}
        other = {name: kind for name, kind in wanted.items() if frame[name].dtype != kind}
        return with_canonical(frame.astype(other) if other else frame)

    def _one_piece(self, name: str) -> pd.Series:
        """A column whose rows can be taken without looking through its pieces; few texts are held as numbers."""
        import pyarrow as pa

        parts = [self._read(place, [name]) for place in range(len(self._groups))]
        column: pd.Series = self._frame(pa.concat_tables(parts).combine_chunks())[name]
        return column


def different(index: Columns, name: str) -> set[str]:
    """The different texts of a column of an index that has few of them.

    Example:
        >>> sorted(different(pd.DataFrame({"array": ["a", "b", "a", None]}), "array"))
        ['a', 'b']
    """
    if isinstance(index, IndexFile):
        return index.different(name)
    return set(index[name].dropna().astype(str))


def count_different(index: Columns, name: str) -> int:
    """How many different texts a column holds, of any length.

    Example:
        >>> count_different(pd.DataFrame({"group_id": ["a", "b", "a"]}), "group_id")
        2
    """
    if not isinstance(index, IndexFile):
        return int(index[name].nunique())
    import pyarrow as pa
    import pyarrow.compute as pc

    return int(pc.count_distinct(pa.chunked_array(pa.array(index[name], pa.large_string()))).as_py())


def columns_in(path: Path) -> tuple[list[str], list[str]]:
    """The columns of an index, and those of them that hold text; nothing else is read.

    Args:
        path: of the file.

    Raises:
        UserError: it cannot be read.
    """
    import pyarrow as pa

    schema = open_pages(path, "check the path of dataset=").schema_arrow
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_dictionary)
    return schema.names, [field.name for field in schema if any(holds(field.type) for holds in kinds)]


def rows_in(path: Path) -> int:
    """Rows of a table by what its file says.

    Raises:
        UserError: the file is missing or damaged.
    """
    return int(open_pages(path).metadata.num_rows)


def _dtypes(parts: Sequence[pd.DataFrame], nulls: set[str]) -> pd.Series:
    """The types that tables would have as one: those of their empty frames, with room for nulls."""
    out = pd.concat(parts, ignore_index=True).dtypes.copy()
    for name in out.index:
        if name in nulls:
            own = [part[name].dtype for part in parts if name in part]
            out[name] = pd.concat([pd.Series([], dtype=kind) for kind in own]).reindex([0]).dtype
    return out


def _columns_with_nulls(files: Sequence[Any], schema: Any) -> set[str]:
    """Columns that hold nothing somewhere, or of which no count of nulls is written."""
    out = set()
    for file in files:
        out |= {name for name in schema.names if name not in file.schema_arrow.names}
        for group in range(file.metadata.num_row_groups):
            held = file.metadata.row_group(group)
            for column in range(held.num_columns if held.num_rows else 0):
                part = held.column(column)
                if not part.is_stats_set or not part.statistics.has_null_count or part.statistics.null_count:
                    out.add(part.path_in_schema.split(".")[0])
    return out


def checked_index(index: pd.DataFrame, path: Path) -> pd.DataFrame:
    """An index that names each sample once, and for each a row of an array.

    Raises:
        UserError: it does not.
    """
    absent = [name for name in ("id", "group_id", "array", "row") if name not in index]
    if absent:
        raise damaged(path, f"no column {', '.join(absent)}")
    empty = [name for name in ("id", "group_id", "array", "row") if index[name].isna().any()]
    if empty:
        raise damaged(path, f"rows without {', '.join(empty)}")
    if not pd.api.types.is_integer_dtype(index["row"]):
        raise damaged(path, "a column row that holds no whole numbers")
    if index["id"].duplicated().any():
        raise damaged(path, f"the id {index['id'][index['id'].duplicated()].iloc[0]} twice")
    return index


def checked_columns(path: Path, digests: Mapping[str, Any]) -> IndexFile:
    """The same for an index that is not read as a whole.

    Args:
        path: the file.
        digests: of the dataset's files; where there are some, the ids are those that were found unique before they were
            written, and are not looked at again.

    Raises:
        UserError: see :func:`checked_index`.
    """
    index = IndexFile([path])
    names = ("id", "group_id", "array", "row")
    absent = [name for name in names if name not in index]
    if absent:
        raise damaged(path, f"no column {', '.join(absent)}")
    empty = [name for name in names if index.has_nulls(name) and index[name].isna().any()]
    if empty:
        raise damaged(path, f"rows without {', '.join(empty)}")
    if not pd.api.types.is_integer_dtype(index.dtypes["row"]):
        raise damaged(path, "a column row that holds no whole numbers")
    if not digests:
        again = repeats(lambda: (block["id"] for block in index.blocks(["id"])))
        if len(again):
            raise damaged(path, f"the id {index.rows(again[:1])['id'].iloc[0]} twice")
    return index
