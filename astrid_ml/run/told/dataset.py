"""What ``run.json`` says of the dataset that was trained or judged on, by its ``dataset.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrid_ml.dataset.prepared import PreparedDataset


def dataset_record(dataset: PreparedDataset, account: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Where a dataset is, what it holds, how it was made.

    Args:
        dataset: prepared.
        account: of its labels, where they were given anew.
    """
    meta = dataset.meta
    return {
        "path": str(dataset.path),
        "fingerprint": dataset.fingerprint,
        "domain": meta.get("domain"),
        "counts": {**(meta.get("counts") or {}), **(account or {})},
        "simulated": simulated_of(meta),
        "artefacts": artefacts_of_dataset(meta),
        "channels": channels_of(meta),
        "drops_by_reason": meta.get("drops_by_reason"),
        "failed": meta.get("failed"),
    }


def channels_of(meta: Mapping[str, Any]) -> list[str]:
    """Names of the channels of stamps; empty where samples are none.

    Example:
        >>> channels_of({"description": {"arrays": {"stamps": {"channels": ["science", "reference"]}}}})
        ['science', 'reference']
    """
    arrays = (meta.get("description") or {}).get("arrays") or {}
    return [str(name) for name in (arrays.get("stamps") or {}).get("channels") or []]


def simulated_of(meta: Mapping[str, Any]) -> bool | None:
    """Whether a dataset is made of simulated files, by its ``dataset.json``; None of one of an earlier version."""
    found = (meta.get("config") or {}).get("simulated")
    return found if isinstance(found, bool) else None


def artefacts_of_dataset(meta: Mapping[str, Any]) -> list[float]:
    """By which factors a simulator multiplied artefacts, by ``dataset.json``; empty where none made the files.

    Example:
        >>> simulate = {"simulate": {"artefacts": 12}}
        >>> [artefacts_of_dataset({"config": {**simulate, "simulated": made}}) for made in (True, False)]
        [[12.0], []]
    """
    if simulated_of(meta) is False:
        return []
    config = meta.get("config") or {}
    found = config.get("artefacts") or [(config.get("simulate") or {}).get("artefacts")]
    return [float(factor) for factor in found if isinstance(factor, int | float) and not isinstance(factor, bool)]
