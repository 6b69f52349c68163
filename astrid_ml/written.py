"""The fields of a class of ours as its file writes them: nothing is imported, so that a wrong value is told at once.

What cannot be read so (a base or an annotation that another library brings) is left to the class itself.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import types
import typing
from collections import abc
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from astrid_ml import types as ours

_KNOWN = {
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")},
    **{name: getattr(abc, name) for name in ("Collection", "Iterable", "Mapping", "Sequence")},
    **{name: value for name, value in vars(ours).items() if name[0].isupper()},
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
    ['link_radius', 'link_stamps', 'sealed']
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
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and not _made_by_itself(part.value):
            yield part.target.id, part.annotation, part.value


def _made_by_itself(value: ast.expr | None) -> bool:
    """``field(init=False)``: no parameter."""
    given = value.keywords if isinstance(value, ast.Call) else []
    return any(word.arg == "init" and isinstance(word.value, ast.Constant) and not word.value.value for word in given)


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


def takes_text(target: str, name: str, several: bool = False) -> bool:
    """Whether a class's field or argument is text, or several texts; choices of a Literal are not.

    Args:
        target: the class.
        name: of the field.
        several: ask for several texts alone.
    """
    return is_text(_hint_of(target, name), several)


def takes_number(target: str, name: str) -> bool:
    """Whether a class's field or argument takes a number, perhaps beside a text.

    >>> takes_number("astrid_ml.splits.options.GroupSplit", "test")
    True
    """
    return _is_number(_hint_of(target, name))


def _is_number(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _is_number(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return any(_is_number(part) for part in typing.get_args(hint))
    return hint in (int, float)


def may_be_text(target: str, name: str) -> bool:
    """Whether a field or argument takes text, or does not say what it takes.

    >>> [may_be_text("astrid_ml.splits.options.GroupSplit", name) for name in ("test", "nosuch")]
    [False, True]
    """
    hint = _hint_of(target, name)
    return hint is Any or is_text(hint)


def _hint_of(target: str, name: str) -> Any:
    """The annotation of a field or argument of a class; Any where it says none."""
    written = written_fields(target)
    if name in written:
        return written[name][0]
    module, _, kind = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), kind)
        hints = typing.get_type_hints(found.__init__ if "__init__" in vars(found) else found)
    except (
        Exception,
        SystemExit,
    ):  # a module of a plugin runs its own code; whoever builds the class says what is wrong
        return Any
    return hints.get(name, Any)


def is_text(hint: Any, several: bool = False) -> bool:
    """Whether an annotation takes text, or several texts; choices of a Literal are not.

    Args:
        hint: an annotation.
        several: ask for several texts alone.
    """
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return is_text(typing.get_args(hint)[0], several)
    if origin in (typing.Union, types.UnionType):
        return any(is_text(part, several) for part in typing.get_args(hint))
    if origin is Literal or origin is dict:
        return False
    if origin is not None and isinstance(origin, type) and issubclass(origin, typing.Sequence):
        return any(is_text(part) for part in typing.get_args(hint))
    return not several and (hint is str or (isinstance(hint, type) and issubclass(hint, Path)))
