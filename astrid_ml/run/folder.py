"""A run's folder: fresh, to be resumed, or already finished; never silently overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from astrid_ml.errors import UserError
from astrid_ml.files import write_text
from astrid_ml.identity import current
from astrid_ml.run.environment import deciding


def open_run_folder(folder: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """Make the folder ready for a run with this configuration.

    Returns:
        The metrics of the run if it is already finished there, else None.

    Raises:
        UserError: another run (another configuration) lives there, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / "config.yaml"
        begun = any(folder.glob("**/checkpoints/last.ckpt")) or (folder / "metrics.json").is_file()
        if known.is_file() and begun:
            _refuse_other(known, config)
        else:  # a run that stopped before its first epoch (a mistake that was fixed since) binds nobody
            write_text(known, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise UserError(
            "a run folder that can be written", f"{folder}: {error.strerror}", "choose another paths.run_dir"
        ) from error
    finished = folder / "metrics.json"
    return json.loads(finished.read_text(encoding="utf-8")) if finished.is_file() else None


def _refuse_other(known: Path, config: dict[str, Any]) -> None:
    kept = yaml.safe_load(known.read_text(encoding="utf-8")) or {}
    # A class that moved in between is the same class, and a field that was added since stood at its default.
    before, now = deciding(current(kept)), deciding(config)
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        shown = ", ".join(f"{key}: {before.get(key)!r} -> {now.get(key)!r}" for key in changed[:5])
        raise UserError(
            "the configuration that this run folder began with (a rerun there resumes it)",
            f"{len(changed)} changed: {shown}",
            "choose another paths.run_dir, or set the keys back",
        )
