"""Arrays in the containers that people keep stamps in: which there are, and some rows of one.

Only headers are read to say which there are, and none is believed that declares more than its file may inflate to: the
rows that it declares are counted, planned and reserved before one of them is read. Of tables (parquet, and Hugging
Face's folders of Arrow files) a column of lists is an array.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.executors.within import allowed
from astrid_ml.files import read_array, read_arrays
from astrid_ml.hdf5 import array_of, arrays_of, open_hdf5, read_texts, refuse_links, text_of
from astrid_ml.inflating import refuse_swollen, refuse_swollen_parquet
from astrid_ml.preprocessing.triplets.containers.arrow_tables import array_of_lists, arrow_table, depth_of
from astrid_ml.preprocessing.triplets.containers.channel_names import ORDER, channels_of, channels_of_members
from astrid_ml.preprocessing.triplets.containers.grouped import OF_EACH, groups_in, members_of, one_prefix, read_members
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.printable import printable
from astrid_ml.readable import in_words, of_parquet
from astrid_ml.reasons import shortened
from astrid_ml.types import Array, Mask
from astrid_ml.walk import walk

TABLES = (".parquet", ".pq", ".arrow")
HDF5 = (".h5", ".hdf5", ".hdf", ".he5")
CONTAINERS = (".npy", ".npz", *HDF5, ".zarr", *TABLES)


def stacks_in(path: Path) -> list[Stack]:
    """The arrays of a container that hold anything.

    Raises:
        UserError: a library that is not installed.
        ValueError: the file is damaged, or declares more than it may hold; the message says how.
    """
    try:
        stacks = _LISTERS[_kind(path)](path)
        return [stack for stack in stacks if not stack.shape or 0 not in stack.shape[1:]]
    except (UserError, ValueError):
        raise
    except Exception as error:  # of five libraries, each with errors of its own
        raise ValueError(f"{path.name} cannot be read: {_in_words(path, error)}") from error


def read_stack(path: Path, name: str, first: int, past: int) -> Array:
    """Rows of an array of a container.

    Args:
        path: the container.
        name: of the array in it.
        first, past: rows along its first axis.

    Raises:
        UserError: a library that is not installed.
        ValueError: the file is damaged; the message says how.
    """
    try:
        return np.asarray(_READERS[_kind(path)](path, name, first, past))
    except UserError as error:
        raise ValueError(error.got) from error
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read: {_in_words(path, error)}") from error


def _in_words(path: Path, error: Exception) -> str:
    said = of_parquet(error) if path.suffix.lower() in TABLES else in_words(error)
    return "it ends too early" if "truncated file" in said else shortened(said, 120)


def _kind(path: Path) -> str:
    ending = path.suffix.lower()
    return ".h5" if ending in HDF5 else ".parquet" if ending in (".parquet", ".pq") else ending


def _list_npy(path: Path) -> list[Stack]:
    try:
        array = read_array(path, "r")
    except UserError as error:
        raise ValueError(error.got) from error
    return [Stack.of("", array.shape, array.dtype)]


def _read_npy(path: Path, _: str, first: int, past: int) -> Array:
    return np.array(read_array(path, "r")[first:past])


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array in numpy's format."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _list_npz(path: Path) -> list[Stack]:
    out = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                shape, dtype = _npy_header(stream)
            name = member.filename.removesuffix(".npy")
            if not dtype.hasobject and math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"damaged .npz: {path}, whose {printable(name)} declares more than it holds")
            refuse_swollen(printable(name), member.file_size, member.compress_size)
            out.append(Stack.of(name, shape, dtype))
    named = next((stack for stack in out if stack.name in ORDER and not stack.numbers and len(stack.shape) == 1), None)
    if named is None:
        return out
    channels = tuple(text_of(name) for name in _read_npz(path, named.name, 0, named.shape[0]))
    return [replace(stack, channels=channels) if len(stack.shape) > 2 else stack for stack in out]


def _read_npz(path: Path, name: str, first: int, past: int) -> Array:
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
        if _npy_header(stream)[1].hasobject:
            raise ValueError(
                f"{printable(name)} holds pickled objects, which are not read: save it as text, .astype(str)"
            )
    return np.array(read_arrays(path, [name])[name][first:past])


def _list_hdf5(path: Path) -> list[Stack]:
    groups, members = _groups(path, path.stat().st_mtime_ns)
    if groups:
        with open_hdf5(path) as file:
            named = channels_of_members(file, groups[0], {name: name.removeprefix(OF_EACH) for name in members})
        shapes = {name: ((len(groups), *shape), numbers) for name, (shape, numbers) in members.items()}
        values = sum(math.prod(shape) for shape, _ in shapes.values())  # of a byte each, or more
        refuse_swollen(path.name, values, path.stat().st_size)  # groups may be names of one group
        return [Stack(name, *about, named.get(name, ())) for name, about in shapes.items()]
    with open_hdf5(path) as file:
        parts = list(arrays_of(file))
        if not parts:
            refuse_links(file)
        refuse_swollen(path.name, sum(part.size * part.dtype.itemsize for _, part in parts), path.stat().st_size)
        return [Stack.of(name, part.shape, part.dtype, channels_of(part.attrs, file.attrs)) for name, part in parts]


@lru_cache(maxsize=2)
def _groups(path: Path, _: int) -> tuple[list[str], dict[str, tuple[tuple[int, ...], bool]]]:
    """The groups of samples and what each holds: looked at once, not for each run of rows of each channel."""
    with open_hdf5(path) as file:
        groups = groups_in(file)
        return groups, members_of(file, groups) if groups else {}


def _read_hdf5(path: Path, name: str, first: int, past: int) -> Array:
    with open_hdf5(path) as file:
        if name.startswith(OF_EACH):
            groups, members = _groups(path, path.stat().st_mtime_ns)
            shape = members[name][0]
            _refuse_beyond_memory(path, name, (0, *shape), 8, past - first)
            return read_members(file, groups[first:past], name, shape, one_prefix(groups))
        part = array_of(file, name)
        _refuse_beyond_memory(path, name, part.shape, part.dtype.itemsize, past - first)
        return read_texts(part, first, past) if part.dtype.kind == "O" else np.array(part[first:past])


def _refuse_beyond_memory(path: Path, name: str, shape: Sequence[int], size: int, rows: int) -> None:
    """Refuse rows that take more than this machine has to give: a library may reserve them piece by piece."""
    needed, left = size * rows * math.prod(shape[1:]), allowed()
    if left is not None and needed > left:
        what = (
            f"{rows} rows of {name or path.name} take {needed / 1e9:.1f} GB in memory, and {left / 1e9:.1f} GB are free"
        )
        raise ValueError(what)


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        fix = "pip install 'astrid-ml[zarr]', or give npy, npz, HDF5 or parquet"
        raise UserError("the library zarr, which reads such folders", "it is not installed", fix) from error
    return zarr


def _list_zarr(path: Path) -> list[Stack]:
    zarr = _zarr()
    opened = zarr.open(str(path), mode="r")
    parts = [("", opened)] if isinstance(opened, zarr.Array) else sorted(opened.arrays())
    for name, part in parts:
        _refuse_swollen_zarr(path, name, part)
    return [Stack.of(name, part.shape, part.dtype, channels_of(part.attrs, opened.attrs)) for name, part in parts]


def _read_zarr(path: Path, name: str, first: int, past: int) -> Array:
    opened = _zarr().open(str(path), mode="r")
    part = opened[name] if name else opened
    _refuse_swollen_zarr(path, name, part)
    _refuse_beyond_memory(path, name, part.shape, part.dtype.itemsize, past - first)
    return np.array(part[first:past])


def unwritten(path: Path, name: str, rows: Array) -> Mask:
    """Rows of which nothing is stored: all their values are what zarr puts where a chunk's file is absent, (n,).

    Writers leave out chunks that hold the fill value alone, so an absent file does not tell that one was lost; in
    either case such a row holds no image. None are where every chunk of the array is stored, or in other containers.

    Args:
        path: the container.
        name: of the array in it.
        rows: some of its rows, (n, ...).
    """
    told = _fill_of(path, name, path.stat().st_mtime_ns) if path.suffix.lower() == ".zarr" else None
    if told is None:
        return np.zeros(len(rows), dtype=bool)
    flat = rows.reshape(len(rows), -1)
    filled = np.isnan(flat) if told != told else flat == told  # NaN alone is not itself
    return np.asarray(filled.all(axis=1))


@lru_cache(maxsize=8)
def _fill_of(path: Path, name: str, _: int) -> Any:
    """The fill value of an array of which some chunks are absent; None where all are stored."""
    opened = _zarr().open(str(path), mode="r")
    part = opened[name] if name else opened
    whole = part.nchunks_initialized == part.nchunks
    return None if whole else np.zeros(1, part.dtype)[0] if part.fill_value is None else part.fill_value


def _refuse_swollen_zarr(path: Path, name: str, part: Any) -> None:
    stored = sum(file.stat().st_size for file in walk(path / name))
    numbers = max(math.prod(part.shape), math.prod(part.chunks))
    refuse_swollen(printable(name) or path.name, numbers * part.dtype.itemsize, stored)


def _list_parquet(path: Path) -> list[Stack]:
    import pyarrow.parquet as pq

    refuse_swollen_parquet(path)
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        names = [field.name for field in file.schema_arrow if depth_of(field.type)]
        first = next(file.iter_batches(batch_size=1, columns=names), None) if names and rows else None
        return [] if first is None else list(_stacks_of(first, rows))


def _read_parquet(path: Path, name: str, first: int, past: int) -> Array:
    import pyarrow as pa
    import pyarrow.parquet as pq

    refuse_swollen_parquet(path)
    parts, start = [], 0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if start < past and start + rows > first:
                column = file.read_row_group(number, [name])[name]
                parts.append(column.slice(max(first - start, 0), min(past, start + rows) - max(first, start)))
            start += rows
    return array_of_lists(pa.chunked_array([chunk for part in parts for chunk in part.chunks]), name)


def _list_arrow(path: Path) -> list[Stack]:
    table = arrow_table(path)
    names = [field.name for field in table.schema if depth_of(field.type)]
    return list(_stacks_of(table.select(names).slice(0, 1), len(table))) if names and len(table) else []


def _read_arrow(path: Path, name: str, first: int, past: int) -> Array:
    return array_of_lists(arrow_table(path)[name].slice(first, past - first), name)


def _stacks_of(first: Any, rows: int) -> Iterator[Stack]:
    for name in first.schema.names:
        value, shape = first[name][0].as_py(), [rows]
        while isinstance(value, list):
            shape.append(len(value))
            value = value[0] if value else None
        yield Stack(name, tuple(shape))


_LISTERS: dict[str, Callable[[Path], list[Stack]]] = {
    ".npy": _list_npy,
    ".npz": _list_npz,
    ".h5": _list_hdf5,
    ".zarr": _list_zarr,
    ".parquet": _list_parquet,
    ".arrow": _list_arrow,
}
_READERS: dict[str, Callable[[Path, str, int, int], Array]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".zarr": _read_zarr,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
}
