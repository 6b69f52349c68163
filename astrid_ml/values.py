"""Whether a configured value is what the field of its class says: its kind, its range, its length, its choices.

The annotation of a field is the one place where that is written: ``float``, ``Literal["sep", "photutils"]``,
``tuple[int, int]``, ``Annotated[float, Range(0.0, open_low=True), InUnits("px")]``.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.types import Exists, Filled, InUnits, Length, Ordered, Range, Shaped

TARGET = "_target_"
NAMED = "a file that exists"
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    type(None): "null",
}
_SEQUENCES = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping)


@functools.cache
def fields_of(kind: Any) -> dict[str, Any]:
    """Parameter name -> annotation, with its ``Annotated`` parts, of a class or a function.

    Raises:
        NameError: an annotation names what its module does not hold at run time.
    """
    return {name: hint for maker in _makers(kind) for name, hint in _hints(maker).items()}


def default_of(kind: Any, name: str) -> Any:
    """The default of a parameter; ``inspect.Parameter.empty`` where it has none that can be typed."""
    found = [known[name] for maker in _makers(kind) if name in (known := inspect.signature(maker).parameters)]
    default = found[-1].default if found else inspect.Parameter.empty
    plain = isinstance(default, str | int | float | list | tuple | None)
    return default if plain else inspect.Parameter.empty


def takes_any(kind: Any) -> bool:
    """Whether a class or a function takes arguments that it does not name."""
    last = inspect.signature(_makers(kind)[0]).parameters.values()  # of the base that the others pass theirs to
    return any(part.kind is part.VAR_KEYWORD for part in last)


def required(kind: Any) -> tuple[str, ...]:
    """Names of the parameters that have no default."""
    made: dict[str, bool] = {}
    for maker in _makers(kind):
        for part in inspect.signature(maker).parameters.values():
            if part.kind in (part.POSITIONAL_OR_KEYWORD, part.KEYWORD_ONLY) and part.name != "self":
                made[part.name] = part.default is part.empty
    return tuple(name for name, needed in made.items() if needed)


def _makers(kind: Any) -> list[Any]:
    """What takes the parameters: a function itself, or a class's ``__init__`` after those that it passes others to."""
    if not _is_class(kind):
        return [kind]
    own: list[Any] = []
    for base in kind.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        if "__dataclass_fields__" in vars(base):  # its fields' annotations stand in the classes, not in __init__
            return [base, *own]
        own.insert(0, base.__init__)
        if all(part.kind is not part.VAR_KEYWORD for part in inspect.signature(base.__init__).parameters.values()):
            break
    return own or [kind]


def _hints(maker: Any) -> dict[str, Any]:
    """Annotations of the parameters that can be given by name; ``self`` has none."""
    hints = typing.get_type_hints(maker, include_extras=True)
    parameters = inspect.signature(maker).parameters.values()
    named = [part for part in parameters if part.kind not in (part.VAR_KEYWORD, part.VAR_POSITIONAL)]
    return {part.name: hints.get(part.name, Any) for part in named if part.name != "self"}


