"""The two places where a unit's samples go: memory (prediction) and disk (preparing)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.contracts.check import ContractError, described
from astrid_ml.contracts.pipeline import Drop
from astrid_ml.dataset.pages import write_pages
from astrid_ml.dataset.prepared import ShardedSource
from astrid_ml.files import save_array
from astrid_ml.missions import with_canonical
from astrid_ml.printable import LONGEST_ID, TOO_LONG, as_id, printable, with_encodable
from astrid_ml.types import Array, Ints

# Below a unit's folder: whole frames under their published paths, and side tables.
FILES, TABLES = "files", "tables"
ALIKE = 20  # drops of one id and one reason that are named each with its place
Signature = tuple[tuple[str, tuple[int, ...], str], ...]


def _with_ids(records: pd.DataFrame) -> pd.DataFrame:
    """Records whose ids are lines of text without control characters; the same ones where they all are."""
    for name in ("id", "group_id"):
        if not pd.api.types.is_numeric_dtype(records[name]):
            values = [value if pd.isna(value) else as_id(str(value)) for value in records[name]]
            if values != records[name].tolist():
                records = records.assign(**{name: values})
    return records


@dataclass
class OpenShard:
    """Arrays that are filled in place.

    Args:
        name: of the shard, as the index's column ``array`` holds it.
        arrays: kind -> writable array.
    """

    name: str
    arrays: Mapping[str, Array]


class BaseWriter:
    """Collects records, shards, drops and counts; a subclass says where open shards live.

    Args:
        prefix: begins the name of every shard.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.records: list[pd.DataFrame] = []
        self.drops: list[Drop] = []
        self._alike: dict[tuple[str, str], list[int]] = {}  # (id, reason) -> places in drops
        self.counts: Counter[str] = Counter()
        self.parts: dict[str, dict[str, list[Array]]] = {}
        self.tables: dict[str, list[pd.DataFrame]] = {}
        self._names: dict[Signature, str] = {}
        self._lengths: Counter[str] = Counter()
        self._number = 0

    def drop(self, id: str, reason: str, source: str = "") -> None:
        """Count a record that is left out; those of one id and reason have a row of their own up to ``ALIKE``.

        Of an id of megabytes the beginning is kept.
        """
        drop = Drop(printable(str(id)[:LONGEST_ID]), printable(reason), printable(source))
        alike = self._alike.setdefault((drop.id, drop.reason), [])
        if len(alike) <= ALIKE:
            alike.append(len(self.drops))
            self.drops.append(drop)
            return
        last = self.drops[alike[-1]]
        place = last.source if last.count > 1 or not last.source else f"{last.source} and further ones"
        self.drops[alike[-1]] = replace(last, source=place, count=last.count + 1)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a named counter."""
        self.counts[name] += n

    def add(self, records: pd.DataFrame, arrays: Mapping[str, Array]) -> None:
        """Append n samples with arrays of shape (n, ...)."""
        self._check(records, arrays)
        kept = self._with_short_ids(records)
        if len(kept) < len(records):
            arrays = {kind: array[kept] for kind, array in arrays.items()}
        records = records.iloc[kept]
        if not len(records):
            return
        for kind, array in arrays.items():
            check_array(kind, array)
        signature = tuple((kind, array.shape[1:], array.dtype.str) for kind, array in sorted(arrays.items()))
        name = self._shard_for(signature)
        for kind, array in arrays.items():
            self.parts[name].setdefault(kind, []).append(np.ascontiguousarray(array))
        self._append(records, name)

    def add_ragged(self, records: pd.DataFrame, values: Mapping[str, Sequence[Array]]) -> None:
        """Append n samples of unequal length: flat values and lengths."""
        self._check(records, values)
        kept = self._with_short_ids(records)
        if len(kept) < len(records):
            values = {kind: [arrays[place] for place in kept] for kind, arrays in values.items()}
        records = records.iloc[kept]
        if not len(records):
            return
        shapes = {kind: np.asarray(arrays[0]) for kind, arrays in values.items()}
        for kind, first in shapes.items():
            check_array(kind, first)
        signature = tuple(
            (f"{kind}.ragged", first.shape[1:], first.dtype.str) for kind, first in sorted(shapes.items())
        )
        name = self._shard_for(signature)
        for kind, arrays in values.items():
            self.parts[name].setdefault(f"{kind}.values", []).append(np.concatenate(arrays))
            lengths = np.array([len(array) for array in arrays], dtype=np.int64)
            self.parts[name].setdefault(f"{kind}.lengths", []).append(lengths)
        self._append(records, name)

    def open_shard(self, arrays: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]]) -> OpenShard:
        """Open arrays to be filled in place."""
        name = self._next_name()
        return OpenShard(
            name, {kind: self._create(name, kind, shape, dtype) for kind, (shape, dtype) in arrays.items()}
        )

    def open_frame(self, path: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> OpenShard:
        """Open one whole frame: a file of its own on disk, the one sample of kind ``frame`` in memory."""
        name = self._next_name()
        return OpenShard(name, {"frame": self._create_frame(name, path, shape, dtype)})

    def add_table(self, name: str, table: pd.DataFrame) -> None:
        """Append rows of a side table."""
        self.tables.setdefault(name, []).append(with_encodable(table))

    def add_rows(self, records: pd.DataFrame, shard: Any) -> None:
        """Append samples that point into an open shard by their column ``row``."""
        self._check(records, {})
        if "row" not in records:
            raise ContractError(
                "records of an open shard with the column row", "none", "set it: the place in the shard"
            )
        last = min(len(array) for array in shard.arrays.values()) - 1
        wrong = records["row"][~records["row"].between(0, last)]
        if len(wrong) and "frame" not in shard.arrays:  # samples point to row 0 of a frame
            got = f"{len(wrong)} rows beyond it, the first is {wrong.iloc[0]}"
            raise ContractError(f"rows of an open shard, from 0 to {last}", got, "count the rows from 0")
        kept = records.iloc[self._with_short_ids(records)]
        self.records.append(_with_ids(with_encodable(kept)).assign(array=shard.name))

    def finished_parts(self) -> dict[str, dict[str, Array]]:
        """shard -> kind -> array, with lengths turned into offsets."""
        out: dict[str, dict[str, Array]] = {}
        for name, kinds in self.parts.items():
            out[name] = {}
            for kind, pieces in kinds.items():
                array = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                if kind.endswith(".lengths"):
                    kind, array = kind.removesuffix("lengths") + "offsets", np.concatenate([[0], np.cumsum(array)])
                out[name][kind] = array
        return out

    def table(self) -> pd.DataFrame:
        """All records, or an empty table."""
        if not self.records:
            return pd.DataFrame({"id": [], "group_id": [], "array": [], "row": []})
        return with_canonical(pd.concat(self.records, ignore_index=True))

    def _create(self, name: str, kind: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        raise TypeError("a writer must say where open shards live")

    def _create_frame(self, name: str, path: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        frame: Array = self._create(name, "frame", (1, *shape), dtype)[0]
        return frame

    def _append(self, records: pd.DataFrame, name: str) -> None:
        start = self._lengths[name]
        self._lengths[name] += len(records)
        records = _with_ids(with_encodable(records))
        self.records.append(records.assign(array=name, row=np.arange(start, start + len(records), dtype=np.int64)))

    def _with_short_ids(self, records: pd.DataFrame) -> Ints:
        """Rows whose ids are no texts of megabytes; the others are dropped, by the beginning of their id."""
        longest = np.zeros(len(records), dtype=np.int64)
        for name in ("id", "group_id"):
            if not pd.api.types.is_numeric_dtype(records[name]):
                longest = np.maximum(longest, [len(str(value)) for value in records[name]])
        for place in np.flatnonzero(longest > LONGEST_ID):
            shown = str(records["id"].iloc[place])[:60]
            source = str(records["source"].iloc[place])[:LONGEST_ID] if "source" in records else ""
            self.drop(shown, TOO_LONG, source)
        return np.flatnonzero(longest <= LONGEST_ID)

    def _shard_for(self, signature: Signature) -> str:
        if signature not in self._names:
            self._names[signature] = self._next_name()
            self.parts[self._names[signature]] = {}
        return self._names[signature]

    def _next_name(self) -> str:
        name = f"{self.prefix}-{self._number}"
        self._number += 1
        return name

    @staticmethod
    def _check(records: pd.DataFrame, arrays: Mapping[str, Any]) -> None:
        if not isinstance(records, pd.DataFrame):
            raise ContractError("records that are a table of pandas", described(records), "give a pandas.DataFrame")
        absent = sorted({"id", "group_id"} - set(records.columns))
        if absent:
            columns = ", ".join(map(str, records.columns[:12]))
            raise ContractError(
                "records with id and group_id", f"records lack {', '.join(absent)} ({columns})", _COLUMNS
            )
        wrong = {kind: len(array) for kind, array in arrays.items() if len(array) != len(records)}
        if wrong:
            lengths = ", ".join(f"{kind} of {n}" for kind, n in wrong.items())
            fix = "give an array whose first axis is the samples"
            raise ContractError("one array a sample", f"{len(records)} records, but arrays {lengths}", fix)


_COLUMNS = "see the columns in DomainPipeline of astrid_ml.contracts.pipeline"


def check_array(kind: str, array: Any) -> None:
    """Refuse what is no array of numbers.

    Args:
        kind: its name.
        array: what was given.

    Raises:
        ContractError: says what it is.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
        got = f"{kind} is {described(array)}" + (f" of {array.dtype}" if isinstance(array, np.ndarray) else "")
        raise ContractError("arrays that are numpy arrays of numbers", got, f"for instance {kind}=numpy.stack(...)")


