"""A run's folder: fresh, to be resumed, or already finished; never silently overwritten, one process at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from astrid_ml.checkpoint.schema import SCHEMA
from astrid_ml.errors import UserError
from astrid_ml.files import json_text, read_note, write_text
from astrid_ml.found import held, of_others
from astrid_ml.identity import current, without_gone
from astrid_ml.pipeline.lock import Lock, LockLostError
from astrid_ml.pipeline.machine import of_command
from astrid_ml.places import check_place
from astrid_ml.run.environment import deciding, run_identity
from astrid_ml.run.marks import FOLDER, Marks, damaged
from astrid_ml.run.stages import StageLog

LOCK, RECORD = ".lock", "run.json"
BEFORE_FIT = ("prepare", "split", "audit")


def is_first_process() -> bool:
    """Whether this process writes the run; False in the further processes of one training."""
    from pytorch_lightning.utilities import rank_zero_only  # a sweep asks for folders before any of its jobs trains

    return int(rank_zero_only.rank or 0) == 0  # type: ignore[attr-defined]


@contextmanager
def owned_folder(folder: Path) -> Iterator[None]:
    """Make the folder and be its only run until the block ends; another process waits, and says so.

    Raises:
        UserError: it cannot be made.
    """
    check_place(folder, "paths.run_dir")
    if not is_first_process():
        yield
        return
    refuse_others_files(folder)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(folder / LOCK, f"the run {folder}", guards=folder)
        lock.__enter__()
    with ExitStack() as stack:
        stack.push(lock)
        yield


def refuse_others_files(folder: Path) -> None:
    """Refuse a folder that holds files and no run.

    Raises:
        UserError: names the kinds of its files.
    """
    begun = any((folder / name).exists() for name in ("config.yaml", "metrics.json", RECORD, FOLDER))
    if not begun and not training_begun(folder) and (there := of_others(folder)):
        got = f"{folder}, which holds other files: {held(folder, there)}"
        raise UserError("paths.run_dir=FOLDER, new, empty, or the folder of a run", got, "choose another paths.run_dir")


def open_run_folder(folder: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """Make the folder ready for a run with this configuration.

    Returns:
        The metrics of the run if it is already finished there and whole, else None.

    Raises:
        UserError: another run (another configuration) lives there, or it cannot be written.
    """
    check_place(folder, "paths.run_dir")
    if not is_first_process():
        return None  # the first one has asked, and is at work there
    metrics = _json(folder / "metrics.json")
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / "config.yaml"
        if training_begun(folder) or metrics is not None:
            _refuse_other(folder, config)
        elif _read(known) != config:
            # A run that stopped before its first epoch (a mistake that was fixed since) binds nobody.
            shutil.rmtree(folder / FOLDER, ignore_errors=True)
            write_text(known, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    if metrics is None or damaged(folder):
        return None
    if not (folder / FOLDER).is_dir():  # of a version that left no marks
        return metrics
    said = _json(folder / "run.json")
    mark = Marks(folder).read("report")
    whole = said is not None and said.get("status") == "done" and mark is not None
    # Numbers that somebody changed, or a damaged disk, are not those that were measured: they are written again.
    return metrics if whole and mark is not None and mark.kept.get("metrics") == metrics else None


def training_begun(folder: Path) -> bool:
    """Whether a training has left anything in a run's folder."""
    places = [folder, *folder.glob("fold_*")]
    return any(
        (place / "checkpoints" / name).is_file()
        for place in places
        for name in ("last.ckpt", "fitted.ckpt", "best.ckpt")
    )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            "a run folder that can be written", f"{folder}: {error.strerror}", "choose another paths.run_dir"
        ) from error


