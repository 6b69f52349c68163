"""Stamps of a folder as samples: arrays in any container, pictures in tables, the sets that names tell."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.fingerprint import relative
from astrid_ml.found import none_in
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.preprocessing.stamps import CHANNELS
from astrid_ml.preprocessing.triplets.columns import columns_of, read_rows
from astrid_ml.preprocessing.triplets.containers.arrow_tables import arrow_table
from astrid_ml.preprocessing.triplets.containers.class_labels import with_class_names
from astrid_ml.preprocessing.triplets.containers.one_hot import with_one_hot
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.preprocessing.triplets.containers.stacks import TABLES, read_stack, stacks_in
from astrid_ml.preprocessing.triplets.layout import canonical_channel
from astrid_ml.preprocessing.triplets.sets import Reading, containers_below, pair
from astrid_ml.printable import printable
from astrid_ml.readable import reading
from astrid_ml.types import Array
from astrid_ml.walk import walk

# Words of a name that tell a set.
SETS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "holdout", "heldout"),
}
COLUMNS = ("set", "split", "fold", "subset", "partition")  # of a table, that tell it too
MOST_CHANNELS = 8
SMALLEST = 8  # px: arrays with shorter sides are no stamps
TAKEN = ("ra", "dec", "mission", "filter", "mjd", "label")  # roles that the checks of a split read


@dataclass(frozen=True)
class _Stamps:
    """Stamps of one array, and what a table says of them."""

    name: str
    stamps: Array
    rows: pd.DataFrame


@dataclass(frozen=True)
class StampFolder:
    """Reads npy, npz, HDF5, zarr, parquet and Arrow files; in the last two lists of numbers or pictures (Hugging Face).

    Each array of at least three axes is a set of stamps: the first axis counts them, the shortest of the others may be
    their channels. Arrays called as the three channels of a triplet are one. What set a stamp is in (training,
    validation, test) is told by a column of its table, by the array's name, the file's, or the folder's.
    """

    def __call__(self, places: Sequence[Path]) -> MemorySource:
        """The stamps, with the columns ``id``, ``group_id``, ``set`` (null where nobody tells) and ``file``.

        ``index.attrs["left_out"]`` has the containers that cannot be read, each with its reason.

        Raises:
            UserError: there are none.
        """
        containers, tables = containers_below(places)
        pictures = [path for path in walk(places) if path.suffix in TABLES and path not in containers]
        lost: dict[str, str] = {}
        parts = [
            part
            for path in [*containers, *pictures]
            for part in _parts_of(path, relative(path, list(places)), tables, lost)
        ]
        if not parts:
            why = [f"{name}: {reason}" for name, reason in list(lost.items())[:3]]
            got = "; ".join([none_in(places), *why])
            raise UserError("stamps: arrays of samples, height and width", got, "check the path")
        arrays = {f"{number}": {"stamps": part.stamps} for number, part in enumerate(parts)}
        index = pd.concat([_rows(part, f"{number}") for number, part in enumerate(parts)], ignore_index=True)
        if index["id"].duplicated().any():
            index["id"] = index["file"] + ":" + index["id"]
        repeated = index.groupby("id").cumcount()
        index["id"] = index["id"].where(repeated == 0, index["id"] + "#" + repeated.astype(str))
        index.attrs["left_out"] = lost
        return MemorySource(index, arrays, {"description": {"channels": _channels(parts)}})


def _parts_of(path: Path, name: str, tables: Sequence[Path], lost: dict[str, str]) -> list[_Stamps]:
    """The arrays of stamps of a container; one that cannot be read is named, left out and put into ``lost``."""
    try:
        with reading(path, "stamps"):
            made = list(_arrays(path, name.removesuffix(path.suffix)))
            return [_Stamps(own, stamps, _table_of(path, tables, len(stamps))) for own, stamps in made if len(stamps)]
    except UserError as error:
        print(printable(f"note: {path} is left out: {error.got}"), file=sys.stderr)
        lost[name] = printable(error.got)
        return []


def _arrays(path: Path, label: str) -> Iterator[tuple[str, Array]]:
    """Name and (n, C, y, x) of each array of stamps in a container."""
    shaped = [stack for stack in stacks_in(path) if _is_stamps(stack.shape)]
    stacks = [stack for stack in shaped if stack.numbers]
    if shaped and not stacks:
        raise UserError("arrays of numbers", ", ".join(map(str, shaped)), "write them as float32")
    named = {canonical_channel(stack.name): stack for stack in stacks}
    if set(named) == set(CHANNELS) and len({stack.shape for stack in stacks}) == 1:
        yield label, np.concatenate([_read(path, named[name]) for name in CHANNELS], axis=1)
        return
    for stack in stacks:
        yield f"{label}/{stack.name}" if stack.name else label, _read(path, stack)
    if path.suffix in TABLES and not stacks:
        yield from ((f"{label}/{name}", array) for name, array in _pictures(path))


def _is_stamps(shape: tuple[int, ...]) -> bool:
    sides = sorted(shape[1:])[-2:]
    return len(shape) in (3, 4) and shape[0] > 0 and len(sides) == len("yx") and min(sides) >= SMALLEST


def _read(path: Path, stack: Stack) -> Array:
    """(n, C, y, x), in the file's own type; of npy files nothing is read yet."""
    whole = read_array(path, "r") if path.suffix == ".npy" else read_stack(path, stack.name, 0, stack.shape[0])
    return _with_channels(whole)


