"""The source tree as data: modules, imports, definitions. Nothing of it is run."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Their code stands at the top of the checkout; inside astrid_ml/ they are links.
LINKED = ("conf", "datamodules", "models", "preprocessing")
NAME = "astrid_ml"


@dataclass(frozen=True)
class Module:
    """One file.

    Args:
        name: dotted, from ``astrid_ml``.
        path: the file.
        tree: its syntax.
        text: its lines.
    """

    name: str
    path: Path
    tree: ast.Module
    text: str

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def folder(self) -> str:
        """The package that holds it; a package is its own."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


class House:
    """All modules below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: dict[str, Module] = {module.name: module for module in self._read()}

    def _read(self) -> Iterator[Module]:
        for top in (NAME, *LINKED):
            for path in sorted((self.root / top).rglob("*.py")):
                parts = path.relative_to(self.root).with_suffix("").parts
                if parts[0] == NAME and len(parts) > 1 and parts[1] in LINKED:
                    continue  # through the link: seen at its true place
                name = ".".join(parts if parts[0] == NAME else (NAME, *parts)).removesuffix(".__init__")
                text = path.read_text(encoding="utf-8")
                yield Module(name, path, ast.parse(text), text)

    @functools.cached_property
    def imports(self) -> Mapping[str, frozenset[str]]:
        """Module -> modules of ours that it imports anywhere: lazily and under TYPE_CHECKING too."""
        return {name: frozenset(self._imported(module)) - {name} for name, module in self.modules.items()}

    def _imported(self, module: Module) -> Iterator[str]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    if inner in self.modules:
                        yield inner
                    elif node.module in self.modules:
                        yield node.module

    def functions(self) -> Iterator[tuple[Module, ast.FunctionDef]]:
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef):
                    yield module, node

    def classes(self) -> Iterator[tuple[Module, ast.ClassDef]]:
        for module in self.modules.values():
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    yield module, node


def circles(graph: Mapping[str, frozenset[str] | set[str]]) -> list[list[str]]:
    """Strongly connected parts of more than one node (Tarjan 1972, SIAM J. Comput. 1, 146)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found
