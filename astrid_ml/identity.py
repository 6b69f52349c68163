"""Permanent names of classes: the first ``_target_`` under which configuration knew a class stays its name.

Checkpoints, datasets and fingerprints hold permanent names, so a class may move to another module without costing
anybody a checkpoint or a prepared dataset. Configuration names the present home. The table between the two is
:mod:`astrid_ml.moved`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from astrid_ml.moved import GONE, MOVED

# Between the name of a simulation and what tells its settings, in names of samples.
MARK, MARK_LENGTH = "-x", 8
_MARKED = re.compile(rf"{MARK}[0-9a-f]{{{MARK_LENGTH}}}(?=[-_:]|$)")
# Before there was one importable name, these stood at top level.
FORMER_TOP_LEVEL = ("conf", "datamodules", "models", "preprocessing")


def home_of(name: str) -> str:
    """Where a class stands now, as ``module.Class``; a name that never moved is its own home.

    >>> home_of("preprocessing.differencing.zogy.Nothing")
    'preprocessing.differencing.zogy.Nothing'
    """
    seen = {name}
    while name in MOVED:
        name = MOVED[name]
        if name in seen:
            raise ValueError(f"astrid_ml/moved.py turns in a circle at {name}")
        seen.add(name)
    return name


def name_of(home: str) -> str:
    """The permanent name of a class that stands at ``home``: the oldest of its names."""
    return _names().get(home, home)


def class_name(kind: type) -> str:
    """The permanent name of a class object."""
    return name_of(f"{kind.__module__}.{kind.__qualname__}")


@functools.cache
def first_fields(name: str) -> frozenset[str] | None:
    """Fields that a fingerprint always lists: those that a class had before fields at their default were left out.

    Args:
        name: a permanent name.

    Returns:
        The fields; None for a class that came later, or is the user's own.
    """
    fields = _all_first_fields().get(name)
    return None if fields is None else frozenset(fields)


def unmarked(name: object) -> str:
    """A sample's name without the mark of a simulation's settings: what chance decides by it is the same with any.

    Example:
        >>> unmarked("ztf-x1a2b3c4d-000-00012"), unmarked("SN-2011fe")
        ('ztf-000-00012', 'SN-2011fe')
    """
    text = str(name)
    return _MARKED.sub("", text) if MARK in text else text


def lasting(tree: Any) -> Any:
    """A copy of a tree of plain containers whose ``_target_`` values are permanent names: for what is kept."""
    return _renamed(tree, name_of)


def current(tree: Any, registered: Collection[str] = (), trust: Collection[str] = ()) -> Any:
    """A copy of a tree whose ``_target_`` values are present homes: for what was kept.

    Args:
        tree: plain containers.
        registered: homes that configuration names now: a class beside the table that only got ``astrid_ml.`` in
            front is found there.
        trust: names of the user's own classes, which are left as they are.
    """

    def find(name: str) -> str:
        if name in trust:
            return name
        home = home_of(name)
        prefixed = f"astrid_ml.{home}"
        return prefixed if home.split(".")[0] in FORMER_TOP_LEVEL and prefixed in registered else home

    return _renamed(tree, find)


def without_gone(tree: Any) -> Any:
    """A copy of a tree without the fields that classes had once (:data:`astrid_ml.moved.GONE`): for what was kept.

    Args:
        tree: plain containers whose ``_target_`` values are present homes.
    """
    if isinstance(tree, Mapping):
        gone = GONE.get(str(tree.get("_target_")), ())
        return {key: without_gone(value) for key, value in tree.items() if key not in gone}
    if isinstance(tree, list | tuple):
        return [without_gone(value) for value in tree]
    return tree


def targets(node: Any) -> Iterator[str]:
    """All ``_target_`` values in a tree of plain containers."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from targets(value)


def _renamed(node: Any, change: Callable[[str], str]) -> Any:
    if isinstance(node, Mapping):
        return {
            key: change(value) if key == "_target_" and isinstance(value, str) else _renamed(value, change)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_renamed(value, change) for value in node]
    return node


@functools.cache
def _all_first_fields() -> dict[str, list[str]]:
    fields: dict[str, list[str]] = json.loads((Path(__file__).parent / "first_fields.json").read_text(encoding="utf-8"))
    return fields


@functools.cache
def _names() -> dict[str, str]:
    """Home -> permanent name. The table's order is its history: the first name that leads to a home is the oldest."""
    names: dict[str, str] = {}
    for name in MOVED:
        names.setdefault(home_of(name), name)
    return names
