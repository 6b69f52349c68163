"""Files that appear whole or not at all: the one place that renames.

Whatever is written lands in a temporary neighbour and is renamed when it is complete, so nobody ever reads half a file.
A kill leaves nothing but that temporary, which goes when something is written there again (``temporaries``).
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.guards import ask_guards
from astrid_ml.inflating import SwollenError, refuse_swollen
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened
from astrid_ml.temporaries import temporary_for
from astrid_ml.types import Array

ASIDE = "damaged"  # the folder that damaged files are moved into
# What numpy raises on a file that is cut short, or is something else.
_DAMAGE = (ValueError, TypeError, OverflowError, EOFError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)


class WholeFile:
    """A file that is filled under a temporary name over several calls; :func:`whole` is the same as a block.

    Args:
        path: the final file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = temporary_for(path)

    def publish(self, durable: bool = False) -> None:
        """Give it its name; ``durable`` waits until the bytes are on the disk."""
        if durable:
            with self.part.open("rb") as stream:
                os.fsync(stream.fileno())
        ask_guards(self.path)
        try:
            os.replace(self.part, self.path)
        except IsADirectoryError as error:
            got, fix = f"a folder at {self.path}", "move or remove that folder"
            raise UserError(f"a place for the file {printable(self.path.name)}", got, fix) from error

    def drop(self) -> None:
        """Leave nothing of what is not published."""
        self.part.unlink(missing_ok=True)


@contextmanager
def whole(path: Path, durable: bool = False) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed onto it when the block ends well and removed when it does not.

    The temporary keeps the endings of the name, since writers choose the format by them.

    Args:
        path: the final file; its folder must exist.
        durable: wait until the bytes are on the disk before the rename.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with whole(folder / "a.txt") as part:
        ...     _ = part.write_text("all of it")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    file = WholeFile(path)
    try:
        yield file.part
        file.publish(durable)
    finally:
        file.drop()


