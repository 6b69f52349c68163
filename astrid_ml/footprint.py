"""What a command leaves: no empty folders where it is refused, and on what it makes of simulated files their mark.

Folders are made in many places, by Hydra too. Python itself tells of each (the audit event ``os.mkdir``), so that no
place has to remember it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.found import SIMULATED, found, is_simulated

_listening: list[Footprint] = []


def inner_folder(folder: Path, name: str) -> Path:
    """A folder in a command's results that is its own: made if it is not there, and never a link to somewhere else.

    What a command writes, writes over and removes there stays within its results.

    Args:
        folder: of the results.
        name: of the folder in it.

    Raises:
        UserError: a file or a link has that name.

    Example:
        >>> import tempfile
        >>> inner_folder(Path(tempfile.mkdtemp()), "parts").name
        'parts'
    """
    path = folder / name
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        got = f"{path}, a link" if path.is_symlink() else found(path)
        raise UserError(f"{name} in the folder of the results to be a folder of its own", got, f"remove {path}")
    path.mkdir(parents=True, exist_ok=True)
    return path


def pass_on_mark(inputs: Sequence[Path], folder: Path) -> None:
    """Mark what was made of simulated files alone as simulated too; a model of it must not pass for one of the sky.

    Args:
        inputs: files and folders that were read.
        folder: of the results; a mark of an earlier command goes where these inputs are none of a simulator's.
    """
    if inputs and all(map(is_simulated, inputs)):
        from astrid_ml.files import write_json  # with numpy: help and refusals come before it

        write_json(folder / SIMULATED, {"made_of": "simulated files"})
    else:
        (folder / SIMULATED).unlink(missing_ok=True)


class Footprint:
    """The folders that were made since, in order.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> here = Path(tempfile.mkdtemp())
        >>> with footprint() as made:
        ...     (here / "runs" / "a").mkdir(parents=True)
        ...     (here / "kept").mkdir()
        ...     _ = (here / "kept" / "note.txt").write_text("")
        >>> made.remove_empty()
        >>> sorted(path.name for path in here.iterdir())
        ['kept']
    """

    def __init__(self) -> None:
        self.folders: list[str] = []

    def remove_empty(self) -> None:
        """Remove those in which nothing stands, the inner ones first; what is there stays."""
        for folder in reversed(self.folders):
            with suppress(OSError):  # not empty, or another process removed it
                os.rmdir(folder)


@contextmanager
def footprint() -> Iterator[Footprint]:
    """Listen until the block ends."""
    if not _listening:
        _listen_once()
    made = Footprint()
    _listening.append(made)
    try:
        yield made
    finally:
        _listening.remove(made)


_hooked: list[bool] = []


def _listen_once() -> None:
    """Add the hook, which cannot be taken away again; without anybody who listens it does nothing."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "os.mkdir" or not _listening:
        return
    with suppress(OSError, ValueError, TypeError):  # whatever cannot be a path is refused by mkdir itself
        folder = os.path.abspath(os.fsdecode(arguments[0]))
        if not os.path.lexists(folder):
            for made in _listening:
                made.folders.append(folder)
