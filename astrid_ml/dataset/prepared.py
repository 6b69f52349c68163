"""The one reader of prepared datasets: an index, and arrays that stay on disk until a batch asks for them."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.missions import with_canonical
from astrid_ml.types import Array, Ints

SCHEMA = 1
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

    def _codes(self) -> Ints:
        if getattr(self, "_cached_for", None) is not self.index:
            codes, names = pd.factorize(self.index["array"])
            self._shard_codes = codes.astype(np.int64)
            self._shard_names = [str(name) for name in names]
            self._shard_rows = self.index["row"].to_numpy(dtype=np.int64)
            self._cached_for = self.index
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
        self.index = with_canonical(pd.read_parquet(self.path / "index.parquet"))
        self._open: dict[tuple[str, str], Array] = {}

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
        mapped: Array = np.load(path, mmap_mode="r")
        return mapped

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the pipeline, its inputs and its labels."""
        return str(self.meta["fingerprint"])

    def shard(self, name: str, kind: str) -> Array:
        """A memory-mapped array; opened once."""
        key = (name, kind)
        if key not in self._open:
            folder = self.path / "arrays"
            if not name and FRAMES in self.index:
                raise KeyError(kind)  # samples that are places in frames have no arrays of their own
            if Path(name).name != name or name in ("", ".", ".."):
                raise UserError("names of arrays in the index", repr(name)[:80], "prepare the dataset again")
            file = folder / f"{name}.{kind}.npy"
            if not file.is_file():
                if FRAMES not in self.index and not any(folder.glob(f"{glob.escape(name)}.*.npy")):
                    got = f"nothing of {name} in {folder}"
                    raise UserError("the arrays beside the index", got, "restore the folder, or prepare it again")
                raise KeyError(kind)
            self._open[key] = read_array(file, "r")
        return self._open[key]

    def __getstate__(self) -> dict[str, Any]:
        """Maps are opened again in another process."""
        return {**self.__dict__, "_open": {}}


def _read_meta(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise UserError("a prepared dataset's folder", f"nothing at {path}", "run astrid prepare, or check dataset=")
    file = path / "dataset.json"
    if not file.is_file():
        inside = sorted(child.name for child in path.iterdir())[:5]
        raise UserError(
            f"{path} to be a prepared dataset (with dataset.json)",
            f"a folder with {', '.join(inside) or 'nothing'} in it",
            "give the folder that astrid prepare printed; one without dataset.json is unfinished: run prepare again",
        )
    meta: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if meta.get("schema") != SCHEMA:
        raise UserError(f"a dataset of schema {SCHEMA}", f"schema {meta.get('schema')} at {path}", "update astrid_ml")
    return meta
