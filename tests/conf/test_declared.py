"""Every field of every class that a node of the configuration names is a key there: whatever a message tells a user
to set can be set."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
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


def declared(path: Path) -> dict[str, Any]:
    """A file's content with that of its bases and of the slots that it mounts."""
    text = path.read_text(encoding="utf-8")
    own = yaml.safe_load(text) or {}
    whole: dict[str, Any] = {}
    for item in own.get("defaults") or []:
        if isinstance(item, str) and (path.parent / f"{item}.yaml").is_file():
            whole = joined(whole, declared(path.parent / f"{item}.yaml"))
        elif isinstance(item, dict):
            name = next(iter(item))
            option = path.parent / name / f"{item[name]}.yaml"
            if "/" in name and option.is_file():
                stated = re.search(r"@package preprocessing\.?(\S*)", option.read_text(encoding="utf-8"))
                content = declared(option)
                whole = joined(whole, {stated.group(1): content} if stated and stated.group(1) else content)
    return joined(whole, {key: value for key, value in own.items() if key != "defaults"})


def joined(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    out = dict(a)
    for key, value in b.items():
        out[key] = joined(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def fields_of(target: str) -> list[str]:
    module, _, name = target.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def undeclared(path: Path) -> list[str]:
    out = []
    for place, node in nodes(declared(path)):
        lacking = [name for name in fields_of(node["_target_"]) if name not in node and not node.get("_partial_")]
        if lacking:
            out.append(f"{place or 'top'} ({node['_target_'].rpartition('.')[2]}): {', '.join(lacking)}")
    return out


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_field_is_declared(path: Path) -> None:
    assert undeclared(path) == []


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != CONF], ids=lambda path: str(path.relative_to(CONF)))
def test_every_option_says_in_its_first_line_what_it_is(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# ") and len(lines[0]) > 5, lines[0]


def test_no_two_options_of_a_group_share_six_lines() -> None:
    """What options share stands in one that the others build on."""
    wrong = []
    for folder in sorted({path.parent for path in FILES} - {CONF}):
        runs = {path.stem: six_lines(path) for path in sorted(folder.glob("*.yaml"))}
        wrong += [f"{folder.name}: {a}, {b}" for a, b in combinations(runs, 2) if runs[a] & runs[b]]
    assert wrong == []


def six_lines(path: Path) -> set[tuple[str, ...]]:
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line]
    return {tuple(lines[i : i + 6]) for i in range(len(lines) - 5)}