def fits(value: Any, hint: Any, resolve: Any) -> bool:
    """Whether a plain value, or a node that describes an object, is what an annotation says.

    Args:
        value: plain containers; a mapping with ``_target_`` stands for the object that it describes.
        hint: an annotation.
        resolve: ``_target_`` -> class or function.

    Example:
        >>> from typing import Annotated
        >>> share = Annotated[float, Range(0.0, 1.0)]
        >>> [fits(value, share, None) for value in (0.5, 1, True, 1.5, "0.5")]
        [True, True, False, False, False]
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True
    if origin is typing.Annotated:
        return fits(value, inner[0], resolve) and all(_allowed(value, part) for part in inner[1:])
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part, resolve) for part in inner)
    if origin is typing.Literal:
        return any(value == choice and type(value) is type(choice) for choice in inner)
    if isinstance(value, Mapping) and TARGET in value:
        return _describes(value, origin or hint, resolve)
    if origin in _SEQUENCES or hint in _SEQUENCES:
        return _fits_sequence(value, origin or hint, inner, resolve)
    if origin in _MAPPINGS or hint in _MAPPINGS:
        of = inner or (Any, Any)
        return isinstance(value, Mapping) and all(
            fits(key, of[0], resolve) and fits(part, of[1], resolve) for key, part in value.items()
        )
    return _fits_plain(value, hint)


def _fits_plain(value: Any, hint: Any) -> bool:
    if hint in (None, type(None)):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint in (str, Path):
        return isinstance(value, str | Path) and "\0" not in str(value) and bool(str(value).strip())
    return False  # an object of a class is described by a mapping with _target_


def _fits_sequence(value: Any, kind: Any, inner: Sequence[Any], resolve: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(fits(part, of, resolve) for part, of in zip(value, inner, strict=True))
    return all(fits(part, inner[0], resolve) for part in value) if inner else True


def _describes(node: Mapping[str, Any], hint: Any, resolve: Any) -> bool:
    """Whether the object that a node describes can be of the annotated kind, as far as its class tells."""
    made = resolve(str(node[TARGET]))
    if hint is collections.abc.Callable:
        return bool(node.get("_partial_")) or not _is_class(made) or any("__call__" in vars(c) for c in made.__mro__)
    if not _is_class(hint) or not _is_class(made) or node.get("_partial_"):
        return not node.get("_partial_")
    if getattr(hint, "_is_protocol", False):
        return all(hasattr(made, name) for name in _methods(hint))
    return issubclass(made, hint)


def _methods(protocol: Any) -> Iterable[str]:
    """Names that a protocol's methods have; its data may be set only when an object is made."""
    for base in protocol.__mro__:
        if getattr(base, "_is_protocol", False) and base is not typing.Protocol:
            yield from (name for name, part in vars(base).items() if callable(part) and not name.startswith("_"))


def _allowed(value: Any, part: Any) -> bool:
    """Whether a value, or each number of a sequence, is as a part of an annotation says; units allow all."""
    if isinstance(value, list | tuple) and isinstance(part, Length | Ordered):
        right = len(value) == (part.n if isinstance(part, Length) else 2)
        return right and (isinstance(part, Length) or value[0] <= value[1])
    if isinstance(part, Shaped):
        return not isinstance(value, str) or re.fullmatch(part.pattern, value) is not None
    if isinstance(part, Filled):
        return value is None or len(value) > 0
    if isinstance(part, Exists):
        return Path(value).expanduser().is_file()
    if not isinstance(part, Range) or value is None or isinstance(value, str):
        return True
    numbers = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(number, int | float) and number in part for number in numbers)


def words_of(hint: Any) -> str:
    """What an annotation accepts, in words.

    >>> from typing import Annotated, Literal
    >>> words_of(Annotated[float, Range(0.0, open_low=True), InUnits("px")] | None), words_of(Literal["a", "b"])
    ('a number above 0 in px or null', 'a or b')
    >>> words_of(tuple[int, int]), words_of(list[str])
    ('a list of 2, each a whole number', 'a list, each a text')
    >>> words_of(Annotated[list[int], Length(2), InUnits("px")])
    'a list of 2, each a whole number, in px'
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _words_of_annotated(words_of(inner[0]), inner[1:])
    if origin in (typing.Union, types.UnionType):
        typed = [part for part in inner if not str(getattr(part, "__module__", "")).startswith("torch")] or inner
        parts = list(dict.fromkeys(words_of(part) for part in typed))
        longer = {part.partition(", each ")[2] for part in parts if part.startswith("a list of ")}
        parts = [part for part in parts if part.removeprefix("a list, each ") not in longer or part.count(" of ")]
        return " or ".join(parts) if len(parts) < 3 and "," not in parts[0] else ", or ".join(parts)
    if origin is typing.Literal:
        return " or ".join(dict.fromkeys(str(choice) for choice in inner))
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        words = [words_of(part) for part in inner]
        alike = len(set(words)) == 1 and len(words) > 1
        return f"a list of {len(inner)}{', each ' + words[0] if alike else ': ' + ', '.join(words)}"
    if origin in _SEQUENCES or hint in _SEQUENCES:
        return f"a list, each {words_of(inner[0])}" if inner else "a list"
    if origin in _MAPPINGS or hint in _MAPPINGS:
        return f"names with a value each, {words_of(inner[1])}" if inner else "names with a value each"
    if hint in _WORDS:
        return _WORDS[hint]
    return f"an option that makes a {getattr(origin or hint, '__name__', str(hint))}"


def _words_of_annotated(words: str, parts: Sequence[Any]) -> str:
    """The words of a kind of value with those of its parts; of a list: how many, each what, in which unit."""
    whole = [part for part in parts if isinstance(part, Shaped | Exists)]
    if whole:
        return whole[0].words if isinstance(whole[0], Shaped) else NAMED
    listed, each, rest = words.partition(", each ")
    if not each or " or " in listed:
        return " ".join([words, *(word for part in parts if (word := _words_of_part(part)))])
    number = [part for part in parts if isinstance(part, Length | Ordered)]
    listed = " ".join([listed, *dict.fromkeys(word for part in number if (word := _words_of_part(part)))])
    further = [_words_of_part(part) for part in parts if part not in number]
    unit = [f", {word}" if word.startswith("in ") else f" {word}" for word in further if word]
    return "".join([listed, each, rest, *unit])


def _words_of_part(part: Any) -> str:
    if isinstance(part, InUnits):
        return f"in {part.name}"
    if isinstance(part, Length):
        return f"of {part.n}"
    if isinstance(part, Filled):
        return "and at least one of them"
    if isinstance(part, Ordered):
        return "as [low, high]"
    if not isinstance(part, Range):
        return ""
    low = None if part.low is None else f"{'above' if part.open_low else 'from'} {part.low:.15g}"
    high = None if part.high is None else f"{'below' if part.open_high else 'to'} {part.high:.15g}"
    if low and high and not part.open_low and not part.open_high:
        return f"{low} {high}"
    if low and high:
        return f"{low.replace('from', 'at least')} and {high.replace('to', 'at most')}"
    return (low or "").replace("from", "of at least") or (high or "").replace("to", "of at most")


def of_each(hint: Any) -> Any:
    """What each value of names with a value each is; None for another annotation.

    >>> of_each(dict[str, int]), of_each(list[int])
    (<class 'int'>, None)
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        each = of_each(inner[0])
        return None if each is None else typing.Annotated[each, *inner[1:]]
    return inner[1] if origin in _MAPPINGS and inner else None


