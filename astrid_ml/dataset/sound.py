"""Whether a prepared dataset is what was written: every file of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.dataset.digests import check_file, files_of
from astrid_ml.dataset.pages import read_pages
from astrid_ml.dataset.prepared import FRAMES, PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.files import read_array, read_note
from astrid_ml.fingerprint import file_hash
from astrid_ml.reasons import shortened
from astrid_ml.types import Array


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written.

    Args:
        path: the file or folder.
        reason: what is wrong with it.
        again: what must go so that it is made again; None where nothing makes it.
    """

    path: Path
    reason: str
    again: Path | None = None


def dataset_damage(folder: Path) -> Iterator[Damage]:
    """All that is wrong with a dataset; of a dataset without digests (of an earlier version) what can be told.

    Args:
        folder: the dataset.
    """
    try:
        dataset = PreparedDataset(folder)
    except UserError as error:
        yield Damage(folder, said(error), folder)
        return
    found = set()
    for name in sorted({*files_of(folder), *dataset.digests}):
        reason = file_damage(dataset, name)
        if reason:
            found.add(name)
            yield Damage(folder / name, reason, folder)
    if not found:
        for reason in row_damage(dataset):
            yield Damage(folder, reason, folder)
    yield from _descriptions(folder)


def said(error: UserError) -> str:
    """What an error found, on one line."""
    return shortened(" ".join(error.got.split()), 300)


def file_damage(dataset: PreparedDataset, name: str) -> str | None:
    """What is wrong with one file of a dataset, in words."""
    path = dataset.path / name
    try:
        check_file(dataset.path, name, dataset.digests, content=True)
        if path.suffix == ".npy":
            read_array(path, "r")
        if path.suffix == ".parquet":
            read_pages(path)
    except UserError as error:
        return said(error)
    return None


def row_damage(dataset: PreparedDataset) -> Iterator[str]:
    """Rows that point past their arrays, arrays of one shard that differ in length, offsets that do not fit."""
    folder = dataset.path / "arrays"
    files: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*.npy")):
        shard, _, kind = path.name.removesuffix(".npy").partition(".")
        files.setdefault(shard, {})[kind] = path
    places, within = dataset.places()
    if FRAMES in dataset.by_column:
        yield from _frames(dataset)
    for shard, at in sorted(places.items()):
        first, last = int(within[at].min()), int(within[at].max())
        if shard not in files and FRAMES not in dataset.by_column:
            yield f"the index names the array {shortened(shard, 80)!r}, of which there is nothing"
        for kind, path in files.get(shard, {}).items():
            array = read_array(path, "r")
            if kind.endswith(".values"):
                continue
            n = len(array) - 1 if kind.endswith(".offsets") else len(array)
            if first < 0 or last >= n:
                yield f"the index names row {last} of {path.name}, which has {n}"
            if kind.endswith(".offsets"):
                yield from _offsets(array, files[shard].get(kind.removesuffix("offsets") + "values"), path.name)


def _frames(dataset: PreparedDataset) -> Iterator[str]:
    """Frames that the index names and that cannot be opened."""
    for name in dataset.different(FRAMES):
        try:
            dataset.frame(name)
        except UserError as error:
            yield said(error)


def _offsets(offsets: Array, values: Path | None, name: str) -> Iterator[str]:
    end = len(read_array(values, "r")) if values is not None else -1
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != end or bool((np.diff(offsets) < 0).any()):
        yield f"{name} does not fit its values"


def _descriptions(folder: Path) -> Iterator[Damage]:
    """``croissant.json`` and its tables: they carry digests of their own, and may be written anew."""
    file = folder / "croissant.json"
    if not file.is_file():
        return
    try:
        listed: list[dict[str, Any]] = read_note(file).get("distribution") or []
        named = {str(entry["contentUrl"]): entry.get("sha256") for entry in listed if "contentUrl" in entry}
    except (ValueError, AttributeError, TypeError, RecursionError):
        yield Damage(file, "no whole JSON: astrid croissant rewrite=true writes it anew")
        return
    for name, digest in named.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            yield Damage(file, f"it names {name}, which is outside the dataset")
        elif name.startswith("croissant/") and (not path.is_file() or (digest and file_hash(path) != digest)):
            yield Damage(path, "another content than croissant.json says: astrid croissant rewrite=true")
