"""Names and places of what is written: what a file system cannot hold is refused before anything is made."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.printable import as_id, printable

_UNSAFE = re.compile(r"[/\\]")
_COMPRESSED = (".gz", ".fz", ".bz2", ".xz", ".zst")
NAME_BYTES, PART_BYTES, PLACE_BYTES = 150, 255, 4000


def check_name(name: str, key: str = "name") -> str:
    """A name that becomes part of a file's name.

    Args:
        name: as the user gave it.
        key: where it was given.

    Raises:
        UserError: it is empty or too long, or names another folder.

    Example:
        >>> check_name("night 1, é")
        'night 1, é'
        >>> check_name("../a")
        Traceback (most recent call last):
        astrid_ml.errors.UserError: expected name=NAME without / and control characters; ...
    """
    size = len(os.fsencode(name))
    if not name.strip() or size > NAME_BYTES:
        got = f"{size} bytes ({_short(name)})" if name.strip() else "an empty one"
        raise UserError(f"{key}=NAME of 1 to {NAME_BYTES} bytes", got, "give a shorter name" if size else "give one")
    if name in (".", "..") or any(char in "/\\" for char in name) or printable(name) != name or "\n" in name:
        fix = "a name is no path: choose the place with paths.run_dir or paths.data"
        raise UserError(f"{key}=NAME without / and control characters", _short(name), fix)
    return name


def check_place(place: str | Path, key: str) -> Path:
    """A path that a file system can hold.

    Args:
        place: as the user gave it.
        key: where it was given.

    Raises:
        UserError: a part of it or all of it is too long, or it holds a NUL.
    """
    text = os.fspath(place)
    if not text or "\0" in text:
        raise UserError(f"{key}=FOLDER, a path", _short(text) or "an empty one", f"give another {key}")
    size = max(len(os.fsencode(part)) for part in text.split(os.sep))
    if size > PART_BYTES or len(os.fsencode(text)) > PLACE_BYTES:
        got = f"a name of {size} bytes in {_short(text)}"
        raise UserError(f"{key}=FOLDER with names of at most {PART_BYTES} bytes", got, f"give a shorter {key}")
    return Path(text)


def _short(text: str, most: int = 60) -> str:
    shown = printable(text).replace("\n", "\\n")
    return shown if len(shown) <= most else f"{shown[:most]}..."


def distinct_names(paths: Iterable[Path], ending: bool = False) -> list[str]:
    """A name for each file, for what is made of it: its stem, and where stems meet, with its folders before it.

    What no name of a file may hold is replaced: no file is left out for its name.

    Args:
        paths: files, each once.
        ending: keep the ending of the names.

    Example:
        >>> distinct_names([Path("in/a/exp1.fits"), Path("in/b/exp1.fits"), Path("in/b/exp2.fits")])
        ['a-exp1', 'b-exp1', 'exp2']
    """
    given = list(paths)
    names = [_possible(path.name if ending else stem_of(path), path) for path in given]
    meeting = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if meeting:
        shared = {name: _above([p for p, n in zip(given, names, strict=True) if n == name]) for name in meeting}
        names = [
            "-".join([*path.parts[shared[name] : -1], name]) if name in meeting else name
            for path, name in zip(given, names, strict=True)
        ]
    taken: dict[str, int] = {}
    for name in names:
        taken[name.casefold()] = taken.get(name.casefold(), 0) + 1
    names = [
        _marked(name, path) if taken[name.casefold()] > 1 or len(os.fsencode(name)) > NAME_BYTES else name
        for path, name in zip(given, names, strict=True)
    ]
    seen: dict[str, int] = {}
    for number, name in enumerate(names):  # paths that are spelt in two ways: ``a`` and ``a/``
        count = seen[name.casefold()] = seen.get(name.casefold(), 0) + 1
        names[number] = name if count == 1 else f"{name}-{count}"
    return names


def _possible(name: str, path: Path) -> str:
    """The name, or one like it that a file may have: in one line, no path, no control characters."""
    safe = _UNSAFE.sub("_", as_id(name))
    return name if safe == name and name.strip(". ") else _marked(safe.strip(". ") or "unnamed", path)


def stem_of(path: Path) -> str:
    """The name of a file without its ending, and that of its compression; dots within it stay, and all of a folder's.

    Args:
        path: of a file or a folder.

    Example:
        >>> stem_of(Path("sky.1_rn5.fits.gz"))
        'sky.1_rn5'
    """
    if path.is_dir():
        return path.name
    return Path(path.stem).stem if path.suffix.lower() in _COMPRESSED else path.stem


def _above(paths: list[Path]) -> int:
    """How many folders these paths share."""
    heads = [path.parts[:-1] for path in paths]
    count = 0
    for parts in zip(*heads, strict=False):
        if len(set(parts)) > 1:
            break
        count += 1
    return count


def _marked(name: str, path: Path) -> str:
    """A name that no other file shares, by the hash of its path."""
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return f"{os.fsdecode(os.fsencode(name)[:NAME_BYTES])}-{mark}"
