"""Whether a part that is plugged in does what its contract says: told with its class before it can do harm.

A contract is a protocol or a base class. Its docstring says what goes in and what comes out; its annotations are what
is compared here.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import numbers
import types
import typing
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from astrid_ml.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class ContractError(UserError):
    """A class that was plugged in does not do what its contract says: a mistake of that class, not of a raw file."""


def called(part: object) -> str:
    """The name of a part's class, with its module: where its author looks.

    >>> called(3.5), called(UserError)
    ('float', 'astrid_ml.errors.UserError')
    """
    kind = part if inspect.isclass(part) or inspect.isfunction(part) else type(part)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def check_part(part: object, contract: type, place: str) -> None:
    """Refuse an object that lacks what a contract asks for.

    Args:
        part: what was built.
        contract: a protocol; a method with a default in it may be absent only where the protocol says so.
        place: the key that chose it (``split=``), for the message.

    Raises:
        ContractError: a method or a constant is absent, or a method cannot be called as the contract calls it.

    Example:
        >>> class Mine:
        ...     def plan(self):
        ...         return []
        >>> from astrid_ml.splits.plan import Split
        >>> try:
        ...     check_part(Mine(), Split, "split=")
        ... except ContractError as error:
        ...     print(error.expected)
        ...     print(error.got)
        split= with plan(index), as Split in astrid_ml.splits.plan says
        astrid_ml.contracts.check.Mine, where it is plan()
    """
    wrong = list(_faults(part, contract))
    if wrong:
        asked, found = wrong[0]
        raise ContractError(
            f"{place} with {asked}, as {contract.__name__} in {contract.__module__} says",
            f"{called(part)}, {found}",
            "add it to that class" if found.startswith("without") else "change that class",
        )


def _faults(part: object, contract: type) -> Iterator[tuple[str, str]]:
    """(what the contract asks for, what is there instead)."""
    for name, kind in _constants(contract).items():
        asked = f"the constant {name} ({_words(kind)})"
        if not hasattr(part, name):
            yield asked, f"without {name}"
        elif not is_a(getattr(part, name), kind):
            yield asked, f"where {name} is {getattr(part, name)!r}"
    for name, method in methods_of(contract).items():
        given = [parameter.name for parameter in list(inspect.signature(method).parameters.values())[1:]]
        asked = f"{name}({', '.join(given)})"
        found = getattr(part, name, None)
        if not callable(found):
            yield asked, f"without {name}"
            continue
        try:
            signature = inspect.signature(found)
        except (TypeError, ValueError):  # of a class that is not written in Python
            continue
        try:
            signature.bind(*given)
        except TypeError:
            yield asked, f"where it is {name}({', '.join(signature.parameters)})"


def methods_of(contract: type) -> dict[str, Any]:
    """Name -> function of what a contract's class defines: public methods and ``__call__``, those of its bases too."""
    found: dict[str, Any] = {}
    for base in reversed(contract.__mro__):
        if base.__module__ not in ("typing", "builtins"):
            found |= {
                name: part
                for name, part in vars(base).items()
                if inspect.isfunction(part) and (name == "__call__" or not name.startswith("_"))
            }
    return found


@functools.cache
def _constants(contract: type) -> dict[str, Any]:
    """Name -> kind of the constants (``ClassVar``) that a contract asks for."""
    hints = typing.get_type_hints(contract).items()
    return {name: typing.get_args(hint)[0] for name, hint in hints if typing.get_origin(hint) is typing.ClassVar}


def check_arguments(values: dict[str, Any], hints: dict[str, Any], place: str) -> None:
    """Refuse objects that do not fit the fields that they are for; texts and numbers are looked at elsewhere.

    Args:
        values: field -> what it gets.
        hints: field -> its annotation.
        place: where the class stands in the configuration; empty at its top.

    Raises:
        ContractError: names the field, what it asks for and the class that stands there.
    """
    for name, value in values.items():
        protocol = _protocol(hints.get(name))
        if protocol is not None and not isinstance(value, _PLAIN):
            check_part(value, protocol, f"{place}.{name}" if place else name)


_PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, functools.partial)


