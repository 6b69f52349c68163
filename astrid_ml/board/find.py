"""Folders of runs, evaluations, sweeps and matrices below the folders that a user names; a broken one is named."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from astrid_ml.errors import UserError
from astrid_ml.files import read_note
from astrid_ml.found import LOCK, NOT_DATA, found
from astrid_ml.pipeline.lock import left_by_the_dead
from astrid_ml.reasons import shortened

RECORD, METRICS, CONFIG = "run.json", "metrics.json", "config.yaml"
PAGE = "report.html"
TEST = Path("predictions") / "test.parquet"  # of a run; an evaluation keeps its table beside the report
EVALUATED = Path("predictions.parquet")
ROWS = Path("csv") / "metrics.csv"
SITE = "board.json"  # what the board leaves in its own folder
DATASET = "dataset.json"
CRATE = "ro-crate-metadata.json"
LARGEST = 4_000_000  # bytes of a configuration: a larger one is none of ours
DEEPEST = 40  # levels of a configuration
# By which a folder that holds runs is known -> (its kind, its page).
FOLDERS = {
    "leaderboard.parquet": ("sweep", "sweep.html"),
    "sweep.parquet": ("sweep", "sweep.html"),
    "matrix.json": ("matrix", "matrix.html"),
    "benchmark_splits.json": ("splits", "benchmark_splits.html"),
    "referee.json": ("referee", "referee.html"),
    CRATE: ("bundle", "report.html"),  # holds a copy of its run, which is no run of its own
}
# Metrics that are shares: the headline and the ends of its interval above all.
_SHARE = re.compile(
    r"(?:val|test)/(?:[^/]*/)?(?:aucpr|aucpr_mean|roc_auc|precision|recall|f1|macro_f1)(?:_low|_high)?(?:/[^/]*)?(?<!/why)"
)
SIGNED = (RECORD, METRICS, CONFIG, PAGE, str(TEST), str(EVALUATED), str(ROWS), LOCK)


@dataclass(frozen=True)
class Run:
    """What stands in one folder.

    Args:
        path: of the folder.
        kind: ``run`` or ``evaluation``.
        status: ``done``, ``running``, ``failed``, ``stopped`` or ``broken``.
        reason: why it is not done; empty where nobody said.
        record: the content of ``run.json``.
        metrics: of ``metrics.json``.
        config: of the run, or of the run whose checkpoint was evaluated: dotted name -> value.
        tree: the same, as it is written.
    """

    path: Path
    kind: str
    status: str
    reason: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    tree: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The run's name in addresses; the same at each look."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:10]

    def at(self, *names: str) -> Any:
        """A value of the record; None where something else stands on the way."""
        node: Any = self.record
        for name in names:
            node = node.get(name) if isinstance(node, Mapping) else None
        return node

    def text(self, *names: str) -> str:
        """A text of the record; empty where there is none."""
        value = self.at(*names)
        return value if isinstance(value, str) else ""

    @property
    def predictions(self) -> Path:
        """The table of its test samples, perhaps not there."""
        return self.path / (EVALUATED if self.kind == "evaluation" else TEST)


@dataclass(frozen=True)
class RunFolders:
    """All that was found.

    Args:
        runs: folders of runs and of evaluations.
        folders: (folder, kind, name of its page) of what is made of runs: sweeps, matrices, bundles and others.
        unread: (folder, why it cannot be looked into).
    """

    runs: list[Path] = field(default_factory=list)
    folders: list[tuple[Path, str, str]] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)


def look(places: Sequence[str | Path]) -> RunFolders:
    """Walk through folders. A run's own folder is not walked: what lies in it is the run's.

    Links to folders inside are not followed; hidden folders, boards and prepared datasets are passed over.

    Args:
        places: folders that the user named.

    Raises:
        UserError: a place is no folder.
    """
    out = RunFolders()
    seen: set[Path] = set()
    for place in map(Path, places):
        if not place.is_dir():
            raise UserError("runs=[DIR,...], folders that exist", found(place), "check the path")

        def note(error: OSError) -> None:
            out.unread.append((Path(os.fsdecode(error.filename)), error.strerror or type(error).__name__))

        for folder, below, files in os.walk(place.resolve(), onerror=note):
            path, names = Path(folder), set(files)
            if path in seen or SITE in names or DATASET in names:
                below.clear()
                continue
            seen.add(path)
            if CRATE not in names and is_run(path, names, below):
                out.runs.append(path)
                below.clear()
                continue
            out.folders.extend((path, kind, page) for mark, (kind, page) in FOLDERS.items() if mark in names)
            below[:] = [] if CRATE in names else sorted(name for name in below if not name.startswith("."))
    out.runs.sort()
    out.folders.sort()
    return out


def is_run(path: Path, files: set[str], below: Sequence[str]) -> bool:
    """Whether a folder is a run's or an evaluation's, whole or not.

    Args:
        path: of the folder.
        files: names of its files.
        below: names of its folders.
    """
    if RECORD in files:
        return True
    return CONFIG in files and (METRICS in files or LOCK in files or bool({"checkpoints", "stages"} & set(below)))


def signature(path: Path) -> tuple[Any, ...]:
    """What changes when a run's files change."""
    out = []
    for name in SIGNED:
        try:
            state = os.stat(path / name)
            out.append((state.st_mtime_ns, state.st_size, state.st_ino))
        except OSError:
            out.append((0, 0, 0))
    return tuple(out)


