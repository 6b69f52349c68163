"""What was written is what is read: sizes and SHA-256 of a dataset's files, and of ``dataset.json`` itself.

``digests.json`` holds ``path -> [bytes, sha256]`` of every file that the fingerprint decides. ``dataset.json`` holds
the SHA-256 of ``digests.json`` and, as ``record``, of its own content. Descriptions that may be written anew
(``croissant.json``, ``croissant/``, ``report.json``) are left out; Croissant files carry digests of their own.

When a dataset is opened, ``dataset.json``, ``digests.json`` and ``index.parquet`` are read and compared as a whole, and
each array is compared by its size when it is first used. Where all arrays together are at most ``SMALL`` bytes, each is
compared by its content too. Larger ones are mapped and never read as a whole: ``astrid fsck`` does that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.files import json_text, write_text
from astrid_ml.fingerprint import file_hash

FILE = "digests.json"
SMALL = 1 << 28  # bytes; a tenth of a second of reading
LEFT_OUT = ("dataset.json", FILE, "report.json", "croissant.json")
Digests = dict[str, tuple[int, str]]


def files_of(folder: Path) -> Iterator[str]:
    """Paths of a dataset's files below its folder, sorted, without those that may be written anew."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in LEFT_OUT and not name.startswith("croissant/"):
            yield name


def digest_of_file(path: Path) -> tuple[int, str]:
    """(bytes, sha256) of a file."""
    return path.stat().st_size, file_hash(path)


def seal(folder: Path, meta: Mapping[str, Any], known: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """Write ``digests.json`` and return the content of ``dataset.json`` with the digests of both.

    Args:
        folder: the dataset, complete but for ``dataset.json`` and its descriptions.
        meta: what ``dataset.json`` says otherwise.
        known: digests that were computed when the files were written.
    """
    digests = {name: known.get(name) or digest_of_file(folder / name) for name in files_of(folder)}
    text = json_text(digests, indent=0, sort_keys=True)
    write_text(folder / FILE, text)
    sealed = {**meta, "digests": hashlib.sha256(text.encode()).hexdigest()}
    return {**sealed, "record": record_digest(sealed)}


def record_digest(meta: Mapping[str, Any]) -> str:
    """The SHA-256 of the content of ``dataset.json`` without ``record``, whatever its spacing and the order of keys.

    >>> record_digest({"a": 1, "b": 2}) == record_digest({"b": 2, "a": 1, "record": "x"})
    True
    """
    rest = {name: value for name, value in meta.items() if name != "record"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()


def read_digests(folder: Path, meta: Mapping[str, Any]) -> Digests:
    """The digests of a dataset's files; empty for a dataset of an earlier version, which has none.

    Raises:
        UserError: ``dataset.json`` or ``digests.json`` is not what was written.
    """
    if "record" not in meta and "digests" not in meta:
        return {}
    if meta.get("record") != record_digest(meta):
        raise damaged(folder / "dataset.json", "another content than was written")
    if not (folder / FILE).is_file():
        raise damaged(folder / FILE, "the file is missing")
    content = (folder / FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != meta["digests"]:
        raise damaged(folder / FILE, "another content than was written")
    return {name: (int(size), str(digest)) for name, (size, digest) in json.loads(content).items()}


def check_file(folder: Path, name: str, digests: Digests, content: bool) -> None:
    """Compare one file with what was written.

    Args:
        folder: the dataset.
        name: of the file, below the folder.
        digests: of all files; empty where the dataset has none.
        content: compare the content, not the size alone.

    Raises:
        UserError: the file is missing, lies elsewhere, or is not what was written.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise damaged(path, "a link to a file outside the dataset")
    if not digests:
        return
    if name not in digests:
        raise damaged(path, "a file that was not written with the dataset")
    size, digest = digests[name]
    if not path.is_file():
        raise damaged(path, "the file is missing")
    if path.stat().st_size != size:
        raise damaged(path, f"{path.stat().st_size} bytes instead of {size}")
    if content and file_hash(path) != digest:
        raise damaged(path, "another content than was written")


def damaged(path: Path, reason: str) -> UserError:
    """One sentence for every kind of damage."""
    fix = "run astrid fsck input=FOLDER to see all damage; with fix=true, astrid prepare makes it again"
    return UserError("a dataset as it was written", f"damage in {path}: {reason}", fix)
