"""What stands at a path, in words for a message: nothing, a folder of some kind, a file of some kind."""

from __future__ import annotations

import zipfile
from pathlib import Path

_START = 512
# How a file of a kind begins.
_BEGINNINGS = (
    (b"SIMPLE  =", "a FITS file"),
    (b"PAR1", "a parquet table"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"Obj\x01", "an Avro file"),
    (b"#ASDF", "an ASDF file"),
    (b"\x93NUMPY", "an .npy array"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
)
# The file by which a folder is known, and what reads the folder.
_FOLDERS = (
    ("dataset.json", "a prepared dataset", "dataset="),
    ("metrics.json", "a finished run", "run_dir="),
    ("config.yaml", "a run's folder", "paths.run_dir="),
    ("run.json", "a run's folder", "paths.run_dir="),
    ("sweep.parquet", "a sweep's folder", "hydra.sweep.dir="),
)


def found(path: str | Path) -> str:
    """What stands at a path.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a").write_bytes(b"SIMPLE  =  T")
        >>> _ = (folder / "b").write_text("id,label")
        >>> [found(folder / name).replace(str(folder), ".") for name in ("", "a", "b", "c")]
        ['a folder at .', 'a FITS file at ./a', 'a text file at ./b', 'nothing at ./c']
        >>> found("")
        'an empty path'
    """
    if not str(path):
        return "an empty path"
    return f"{kind_at(Path(path))} at {path}"


def kind_at(path: Path) -> str:
    """What stands there, without the path."""
    try:
        if path.is_dir():
            return next((words for mark, words, _ in _FOLDERS if (path / mark).is_file()), "a folder")
        if not path.exists():
            return "a broken link" if path.is_symlink() else "nothing"
        if not path.is_file():
            return "a device, pipe or socket"
        return _kind_of_file(path)
    except (OSError, ValueError):
        return "something that cannot be read"


def key_for(path: str | Path) -> str:
    """The key that takes a folder of this kind; empty where none is known."""
    place = Path(path)
    return next((key for mark, _, key in _FOLDERS if (place / mark).is_file()), "")


def _kind_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        start = stream.read(_START)
    if not start:
        return "an empty file"
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning):
            return words
    if zipfile.is_zipfile(path):
        return _kind_of_zip(path)
    if start[257:262] == b"ustar":
        return "a tar archive"
    if start.lstrip()[:1] in (b"{", b"["):
        return "a JSON text"
    if start.lstrip()[:5].lower() in (b"<html", b"<!doc"):
        return "a web page"
    try:
        start[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return "a file of an unknown kind"
    return "a file of an unknown kind" if b"\0" in start else "a text file"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a damaged zip archive"
    if any(name.endswith("/data.pkl") for name in names):
        return "a file of torch (a checkpoint)"
    return "an .npz file" if names and all(name.endswith(".npy") for name in names) else "a zip archive"
