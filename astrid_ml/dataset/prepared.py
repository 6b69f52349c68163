"""The one reader of prepared datasets: an index, and arrays that stay on disk until a batch asks for them."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.dataset.digests import SMALL, check_file, damaged, read_digests
from astrid_ml.dataset.index_file import ROWS, IndexFile, IndexTable, checked_columns, checked_index, rows_in
from astrid_ml.dataset.pages import read_pages
from astrid_ml.errors import UserError
from astrid_ml.files import read_array, read_note
from astrid_ml.inputs import DATASET, require
from astrid_ml.missions import with_canonical
from astrid_ml.nearest import missing
from astrid_ml.reasons import shortened
from astrid_ml.types import Array, Codes, Ints

SCHEMA, INDEX = 1, "index.parquet"
# Of what kind the parts of dataset.json are that are read from it; those of NEEDED stand in every one.
KINDS: dict[str, type] = {"schema": int, "fingerprint": str, "domain": str, "counts": dict, "description": dict}
ARRAY = "a kind of array of the dataset"
NEEDED = ("schema", "fingerprint")
FRAME, FRAMES = "frame", "image"  # the kind of whole frames; the column of their files


class ShardedSource:
    """Samples in shards: ``index.array`` names the shard, ``index.row`` the row in each of its arrays.

    Subclasses say where a shard's array is.

    Args:
        index: one row a sample; ``array`` names its shard, ``row`` its place in it.
        meta: the content of ``dataset.json``.
    """

    index: pd.DataFrame
    meta: dict[str, Any]
    frame_column = "array"

    @property
    def by_column(self) -> Columns:
        """The index by its columns; of an index on disk only those that are asked for are read."""
        return self.index

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the arrays' channels, as the pipeline describes them; empty where it does not."""
        return tuple(self.meta.get("description", {}).get("channels", ()))

    def frame(self, name: str) -> Array:
        """The frame (H, W, C) that a shard holds."""
        frame: Array = self.shard(name, FRAME)[0]
        return frame

    def shard(self, name: str, kind: str) -> Array:
        """The array of one shard and kind; KeyError where the shard has no such kind."""
        raise KeyError(kind)

    def different(self, name: str) -> list[str]:
        """The different texts of a column, in the order in which they come first; of one that has few."""
        index = self.by_column
        if isinstance(index, IndexFile):
            return [text for text in index.codes(name)[1] if text]
        return [str(text) for text in index[name].dropna().unique()]

    def _by_shard(self, rows: Ints) -> list[tuple[str, Ints, Ints]]:
        """[(shard, positions within ``rows``, rows within the shard)], rows ascending for sequential reads."""
        names = self._codes()[rows]
        within = self._rows()[rows]
        if len(within) and int(within.min()) < 0:
            raise UserError("rows of arrays from 0", f"{int(within.min())} in the index", "prepare the dataset again")
        order = np.lexsort((within, names))
        cuts = np.flatnonzero(np.diff(names[order])) + 1
        return [
            (self._shard_names[int(names[part[0]])], part.astype(np.int64), within[part])
            for part in np.split(order, cuts)
            if len(part)
        ]

    def places(self) -> tuple[dict[str, Ints], Ints]:
        """Shard -> positions of its samples in the index, ascending; and each sample's row in its shard, (n,)."""
        codes, rows = self._codes(), self._rows()
        order = np.argsort(codes, kind="stable").astype(np.int64)
        parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(self._shard_names)))[:-1])
        return dict(zip(self._shard_names, parts, strict=True)), rows

    def _codes(self) -> Codes:
        index = self.by_column
        if getattr(self, "_cached_for", None) is not index:
            if isinstance(index, IndexFile):
                codes, names = index.codes("array")
            else:
                places, found = pd.factorize(index["array"])
                codes, names = places.astype(np.int32), [str(name) for name in found]
            self._shard_codes, self._shard_names = codes, names
            rows: Ints = index["row"].to_numpy(dtype=np.int64)
            self._shard_rows = rows
            self._cached_for = index
        return self._shard_codes

    def _rows(self) -> Ints:
        self._codes()
        return self._shard_rows

    def groups(self, kind: str, rows: Ints) -> list[tuple[Ints, Array]]:
        """Arrays apart for each trailing shape: [(positions within ``rows``, (m, ...) array), ...]."""
        parts = []
        for name, positions, within in self._by_shard(rows):
            array = self.shard(name, kind)
            check_rows(name, within, len(array))
            parts.append((positions, within, array))
        shapes: dict[tuple[tuple[int, ...], str], list[int]] = {}
        for number, (_, _, array) in enumerate(parts):
            shapes.setdefault((array.shape[1:], array.dtype.str), []).append(number)
        return [_stacked([parts[number] for number in numbers]) for numbers in shapes.values()]

    def gather(self, kind: str, rows: Ints) -> Array:
        """Arrays of equal shape, stacked in the order of ``rows``: (n, ...)."""
        groups = self.groups(kind, rows)
        if len(groups) != 1:
            raise ValueError(f"{kind} has {len(groups)} shapes among these rows; use groups()")
        return groups[0][1]

    def ragged(self, kind: str, rows: Ints) -> tuple[Array, Ints]:
        """Flat values (sum of lengths, ...) and offsets (n + 1,) in the order of ``rows``."""
        pieces: list[Array] = [np.empty(0)] * len(rows)
        for name, positions, within in self._by_shard(rows):
            values, offsets = self.shard(name, f"{kind}.values"), self.shard(name, f"{kind}.offsets")
            check_rows(name, within, len(offsets) - 1)
            for position, row in zip(positions, within, strict=True):
                pieces[int(position)] = values[offsets[row] : offsets[row + 1]]
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        flat = np.concatenate(pieces) if pieces else np.empty(0)
        return flat, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def check_rows(name: str, within: Ints, length: int) -> None:
    """Refuse rows that the array of a shard does not have: ``take`` would give another sample for them."""
    if int(within[-1]) >= length:
        got = f"row {int(within[-1])} of {name}, which has {length}"
        raise UserError("an index that fits its arrays", got, "prepare the dataset again")


