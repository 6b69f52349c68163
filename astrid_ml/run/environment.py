"""Who a run is, and on what it ran."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from astrid_ml.build import with_defaults
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.identity import lasting
from astrid_ml.run.versions import versions

# Where things stand and how they are shown does not change what a run computes.
FREE = (
    "paths",
    "logger",
    "dry_run",
    "executor",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "callbacks.checkpoint_",
)
# Keys that came later, at the value with which a run computes what it did without them.
LATER = {
    "trainer.accumulate_grad_batches": 1,
    "survey": None,
    "schemas": None,
    "init_mode": "full",
    "init_weights": None,
}


def run_identity(config: Mapping[str, Any]) -> str:
    """The hash of all of a configuration that decides what a run computes: the same run has the same, wherever it lies.

    Classes count by their permanent names, and fields that are left to their defaults as if they were written.
    """
    return digest_of(deciding(config))[:16]


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as ``a.b.c`` -> value, without what decides nothing."""
    flat = dict(flattened(lasting(with_defaults(config))))
    # What a network begins with is told by its weights, wherever their file lies.
    kept = {key: value for key, value in flat.items() if not key.startswith(FREE) and key != "init"}
    return {key: value for key, value in kept.items() if key not in LATER or value != LATER[key]}


def flattened(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """The leaves of a tree, each with its dotted name."""
    if isinstance(node, Mapping) and node:
        return [
            item for key, value in node.items() for item in flattened(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, node)]


def environment() -> dict[str, Any]:
    """Versions, processor and threads, without names of persons, machines or folders."""
    import torch

    accelerator = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "versions": versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": accelerator,
    }
