"""Files that a user named, and those of folders that a user named."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.files import read_note
from astrid_ml.found import LOCK, NOT_DATA, NOTES
from astrid_ml.printable import printable

_RESULTS = ("audit", "baseline", "compare", "depth", "evaluate", "predict", "recover", "score-ramps")
OF_COMMANDS = ("report.json",)  # what a command leaves beside the data that it wrote
_LEFT_OUT: dict[str, dict[str, str]] = {}  # folder -> what the last walk through it left out, and why
_SURROGATES = re.compile("[\ud800-\udfff]")  # how Python holds bytes of a name that are no UTF-8


def walk(places: str | Path | Sequence[str | Path], accept: Callable[[Path], bool] | None = None) -> list[Path]:
    """Files that a user named, and those at any depth of folders that a user named, each once, in order.

    Links to folders are followed; a folder that is reached twice, also by a circle of links, is walked once. What an
    earlier command left below the folder as its results is not walked, nor are locks (``*.lock``).

    Args:
        places: files and folders; named files are kept whatever ``accept`` says.
        accept: which files of a folder count; None for all.

    Raises:
        UserError: nothing stands at a place, or its name is no text in UTF-8. Such a file of a folder is left out, and
            said.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "night").mkdir()
        >>> for name in ("b.fits", "a.fits", "notes.txt"):
        ...     _ = (folder / "night" / name).write_text("")
        >>> [file.name for file in walk(folder, lambda path: path.suffix == ".fits")]
        ['a.fits', 'b.fits']
    """
    named = [Path(place) for place in ([places] if isinstance(places, str | Path) else places)]
    absent = [str(path) for path in named if not path.exists()]
    if absent:
        raise UserError("files or folders that exist", f"nothing at {', '.join(absent)}", "check the path")
    odd = [f"{path} ({what_it_is(path)})" for path in named if not path.is_file() and not path.is_dir()]
    if odd:
        raise UserError("files or folders", ", ".join(odd), "write its content into a file and name that")
    found: dict[Path, None] = {}
    for place in named:
        _refuse_broken_name(place)
        files = _below(place) if place.is_dir() else [place]
        found |= dict.fromkeys(path for path in files if path == place or accept is None or accept(path))
    return list(found)


def left_out(places: Sequence[Path]) -> dict[str, str]:
    """What the last walk through folders left out, by its place below them, each with the reason.

    Args:
        places: as they were walked; of one that was not, nothing is known.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "a.fits").symlink_to("nowhere")
        >>> walk(folder), left_out([folder])
        ([], {'a.fits': 'a link to nothing, which is no file'})
    """
    return {name: why for place in places for name, why in _LEFT_OUT.get(str(place), {}).items()}


def _refuse_broken_name(path: Path) -> None:
    """A name in another encoding cannot stand in a table or a record: neither an index nor JSON holds it."""
    if not named_in_utf8(path):
        fix = "rename it, or name the other files alone"
        raise UserError("files whose names are text in UTF-8", printable(str(path)), fix)


def named_in_utf8(path: Path) -> bool:
    """Whether a path is text that a table and JSON can hold."""
    return _SURROGATES.search(str(path)) is None


def _below(folder: Path) -> list[Path]:
    """All files at any depth of a folder, sorted."""
    seen: set[tuple[int, int]] = set()
    files: list[Path] = []
    odd: list[Path] = []
    broken: list[Path] = []
    for here, below, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if here != os.fspath(folder) and (verb := _made_by(Path(here))) in _RESULTS:
            _note(f"results of astrid {verb} below {folder} are no input", [here])
            below.clear()
            continue
        below.sort()
        try:
            own = (*NOTES, *(OF_COMMANDS if NOT_DATA in names else ()))
            paths = [Path(here, name) for name in names if name not in own and not name.endswith(LOCK)]
            broken += [path for path in paths if not named_in_utf8(path)]
            paths = [path for path in paths if named_in_utf8(path)]
            files += [path for path in paths if path.is_file()]
            odd += [path for path in paths if not path.is_file()]
        except OSError as error:
            _unreadable(error)
    said = {path: f"{what_it_is(path)}, which is no file" for path in odd}
    said |= dict.fromkeys(broken, "a name that is no text in UTF-8")
    _LEFT_OUT[str(folder)] = {printable(str(path.relative_to(folder))): said[path] for path in sorted(said)}
    if odd:
        _note(
            f"{len(odd)} entries of {folder} are no files and left out",
            [f"{path} ({what_it_is(path)})" for path in sorted(odd)],
        )
    if broken:
        _note(
            f"{len(broken)} files of {folder} are left out, whose names are no UTF-8",
            [str(path) for path in sorted(broken)],
        )
    return sorted(files)


def _made_by(folder: Path) -> str | None:
    """The command that made a folder; None where none of ours did."""
    try:
        said = read_note(folder / NOT_DATA)
        return str(said["verb"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _note(what: str, paths: Sequence[str]) -> None:
    """Say what is left out, with the first of them."""
    _say(f"note: {what}: {', '.join(paths[:3])}")


@cache
def _say(text: str) -> None:
    """Say it once, however many readers look at the folder."""
    print(printable(text), file=sys.stderr, flush=True)


def what_it_is(path: Path) -> str:
    """What stands at a path that is neither a file nor a folder."""
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    kinds = {"a FIFO": path.is_fifo, "a socket": path.is_socket}
    return next((name for name, holds in kinds.items() if holds()), "a device")


def _unreadable(error: OSError) -> None:
    """What cannot be looked at is said: a night that is passed over in silence is a night that is lost."""
    got = f"{error.filename}: {error.strerror}"
    raise UserError("folders that can be read", got, "change its rights, or name other folders") from error
