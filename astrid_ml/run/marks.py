"""Done-marks: what each stage of a run has left on disk, so that a rerun does what is left to do and nothing else.

A mark is written when its stage is done and its files stand. It holds if the stage would start from the same inputs and
its files still have their digests; else the stage is done again, from what the stages before it left.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrid_ml.files import read_note, write_json
from astrid_ml.fingerprint import file_hash
from astrid_ml.run.stages import NAMES, Stage

FOLDER = "stages"


@dataclass(frozen=True)
class Mark:
    """What a stage left.

    Args:
        stage: its entry in ``run.json``.
        files: path in the folder -> SHA-256.
        kept: what later stages need of it, plain containers.
    """

    stage: Stage
    files: dict[str, str] = field(default_factory=dict)
    kept: Any = None


@dataclass(frozen=True)
class Marks:
    """The marks of a run's folder, or of one of its folds.

    Args:
        folder: of the run or of the fold; the marks are in ``stages/``.
        writes: False in further processes of one training, which have nothing to write.

    Example:
        >>> import tempfile
        >>> marks = Marks(Path(tempfile.mkdtemp()))
        >>> _ = (marks.folder / "plan.txt").write_text("a b")
        >>> stage = Stage("split", inputs={"dataset": "f00d"}, outputs={"plan": "beef"}, status="done")
        >>> marks.leave(stage, [marks.folder / "plan.txt"])
        >>> marks.find("split", dataset="f00d").stage.outputs
        {'plan': 'beef'}
        >>> marks.find("split", dataset="other") is None
        True
    """

    folder: Path
    writes: bool = True

    def find(self, name: str, **inputs: str) -> Mark | None:
        """The mark of a stage that need not be done again; None where it must be. Says which file is lost."""
        mark = self.read(name)
        if mark is None or mark.stage.inputs != inputs:
            return None
        lost = self.lost(mark)
        if lost and self.writes:
            print(f"{name} is done again: {', '.join(lost)} in {self.folder} is lost or damaged", file=sys.stderr)
        return None if lost else mark

    def read(self, name: str) -> Mark | None:
        """The mark of a stage as it was left; None where there is none that can be read."""
        try:
            content = read_note(self.path(name))
            stage = Stage(**content["stage"])
            mark = Mark(stage, dict(content["files"]), content["kept"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return mark if (stage.name, stage.status) == (name, "done") and isinstance(stage.inputs, dict) else None

    def leave(self, stage: Stage, files: Sequence[Path] = (), kept: Any = None) -> None:
        """Write the mark of a stage that is done; its files lie in the folder."""
        if not self.writes:
            return
        digests = {path.relative_to(self.folder).as_posix(): file_hash(path) for path in files}
        self.path(stage.name).parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path(stage.name), {"stage": stage.plain(), "files": digests, "kept": kept})

    def lost(self, mark: Mark) -> list[str]:
        """Files of a mark that are gone or have another digest."""
        return [name for name, digest in mark.files.items() if not _has(self.folder / name, digest)]

    def holds(self, name: str, file: Path) -> bool:
        """Whether a file is as a stage left it, whatever the others of that stage are."""
        mark = self.read(name)
        digest = mark.files.get(file.relative_to(self.folder).as_posix()) if mark is not None else None
        return digest is not None and _has(file, digest)

    def path(self, name: str) -> Path:
        """Where a stage's mark is."""
        return self.folder / FOLDER / f"{name}.json"


def _has(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and file_hash(path) == digest
    except OSError:
        return False


def all_marks(folder: Path) -> Iterator[Marks]:
    """Of a run and of its folds."""
    for place in sorted(folder.glob(f"**/{FOLDER}")):
        if (place.is_dir() and place.parent.name.startswith("fold_")) or place.parent == folder:
            yield Marks(place.parent)


def damaged(folder: Path) -> list[str]:
    """Files of a run's done stages that are gone or have another digest, and marks that cannot be read."""
    out = []
    for marks in all_marks(folder):
        for path in sorted((marks.folder / FOLDER).glob("*.json")):
            mark = marks.read(path.stem) if path.stem in NAMES else Mark(Stage(path.stem))
            lost = [path.relative_to(marks.folder).as_posix()] if mark is None else marks.lost(mark)
            out += [(marks.folder / name).relative_to(folder).as_posix() for name in lost]
    return out