def read_run(path: Path) -> Run:
    """What one folder holds; damage is a reason, never an error."""
    try:
        record, metrics = _note(path / RECORD), _note(path / METRICS)
        kind = "evaluation" if "checkpoint" in (record or {}) and not (path / CONFIG).is_file() else "run"
        tree = configuration(path, record or {}, kind)
        config = flat(tree)
        status, reason = _status(path, record, metrics)
        if status == "done" and (fault := fault_of(path, metrics or {})):
            status, reason = "broken", fault
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return Run(path, "run", "broken", _words(error))
    return Run(path, kind, status, reason, record or {}, metrics or {}, config, tree)


def configuration(path: Path, record: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The run's configuration; of an evaluation that of the run which trained its checkpoint, if it is still there.

    Raises:
        ValueError: it is no mapping, or of an absurd size.
        yaml.YAMLError: it is no YAML.
    """
    place = path / CONFIG
    if kind == "evaluation":
        checkpoint = _of_evaluation(path, record)
        place = checkpoint.parent.parent / CONFIG if checkpoint is not None else place
        if not place.is_file():
            return {}
    if not place.is_file():
        raise ValueError(f"{CONFIG} is not there")
    if place.stat().st_size > LARGEST:
        raise ValueError(f"{CONFIG} holds {place.stat().st_size:,} bytes")
    content = yaml.load(place.read_text(encoding="utf-8"), Loader=_loader())
    if not isinstance(content, dict):
        raise ValueError(f"{CONFIG} is no mapping")
    return content


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted name -> value; lists stay whole.

    Raises:
        ValueError: it is nested too deeply.
    """
    out: dict[str, Any] = {}

    def put(node: Any, name: str, level: int) -> None:
        if level > DEEPEST or len(out) > LARGEST // 100:
            raise ValueError(f"{CONFIG} is nested too deeply")
        if isinstance(node, Mapping) and node:
            for key, value in node.items():
                put(value, f"{name}.{key}" if name else str(key), level + 1)
        elif name:
            out[name] = node

    put(tree, "", 0)
    return out


def fault_of(path: Path, metrics: Mapping[str, Any]) -> str:
    """Why nobody may believe what a finished run left; empty where nothing speaks against it.

    Args:
        path: of its folder.
        metrics: of ``metrics.json``.
    """
    for name, value in metrics.items():
        if not _SHARE.fullmatch(name):
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (value is None or (number and 0 <= value <= 1)):
            return f"{METRICS} says {name} is {str(value)[:40]}, which is no number from 0 to 1"
    for table in (TEST, TEST.with_name("val.parquet"), EVALUATED):
        try:
            with (path / table).open("rb") as stream:
                first, size = stream.read(4), stream.seek(0, 2)
                stream.seek(max(size - 4, 0))
                if size < 12 or first != b"PAR1" or stream.read(4) != b"PAR1":
                    return f"{table} is no whole table of parquet"
        except OSError:
            continue  # there is none, or nobody may read it: the page says so beside the run
    return ""


def without_copies(runs: Sequence[Run]) -> list[Run]:
    """The same runs; of several with the same stages at the same moments and the same numbers all but one are copies.

    Args:
        runs: in the order in which they are shown.
    """
    first: dict[str, Run] = {}
    out = []
    for run in runs:
        stages = run.at("stages")
        if run.status != "done" or not isinstance(stages, list) or not stages:
            out.append(run)
            continue
        mark = json.dumps([run.kind, run.at("identity"), stages, run.metrics], sort_keys=True, default=str)
        known = first.setdefault(mark, run)
        out.append(run if known is run else replace(run, status="copy", reason=f"the same run as {known.path}"))
    return out


def _of_evaluation(path: Path, record: Mapping[str, Any]) -> Path | None:
    """The checkpoint that was evaluated."""
    said = [record.get("checkpoint"), (_note(path / NOT_DATA) or {}).get("settings")]
    names = [part.get(key) for part, key in zip(said, ("path", "ckpt_path"), strict=True) if isinstance(part, dict)]
    known = [Path(name) for name in names if isinstance(name, str)]
    return next((name for name in reversed(known) if name.is_file()), None)


def _status(path: Path, record: Any, metrics: Any) -> tuple[str, str]:
    lock = path / LOCK
    alive = lock.exists() and not left_by_the_dead(lock)
    said = (record or {}).get("status")
    if said == "done" or (record is None and metrics is not None):
        if metrics is None:
            return "broken", f"{METRICS} is not there, though {RECORD} says done"
        return ("done", "") if record is not None else ("broken", f"{RECORD} is not there")
    if said in ("running", None):
        if alive:
            return "running", ""
        return "stopped", "it ended before it could say why" if said else "it ended before it began to train"
    if said not in ("failed", "stopped"):
        return "broken", f"{RECORD} says the status {str(said)[:40]!r}"
    reason = (record or {}).get("reason")
    return str(said), reason[:1000] if isinstance(reason, str) else "it was stopped" if said == "stopped" else ""


def _note(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is no file.

    Raises:
        ValueError: it is something else.
    """
    try:
        content = read_note(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is no object of JSON")
    return content


def _words(error: Exception) -> str:
    """A reason in one line."""
    if isinstance(error, yaml.YAMLError):
        return f"{CONFIG} is no YAML: {shortened(' '.join(str(error).split()), 200)}"
    return shortened(str(getattr(error, "strerror", None) or error or type(error).__name__), 300)


@cache
def _loader() -> type[Any]:
    """The loader in C where there is one: a thousand configurations are read in a second, not in twenty."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
