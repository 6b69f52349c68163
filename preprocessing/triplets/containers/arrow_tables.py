"""Tables of Arrow: files as Hugging Face writes them, and columns of lists as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.inflating import Held, SwollenError, most_inflated, shared_bytes
from astrid_ml.types import Array


def arrow_table(path: Path) -> Any:
    """A table of an Arrow file, mapped: a stream, as Hugging Face writes it, or a file.

    Raises:
        SwollenError: its compressed parts inflate to more than they may.
    """
    state = path.stat()
    return _arrow_table(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)  # it is read in runs of rows, and looked through as a whole when it is opened
def _arrow_table(path: Path, size: int, _: int) -> Any:
    import pyarrow as pa

    mapped = pa.memory_map(str(path))
    try:
        with pa.ipc.open_stream(mapped) as stream:
            table = pa.Table.from_batches(_within(stream, path), stream.schema)
    except pa.ArrowInvalid:
        mapped.seek(0)
        with pa.ipc.open_file(mapped) as file:
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
            table = pa.Table.from_batches(_within(batches, path), file.schema)
    table.validate(full=True)  # offsets beyond the file end the process of whoever follows them
    Held("texts", size).add(sum(map(shared_bytes, table.columns)))
    return table


def _within(batches: Iterable[Any], path: Path) -> Iterator[Any]:
    most, held = most_inflated(path.stat().st_size), 0
    for batch in batches:
        held += batch.get_total_buffer_size()  # nbytes follows offsets, which may lead beyond the file
        if held > most:
            raise SwollenError(f"more than {most} bytes when it is inflated: write it uncompressed")
        yield batch


def depth_of(kind: Any) -> int:
    """How many lists stand within each other in a column's type, with numbers in the innermost; 0 for none."""
    import pyarrow as pa

    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if pa.types.is_floating(kind) or pa.types.is_integer(kind) else 0


def columns_of_bytes(path: Path) -> list[str]:
    """The columns of a table that hold bytes, or structures with them: arrays without a shape, or pictures.

    Raises:
        pyarrow's errors: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_table(path).schema if path.suffix.lower() == ".arrow" else pq.read_schema(path)
    return [
        field.name
        for field in schema
        if any(
            pa.types.is_binary(kind) or pa.types.is_large_binary(kind) for kind in (field.type, *_within_struct(field))
        )
    ]


def _within_struct(field: Any) -> list[Any]:
    import pyarrow as pa

    return [part.type for part in field.type] if pa.types.is_struct(field.type) else []


def array_of_lists(column: Any, name: str) -> Array:
    """A column of lists of one length each as one array.

    Raises:
        ValueError: lists of different lengths, or rows without one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if flat.null_count:
        raise ValueError(f"{flat.null_count} rows without {name}")
    shape = [len(flat)]
    while depth_of(flat.type):
        lengths = pc.min_max(pc.list_value_length(flat)).as_py()
        if lengths["min"] != lengths["max"]:
            raise ValueError(f"lists of different lengths in {name}")
        flat = flat.flatten()
        if shape[-1] and len(flat) % math.prod(shape):
            raise ValueError(f"lists of different lengths in {name}")
        shape.append(len(flat) // max(1, math.prod(shape)))
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(shape)