def example_of(hint: Any) -> str:
    """A value of a field as it is typed, for messages; empty where only an option can make one.

    >>> from typing import Annotated, Literal
    >>> example_of(Annotated[list[float], Length(2), Range(1.0)]), example_of(Literal["a", "b"]), example_of(int | None)
    ('[2,2]', 'a', '1')
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _example_of_annotated(inner[0], inner[1:])
    if origin in (typing.Union, types.UnionType):
        return next((example for part in inner if (example := example_of(part)) not in ("", "null")), "null")
    if origin is typing.Literal:
        return str(inner[0]).lower() if isinstance(inner[0], bool) else str(inner[0])
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        parts = [example_of(part) for part in inner]
        return f"[{','.join(parts)}]" if all(parts) else ""
    if origin in _SEQUENCES or hint in _SEQUENCES:
        each = example_of(inner[0]) if inner else "NAME"
        return f"[{each}]" if each else ""
    if origin in _MAPPINGS or hint in _MAPPINGS:
        each = example_of(inner[1]) if inner else "VALUE"
        return f"{{NAME: {each}}}" if each else ""
    return {bool: "true", int: "1", float: "1.0", str: "NAME", Path: "FILE", type(None): "null"}.get(hint, "")


def _example_of_annotated(hint: Any, parts: Sequence[Any]) -> str:
    """An example that the parts of an annotation allow."""
    whole = [part for part in parts if isinstance(part, Shaped | Exists)]
    if whole:
        if not isinstance(whole[0], Shaped):
            return "FILE"
        return whole[0].example or re.split(r", | or | with ", whole[0].words)[0]
    example = example_of(hint)
    for part in parts:
        if isinstance(part, Range) and part.low is not None and part.high is not None:
            middle = (part.low + part.high) / 2
            number = middle if "." in example else min(part.low + 1, part.high)  # not at the edge of the range
        elif isinstance(part, Range) and part.low is not None:
            number = part.low + 1
        else:
            continue
        example = re.sub(r"\b1(\.0)?\b", f"{number:g}", example)
    size = next((part.n if isinstance(part, Length) else 2 for part in parts if isinstance(part, Length | Ordered)), 0)
    if size and example.startswith("[") and "," not in example:
        return f"[{','.join([example[1:-1]] * size)}]"
    return example


def _is_class(kind: Any) -> bool:
    return inspect.isclass(kind)
