"""Every field of every class that a node of the configuration names is a key there: whatever a message tells a user
to set can be set."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from astrid_ml.build import conf_folder

CONF = conf_folder()
FILES = sorted(path for path in CONF.rglob("*.yaml"))


def nodes(tree: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(address, node) of each node that names a class of ours."""
    if isinstance(tree, dict):
        if str(tree.get("_target_", "")).startswith("astrid_ml."):
            yield place, tree
        for key, value in tree.items():
            yield from nodes(value, f"{place}.{key}" if place else str(key))


def inherited(text: dict[str, Any], folder: Any) -> set[str]:
    """Keys of the files of the same group that a file's defaults list names."""
    keys: set[str] = set()
    for item in text.get("defaults") or []:
        if isinstance(item, str) and (folder / f"{item}.yaml").is_file():
            base = yaml.safe_load((folder / f"{item}.yaml").read_text(encoding="utf-8")) or {}
            keys |= set(base) | inherited(base, folder)
        elif isinstance(item, dict):
            # a slot that another option fills: "subtract: zogy" is mounted at that key
            keys |= {str(key).rpartition("@")[2].rpartition(".")[2].rpartition("/")[2] for key in item}
    return keys


def fields_of(target: str) -> list[str]:
    module, _, name = target.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def undeclared(path: Any) -> list[str]:
    text = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    out = []
    for place, node in nodes(text):
        # what a defaults list mounts stands at the top of its file
        known = set(node) | (inherited(text, path.parent) if not place or place in ("command", "predictor") else set())
        lacking = [name for name in fields_of(node["_target_"]) if name not in known and not node.get("_partial_")]
        if lacking:
            out.append(f"{place or 'top'} ({node['_target_'].rpartition('.')[2]}): {', '.join(lacking)}")
    return out


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_field_is_declared(path: Any) -> None:
    assert undeclared(path) == []
