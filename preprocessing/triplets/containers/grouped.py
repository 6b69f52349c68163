"""HDF5 files with a group for each sample, or a file for each: read as arrays whose first axis counts the samples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.hdf5 import parts_of, refuse_strange, text_of, unread_array
from astrid_ml.inflating import Held
from astrid_ml.printable import printable
from astrid_ml.types import Array

OF_EACH = "*/"  # before the name of an array that every group holds one row of
ID = "id"  # the name of each group, where it is no number of a row
_PREFIXED = re.compile(r"[A-Za-z_ -]*?(\d+)")
_SIDES, _CHANNELS = 2, 3
_LARGEST = 1024  # px; three flat tables of stamps have more rows or columns


def groups_in(file: Any) -> list[str]:
    """The groups that each hold one sample, in the order of the samples; empty where the file is laid out otherwise.

    Groups that are called 0, 1, 2 ... are in that order. A file of the images of one sample is one group, ``/``.

    Args:
        file: of h5py, open.
    """
    import h5py

    images = [name for name, part in parts_of(file) if isinstance(part, h5py.Dataset) and part.ndim >= _SIDES]
    if images:
        shapes = {tuple(file[name].shape) for name in images}
        one = len(images) >= _CHANNELS and len(shapes) == 1 and all(map(_is_stamp, shapes))
        return ["/"] if one else []
    names = [name for name, part in parts_of(file) if isinstance(part, h5py.Group) and _holds_images(part)]
    numbers = _row_numbers(names)
    return names if numbers is None else [name for _, name in sorted(zip(numbers, names, strict=True))]


def _is_stamp(shape: tuple[int, ...]) -> bool:
    """Whether a shape is that of one image: two sides, of which none is more than twice the other."""
    return len(shape) == _SIDES and 1 < max(shape) <= min(2 * min(shape), _LARGEST)


def _holds_images(group: Any) -> bool:
    """Whether a group's own datasets are one sample: images of a channel each, or one of all channels."""
    import h5py

    axes = [part.ndim for _, part in parts_of(group) if isinstance(part, h5py.Dataset)]
    if max(axes, default=0) > _SIDES + 1:  # a set of many samples
        return False
    return axes.count(_SIDES) > 1 or axes.count(_SIDES + 1) == 1


def one_prefix(names: list[str]) -> bool:
    """Whether all groups are called by one word, or none, and a number: the number alone tells them apart."""
    found = [_PREFIXED.fullmatch(name) for name in names]
    return None not in found and len({match[0][: match.start(1)] for match in found if match is not None}) == 1


def _row_numbers(names: list[str]) -> list[int] | None:
    """Numbers of the rows that groups are called by, from 0 or 1, whatever stands before; None where they are names."""
    found = [_PREFIXED.fullmatch(name) for name in names]
    numbers = [int(match[1]) for match in found if match is not None]
    if len(numbers) != len(names) or not one_prefix(names):
        return None
    return numbers if sorted(numbers) in (list(range(len(names))), list(range(1, len(names) + 1))) else None


def members_of(file: Any, groups: list[str]) -> dict[str, tuple[tuple[int, ...], bool]]:
    """What the first group holds: name -> (shape, whether it holds numbers); attributes of one value too.

    Args:
        file: of h5py, open.
        groups: of :func:`groups_in`.
    """
    import h5py

    first = file[groups[0]]
    out: dict[str, tuple[tuple[int, ...], bool]] = {}
    for name, value in first.attrs.items():
        if np.ndim(value) == 0:
            out[f"{OF_EACH}{name}"] = ((), _is_number(value))
    for name, part in parts_of(first):
        if isinstance(part, h5py.Dataset):
            out[f"{OF_EACH}{name}"] = (tuple(part.shape), part.dtype.kind in "fiub")
    if (groups == ["/"] or _row_numbers(groups) is None) and f"{OF_EACH}{ID}" not in out:
        out[f"{OF_EACH}{ID}"] = ((), False)
    return out


def _is_number(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "fiub"


def read_members(file: Any, groups: list[str], name: str, shape: tuple[int, ...], numbered: bool) -> Array:
    """One row of each group; of a group that lacks it, or has it in another shape, NaN or an empty text.

    Args:
        file: of h5py, open.
        groups: some of :func:`groups_in`.
        name: of :func:`members_of`.
        shape: of one row.
        numbered: whether the number in a group's name is its id, and not the whole name.

    Raises:
        SwollenError: texts that are more than the file may inflate to.
    """
    own = name.removeprefix(OF_EACH)
    held = Held(printable(own), Path(file.filename).stat().st_size)
    rows: list[Any] = []
    for group in groups:
        value = _value(file, group, own, shape)
        if value is None and own == ID:
            value = Path(file.filename).stem if group == "/" else _named(group) if numbered else group
        if isinstance(value, str | bytes):  # groups may share one, as long as the file
            held.add(len(value))
        rows.append(value)
    known = [np.asarray(value) for value in rows if value is not None]
    if shape or (known and all(value.dtype.kind in "fiub" for value in known)):
        if len(known) == len(rows):
            return np.stack(known)
        empty = np.full(shape, np.nan, np.float32)
        return np.stack([empty if value is None else np.asarray(value, np.float64) for value in rows])
    return np.array([_text(value) for value in rows], dtype=object)


def _value(file: Any, group: str, name: str, shape: tuple[int, ...]) -> Any:
    """What a group holds of that name and shape; None, unread, of another one."""
    try:
        part = unread_array(file, f"{group}/{name}")
    except KeyError:
        value = file[group].attrs.get(name)
        return value if value is not None and np.shape(value) == shape else None
    if part.shape != shape:
        return None
    refuse_strange(part)
    return part[()]


def _named(group: str) -> str:
    """``123`` of ``candid_123``: what tables have; any other name as it is."""
    found = _PREFIXED.fullmatch(group)
    return found[1] if found else group


def _text(value: Any) -> str:
    return "" if value is None else text_of(value)
