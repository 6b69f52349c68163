"""What must stand at a path that a command reads, and what to say where something else does. Nothing dear is imported.

Which kind it is stands in the comment of its key: ``file: a table``, ``folder of a prepared dataset``. A place that is
written says ``gets``.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.found import kind_at, read_by

FOLDERS = (
    "a folder",
    "a prepared dataset",
    "a finished run",
    "a run's folder",
    "a sweep's folder",
    "a store of prepared data",
)
PICTURES = ("a PNG picture", "a JPEG picture", "a PDF document", "a web page")
TORCH = "a file of torch (a checkpoint)"
ARRAYS = ("an Avro file", "an ASDF file", "an .npy array", "an .npz file", "an empty file")
TABLES = ("a text file", "a parquet table", "a JSON text")
IMAGES = ("a FITS image", "a FITS cube")
_LOOKED_AT = 200  # entries of a folder
_EXTENSION = re.compile(r"(.+)\[[^\[\]]+\]")


@dataclass(frozen=True)
class Due:
    """What must stand at a path.

    Args:
        what: in words, behind ``KEY=FILE``.
        place: FILE, FOLDER or FILE_OR_FOLDER.
        example: a value, as it is typed.
        wrong: kinds of files that it cannot be, in the words of :func:`astrid_ml.found.kind_at`.
        only: the one kind of file that it can be; empty for any that is not wrong.
        marks: files of which a folder must hold one.
        endings: of names of such files, for whoever named their folder.
        new: it is written: nothing may stand there.
        advice: where nothing better is known.
    """

    what: str
    place: str = "FILE"
    example: str = "FILE"
    wrong: tuple[str, ...] = ()
    only: str = ""
    marks: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    new: bool = False
    advice: str = "check the path"


CHECKPOINT = Due("the checkpoint of a run", example="RUN/checkpoints/best.ckpt", only=TORCH, endings=(".ckpt",))
DATASET = Due(
    "a prepared dataset (with dataset.json)", "FOLDER", "STORE/DATASET", marks=("dataset.json",),
    advice="give the folder that astrid prepare printed (without dataset.json it is unfinished)",
)  # fmt: skip
RUN = Due("of a finished run with a test fold", "FOLDER", "RUN", marks=("predictions/test.parquet",))
FITS = Due(
    "a FITS file", example="FILE.fits", wrong=(TORCH, *TABLES, *ARRAYS, *PICTURES, "an HDF5 file"),
    endings=(".fits", ".fits.gz", ".fits.fz", ".fit", ".fts"),
)  # fmt: skip
MAP = Due(
    "a map of a detector (FITS, npy, ASDF)", example="MAP.fits", wrong=(TORCH, *TABLES, *PICTURES, "an HDF5 file"),
    endings=(".fits", ".fits.gz", ".npy", ".asdf"),
)  # fmt: skip
TABLE = Due(
    "a table in CSV, ECSV, VOTable, FITS or parquet", example="TABLE.csv", wrong=(TORCH, *IMAGES, *ARRAYS, *PICTURES),
    endings=(".csv", ".parquet", ".ecsv", ".vot", ".fits"),
)  # fmt: skip
PARQUET = Due("a parquet table", example="TABLE.parquet", only="a parquet table", endings=(".parquet",))
KERAS = Due("Keras weights in HDF5", example="FILE.h5", only="an HDF5 file", endings=(".h5", ".hdf5"))
ONNX = Due("a network in ONNX", example="FILE.onnx", wrong=(TORCH, *IMAGES, *TABLES, *PICTURES), endings=(".onnx",))
SENT = Due("a table or a FITS image", example="TABLE.parquet", wrong=(TORCH, *PICTURES, "a JSON text", *ARRAYS))
ANYTHING = Due("that exists", "FILE_OR_FOLDER", "FOLDER")
WALKED = Due("that exists and holds data", "FILE_OR_FOLDER", "FOLDER", wrong=(TORCH, *PICTURES))
CATALOGUES = Due(
    "of a table in CSV, ECSV, VOTable, FITS or parquet, or a HATS folder", "FILE_OR_FOLDER", "TABLE.csv",
    wrong=(TORCH, *IMAGES, *ARRAYS, *PICTURES),
)  # fmt: skip
MANIFEST = Due(
    "a manifest of pairs, or the folder that holds it", "FILE_OR_FOLDER", "MANIFEST.csv",
    wrong=(TORCH, *ARRAYS, *PICTURES),
)  # fmt: skip
WRITTEN_FOLDER = Due("a folder that is new or made by the same command", "FOLDER", "out", new=True)
WRITTEN_FILE = Due("to be written", example="NEW.ckpt", new=True)
# How the comment of a key says it, the first that fits.
_SAID = (
    (re.compile(r"file of a description\b"), None),  # or a survey's name: who settles it says what is wrong
    (re.compile(r"file: best\.ckpt, or a network of the package\b"), None),  # or its name, the same
    (re.compile(r"folder.*\bgets\b"), WRITTEN_FOLDER),
    (re.compile(r"file.*\bgets\b"), WRITTEN_FILE),
    (re.compile(r"folder of a prepared dataset, a croissant\.json"), ANYTHING),
    (re.compile(r"folder of a prepared dataset"), DATASET),
    (re.compile(r"folder of a finished run|folders of runs"), RUN),
    (re.compile(r"files or folders: tables"), CATALOGUES),
    (re.compile(r"files or folders|folder or files"), WALKED),
    (re.compile(r"file or folder: a manifest"), MANIFEST),
    (re.compile(r"file or folder"), ANYTHING),
    (re.compile(r"file.*\b(checkpoint|ckpt)"), CHECKPOINT),
    (re.compile(r"file: a table of any kind, or a FITS image"), SENT),
    (re.compile(r"file: (a )?FITS"), FITS),
    (re.compile(r"file: a map\b"), MAP),
    (re.compile(r"file.*\bKeras"), KERAS),
    (re.compile(r"file.*\bONNX"), ONNX),
    (re.compile(r"file: (parquet|objects\.parquet)"), PARQUET),
    (re.compile(r"file"), TABLE),
    (re.compile(r"folder"), Due("that exists", "FOLDER", "FOLDER")),
)  # fmt: skip


@dataclass(frozen=True)
class Wrong:
    """What stands where something else is due.

    Args:
        key: as it is typed.
        expected: of the message.
        got: of the message, without the key.
        fix: of the message.
    """

    key: str
    expected: str
    got: str
    fix: str


def due_by(comment: str) -> Due | None:
    """What the comment of a key says that must stand at its path; None for no path, and for the name of a survey.

    >>> due_by("file: scores the candidates with this checkpoint").example
    'RUN/checkpoints/best.ckpt'
    >>> due_by("folder: gets report.json").new, due_by("px")
    (True, None)
    """
    return next((due for said, due in _SAID if said.match(comment)), None)


def require(due: Due, path: str | Path, key: str) -> Path:
    """The path, where what is due stands at it.

    Args:
        due: what must stand there.
        path: as the user gave it.
        key: by which it was given.

    Raises:
        UserError: something else stands there, or nothing.
    """
    if wrong := wrong_at(due, str(path), key):
        raise UserError(wrong.expected, wrong.got, wrong.fix)
    return Path(path)


def wrong_at(due: Due, path: str, key: str, beside: Sequence[str] | None = None) -> Wrong | None:
    """What is wrong at a path; None where that stands there which is due.

    Args:
        due: what must stand there.
        path: as the user gave it; of an image perhaps ``FILE[EXT]``.
        key: by which it was given.
        beside: all paths of the key, itself among them, where it was given a list.
    """
    place = Path(path).expanduser()
    if due is FITS and (named := _EXTENSION.fullmatch(path)) and not os.path.lexists(place):
        place = Path(named[1]).expanduser()
    kind = kind_at(place)
    if _is_due(due, place, kind):
        return None
    holds = "" if kind not in FOLDERS or not due.marks else f", without {' or '.join(due.marks)}"
    got = f"{kind} at {place}{holds}" if path else "an empty path"
    joined = ", " if due.what.startswith("a ") or due.what.startswith("the ") or due is KERAS else " "
    expected = f"{key}={due.place}{joined}{due.what}"

    def typed(value: object) -> str:
        named = f"{value}1,{value}2" if due is RUN and value == due.example and len(beside or ()) == 1 else value
        listed = None if beside is None else ",".join(str(named) if other == path else other for other in beside)
        return shlex.quote(f"{key}={value}" if listed is None else f"{key}=[{listed}]")

    return Wrong(key, expected, got, _fix(due, place, kind, key, typed))


def _is_due(due: Due, place: Path, kind: str) -> bool:
    if kind in ("nothing", "a broken link", "something that cannot be read"):
        return due.new
    if kind in FOLDERS:
        return due.place != "FILE" and (not due.marks or any((place / mark).is_file() for mark in due.marks))
    if kind == "a device, pipe or socket":
        return due is WALKED  # who walks through them says it; others would wait for what never comes
    return due.place != "FOLDER" and kind not in due.wrong and due.only in ("", kind)


def _fix(due: Due, place: Path, kind: str, key: str, typed: Callable[[object], str]) -> str:
    """What to type instead: something that is there, where it can be guessed."""
    if due.new:
        return f"choose another, for instance {typed(due.example)}"
    if kind == "nothing" and (near := _named_alike(due, place)):
        return f"did you mean {typed(near)}?"
    meant = _meant(due, place, kind, key)
    if meant is not None:
        return f"write {typed(meant)}"
    if due is CHECKPOINT and kind in ("a run's folder", "a finished run"):
        return f"that run has no best.ckpt yet: let it end, or give another, {typed(due.example)}"
    if kind == "nothing" and due in (WALKED, RUN) and "," in str(place):
        return f"several stand in brackets: {typed('[' + str(place).strip('[]') + ']')}"
    if due.place == "FOLDER" and kind.endswith("archive"):
        return f"unpack it, then give its folder, {typed(place.with_suffix(''))}"
    reads = "" if due is RUN else read_by(kind)
    example = f"for instance {typed(due.example)}"
    return f"{reads}; here {example}" if reads else f"{due.advice}, {example}"


def _named_alike(due: Due, place: Path) -> Path | None:
    """What is due in the same folder, under a name that is nearly this one."""
    try:
        names = [entry.name for entry in islice(os.scandir(place.parent), _LOOKED_AT)]
    except OSError:
        return None
    close = difflib.get_close_matches(place.name, names, n=3, cutoff=0.75)
    fits = (place.with_name(name) for name in close)
    return next((near for near in fits if _is_due(due, near, kind_at(near))), None)


def _meant(due: Due, place: Path, kind: str, key: str) -> Path | None:
    """What is due below a folder that was named in its place, or around a file."""
    if kind in FOLDERS:
        found = [path for path in _below(due, place) if _is_due(due, path, kind_at(path))]
        return next((path for path in found if key[:3] in path.name.lower()), found[0] if found else None)
    if due.marks and kind != "nothing":
        return next((path for path in islice(place.parents, 3) if _is_due(due, path, kind_at(path))), None)
    return None


def _below(due: Due, folder: Path) -> Iterator[Path]:
    """Places below a folder at which that may stand which is due."""
    if due is CHECKPOINT:
        yield from (folder / "checkpoints" / "best.ckpt", folder / "best.ckpt")
        return
    if due.place == "FILE_OR_FOLDER":
        return
    try:
        entries = sorted(islice(folder.iterdir(), _LOOKED_AT))
    except OSError:
        return
    for path in entries:
        if due.place == "FOLDER" or path.name.lower().endswith(due.endings or ("",)):
            yield path


def wrong_among(due: Due, value: object, key: str) -> list[Wrong]:
    """What is wrong at the paths of a key: one, each of several, or each that a name has.

    A value of another kind is no path.

    Args:
        due: what must stand there.
        value: a text, a list of such values, or a mapping to them.
        key: by which it was given.
    """
    if isinstance(value, Mapping):
        return [wrong for name, part in value.items() for wrong in wrong_among(due, part, f"{key}.{name}")]
    beside = [str(path) for path in value] if isinstance(value, list | tuple) else None
    named = value if isinstance(value, list | tuple) else [value]
    found = (wrong_at(due, path, key, beside) for path in named if isinstance(path, str))
    nested = [path for path in named if isinstance(path, Mapping | list | tuple)]
    return [wrong for wrong in found if wrong is not None] + [w for part in nested for w in wrong_among(due, part, key)]