def _read(path: Path) -> Any:
    """A file of YAML; None where it is absent or damaged."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = read_note(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _refuse_other(folder: Path, config: dict[str, Any]) -> None:
    known = folder / "config.yaml"
    kept = _read(known)
    if not isinstance(kept, Mapping):
        if identity_of(folder) != run_identity(config):
            raise UserError(
                "the configuration that this run folder began with (a rerun there resumes it)",
                f"{known}, which is lost or damaged",
                "choose another paths.run_dir",
            )
        write_text(known, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        return
    # A class that moved in between is the same class, and a field that was added since stood at its default.
    before, now = deciding(without_gone(current(kept))), deciding(config)
    before |= _raw(kept, config)
    now |= _raw(config, kept)
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        shown = ", ".join(f"{key}: {before.get(key)!r} -> {now.get(key)!r}" for key in changed[:5])
        raise UserError(
            "the configuration that this run folder began with (a rerun there resumes it)",
            f"{len(changed)} changed: {shown}",
            "choose another paths.run_dir, or set the keys back",
        )


def _raw(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``paths.raw`` where two configurations name raw files that are others; raw files that were moved are the same."""
    places = [_places(node.get("paths", {}).get("raw")) for node in (config, other)]
    moved = any(not all(place.exists() for place in named) for named in places)
    return {} if moved or places[0] == places[1] else {"paths.raw": config.get("paths", {}).get("raw")}


def _places(raw: Any) -> list[Path]:
    return [Path(os.path.realpath(place)) for place in ([raw] if isinstance(raw, str) else raw or [])]


def identity_of(folder: Path) -> str | None:
    """The identity of the run in a folder: of its record, else of its configuration; None where neither can be read."""
    record, mark = _json(folder / "run.json"), Marks(folder).read("prepare")
    for found in (record.get("identity") if record else None, mark.stage.inputs.get("identity") if mark else None):
        if isinstance(found, str):
            return found
    config = _read(folder / "config.yaml")
    try:
        return run_identity(without_gone(current(config))) if isinstance(config, Mapping) else None
    except UserError:
        return None


def _refused(error: BaseException) -> bool:
    """Whether a command ends with 2 of it; a folder whose lock was lost is another process's by now."""
    mistake = isinstance(error, UserError) or of_command(error) is not None
    return mistake and not isinstance(error, LockLostError)


class LiveRecord:
    """``run.json`` while the run is on its way: ``running``, ``failed`` or ``stopped``, with its stages so far.

    A run that is refused before its first training leaves none: what was prepared stands in the store.

    Args:
        folder: of the run.
        config: of the run.
        overrides: what the user typed.
    """

    def __init__(self, folder: Path, config: dict[str, Any], overrides: list[str]) -> None:
        self.folder, self.writes = folder, is_first_process()
        self.fresh = not (folder / RECORD).exists()
        # What the run wrote so far is forgotten with it; logs of a batch system are not the run's.
        self.before = {path.name for path in folder.iterdir()} - {"config.yaml"} if self.writes else set()
        self.content = {
            "schema": SCHEMA,
            "status": "running",
            "identity": run_identity(config),
            "name": config.get("name"),
            "overrides": overrides,
            "run_dir": str(folder),
        }
        self.log = StageLog(self.write)

    def write(self) -> None:
        """As it is now."""
        if self.writes:
            content = self.content | {"stages": self.log.plain()}
            write_text(self.folder / RECORD, json_text(content))

    @contextmanager
    def running(self) -> Iterator[StageLog]:
        """What happens inside is recorded; an error marks the run failed, Ctrl-C stopped, and both go on."""
        self.write()
        try:
            yield self.log
        except BaseException as error:
            if self.fresh and _refused(error) and all(stage.name in BEFORE_FIT for stage in self.log.stages):
                self._forget()
                raise
            failed = isinstance(error, Exception)
            self.content |= {"status": "failed" if failed else "stopped"}
            if failed:
                self.content["reason"] = f"{type(error).__name__}: {error}"
            self.write()
            raise

    def _forget(self) -> None:
        """Take away what says that a run began here: it was refused before it trained anything."""
        if self.writes:
            for path in [path for path in self.folder.iterdir() if path.name not in self.before]:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            for name in (FOLDER, "splits"):  # of a start before this one that was stopped
                shutil.rmtree(self.folder / name, ignore_errors=True)
