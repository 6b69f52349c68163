"""The fields of a class of ours as its file writes them: nothing is imported, so that a wrong value is told at once.

What cannot be read so (a base or an annotation that another library brings) is left to the class itself.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import typing
from collections import abc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astrid_ml import types

_KNOWN = {
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")},
    **{name: getattr(abc, name) for name in ("Collection", "Iterable", "Mapping", "Sequence")},
    **{name: value for name, value in vars(types).items() if name[0].isupper()},
    "Path": Path,
}
Fields = dict[str, tuple[Any, Any]]  # name -> annotation, default


@functools.cache
def written_fields(target: str) -> Fields:
    """The parameters of a class of ours whose annotations can be read in its file, with their defaults.

    Args:
        target: ``astrid_ml.<module>.<Class>``; of any other there are none.

    Returns:
        Name -> annotation and default; ``inspect.Parameter.empty`` where a default is no plain value.

    >>> sorted(written_fields("astrid_ml.splits.options.GroupSplit"))[:3]
    ['link_radius', 'link_stamps', 'seed']
    >>> written_fields("os.system")
    {}
    """
    module, _, name = target.rpartition(".")
    path = _file_of(module)
    if path is None:
        return {}
    tree = _tree(path)
    found = next((part for part in tree.body if isinstance(part, ast.ClassDef) and part.name == name), None)
    if found is None:
        return {}
    init = next((part for part in found.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    own = _known(_of_body(found) if init is None else _of_function(init), tree, module)
    if init is not None and init.args.kwarg is None:
        return own
    bases = [base.id for base in found.bases if isinstance(base, ast.Name)]
    return functools.reduce(lambda fields, base: written_fields(_home(base, tree, module)) | fields, bases, own)


def _file_of(module: str) -> Path | None:
    """The file of a module of ours."""
    own, *parts = module.split(".")
    path = Path(__file__).parent.joinpath(*parts).with_suffix(".py") if parts else None
    return path if own == "astrid_ml" and path is not None and path.is_file() else None


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _home(name: str, tree: ast.Module, module: str) -> str:
    """Where a name of a module comes from: another module of ours, or itself."""
    for part in tree.body:
        if isinstance(part, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in part.names):
            return f"{part.module}.{next(a.name for a in part.names if (a.asname or a.name) == name)}"
    return f"{module}.{name}"


def _of_body(found: ast.ClassDef) -> Iterator[tuple[str, ast.expr, ast.expr | None]]:
    for part in found.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            yield part.target.id, part.annotation, part.value


def _of_function(init: ast.FunctionDef) -> Iterator[tuple[str, ast.expr, ast.expr | None]]:
    positional, keyword = init.args.args[1:], init.args.kwonlyargs
    defaults = [None] * (len(positional) - len(init.args.defaults)) + list(init.args.defaults)
    for argument, default in [*zip(positional, defaults[-len(positional) :] if positional else [], strict=True)]:
        if argument.annotation is not None:
            yield argument.arg, argument.annotation, default
    for argument, default in zip(keyword, init.args.kw_defaults, strict=True):
        if argument.annotation is not None:
            yield argument.arg, argument.annotation, default


def _known(parts: Iterator[tuple[str, ast.expr, ast.expr | None]], tree: ast.Module, module: str) -> Fields:
    """Those whose annotation names only what this module knows, or what their file makes of that."""
    out: Fields = {}
    for name, annotation, default in parts:
        try:
            out[name] = (_meaning(annotation, tree, module, 0), _plain(default))
        except (NameError, TypeError, AttributeError, SyntaxError):
            continue
    return out


def _meaning(annotation: ast.expr, tree: ast.Module, module: str, depth: int) -> Any:
    """What an annotation stands for; names like ``Pair = Sequence[float]`` are looked up where they are made.

    Raises:
        NameError: it names something else.
    """
    known = dict(_KNOWN)
    for name in {part.id for part in ast.walk(annotation) if isinstance(part, ast.Name)} - set(known):
        if hasattr(builtins, name):
            continue
        home, _, own = _home(name, tree, module).rpartition(".")
        path = _file_of(home)
        if path is None or depth > 3:
            raise NameError(name)
        there = _tree(path)
        made = [part.value for part in there.body if isinstance(part, ast.Assign) and _names(part, own)]
        if len(made) != 1:
            raise NameError(name)
        known[name] = _meaning(made[0], there, home, depth + 1)
    return eval(ast.unparse(annotation), known)


def _names(part: ast.Assign, name: str) -> bool:
    """Whether an assignment gives a name its value."""
    return [target.id for target in part.targets if isinstance(target, ast.Name)] == [name]


def _plain(default: ast.expr | None) -> Any:
    try:
        return inspect.Parameter.empty if default is None else ast.literal_eval(default)
    except ValueError:
        return inspect.Parameter.empty