def _protocol(hint: Any) -> type | None:
    """The protocol that an annotation asks for, the one of several kinds; None where it asks for no protocol."""
    if typing.get_origin(hint) is typing.Annotated:
        return _protocol(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [part for part in typing.get_args(hint) if part is not type(None)]
        return _protocol(kinds[0]) if len(kinds) == 1 else None
    return hint if inspect.isclass(hint) and getattr(hint, "_is_protocol", False) else None


def given(owner: object, slot: str, value: T, method: str = "__call__") -> T:
    """What the step in a slot gave, if it is what the slot's annotation says.

    Args:
        owner: the object whose field ``slot`` holds the step.
        slot: the field.
        value: what the step gave.
        method: of the step, that gave it.

    Raises:
        ContractError: it is of another kind; the message names the slot and the step's class.

    Example:
        >>> from dataclasses import dataclass
        >>> class Doubles:
        ...     def __call__(self, value: float) -> float:
        ...         return 2 * value
        >>> @dataclass
        ... class Pipeline:
        ...     scale: Doubles
        >>> given(Pipeline(Doubles()), "scale", 3.0)
        3.0
    """
    kind: Any = type(owner)
    asked = _returned(kind, slot, method)
    if is_a(value, asked):
        return value
    step = getattr(owner, slot)
    raise ContractError(
        f"the step {slot} to return {_words(asked)}",
        f"{described(value)} from {called(step)}",
        f"return it from {method} of that class" if value is None else f"change what {method} of that class returns",
    )


def given_shape(owner: object, slot: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuse an image of another shape than the slot asks for.

    Raises:
        ContractError: names the slot, the step's class and both shapes.
    """
    if tuple(shape) != tuple(wanted):
        got = f"{tuple(shape)} from {called(getattr(owner, slot))}"
        raise ContractError(f"the step {slot} to return an image of shape {tuple(wanted)}", got, "keep the shape")


def given_columns(owner: object, slot: str, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table without a column that the slot asks for.

    Raises:
        ContractError: names the slot, the step's class and the columns.
    """
    absent = [name for name in columns if name not in table]
    if absent:
        there = ", ".join(map(str, table.columns[:12])) or "no column"
        got = f"{there} from {called(getattr(owner, slot))}"
        fix = f"add {', '.join(absent)}"
        raise ContractError(f"the step {slot} to return a table of {', '.join(columns)}", got, fix)


@functools.cache
def _returned(owner: type, slot: str, method: str) -> Any:
    """What a slot's step must give, by the annotations; anything where they do not say."""
    try:
        hint = typing.get_type_hints(owner).get(slot, Any)
        kinds = [part for part in typing.get_args(hint) or (hint,) if inspect.isclass(part) and part is not type(None)]
        function = getattr(kinds[0], method, None) if kinds else None
        return typing.get_type_hints(function).get("return", Any) if inspect.isfunction(function) else Any
    except NameError:  # it names what is imported for the type checker alone
        return Any


def is_a(value: Any, hint: Any) -> bool:
    """Whether an object is of the annotated kind; what cannot be told apart by looking passes.

    >>> is_a((1, {"a": 0.5}), tuple[int, dict[str, float]]), is_a((1,), tuple[int, int]), is_a(None, float | None)
    (True, False, True)
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar | str):
        return True
    if origin is typing.Annotated:
        return is_a(value, inner[0])
    if origin in (typing.Union, types.UnionType):
        return any(is_a(value, part) for part in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(is_a, value, inner))
    if origin in (dict, collections.abc.Mapping) and isinstance(value, collections.abc.Mapping):
        return all(is_a(key, inner[0]) and is_a(part, inner[1]) for key, part in value.items())
    if origin is list and isinstance(value, list):
        return all(is_a(part, inner[0]) for part in value[:3])
    return _is_plain(value, origin or hint)


def _is_plain(value: Any, kind: Any) -> bool:
    if kind in (None, type(None)):
        return value is None
    if kind in (float, int):
        wanted = numbers.Real if kind is float else numbers.Integral
        return isinstance(value, wanted) and not isinstance(value, bool)
    if not inspect.isclass(kind) or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(value, kind)


def _words(hint: Any) -> str:
    """An annotation as it is read.

    >>> _words(tuple[int, UserError]), _words(float | None)
    ('(int, UserError)', 'float or None')
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(part) for part in inner)
    if origin is tuple:
        return f"({', '.join(_words(part) for part in inner)})"
    if hint in (None, type(None)):
        return "None"
    return str(getattr(hint, "__name__", hint))


def described(value: object) -> str:
    """What an object is, in a few words.

    >>> import numpy as np
    >>> described(None), described((1, "a")), described(np.zeros((2, 3))), described([])
    ('None', 'a tuple (int, str)', 'a ndarray of shape (2, 3)', 'a list of 0')
    """
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"a tuple ({', '.join(type(part).__name__ for part in value[:5])})"
    if inspect.isgenerator(value):
        return "a generator"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a {type(value).__name__} of shape {tuple(shape)}"
    size = f" of {len(value)}" if isinstance(value, list | dict) else ""
    return f"a {type(value).__name__}{size}"
