"""Where each sample's array lies, as a parquet table: a Croissant reader knows no npy, and no array is stored twice.

``croissant/<kind>.parquet`` holds ``id``, ``path`` of an npy file, ``shape``, and ``row`` in that file. A ragged sample
has ``start`` and ``stop`` instead: its rows of the flat array.
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
    """One kind of array, sample by sample.

    Args:
        kind: the array's name.
        file: path relative to the dataset.
        ragged: samples are ``start`` to ``stop`` of a flat array, else each is a ``row``.
        dtype: of the values.
        shapes: of one sample, in the order in which they come; -1 for a length that differs.
    """

    kind: str
    file: str
    ragged: bool
    dtype: str
    shapes: tuple[tuple[int, ...], ...]


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
    """Write one table for each kind, a shard at a time, each whole or not at all.

    Raises:
        ValueError: a kind is ragged in one shard and not in another.
    """
    kinds = kinds_of(dataset)
    if not kinds:
        return []
    (dataset.path / "croissant").mkdir(exist_ok=True)
    samples = Samples(dataset.by_column["id"].astype(str), *dataset.places())
    return [_write(dataset, kind, shards, samples) for kind, shards in kinds.items()]


def _write(dataset: PreparedDataset, kind: str, shards: list[tuple[str, bool]], samples: Samples) -> SampleTable:
    ragged = {flag for _, flag in shards}
    if len(ragged) > 1:
        raise ValueError(f"{kind} is ragged in some shards only")
    [is_ragged] = ragged
    arrays = [dataset.shard(shard, f"{kind}.values" if is_ragged else kind) for shard, _ in shards]
    places = ("start", "stop") if is_ragged else ("row",)
    schema = pa.schema(
        {"id": pa.string(), "path": pa.string(), **dict.fromkeys(places, pa.int64()), "shape": pa.string()}
    )
    file = f"croissant/{kind}.parquet"
    with whole(dataset.path / file) as part, pq.ParquetWriter(part, schema) as writer:
        for (shard, _), array in zip(shards, arrays, strict=True):
            for piece in _pieces(dataset, kind, shard, samples, array.shape[1:], is_ragged):
                writer.write_table(pa.table(piece, schema=schema))
    dtype = np.result_type(*(array.dtype for array in arrays))
    shapes = dict.fromkeys((*([-1] if is_ragged else []), *array.shape[1:]) for array in arrays)
    return SampleTable(kind, file, is_ragged, dtype.name, tuple(shapes))


def _pieces(
    dataset: PreparedDataset, kind: str, shard: str, samples: Samples, tail: tuple[int, ...], ragged: bool
) -> Iterator[dict[str, Any]]:
    ids, rows = samples.of(shard)
    path = f"arrays/{shard}.{kind}.{'values.' if ragged else ''}npy"
    common = {"id": ids, "path": [path] * len(ids)}
    if not ragged:
        yield {**common, "row": rows, "shape": [shape_text(tail)] * len(ids)}
        return
    offsets = dataset.shard(shard, f"{kind}.offsets")
    start, stop = np.asarray(offsets[rows]), np.asarray(offsets[rows + 1])
    yield {**common, "start": start, "stop": stop, "shape": [shape_text((int(n), *tail)) for n in stop - start]}


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as Croissant writes it: ``3,63,63``."""
    return ",".join(str(size) for size in shape)