def _with_channels(stamps: Array) -> Array:
    """(n, C, y, x) of (n, y, x), or of four axes: the shortest of the last three is that of the channels."""
    if stamps.ndim == len("nyx"):
        return stamps[:, None]
    short = 1 + int(np.argmin(stamps.shape[1:]))
    if stamps.shape[short] > MOST_CHANNELS:
        raise ValueError(f"an array of {'x'.join(map(str, stamps.shape))}: which axis holds channels?")
    return np.moveaxis(stamps, short, 1)


def _pictures(path: Path) -> Iterator[tuple[str, Array]]:
    """Columns of encoded pictures (PNG and the like), as Hugging Face keeps them: bytes, or a struct with bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = arrow_table(path) if path.suffix == ".arrow" else pq.read_table(path)
    for field in table.schema:
        kind, column = field.type, table[field.name]
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            column = pa.chunked_array([chunk.field("bytes") for chunk in column.chunks])
        elif not pa.types.is_binary(kind) and not pa.types.is_large_binary(kind):
            continue
        stamps = [_decoded(value, field.name) for value in column.to_pylist()]
        if len({stamp.shape for stamp in stamps}) > 1:
            raise ValueError(f"pictures of several sizes in {field.name}")
        if stamps:
            yield field.name, _with_channels(np.stack(stamps))


def _decoded(content: bytes | None, name: str) -> Array:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content or b"")) as picture:
            return np.asarray(picture)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"no picture in {name}") from error


def _table_of(path: Path, tables: Sequence[Path], samples: int) -> pd.DataFrame:
    """What is known of each stamp: the columns in its own file, or of the one table beside that has as many rows."""
    nothing = pd.DataFrame(index=range(samples))
    if path.suffix in TABLES:
        return _flat_columns(path)
    try:
        beside = pair([path], tables, Reading())[0].table
        rows, _, _ = read_rows(beside, {}) if beside is not None else (nothing, {}, {})
    except UserError as error:
        print(printable(f"note: {path} without a table: {error.got}"), file=sys.stderr)
        return nothing
    if len(rows) != samples:
        said = f"{beside} has {len(rows)} rows and {path} {samples} stamps: it is not read"
        print(printable(f"note: {said}"), file=sys.stderr)
        return nothing
    return rows


def _flat_columns(path: Path) -> pd.DataFrame:
    """Columns of numbers and texts of a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_table(path).schema if path.suffix == ".arrow" else pq.read_schema(path)
    nested = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
    names = [field.name for field in schema if not any(test(field.type) for test in nested)]
    table = arrow_table(path).select(names) if path.suffix == ".arrow" else pq.read_table(path, columns=names)
    return with_class_names(table.to_pandas(), path, schema.metadata)


def _rows(part: _Stamps, shard: str) -> pd.DataFrame:
    """The index of one array's stamps."""
    rows, said = with_one_hot(part.rows, {}, part.name)
    roles, count = columns_of(rows, said, part.name), len(part.stamps)
    numbers = pd.Series(range(count)).astype(str)
    ids = rows[roles["id"]].astype(str) if "id" in roles else part.name + "#" + numbers
    out = pd.DataFrame({"id": ids.reset_index(drop=True), "array": shard, "row": range(count), "file": part.name})
    groups = rows[roles["group"]] if "group" in roles else out["id"]
    out["group_id"] = groups.astype(str).reset_index(drop=True)
    for role in (name for name in TAKEN if name in roles):
        values = rows[roles[role]].reset_index(drop=True)
        out[role] = pd.to_numeric(values, errors="coerce") if role in ("ra", "dec", "mjd") else values
    out["set"] = _sets(part, count)
    return out


def _sets(part: _Stamps, count: int) -> pd.Series:
    """The set of each stamp: by a column, else by the array's name, the file's and its folder's."""
    for name in (str(name) for name in part.rows.columns):
        if name.lower() in COLUMNS:
            told = part.rows[name].astype(str).map(set_of)
            if told.notna().any():
                return told.reset_index(drop=True).astype("object")
    told_by_name = next(filter(None, map(set_of, reversed(part.name.split("/")))), None)
    return pd.Series([told_by_name] * count, dtype="object")


def set_of(name: str) -> str | None:
    """The set that the words of a name tell; None where they tell none, or two.

    >>> set_of("x_train"), set_of("Test-00000-of-00001"), set_of("stamps"), set_of("train_test"), set_of("trainable")
    ('train', 'test', None, None, None)
    """
    words = set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()))
    found = [name for name, known in SETS.items() if words.intersection(known)]
    return found[0] if len(found) == 1 else None


def _channels(parts: Sequence[_Stamps]) -> list[str]:
    """Names of the channels, where all arrays have as many: of three those of a triplet."""
    counts = {part.stamps.shape[1] for part in parts}
    return list(CHANNELS) if counts == {len(CHANNELS)} else []