class MemorySource(ShardedSource):
    """One unit's samples in memory.

    Args:
        index: one row a sample; ``array`` names its shard, ``row`` its place in it.
        arrays: shard -> kind -> array of shape (n, ...).
        meta: as ``dataset.json`` would hold it; ``description`` is the pipeline's.
    """

    def __init__(self, index: pd.DataFrame, arrays: dict[str, dict[str, Array]], meta: dict[str, Any]) -> None:
        self.index, self.arrays, self.meta = index, arrays, meta

    def shard(self, name: str, kind: str) -> Array:
        """The array; KeyError where there is none."""
        return self.arrays[name][kind]


class MemoryUnitWriter(BaseWriter):
    """Keeps a unit's samples in memory, for prediction.

    Args:
        meta: what ``describe`` of the pipeline says, given on to the source.
    """

    def __init__(self, meta: dict[str, Any] | None = None) -> None:
        super().__init__("memory")
        self.meta = meta or {}
        self.opened: dict[str, dict[str, Array]] = {}

    def _create(self, name: str, kind: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        array = np.zeros(shape, dtype=dtype)
        self.opened.setdefault(name, {})[kind] = array
        return array

    def source(self) -> MemorySource:
        """The samples so far."""
        return MemorySource(self.table(), {**self.opened, **self.finished_parts()}, {"description": self.meta})


class DiskUnitWriter(BaseWriter):
    """Writes a unit's samples into a folder: ``<shard>.<kind>.npy`` and ``records.parquet``.

    Args:
        folder: an existing folder that nobody else writes.
        prefix: begins the shard names; unique among units.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        super().__init__(prefix)
        self.folder = folder

    def _create(self, name: str, kind: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        path = self.folder / f"{name}.{kind}.npy"
        array: Array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        return array

    def _create_frame(self, name: str, path: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        file = self.folder / FILES / path
        file.parent.mkdir(parents=True, exist_ok=True)
        array: Array = np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(dtype), shape=shape)
        return array

    def close(self) -> int:
        """Write everything that is not on disk yet and return the number of records."""
        for name, kinds in self.finished_parts().items():
            for kind, array in kinds.items():
                save_array(self.folder / f"{name}.{kind}.npy", array)
        for name, tables in self.tables.items():
            (self.folder / TABLES).mkdir(exist_ok=True)
            write_pages(pd.concat(tables, ignore_index=True), self.folder / TABLES / f"{name}.parquet")
        table = self.table()
        write_pages(table, self.folder / "records.parquet")
        return len(table)