def _stacked(
    parts: list[tuple[Ints, Ints, Array]],
) -> tuple[Ints, Array]:
    """(positions, within, array) of several shards -> positions ascending and one array in their order.

    Where each shard's positions are a run (sorted rows, as a training batch has them) every sample is copied once.
    """
    positions = np.concatenate([part[0] for part in parts])
    first = parts[0][2]
    out = np.empty((len(positions), *first.shape[1:]), dtype=first.dtype)
    ordered = np.sort(positions)
    for place, within, array in parts:
        start = int(np.searchsorted(ordered, place[0]))
        stop = start + len(place)
        if stop <= len(ordered) and np.array_equal(place, ordered[start:stop]):
            np.take(array, within, axis=0, out=out[start:stop], mode="clip")  # "raise" would buffer a copy
        else:
            out[np.searchsorted(ordered, place)] = array[within]
    return ordered, out


class PreparedDataset(ShardedSource):
    """A published dataset: immutable, memory-mapped.

    Args:
        path: the folder with ``dataset.json``, ``index.parquet`` and ``arrays/``.

    Raises:
        UserError: the folder is missing, unfinished, damaged, or from a newer schema.

    Example:
        >>> import tempfile
        >>> from astrid_ml.pipeline.engine import prepare_dataset
        >>> from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
        >>> from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
        >>> raw, store = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        >>> _ = SimulateTriplets(n=4, missions=("ztf",), prevalence=0.5).run(raw, seed=1)
        >>> data = PreparedDataset(prepare_dataset(TripletsPipeline(), [raw], store, name="demo", progress=False).path)
        >>> data.gather("stamps", np.array([0, 3])).shape, data.channels
        ((2, 3, 63, 63), ('science', 'reference', 'difference'))
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.meta: dict[str, Any] = _read_meta(self.path)
        self.digests = read_digests(self.path, self.meta)
        self._whole = sum(size for size, _ in self.digests.values()) <= SMALL
        self._seen: set[str] = set()
        check_file(self.path, INDEX, self.digests, content=True)
        self._index: pd.DataFrame | None = None
        self._columns: IndexFile | None = None
        if rows_in(self.path / INDEX) > ROWS:
            self._columns = checked_columns(self.path / INDEX, self.digests)
        else:
            self._index = self._read_index()
        self._open: dict[tuple[str, str], Array] = {}

    def _read_index(self) -> pd.DataFrame:
        return IndexTable(with_canonical(checked_index(read_pages(self.path / INDEX), self.path / INDEX)))

    @property
    def index(self) -> pd.DataFrame:
        """The whole index as a table; one of more than a million samples is read when this is first asked for."""
        if self._index is None:
            self._index = self._read_index()
        return self._index

    @index.setter
    def index(self, table: pd.DataFrame) -> None:
        self._index, self._columns = table, None

    @property
    def by_column(self) -> Columns:
        """The index by its columns; of a large one only those that are asked for are read."""
        return self.index if self._columns is None else self._columns

    frame_column = "image"

    def frame(self, name: str) -> Array:
        """The frame (H, W, C) that is a file of the dataset, memory-mapped.

        Raises:
            UserError: the file is missing.
        """
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise UserError("frames inside the dataset", f"{name} in the index", "prepare the dataset again")
        if not path.is_file():
            raise UserError("the frames beside the index", f"no {path}", "restore the folder, or prepare it again")
        self._check(name)
        return read_array(path, "r")

    @property
    def partial(self) -> list[dict[str, str]]:
        """Units that failed when it was made, each with ``id`` and ``reason``; empty for a whole dataset."""
        return units_that_failed(self.meta)

    def table(self, name: str) -> pd.DataFrame:
        """A side table by its name.

        Raises:
            UserError: it is missing, or not what was written.
        """
        self._check(f"{name}.parquet")
        return read_pages(self.path / f"{name}.parquet")

    def _check(self, name: str) -> None:
        """Compare a file with what was written, once in the life of a dataset and of its copies."""
        if name not in self._seen:
            check_file(self.path, name, self.digests, content=self._whole)
            self._seen.add(name)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the pipeline, its inputs and its labels."""
        return str(self.meta["fingerprint"])

    def shard(self, name: str, kind: str) -> Array:
        """A memory-mapped array; opened once."""
        key = (name, kind)
        if key not in self._open:
            folder = self.path / "arrays"
            if not name and FRAMES in self.by_column:
                raise missing(ARRAY, [kind], [])  # samples that are places in frames have no arrays of their own
            if Path(name).name != name or name in ("", ".", ".."):
                raise UserError("names of arrays in the index", shortened(repr(name), 80), "prepare the dataset again")
            file = folder / f"{name}.{kind}.npy"
            if not file.is_file():
                if FRAMES not in self.by_column and not any(folder.glob(f"{glob.escape(name)}.*.npy")):
                    got = f"nothing of {name} in {folder}"
                    raise UserError("the arrays beside the index", got, "restore the folder, or prepare it again")
                there = sorted(path.name[len(name) + 1 : -4] for path in folder.glob(f"{glob.escape(name)}.*.npy"))
                raise missing(ARRAY, [kind], there)
            self._check(f"arrays/{file.name}")
            self._open[key] = read_array(file, "r")
        return self._open[key]

    def __getstate__(self) -> dict[str, Any]:
        """Maps are opened again in another process."""
        return {**self.__dict__, "_open": {}}