@contextmanager
def whole_folder(target: Path, mark: str, before: Callable[[], None] | None = None) -> Iterator[Path]:
    """A temporary folder beside ``target``, renamed whole onto it when the block ends well.

    Of several processes that make the same folder, the first wins and the others' work is dropped: no file system
    renames a folder onto one that holds something.

    Args:
        target: the final folder.
        mark: a file that stands in every complete folder; without it the work is dropped.
        before: called just before the rename; what it raises stops it (a lock that was lost, for instance).

    Raises:
        OSError: the rename failed, and no complete folder stands there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    work = temporary_for(target)
    work.mkdir()
    try:
        yield work
        if (work / mark).is_file():
            if before is not None:
                before()
            ask_guards(target)
            try:
                os.rename(work, target)
            except OSError:
                if not (target / mark).is_file():  # else another process was faster: its bytes are the same
                    raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes whole."""
    with whole(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write text whole, as UTF-8."""
    with whole(path) as part:
        part.write_text(content, encoding="utf-8")


def write_json(path: Path, content: Any, indent: int | None = 2, sort_keys: bool = False) -> None:
    """Write JSON whole; numbers that are not finite become null, since JSON has none.

    Args:
        path: the final file.
        content: plain containers; numpy numbers and arrays become numbers and lists, anything else its text.
        indent: spaces; None for one line.
        sort_keys: in the order of their names.
    """
    write_text(path, json_text(content, indent, sort_keys))


def write_new_json(path: Path, content: Any) -> bool:
    """Write JSON whole where nothing has that name, and say whether: of several processes one wins."""
    part = temporary_for(path)
    try:
        part.write_text(json_text(content), encoding="utf-8")
        ask_guards(path)
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


def json_text(content: Any, indent: int | None = 2, sort_keys: bool = False) -> str:
    """What :func:`write_json` writes.

    >>> print(json_text({"aucpr": float("nan"), "n": np.int64(3)}, indent=None), end="")
    {"aucpr": null, "n": 3}
    """
    text = json.dumps(finite(content), indent=indent, sort_keys=sort_keys, default=str, allow_nan=False)
    return text + "\n"


def finite(value: Any) -> Any:
    """Plain containers without NaN and infinities, which become None; numpy values become Python's."""
    if isinstance(value, np.ndarray | np.generic):
        return finite(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return value


def read_note(path: Path) -> Any:
    """What a JSON file holds that is one of our own notes; whatever stands in its place is not waited for.

    Args:
        path: the file, or a link to one.

    Raises:
        FileNotFoundError, NotADirectoryError: nothing stands there.
        ValueError: no whole JSON, or a key twice; or a folder, a pipe, a device or a circle of links.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_json(path, {"id": 1})
        >>> read_note(path)
        {'id': 1}
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ValueError(f"no file ({error.strerror})") from error
        raise
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ValueError("no file, but a folder, a pipe or a device")
    with open(opened, encoding="utf-8") as stream:
        try:
            return json.load(stream, object_pairs_hook=_each_once)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of a key that stands twice one reader takes the first, another the last: neither is right."""
    out = dict(pairs)
    if len(out) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {shortened(next(name for name in names if names.count(name) > 1), 80)!r} twice")
    return out


def read_array(path: Path, mmap_mode: Literal["r"] | None = None) -> Array:
    """Read one ``.npy`` array of a user.

    Args:
        path: the file.
        mmap_mode: ``r`` maps it; None reads it whole.

    Raises:
        UserError: the file cannot be read, or holds no whole array.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> write_array(path, np.arange(3))
        >>> read_array(path).tolist()
        [0, 1, 2]
    """
    with _reading(path, ".npy"):
        if mmap_mode is not None:
            mapped: Array = np.lib.format.open_memmap(path, mode=mmap_mode)
            return mapped
        with path.open("rb") as stream:
            array: Array = np.lib.format.read_array(stream)
            return array


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """Read arrays of a user's ``.npz`` file by their names.

    Raises:
        UserError: the file cannot be read, is damaged, lacks one, or declares one that it cannot hold.
    """
    with _reading(path, ".npz"), path.open("rb") as stream, np.load(stream) as file:
        absent = [name for name in names if name not in file.files]
        if absent:
            raise UserError(f"the arrays {', '.join(names)}", f"{path} without {', '.join(absent)}", "make it again")
        for name in names:
            _refuse_swollen_member(file.zip, name)
        return {name: file[name] for name in names}


def _refuse_swollen_member(archive: Any, name: str) -> None:
    """Look at what a member declares: numpy reserves it before a byte is inflated."""
    member = next(one for one in archive.infolist() if one.filename in (name, f"{name}.npy"))
    refuse_swollen(printable(name), member.file_size, member.compress_size)


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    """What numpy says of a file that it cannot read, as a user's mistake; its own advice is to load it unsafely."""
    try:
        yield
    except OSError as error:
        raise UserError(f"a {kind} file that can be read", f"{path}: {error.strerror or error}", "check it") from error
    except SwollenError as error:
        raise UserError(f"a {kind} file that may be inflated", f"{path}: {error}", "write it uncompressed") from error
    except ValueError as error:
        if "Object arrays" not in str(error) and "Python objects" not in str(error):
            raise UserError(f"a whole {kind} file", f"damaged {kind}: {path}", "copy or make it again") from error
        fix = "write it as an array of numbers, or of texts of a fixed length"
        raise UserError(
            f"a {kind} file of numbers or texts", f"{path}, whose array holds Python objects", fix
        ) from error
    except (*_DAMAGE, RuntimeError) as error:  # zipfile's for an unknown compression
        raise UserError(f"a whole {kind} file", f"damaged {kind}: {path}", "copy or make it again") from error


def write_array(path: Path, array: Any) -> None:
    """Write one ``.npy`` array whole."""
    with whole(path) as part:
        save_array(part, array)


def save_array(path: Path, array: Any) -> None:
    """Write one ``.npy`` array as it is; an error of the disk is told with its number, which numpy's own way loses.

    Raises:
        OSError: no room, no right, no disk.
        ValueError: an array of objects.
    """
    with path.open("wb") as stream:
        np.lib.format.write_array(_Bytes(stream), np.asanyarray(array), allow_pickle=False)


class _Bytes:
    """A stream that numpy does not take for a file, so that it writes to it part by part."""

    def __init__(self, stream: BinaryIO) -> None:
        self.write = stream.write


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name; where that is taken, it stays as it is."""
    if not target.exists():
        os.rename(source, target)


def put_aside(path: Path) -> Path:
    """Move a file or folder into ``damaged/`` beside it, under a name that is free there, and return its new place."""
    folder = path.parent / ASIDE
    folder.mkdir(exist_ok=True)
    names = (f"{path.name}{f'.{number}' if number else ''}" for number in itertools.count())
    target = next(folder / name for name in names if not os.path.lexists(folder / name))
    os.rename(path, target)
    return target


def discard(path: Path) -> None:
    """Remove a file or folder; a folder goes under a temporary name first, so nobody sees a part of it."""
    grave = temporary_for(path)  # this removes what killed writers left beside it: perhaps the path itself
    if path.is_dir() and not path.is_symlink():
        os.rename(path, grave)
        shutil.rmtree(grave)
    else:
        path.unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """A hard link; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
