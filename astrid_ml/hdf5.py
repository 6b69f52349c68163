"""Arrays of a user's HDF5 file: their headers are not believed, and nothing outside the file is opened."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.apart import EndedError, is_watched, look_apart
from astrid_ml.inflating import MOST_BYTES, MOST_LOOKED, Held, most_inflated, refuse_swollen
from astrid_ml.printable import encodable, printable
from astrid_ml.types import Array


class OutsideError(ValueError):
    """An array whose values do not stand in its file; the message names it."""


def open_hdf5(path: Path) -> Any:
    """A user's HDF5 file, open for reading: by h5py, which damaged bytes may end together with its process.

    A process beside this one reads the file first, unless this one is watched; see :mod:`astrid_ml.apart`.

    Args:
        path: of the file.

    Raises:
        EndedError: its bytes end whoever reads it.
        OSError: no HDF5 file, or a damaged one.
    """
    import h5py

    state = path.stat()
    if not is_watched():
        _look(path, state.st_size, state.st_mtime_ns)
    return h5py.File(path, "r")


@lru_cache(maxsize=64)  # a file is opened several times
def _look(path: Path, size: int, _: int) -> None:
    try:
        look_apart("astrid_ml.hdf5:look_at_hdf5", path, 2**30 + 3 * most_inflated(size))
    except EndedError:
        raise
    except Exception:
        return  # who reads the file for its values says what is wrong with it


def look_at_hdf5(path: Path) -> None:
    """Read attributes, texts, and the first ``MOST_LOOKED`` bytes of numbers of a file; nothing comes of them.

    Args:
        path: of the file.
    """
    import h5py

    done = 0

    def visit(name: str, part: Any) -> None:
        nonlocal done
        with suppress(Exception):
            dict(part.attrs)
        if not isinstance(part, h5py.Dataset):
            return
        with suppress(Exception):
            refuse_strange(part)
            if part.dtype.kind == "O" and part.shape:
                read_texts(part, 0, part.shape[0])
            elif done < MOST_LOOKED:
                row = max(1, part.dtype.itemsize * math.prod(part.shape[1:]))
                read = part[: max(1, MOST_LOOKED // row)] if part.shape else part[()]
                done += getattr(read, "nbytes", 0)

    with h5py.File(path, "r") as file:
        with suppress(Exception):
            dict(file.attrs)
        file.visititems(visit)


def arrays_of(file: Any) -> Iterator[tuple[str, Any]]:
    """(name, dataset of h5py) of each array of a file that has an axis; links are not followed.

    Args:
        file: of h5py, open.

    Raises:
        OutsideError, SwollenError: see :func:`refuse_strange`.
    """
    import h5py

    names: list[str] = []

    def visit(name: str, part: Any) -> None:
        if isinstance(part, h5py.Dataset) and part.shape:
            names.append(name)

    file.visititems(visit)
    for name in names:
        refuse_strange(file[name])
        yield name, file[name]


def parts_of(group: Any) -> Iterator[tuple[str, Any]]:
    """(name, dataset or group of h5py) of what a group itself holds; links are not followed.

    Args:
        group: of h5py, or an open file.
    """
    import h5py

    for name in group:
        if group.get(name, getlink=True, getclass=True) is h5py.HardLink:
            yield name, group[name]


def array_of(file: Any, name: str) -> Any:
    """An array of a file by its name, which holds no more than it may.

    Args:
        file: of h5py, open.
        name: with slashes below groups.

    Raises:
        KeyError, OutsideError: see :func:`unread_array`.
        OutsideError, SwollenError: see :func:`refuse_strange`.
    """
    part = unread_array(file, name)
    refuse_strange(part)
    return part


def unread_array(file: Any, name: str) -> Any:
    """An array of a file by its name, whatever it declares.

    Args:
        file: of h5py, open.
        name: with slashes below groups.

    Raises:
        KeyError: there is no array of that name.
        OutsideError: the name, or one above it, is a link.
    """
    import h5py

    part = file
    for step in name.strip("/").split("/"):
        if not isinstance(part, h5py.Group) or not part.id.links.exists(step.encode("utf-8", "surrogateescape")):
            raise KeyError(name)
        if part.id.links.get_info(step.encode("utf-8", "surrogateescape")).type != h5py.h5l.TYPE_HARD:
            raise OutsideError(_linked(name, part, step))
        part = part[step]
    if not isinstance(part, h5py.Dataset):
        raise KeyError(name)
    return part


def refuse_links(group: Any, above: str = "") -> None:
    """Refuse a file or group whose arrays are links, which are not followed.

    Args:
        group: of h5py, or an open file.
        above: its name.

    Raises:
        OutsideError: names the first.
    """
    import h5py

    for name in group:
        if group.get(name, getlink=True, getclass=True) is not h5py.HardLink:
            raise OutsideError(_linked(f"{above}{name}", group, name))
        if isinstance(group[name], h5py.Group) and above.count("/") < _DEEPEST:
            refuse_links(group[name], f"{above}{name}/")


_DEEPEST = 20  # groups in groups: one of them may hold itself


def _linked(name: str, group: Any, step: str) -> str:
    import h5py

    kind = group.get(step, getlink=True, getclass=True)
    where = "another file" if kind is h5py.ExternalLink else "another place"
    return f"{printable(name)} is a link to {where}: copy its values into the file"


def refuse_strange(part: Any) -> None:
    """Refuse an array that keeps its values elsewhere, or declares more than its chunks may inflate to; none is read.

    Args:
        part: a dataset of h5py.

    Raises:
        OutsideError: a virtual array, or one with external storage: it reads files that nobody named.
        SwollenError: see :func:`~astrid_ml.inflating.refuse_swollen`.
    """
    name = printable(str(part.name).strip("/"))
    if part.is_virtual or part.external:
        kind = "a virtual array" if part.is_virtual else "an array with external storage"
        raise OutsideError(f"{name} is {kind}, whose values stand in other files: copy them into the file")
    declared = max(int(part.size or 0), math.prod(part.chunks or ())) * part.dtype.itemsize
    refuse_swollen(name, declared, int(part.id.get_storage_size()))


def read_texts(part: Any, first: int, past: int) -> Array:
    """Rows of an array of texts, as objects; all rows may point to one text of the file, which is as long as it likes.

    Args:
        part: a dataset of h5py whose type is ``object``.
        first, past: rows along its first axis.

    Raises:
        SwollenError: they are more than the file may inflate to.
    """
    size = Path(part.file.filename).stat().st_size
    held, step = Held(printable(part.name), size), max(1, MOST_BYTES // max(size, 1))  # each may be as long
    out: list[str] = []
    for start in range(first, past, step):
        values = np.asarray(part[start : min(start + step, past)])
        texts = [text_of(value) for value in values.reshape(-1)]
        held.add(sum(map(len, texts)))
        out += texts
    return np.array(out, dtype=object).reshape(past - first, *part.shape[1:])


def text_of(value: Any) -> str:
    """A text of a container, as a table can hold it: bytes that are no UTF-8 are written out."""
    return encodable(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value))
