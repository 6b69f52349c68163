"""A tree of classes: validated, with the labels of a survey mapped onto its nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened
from astrid_ml.types import Floats, Ints, Mask


@dataclass(frozen=True)
class Taxonomy:
    """A tree of classes.

    Args:
        name: of the tree.
        root: its one root.
        children: node -> its children, in order.
        labels: node -> labels of the survey that mean it; a node's own name always does. Labels of inner nodes are
            allowed: such objects train the levels that they know.

    Raises:
        UserError: a cycle, two parents, a second root, a label of two nodes or of none.
    """

    name: str
    root: str
    children: Mapping[str, Sequence[str]]
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for problem in problems_of(self):
            raise UserError(f"a taxonomy {self.name!r} that is one tree", problem, "fix its YAML file")

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """All nodes, breadth first: the root is 0, and siblings stand together."""
        order, place = [self.root], 0
        while place < len(order):
            order += self.children.get(order[place], ())
            place += 1
        return tuple(order)

    @cached_property
    def position(self) -> dict[str, int]:
        """Node -> its place in ``nodes``."""
        return {name: number for number, name in enumerate(self.nodes)}

    @cached_property
    def parent(self) -> Ints:
        """Place of each node's parent, shape (n_nodes,); the root's is itself."""
        out = np.zeros(len(self.nodes), dtype=np.int64)
        for name, below in self.children.items():
            for child in below:
                out[self.position[child]] = self.position[name]
        return out

    @cached_property
    def depth(self) -> Ints:
        """Steps from the root, shape (n_nodes,); the root's is 0."""
        out = np.zeros(len(self.nodes), dtype=np.int64)
        for number in range(1, len(out)):  # breadth first: a parent stands before its children
            out[number] = out[self.parent[number]] + 1
        return out

    @cached_property
    def sibling_groups(self) -> tuple[tuple[int, ...], ...]:
        """Places of the children of each inner node, breadth first."""
        inner = [name for name in self.nodes if self.children.get(name)]
        return tuple(tuple(self.position[child] for child in self.children[name]) for name in inner)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """Nodes without children, breadth first."""
        return tuple(name for name in self.nodes if not self.children.get(name))

    @cached_property
    def ancestors(self) -> Mask:
        """(n_nodes, n_nodes): ``[i, j]`` is whether j is i or above it."""
        out = np.eye(len(self.nodes), dtype=bool)
        for number in range(1, len(out)):
            out[number] |= out[self.parent[number]]
        return out

    @cached_property
    def node_of_label(self) -> dict[str, str]:
        """Label (or node name) -> node."""
        out = {name: name for name in self.nodes}
        out.update({str(label): node for node, names in self.labels.items() for label in names})
        return out

    def encode(self, labels: Sequence[object]) -> Ints:
        """Place of each label's node, shape (n,); -1 where the label is missing or unknown here."""
        known = {label: self.position[node] for label, node in self.node_of_label.items()}
        return np.array([known.get(str(label), -1) if label is not None else -1 for label in labels], dtype=np.int64)

    def at_level(self, nodes: Ints, level: int) -> Ints:
        """Each node's ancestor at a depth (a leaf above it stands for itself); -1 for nodes that do not reach it.

        Args:
            nodes: places, shape (n,); -1 stays -1.
            level: depth, 1 or more.
        """
        table = np.full((len(self.nodes) + 1,), -1, dtype=np.int64)
        for number, name in enumerate(self.nodes):
            if self.depth[number] >= level:
                table[number] = next(a for a in np.flatnonzero(self.ancestors[number]) if self.depth[a] == level)
            elif not self.children.get(name):
                table[number] = number
        return table[nodes]

    def level_nodes(self, level: int) -> Ints:
        """The classes of a level: nodes at that depth and leaves above it, breadth first."""
        chosen = [
            number
            for number, name in enumerate(self.nodes)
            if self.depth[number] == level or (self.depth[number] < level and not self.children.get(name))
        ]
        return np.array(chosen, dtype=np.int64)

    @cached_property
    def n_levels(self) -> int:
        """The largest depth; level ``n_levels`` holds all leaves."""
        return int(self.depth.max())

    def probabilities(self, conditional: Floats) -> Floats:
        """Node probabilities from conditional ones: p(node) = p(node | parent) p(parent), shape (n, n_nodes)."""
        out = np.array(conditional, dtype=np.float64)
        out[:, 0] = 1.0
        for number in range(1, out.shape[1]):
            out[:, number] *= out[:, self.parent[number]]
        return out

    def deepest_confident(self, probability: Floats, confidence: float) -> Ints:
        """From the root down the most probable child, as long as its probability is at least ``confidence``.

        Args:
            probability: (n, n_nodes), consistent.
            confidence: in (0, 1]; 0 always ends at a leaf.
        """
        at = np.zeros(len(probability), dtype=np.int64)
        for group in self.sibling_groups:
            below = np.array(group)
            here = at == self.parent[below[0]]
            best = below[np.argmax(probability[:, below], axis=1)]
            sure = probability[np.arange(len(at)), best] >= confidence
            at = np.where(here & sure, best, at)
        return at


