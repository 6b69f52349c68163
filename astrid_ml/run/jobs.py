"""Where the jobs of a sweep lie: each by the identity of its configuration, whatever its number in this sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from astrid_ml.checkpoint.digests import digest_of
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
            return beside(place, own)
    if not used(own):
        return own
    return beside(own.parent / digest_of([identity, raw])[:16], own)


def _raw(place: Path, otherwise: Any) -> Any:
    """The raw files of a job: an identity does not hold where they lie, and a sweep may go over them."""
    try:
        return yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))["paths"].get("raw")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
        return otherwise


def used(place: Path) -> bool:
    """Whether any run was there."""
    return place.is_dir() and any(place.iterdir())


def beside(place: Path, own: Path) -> Path:
    """The place of a job that does not lie in the folder of its number; what Hydra made and nobody needs goes."""
    if place != own and own.is_dir() and not used(own):
        own.rmdir()
    return place
