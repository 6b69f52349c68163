"""Arrays as parquet tables: what a Croissant reader, which knows no npy, can read sample by sample.

``croissant/<kind>.parquet`` holds ``id``, ``shape`` and either ``values`` (the sample flattened, row-major) or, for
large samples, ``path`` and ``row`` in the npy file. A ragged sample is flattened with its own length in ``shape``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.files import whole
from astrid_ml.types import Ints

LARGEST = 1 << 20  # bytes of one sample up to which its values stand in the table
BATCH = 1 << 25  # bytes written at a time


@dataclass(frozen=True)
class Samples:
    """Which samples each shard holds.

    Args:
        ids: of the whole index, (n,).
        places: shard -> positions of its samples in the index, ascending.
        rows: in its shard, of each sample, (n,).
    """

    ids: pd.Series
    places: dict[str, Ints]
    rows: Ints

    def of(self, shard: str) -> tuple[list[str], Ints]:
        """Ids and rows of a shard's samples, in the order of the index."""
        at = self.places[shard]
        return self.ids.iloc[at].tolist(), self.rows[at]


@dataclass(frozen=True)
class SampleTable:
    """One kind of array as a table.

    Args:
        kind: the array's name.
        file: path relative to the dataset.
        by_path: samples are named by file and row instead of standing in the table.
        dtype: of the values.
        shape: of one sample, None where samples differ.
    """

    kind: str
    file: str
    by_path: bool
    dtype: str
    shape: tuple[int, ...] | None


def kinds_of(dataset: PreparedDataset) -> dict[str, list[tuple[str, bool]]]:
    """kind -> [(shard, ragged)], of the shards that the index names, in the order of the index."""
    out: dict[str, list[tuple[str, bool]]] = {}
    files: dict[str, list[str]] = {}
    for path in sorted((dataset.path / "arrays").glob("*.npy")):
        shard, kind = path.name.removesuffix(".npy").split(".", 1)
        files.setdefault(shard, []).append(kind)
    for shard in dataset.different("array"):
        for kind in files.get(shard, []):
            if kind.endswith(".offsets"):
                continue
            ragged = kind.endswith(".values") and kind.removesuffix("values") + "offsets" in files[shard]
            out.setdefault(kind.removesuffix(".values") if ragged else kind, []).append((shard, ragged))
    return dict(sorted(out.items()))


def write_sample_tables(dataset: PreparedDataset) -> list[SampleTable]:
    """Write one table for each kind, a piece at a time, each whole or not at all."""
    folder = dataset.path / "croissant"
    folder.mkdir(exist_ok=True)
    samples = Samples(dataset.by_column["id"].astype(str), *dataset.places())
    return [_write(dataset, kind, shards, samples) for kind, shards in kinds_of(dataset).items()]


def _write(dataset: PreparedDataset, kind: str, shards: list[tuple[str, bool]], samples: Samples) -> SampleTable:
    arrays = [dataset.shard(shard, f"{kind}.values" if ragged else kind) for shard, ragged in shards]
    dtypes = {np.dtype(array.dtype).str for array in arrays}
    dtype = np.result_type(*(array.dtype for array in arrays))
    if dtype == np.float16:  # readers of parquet rarely know half floats
        dtype = np.dtype(np.float32)
    shapes = {array.shape[1:] for array in arrays}
    ragged = any(flag for _, flag in shards)
    widest = max(int(np.prod(array.shape[1:])) * array.dtype.itemsize for array in arrays)
    by_path = not ragged and widest > LARGEST
    file = f"croissant/{kind}.parquet"
    values = {"path": pa.string(), "row": pa.int64()} if by_path else {"values": pa.list_(pa.from_numpy_dtype(dtype))}
    schema = pa.schema({"id": pa.string(), "shape": pa.string(), **values})
    with whole(dataset.path / file) as part, pq.ParquetWriter(part, schema) as writer:
        for shard, is_ragged in shards:
            pieces = (
                _paths(dataset, kind, shard, samples)
                if by_path
                else _values(dataset, kind, shard, samples, is_ragged, dtype)
            )
            for piece in pieces:
                writer.write_table(pa.table(piece, schema=schema))
    same = shapes.pop() if len(shapes) == 1 and not ragged else None
    return SampleTable(kind, file, by_path, dtype.name if len(dtypes) > 1 else arrays[0].dtype.name, same)


def _paths(dataset: PreparedDataset, kind: str, shard: str, samples: Samples) -> Iterator[dict[str, Any]]:
    ids, rows = samples.of(shard)
    shape = _text(dataset.shard(shard, kind).shape[1:])
    path = f"arrays/{shard}.{kind}.npy"
    yield {"id": ids, "shape": [shape] * len(ids), "path": [path] * len(ids), "row": rows}


def _values(
    dataset: PreparedDataset, kind: str, shard: str, samples: Samples, ragged: bool, dtype: np.dtype[Any]
) -> Iterator[dict[str, Any]]:
    ids, rows = samples.of(shard)
    array = dataset.shard(shard, f"{kind}.values" if ragged else kind)
    starts, stops = rows, rows + 1
    if ragged:
        offsets = dataset.shard(shard, f"{kind}.offsets")
        starts, stops = np.asarray(offsets[rows]), np.asarray(offsets[rows + 1])
    width = int(np.prod(array.shape[1:]))
    longest = max(1, int((stops - starts).max()) * width * dtype.itemsize)
    step = max(1, BATCH // longest)
    for begin in range(0, len(ids), step):
        part = slice(begin, begin + step)
        lengths = stops[part] - starts[part]
        if ragged:
            pieces = [array[a:b].reshape(-1) for a, b in zip(starts[part], stops[part], strict=True)]
            flat = np.concatenate(pieces)
        else:
            flat = array[rows[part]].reshape(-1)
        lists = pa.ListArray.from_arrays(
            np.concatenate([[0], np.cumsum(lengths * width)]).astype(np.int32), pa.array(flat.astype(dtype))
        )
        tail = array.shape[1:]
        shapes = [_text((int(n), *tail)) for n in lengths] if ragged else [_text(tail)] * len(lengths)
        yield {"id": ids[part], "shape": shapes, "values": lists}


def _text(shape: tuple[int, ...]) -> str:
    return ",".join(str(size) for size in shape)
