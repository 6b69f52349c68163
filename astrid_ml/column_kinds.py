"""Tables that become one: a column of numbers in one of them and of texts in another has to be of one kind in all."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.printable import printable

NOTHING, TRUTH, NUMBERS, TEXTS, TIMES = "nothing", "true and false", "numbers", "texts", "times"
_WRITTEN = frozenset((TRUTH, NUMBERS, TEXTS, TIMES))  # what can be written as text


def settled_types(
    tables: Iterable[tuple[str, Path]], needed: Collection[str] = (), empty: bool = False
) -> dict[str, Any]:
    """Types for the columns that are of different kinds in tables that become one; no row is read.

    Numbers beside true and false become numbers, anything else becomes text, and both are said. A column without any
    value is of no kind.

    Args:
        tables: what messages call it, and a parquet file.
        needed: columns that mean something only if they are of one kind.
        empty: give types also for columns that hold nothing in some tables and are of one kind in the others.

    Returns:
        column -> type of pyarrow; most often nothing.

    Raises:
        UserError: one of the needed columns differs, or one that cannot become text; both tables are named.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> pd.DataFrame({"field": [1, 2]}).to_parquet(folder / "a")
        >>> pd.DataFrame({"field": ["north"]}).to_parquet(folder / "b")
        >>> settled_types([("a", folder / "a"), ("b", folder / "b")])
        {'field': DataType(string)}
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, dict[str, str]] = {}  # column -> kind -> the first table with it
    tables = list(tables)
    for name, path in tables:
        schema = pq.read_schema(path)
        for field in schema:
            found.setdefault(field.name, {}).setdefault(kind_of(field.type), name)
    out: dict[str, Any] = {}
    for column in [column for column, kinds in found.items() if len(kinds) > 1]:
        kinds = _with_values(tables, column)
        if len(kinds) < 2:
            if empty and kinds:
                [(_, out[column])] = kinds.values()
            continue
        where = " and ".join(f"{kind} in {name}" for kind, (name, _) in list(kinds.items())[:3])
        if (column in needed and set(kinds) != {TRUTH, NUMBERS}) or not set(kinds) <= _WRITTEN:
            fix = "write the column in one way in both, or read the files apart"
            raise UserError(f"one kind of values in the column {column}", where, fix)
        numbers = set(kinds) == {TRUTH, NUMBERS}
        out[column] = pa.float64() if numbers else pa.string()
        _say(f"note: the column {column} holds {where}: it becomes {NUMBERS if numbers else 'text'}")
    return out


def kind_of(given: Any) -> str:
    """What a type of pyarrow holds, in a word; nothing for a column without any value."""
    import pyarrow as pa

    if pa.types.is_dictionary(given):
        return kind_of(given.value_type)
    checks = {
        NOTHING: (pa.types.is_null,),
        TRUTH: (pa.types.is_boolean,),
        NUMBERS: (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
        TEXTS: (pa.types.is_string, pa.types.is_large_string),
        TIMES: (pa.types.is_temporal,),
    }
    return next((word for word, each in checks.items() if any(check(given) for check in each)), f"values of {given}")


def with_types(table: pd.DataFrame, types: Mapping[str, Any]) -> pd.DataFrame:
    """A table with the types of :func:`settled_types`; the same one where it has none of these columns."""
    import pyarrow as pa

    made = {
        name: pa.array(table[name], from_pandas=True).cast(kind).to_pandas().set_axis(table.index)
        for name, kind in types.items()
        if name in table
    }
    return table.assign(**made) if made else table


def cast_table(table: Any, types: Mapping[str, Any]) -> Any:
    """The same for a table of pyarrow."""
    for name in [name for name in types if name in table.column_names]:
        place = table.column_names.index(name)
        table = table.set_column(place, name, table.column(place).cast(types[name]))
    return table


def schemas_to_join(files: Sequence[Any], types: Mapping[str, Any]) -> list[Any]:
    """Schemas of parquet files that become one, for files that are too large to be read as tables.

    Args:
        files: as pyarrow opens them.
        types: of :func:`settled_types`; what pandas noted of these columns is forgotten.

    Returns:
        for each file its schema, where columns that hold nothing there and are of another kind in the next have the
        type null.
    """
    import pyarrow as pa

    schemas = [_with_fields(file.schema_arrow, types) for file in files]
    kinds: dict[str, set[str]] = {}
    for schema in schemas:
        for one in schema:
            kinds.setdefault(one.name, set()).add(kind_of(one.type))
    several = [name for name, found in kinds.items() if len(found - {NOTHING}) > 1]
    for place, file in enumerate(files):
        empty = [name for name in several if name in schemas[place].names and _holds_nothing(file.metadata, name)]
        schemas[place] = _with_fields(schemas[place], dict.fromkeys(empty, pa.null()))
    return schemas


def _with_fields(schema: Any, types: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    if not set(types) & set(schema.names):
        return schema
    noted = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    noted["columns"] = [one for one in noted.get("columns", []) if one.get("name") not in types]
    fields = [pa.field(one.name, types.get(one.name, one.type)) for one in schema]
    return pa.schema(fields, {b"pandas": json.dumps(noted).encode()})


def _with_values(tables: Iterable[tuple[str, Path]], column: str) -> dict[str, tuple[str, Any]]:
    """Kind -> the first table in which the column is of it and holds a value, and its type there."""
    import pyarrow.parquet as pq

    out: dict[str, tuple[str, Any]] = {}
    for name, path in tables:
        schema = pq.read_schema(path)
        if column not in schema.names:
            continue
        kind = kind_of(schema.field(column).type)
        if kind != NOTHING and kind not in out and not _holds_nothing(pq.read_metadata(path), column):
            out[kind] = name, schema.field(column).type
    return out


def _holds_nothing(meta: Any, column: str) -> bool:
    """Whether all that a column holds is null, as the file says it."""
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        for place in range(group.num_columns):
            part = group.column(place)
            if part.path_in_schema.split(".")[0] == column:
                known = part.is_stats_set and part.statistics.has_null_count
                if not known or part.statistics.null_count < group.num_rows:
                    return False
    return True


@cache
def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
