"""A job of a sweep that failed or was refused leaves its reason, for the table of the sweep."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.printable import printable
from astrid_ml.run.environment import run_identity
from astrid_ml.run.jobs import beside, job_folder, used


def record_failed_job(config: Any, error: Exception) -> None:
    """Leave ``run.json`` with the reason in a run's folder, for the table of the sweep; never over another's record.

    Args:
        config: of the job, as Hydra composed it.
        error: why it failed or was refused.
    """
    from hydra.core.hydra_config import HydraConfig

    if not isinstance(error, UserError):
        traceback.print_exception(error)
    print(printable(f"astrid: this job failed and the others go on: {error}"), file=sys.stderr)
    if not config.get("paths"):
        return  # no run: its output folder says what became of it
    own, overrides = Path(HydraConfig.get().runtime.output_dir), list(HydraConfig.get().overrides.task)
    try:
        tree = plain(config)
        folder, identity = job_folder(tree, own), run_identity(tree)
    except Exception:  # a configuration that cannot be read has no identity: its overrides name it
        identity = None
        folder = beside(own.parent / f"refused-{digest_of(overrides)[:16]}", own) if used(own) else own
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
