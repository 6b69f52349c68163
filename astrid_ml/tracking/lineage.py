"""Where a run comes from, in the words of its record: for trackers and for the board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN_VERSIONS = ("astrid-ml", "torch", "numpy", "python")


def lineage_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Identity, data, split, seeds, code and machine; only what the record says, whatever else stands in it.

    Args:
        record: the content of ``run.json``.

    >>> lineage_of({"identity": "f00d", "dataset": {"path": "data/x", "counts": {"samples": 1200}}, "split": None})
    {'identity': 'f00d', 'dataset': 'data/x', 'samples': '1,200'}
    """
    samples, seeds, versions = _at(record, "dataset", "counts", "samples"), record.get("seeds"), record.get("versions")
    known = versions if isinstance(versions, Mapping) else {}
    stages = record.get("stages")
    out = {
        "identity": _text(record, "identity"),
        "dataset": _text(record, "dataset", "path"),
        "fingerprint of the dataset": _text(record, "dataset", "fingerprint"),
        "samples": f"{samples:,}" if isinstance(samples, int) else "",
        "split": " ".join(filter(None, (_text(record, "split", "name"), _text(record, "split", "hash")))),
        "seeds": ", ".join(f"{k}={v}" for k, v in seeds.items() if v is not None) if isinstance(seeds, Mapping) else "",
        "code": ", ".join(f"{name} {known[name]}" for name in SHOWN_VERSIONS if isinstance(known.get(name), str)),
        "machine": " ".join(
            filter(None, (_text(record, "environment", "system"), _text(record, "environment", "accelerator")))
        ),
        "began": began(stages).replace("T", " "),
    }
    return {name: text for name, text in out.items() if text}


def began(stages: Any) -> str:
    """When the first stage of a record began, UTC, ISO 8601; empty where nothing says so.

    Args:
        stages: of ``run.json``.
    """
    first = stages[0] if isinstance(stages, list) and stages else None
    said = first.get("started") if isinstance(first, Mapping) else None
    return said[:19] if isinstance(said, str) else ""


def _at(record: Mapping[str, Any], *names: str) -> Any:
    node: Any = record
    for name in names:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _text(record: Mapping[str, Any], *names: str) -> str:
    value = _at(record, *names)
    return value if isinstance(value, str) else ""
