"""Tables with a row an object whose cells hold its light curve: lists, structs of lists, lists of structs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from astrid_ml.preprocessing.lightcurves.curves.row_blocks import exact

ALERT = ("diaSource", "prvDiaSources", "prvDiaForcedSources")  # of Rubin's alerts and ELAsTiCC's


def is_nested_parquet(path: Path) -> bool:
    """Whether a file is parquet of alerts with ``diaSource`` and at least one history; a damaged one is not."""
    if path.suffix != ".parquet":
        return False
    try:
        names = set(pq.read_schema(path).names)
    except (OSError, ValueError):
        return False
    return ALERT[0] in names and bool(names & set(ALERT[1:]))


def is_nested(schema: pa.Schema) -> bool:
    """Whether a column holds lists of numbers or texts, or of structs of them."""
    return any(_kind(field.type) for field in schema)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _kind(kind: pa.DataType) -> str:
    """``list``, ``structs`` (a list of structs) or ``struct`` (of lists); empty for anything else."""
    if _is_list(kind):
        inner = kind.value_type
        return "structs" if pa.types.is_struct(inner) else "" if pa.types.is_nested(inner) else "list"
    if pa.types.is_struct(kind) and kind.num_fields:
        lists = [
            _is_list(kind.field(n).type) and not pa.types.is_nested(kind.field(n).type.value_type)
            for n in range(kind.num_fields)
        ]
        return "struct" if any(lists) else ""
    return ""


def nests_of(schema: pa.Schema) -> dict[str, list[str]]:
    """Name of a nest (empty for columns of lists side by side) -> the names of its columns, for each nest."""
    found: dict[str, list[str]] = {}
    for field in schema:
        kind = _kind(field.type)
        if kind == "list":
            found.setdefault("", []).append(field.name)
        elif kind:
            inner = field.type.value_type if kind == "structs" else field.type
            found[field.name] = [inner.field(n).name for n in range(inner.num_fields)]
    return found


def plain_names(schema: pa.Schema) -> list[str]:
    """Names of the columns with one value an object."""
    return [field.name for field in schema if not pa.types.is_nested(field.type)]


def unnested(batch: pa.RecordBatch) -> Iterator[tuple[str, pd.DataFrame]]:
    """(name of a nest, its rows with what is said of their object) of a part of a table.

    Raises:
        ValueError: lists of one object that are not equally long.
    """
    plain = pa.table({name: batch.column(name) for name in plain_names(batch.schema)})
    objects = exact(plain) if plain.num_columns else pd.DataFrame(index=range(len(batch)))
    for nest in nests_of(batch.schema):
        lengths, columns = _columns(batch, nest)
        if lengths is None or not lengths.sum():
            continue
        about = objects.iloc[np.repeat(np.arange(len(batch)), lengths)].reset_index(drop=True)
        rows = pd.DataFrame({name: values.to_pandas() for name, values in columns.items()})
        yield nest, pd.concat([about.drop(columns=[n for n in rows if n in about]), rows], axis=1)


def _columns(batch: pa.RecordBatch, nest: str) -> tuple[np.ndarray | None, dict[str, pa.Array]]:
    if not nest:
        lists = {f.name: batch.column(f.name) for f in batch.schema if _kind(f.type) == "list"}
    else:
        column = batch.column(nest)
        if _is_list(column.type):
            inner = pc.list_flatten(column)
            names = [inner.type.field(n).name for n in range(inner.type.num_fields)]
            flat = dict(zip(names, inner.flatten(), strict=True))
            return _lengths(column), {n: v for n, v in flat.items() if not pa.types.is_nested(v.type)}
        names = [column.type.field(n).name for n in range(column.type.num_fields)]
        lists = {n: v for n, v in zip(names, column.flatten(), strict=True) if _kind(v.type) == "list"}
    lengths: np.ndarray | None = None
    for name, column in lists.items():
        own = _lengths(column)
        if lengths is not None and not np.array_equal(own, lengths):
            raise ValueError(f"lists of one object that are not equally long: {name} and another")
        lengths = own
    return lengths, {name: pc.list_flatten(column) for name, column in lists.items()}


def _lengths(column: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
