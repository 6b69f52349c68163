"""What a stage found of a target, kept on disk with the digest of what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.files import json_text, write_text


def digest(*values: Any) -> str:
    """Of plain values: another one where any of them differs.

    >>> digest({"a": 1}) == digest({"a": 1}), digest({"a": 1}) == digest({"a": 2})
    (True, False)
    """
    return hashlib.sha256(json_text(values, None, sort_keys=True).encode()).hexdigest()[:24]


def sizes_of(paths: Iterable[Path], folder: Path) -> dict[str, int]:
    """Path below a folder -> bytes: what a record says of the files that were made.

    Args:
        paths: of files that are there.
        folder: of the run.
    """
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(paths)}


def changed(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """Files of a record that are not there any more, or have another size; earlier versions noted none.

    Args:
        record: of a stage.
        folder: of the run.
    """
    paths = {folder / name: size for name, size in record.get("sizes", {}).items()}
    return [path for path, size in paths.items() if not path.is_file() or path.stat().st_size != size]


@dataclass(frozen=True)
class KeptRecords:
    """A folder of records, a JSON file for each target.

    Args:
        folder: made with the first record.

    Example:
        >>> import tempfile
        >>> kept = KeptRecords(Path(tempfile.mkdtemp()))
        >>> kept.keep("2014J", "mark", {"images": 3})
        {'images': 3}
        >>> kept.get("2014J", "mark"), kept.get("2014J", "another"), kept.get("2011fe")
        ({'images': 3}, None, None)
    """

    folder: Path

    def get(self, name: str, made_from: str | None = None) -> dict[str, Any] | None:
        """A record; None where there is none, it is damaged, or it was made from something else.

        Args:
            name: of the target's files.
            made_from: a digest; None takes whatever there is.
        """
        try:
            said = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            content, whole = said["content"], said["digest"] == digest(said["content"])
            other = made_from is not None and said["made_from"] != made_from
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None if other or not whole else content

    def keep(self, name: str, made_from: str, content: dict[str, Any]) -> dict[str, Any]:
        """Write a record, and return it as it will be read.

        Args:
            name: of the target's files.
            made_from: a digest.
            content: plain values.
        """
        content = json.loads(json_text(content, None))
        self.folder.mkdir(parents=True, exist_ok=True)
        said = {"made_from": made_from, "digest": digest(content), "content": content}
        write_text(self.folder / f"{name}.json", json_text(said))
        return content

    def forget(self, name: str) -> None:
        """Remove a record."""
        (self.folder / f"{name}.json").unlink(missing_ok=True)
