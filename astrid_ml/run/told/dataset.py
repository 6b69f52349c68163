"""What ``run.json`` says of the dataset that was trained or judged on, by its ``dataset.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.reasons import shortened

MISSING = ("<NA>", "nan", "None", "NaN")  # how a label that is missing is written as text
SHOWN = 6  # classes, and reasons of units that failed


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


def labels_in_words(meta: Mapping[str, Any]) -> str:
    """How many samples have which label, and how many known sources detection found; empty where nobody counted.

    Args:
        meta: the content of ``dataset.json``.

    Example:
        >>> labels_in_words({"counts": {"by_label": {"0": 90, "1": 4}, "truth": 5, "truth_matched": 4}})
        '4 real, 90 bogus; of 5 known sources 4 are found'
        >>> labels_in_words({"counts": {"by_label": {"SNIa": 3, "<NA>": 2}}})
        '3 SNIa, 2 without a label'
    """
    counts = meta.get("counts") or {}
    found = {str(label): int(number) for label, number in (counts.get("by_label") or {}).items()}
    without = sum(found.pop(name, 0) for name in MISSING)
    binary = bool(found) and set(found) <= {"0", "1"}
    named = {"real": found.get("1", 0), "bogus": found.get("0", 0)} if binary else found
    first = sorted(named.items(), key=lambda item: -item[1]) if not binary else list(named.items())
    parts = [f"{number:,} {shortened(name, 40)}" for name, number in first[:SHOWN]]
    parts += [f"{sum(number for _, number in first[SHOWN:]):,} of others"] if len(first) > SHOWN else []
    parts += [f"{without:,} without a label"] if without else []
    words = ", ".join(parts)
    if counts.get("truth"):
        words += f"; of {counts['truth']:,} known sources {counts.get('truth_matched', 0):,} are found"
    return words


def failed_in_words(meta: Mapping[str, Any], path: str) -> list[str]:
    """A line for each unit that failed, the first few of them.

    Args:
        meta: the content of ``dataset.json``.
        path: where the others stand.
    """
    failed = meta.get("failed") or []
    lines = [f"failed {unit['id']}: {unit['reason']}" for unit in failed[:SHOWN]]
    return lines + ([f"and {len(failed) - SHOWN} more: {path}, under failed"] if len(failed) > SHOWN else [])
