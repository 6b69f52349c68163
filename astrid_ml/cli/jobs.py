"""Where the jobs of a sweep lie: each by the identity of its configuration, whatever its number in this sweep."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import yaml

from astrid_ml.build import plain
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.run.environment import run_identity
from astrid_ml.run.folder import identity_of


def job_folder(config: dict[str, Any], own: Path) -> Path:
    """The folder of a job: where it began in an earlier sweep, else its number's if that is free, else one of its own.

    Args:
        config: of the job, as plain containers.
        own: the folder of its number, which Hydra has made.
    """
    raw = config.get("paths", {}).get("raw")
    identity = run_identity(config)
    others = (place for place in sorted(own.parent.iterdir()) if place != own and place.is_dir())
    for place in (own, *others):
        if identity_of(place) == identity and _raw(place, raw) == raw:
            return _instead(place, own)
    if not _used(own):
        return own
    return _instead(own.parent / digest_of([identity, raw])[:16], own)


def _raw(place: Path, otherwise: Any) -> Any:
    """The raw files of a job: an identity does not hold where they lie, and a sweep may go over them."""
    try:
        return yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))["paths"].get("raw")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
        return otherwise


def _used(place: Path) -> bool:
    """Whether any run was there."""
    return place.is_dir() and any(place.iterdir())


def _instead(place: Path, own: Path) -> Path:
    if place != own and own.is_dir() and not _used(own):
        own.rmdir()
    return place


def record_failed_job(config: Any, error: Exception) -> None:
    """Leave ``run.json`` with the reason in the job's folder, for the table of the sweep; never over another's record.

    Args:
        config: of the job, as Hydra composed it.
        error: why it failed or was refused.
    """
    from hydra.core.hydra_config import HydraConfig

    if not isinstance(error, UserError):
        traceback.print_exception(error)
    print(f"astrid: this job failed and the others go on: {error}", file=sys.stderr)
    own, overrides = Path(HydraConfig.get().runtime.output_dir), list(HydraConfig.get().overrides.task)
    try:
        tree = plain(config)
        folder, identity = job_folder(tree, own), run_identity(tree)
    except Exception:  # a configuration that cannot be read has no identity: its overrides name it
        identity = None
        folder = _instead(own.parent / f"refused-{digest_of(overrides)[:16]}", own) if _used(own) else own
    if _told(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "status": "failed",
        "reason": f"{type(error).__name__}: {error}",
        "identity": identity,
        "overrides": overrides,
        "run_dir": str(folder),
    }
    write_json(folder / "run.json", record)


def _told(folder: Path) -> bool:
    """Whether the run has recorded its end itself."""
    if (folder / "metrics.json").is_file():
        return True
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "stages" in record and record.get("status") in ("failed", "stopped")