def units_that_failed(meta: dict[str, Any]) -> list[dict[str, str]]:
    """Of ``dataset.json``: units whose failure may pass. Files that are missing are part of the fingerprint instead."""
    failed = meta.get("failed") or []
    return [drop for drop in failed if not str(drop.get("reason", "")).startswith("missing ")]


def said_of_partial(meta: dict[str, Any]) -> str | None:
    """One sentence for reports on a partial dataset; None for a whole one.

    Args:
        meta: of ``dataset.json``, or a record with ``failed`` of it.

    Example:
        >>> said_of_partial({"failed": [{"id": "night1", "reason": "PermissionError: no right"}]})
        'The dataset is partial: 1 unit failed (night1: PermissionError: no right). astrid prepare tries it again.'
    """
    failed = units_that_failed(meta)
    if not failed:
        return None
    first = shortened(f"{failed[0].get('id')}: {failed[0].get('reason')}", 160)
    words, them = ("1 unit", "it") if len(failed) == 1 else (f"{len(failed)} units", "them")
    named = first if len(failed) == 1 else f"the first is {first}"
    return f"The dataset is partial: {words} failed ({named}). astrid prepare tries {them} again."


def _read_meta(path: Path) -> dict[str, Any]:
    file = require(DATASET, path, "dataset") / "dataset.json"
    try:
        meta: dict[str, Any] = read_note(file)
    except (ValueError, RecursionError) as error:
        raise damaged(file, "no whole JSON") from error
    if not isinstance(meta, dict):
        raise damaged(file, "no mapping")
    newer = isinstance(meta.get("schema"), int) and meta["schema"] != SCHEMA
    wrong = [] if newer else [name for name, kind in KINDS.items() if not _is_kind(meta, name, kind)]
    if wrong:
        raise damaged(file, f"no valid {', '.join(wrong)}")
    if meta.get("schema") != SCHEMA:
        raise UserError(f"a dataset of schema {SCHEMA}", f"schema {meta.get('schema')} at {path}", "update astrid_ml")
    return meta


def _is_kind(meta: dict[str, Any], name: str, kind: type) -> bool:
    return isinstance(meta[name], kind) if name in meta else name not in NEEDED


def domain_of_dataset(folder: Path) -> str:
    """The domain whose pipeline made a dataset; nothing but its description is read."""
    return str(_read_meta(folder).get("domain"))