def problems_of(tree: Taxonomy) -> list[str]:
    """What is wrong with a tree, in words."""
    below = [child for names in tree.children.values() for child in names]
    twice = sorted({name for name in below if below.count(name) > 1})
    if twice:
        return [f"{', '.join(twice)} with two parents"]
    if tree.root in below:
        return [
            f"the root {tree.root!r} below {next(n for n, c in tree.children.items() if tree.root in c)!r}: a cycle"
        ]
    reached, front = {tree.root}, [tree.root]
    while front:
        front = [child for name in front for child in tree.children.get(name, ())]
        reached |= set(front)
    lost = sorted((set(tree.children) | set(below)) - reached)
    if lost:
        return [f"{', '.join(lost)} out of reach of the root {tree.root!r} (a cycle, or a second root)"]
    unknown = sorted(set(tree.labels) - reached)
    if unknown:
        return [f"labels of the unknown node {', '.join(unknown)}"]
    names = [str(label) for node, labels in tree.labels.items() for label in labels if str(label) != node]
    shared = sorted({name for name in names if names.count(name) > 1 or name in reached})
    return [f"the label {', '.join(shared)} at two nodes"] if shared else []


def known_taxonomies() -> list[str]:
    """Names of the trees that are shipped."""
    return sorted(path.stem for path in (Path(__file__).parent / "taxonomies").glob("*.yaml"))


def load_taxonomy(source: str) -> Taxonomy:
    """A shipped tree by name, a YAML file with ``name, root, children, labels``, or the text of such a file.

    Raises:
        UserError: no such tree, or a file that is not one.
    """
    import yaml

    if source.lstrip().startswith("{"):
        name, text = "the tree in the record", source
    else:
        path = Path(source) if _is_file(source) else Path(__file__).parent / "taxonomies" / f"{source}.yaml"
        if not path.is_file() or not (_is_file(source) or source in known_taxonomies()):
            raise UserError(f"a taxonomy: {', '.join(known_taxonomies())} or a YAML file", source, "choose one of them")
        try:
            name, text = path.name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path.name} as text (UTF-8)", shortened(f"{error}", 120), "write it again as plain text"
            ) from error
    try:
        content: Any = yaml.safe_load(text)
        children, labels = (_lists(content.get(part)) for part in ("children", "labels"))
        called, root = str(content["name"]), str(content["root"])
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        fix = "see astrid_ml/taxonomies for examples"
        raise UserError(f"{name} with name, root, children, labels", "another content", fix) from error
    if not children:
        raise UserError(f"{name} with two classes or more", "no children of the root", "fetch it again")
    return Taxonomy(called, root, children, labels)


def _is_file(source: str) -> bool:
    return source.endswith((".yaml", ".yml"))


def _lists(value: Any) -> dict[str, list[str]]:
    return {str(node): list(map(str, _several(names))) for node, names in dict(value or {}).items()}


def _several(names: Any) -> list[Any]:
    """A text alone is one name, not its letters."""
    return list(names) if isinstance(names, list | tuple) else [names]


def with_trees_inside(config: Any) -> Any:
    """A configuration in which each tree of a user's file stands as its text: a checkpoint must not need that file."""
    if isinstance(config, Mapping):
        return {
            key: _text(value)
            if key == "taxonomy" and isinstance(value, str) and _is_file(value)
            else with_trees_inside(value)
            for key, value in config.items()
        }
    return [with_trees_inside(part) for part in config] if isinstance(config, list | tuple) else config


def _text(source: str) -> str:
    tree = load_taxonomy(source)
    return json.dumps({"name": tree.name, "root": tree.root, "children": tree.children, "labels": tree.labels})


def refuse_trees_outside(config: Any, name: str) -> None:
    """Refuse a record that names a file of the reader's disk as its tree.

    Args:
        config: of a record.
        name: of its file.

    Raises:
        UserError: it does.
    """
    if isinstance(config, Mapping):
        tree = config.get("taxonomy")
        if isinstance(tree, str) and not tree.lstrip().startswith("{") and tree not in known_taxonomies():
            fix = "train again: the tree of your file is then kept in the checkpoint"
            raise UserError("a taxonomy that is shipped, or inside the record", f"{shortened(tree, 80)} in {name}", fix)
    parts = config.values() if isinstance(config, Mapping) else config if isinstance(config, list | tuple) else ()
    for part in parts:
        refuse_trees_outside(part, name)
