"""What stands at a path, in words for a message: nothing, a folder of some kind, a file of some kind."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from astrid_ml.fits_headers import DamagedFitsError, read_header
from astrid_ml.reasons import plain, shortened

NOT_DATA = "made_by.json"  # what a command of ours says of the folder that it wrote
SIMULATED = "simulated.json"  # what a simulation says of its files
LOCK = ".lock"  # what a command holds while it writes into a folder; ends the names of all locks
NOTES = (NOT_DATA, SIMULATED)  # of ours, in folders of data
_DEEPEST = 3  # folders above a file in which the note of a simulation is looked for
_START = 512
_HEADERS = 40  # of a FITS file that are looked at
_LOOKED_AT = 2000  # files of a folder that are counted
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
    ("multirun.yaml", "a sweep's folder", "hydra.sweep.dir="),
    ("latest.json", "a store of prepared data", "paths.data="),
)
# What batch systems and shells write beside results while these are made.
_LOGS = (".log", ".out", ".err")


# What reads a kind of file, for whoever gave it to something else.
_READERS = {
    "a FITS image": "astrid difference reads images",
    "a FITS cube": "astrid predict reads cubes",
    "a FITS table": "astrid convert reads tables of light curves",
    "an Avro file": "astrid predict reads packets",
    "a file of torch (a checkpoint)": "ckpt_path= takes it",
    "a prepared dataset": "dataset= takes it",
    "a finished run": "astrid compare and astrid baseline read runs",
    "a store of prepared data": "paths.data= takes it",
    "an HDF5 file": "astrid import-weights reads Keras weights",
}


def is_simulated(path: Path) -> bool:
    """Whether a raw file, or a folder of them, is a simulator's: its mark lies there or up to three folders above."""
    return simulation_mark(path) is not None


def simulation_mark(path: Path) -> Path | None:
    """What a simulator left beside a file, or beside a folder up to three above."""
    place = path.absolute()
    marks = (folder / SIMULATED for folder in (place, *list(place.parents)[:_DEEPEST]))
    return next((mark for mark in marks if mark.is_file()), None)


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


def none_in(places: str | Path | Sequence[str | Path]) -> str:
    """What stands at places in which nothing fits: kinds of files, with the command that reads them.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> none_in(folder).replace(str(folder), "X")
        'none in X, which is empty'
        >>> for name in ("a.fits.gz", "b.fits.gz", "c.csv"):
        ...     _ = (folder / name).write_text("SIMPLE  =")
        >>> none_in([folder]).replace(str(folder), "X")
        'none in X, which holds 2 .fits.gz, 1 .csv'
        >>> none_in(folder / "c.csv").replace(str(folder), "X")
        'a FITS file at X/c.csv'
    """
    named = [places] if isinstance(places, str | Path) else list(places)
    return "; ".join(_nothing_fits(Path(place)) for place in named[:3]) or "no file and no folder"


def _nothing_fits(place: Path) -> str:
    kind = kind_at(place)
    if kind not in ("a folder", "nothing"):
        read = read_by(kind)
        return found(place) + (f" ({read})" if read else "")
    if kind == "nothing":
        return found(place)
    kinds = held(place)
    return f"none in {place}, which " + (f"holds {kinds}" if kinds else "is empty")


def held(folder: str | Path, names: Sequence[str] | None = None) -> str:
    """What kinds of files a folder holds at any depth, the commonest first; empty where it holds none.

    Args:
        folder: that is looked at.
        names: of its entries that count; None for all.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.fits", "b.fits", "c.csv", ".hidden"):
        ...     _ = (folder / name).write_text("")
        >>> held(folder), held(folder, ["c.csv"])
        ('2 .fits, 1 .csv', '1 .csv')
    """
    counts = Counter(_suffix(name) for name in islice(_names_in(folder, names), _LOOKED_AT)).most_common(4)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts)


def of_others(folder: Path, names: Iterable[str] | None = None) -> list[str]:
    """Entries of a folder that should be new or empty: files, and folders with files that no command of ours made.

    Hidden ones do not count, nor logs.

    Args:
        folder: perhaps not there.
        names: of the entries to look at; None for all.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.fits", "job_17.out", ".lock", "night/b.fits", "results/made_by.json", "run/config.yaml"):
        ...     (folder / name).parent.mkdir(exist_ok=True)
        ...     _ = (folder / name).write_text("")
        >>> of_others(folder)
        ['a.fits', 'night']
    """
    found = (path.name for path in folder.iterdir()) if names is None and folder.is_dir() else names or ()
    return sorted(name for name in found if _is_of_others(folder / name))


def _is_of_others(path: Path) -> bool:
    if path.name.startswith(".") or path.name.endswith(_LOGS):
        return False
    if not path.is_dir():
        return os.path.lexists(path)
    if kind_at(path) != "a folder" or (path / NOT_DATA).is_file():
        return False
    return any(_is_of_others(below) for below in path.iterdir())


def _names_in(folder: str | Path, wanted: Sequence[str] | None) -> Iterator[str]:
    """Names of the files of a folder and below it, without hidden ones."""
    for place, below, files in os.walk(folder):
        if wanted is not None and place == os.fspath(folder):
            below[:] = [name for name in below if name in wanted]
            files = [name for name in files if name in wanted]
        yield from (name for name in files if not name.startswith("."))


def _suffix(name: str) -> str:
    """``.fits.gz`` for a.b.fits.gz; "without a suffix" for a name that has none."""
    found = re.search(r"(\.[A-Za-z]\w{0,6})?\.[A-Za-z]\w{0,7}$", name)
    return found.group(0).lower() if found else "without a suffix"


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


def read_by(kind: str) -> str:
    """What reads a kind of file, for whoever gave it to something else; empty where nothing is known.

    >>> read_by("an Avro file"), read_by("a text file")
    ('astrid predict reads packets', '')
    """
    return _READERS.get(kind, "")


def why_unread(path: Path, kind: str, error: Exception) -> str:
    """What stands at a path that could not be read: another kind of file, or what the library said of this kind.

    Args:
        path: of the file.
        kind: that was expected, in the words of :func:`kind_at`.
        error: of the library.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.parquet"
        >>> _ = file.write_text("id,label")
        >>> why_unread(file, "a parquet table", ValueError("no magic bytes")).replace(str(file.parent), ".")
        'a text file at ./a.parquet'
        >>> why_unread(file, "a text file", ValueError("no magic bytes")).replace(str(file.parent), ".")
        './a.parquet: no magic bytes'
    """
    return f"{path}: {shortened(plain(str(error)), 120)}" if kind_at(path) == kind else found(path)


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
            return _kind_of_fits(path) if words == "a FITS file" else words
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


def _kind_of_fits(path: Path) -> str:
    """By the first header with data: an image, a cube, a table. Only headers are read, and not many of them."""
    try:
        with path.open("rb") as stream:
            for _ in range(_HEADERS):
                header = read_header(stream)
                if header.get("XTENSION") in ("BINTABLE", "TABLE"):
                    return "a FITS table"
                if axes := header.get("NAXIS"):
                    return "a FITS image" if axes == 2 else "a FITS cube"
    except DamagedFitsError:
        pass
    return "a FITS file"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a damaged zip archive"
    if any(name.endswith("/data.pkl") for name in names):
        return "a file of torch (a checkpoint)"
    return "an .npz file" if names and all(name.endswith(".npy") for name in names) else "a zip archive"
