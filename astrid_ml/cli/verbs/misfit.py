"""A value that is not what its field accepts: how it is told, and what can be typed instead."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from astrid_ml.build import resolve
from astrid_ml.cli.verbs.keys import Key
from astrid_ml.found import found
from astrid_ml.values import NAMED, TARGET, fits, of_each

LEFT_OUT = object()  # stands for a value that is not there
NO_EFFECT = "no key, since no part of the command reads it"
NODE = "no value of its own, but those of its keys"
# How a comment of the configuration begins -> what stands for the value in a message.
_PLACEHOLDERS = (
    (re.compile(r"files? (or|and) folders?"), "FILE_OR_FOLDER"),
    (re.compile(r"folders"), "'[FOLDER,FOLDER]'"),
    (re.compile(r"file"), "FILE"),
    (re.compile(r"folder"), "FOLDER"),
)


@dataclass(frozen=True)
class Misfit:
    """A value that is not what its field accepts.

    Args:
        key: as the user types it.
        accepts: in words.
        value: what stands there.
        default: of the field; ``inspect.Parameter.empty`` for none.
        example: a value that the field takes, as it is typed; empty where only an option makes one.
        takes: the annotation of the field.
    """

    key: str
    accepts: str
    value: Any
    default: Any
    example: str = ""
    takes: Any = Any


def placeholder(comment: str) -> str:
    """What stands for a value, by the comment of its key; empty where the comment does not say.

    >>> placeholder("file: checkpoints/best.ckpt of a run"), placeholder("of the network")
    ('FILE', '')
    """
    return next((name for kind, name in _PLACEHOLDERS if kind.match(comment)), "")


def got(misfit: Misfit) -> str:
    """What stands there, behind its key."""
    value = misfit.value
    if isinstance(value, str) and NAMED in misfit.accepts:
        return f": {found(value)}"
    if value is LEFT_OUT:
        return " is left out"
    described = isinstance(value, Mapping) and TARGET in value
    return f": a {str(value[TARGET]).rpartition('.')[2]}" if described else f"={shown(value)}"


def shown(value: Any) -> str:
    """A value as it is typed, shortened."""
    text = f"[{','.join(map(as_typed, value))}]" if isinstance(value, list | tuple) else as_typed(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_typed(value: Any) -> str:
    """A value as it is typed, without blanks; of a long list the first elements.

    >>> as_typed([1024, 1024]), as_typed(None), as_typed(("a", "b")), as_typed({"t": 1})
    ('[1024,1024]', 'null', '[a,b]', '{t: 1}')
    """
    if isinstance(value, list | tuple):
        parts = [as_typed(part) for part in value]
        return f"[{','.join(parts if sum(map(len, parts)) <= 60 else parts[:2])}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {as_typed(part)}' for key, part in value.items())}}}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def fix(misfit: Misfit, declared: Sequence[Key]) -> str:
    """What to type instead."""
    value = misfit.value
    if NODE in misfit.accepts:
        return f"set one of its keys, {misfit.key}.KEY=VALUE"
    if "no key of" in misfit.accepts or NO_EFFECT in misfit.accepts:
        return (
            f"write {misfit.example}, without the keys of the former class"
            if misfit.example
            else f"leave out {misfit.key}"
        )
    if isinstance(value, str) and value and NAMED in misfit.accepts:
        return f"check the path of {misfit.key}"
    if value in ("", []) and (word := next((named for key in declared if (named := placeholder(key.comment))), "")):
        return f"write {misfit.key}={word}"
    if misfit.accepts.startswith("a list") and isinstance(value, str) and value.strip("[]"):
        more = ",FOLDER" if any(key.comment.startswith("folders of") for key in declared) and "," not in value else ""
        return f"write '{misfit.key}=[{shown(value.strip('[]'))}{more}]'"
    if isinstance(value, Mapping) and TARGET in value:
        return f"choose another option: {misfit.key}=NAME; --help lists them"
    if isinstance(value, float) and value.is_integer() and "whole number" in misfit.accepts:
        return f"write {misfit.key}={int(value)}"
    if told := next((found for key in declared if (found := _told(misfit, key.comment))), ""):
        return f"for instance {shlex.quote(told)}"
    usual = [key.value for key in declared if not isinstance(key.value, dict) and "${" not in str(key.value)]
    if misfit.default is not inspect.Parameter.empty:
        usual.append(misfit.default)
    usual = [value for value in usual if value not in ("???", None, [], ()) and fits(value, misfit.takes, resolve)]
    example = as_typed(usual[0]) if usual else misfit.example
    if not example and value in (None, LEFT_OUT):
        word = next((named for key in declared if (named := placeholder(key.comment))), "VALUE")
        return f"write {misfit.key}={word}"
    if not example:
        return f"choose another option: {misfit.key}=NAME; --help lists them"
    return f"for instance {shlex.quote(f'{misfit.key}={example}')}"


def _told(misfit: Misfit, comment: str) -> str:
    """The example that the comment of a key writes, ``epoch.gaia=2016.0``, for a key below the same node.

    >>> _told(Misfit("epoch.mine", "a number", "x", None), "Julian year, for proper motions: epoch.gaia=2016.0")
    'epoch.mine=2016.0'
    """
    for node in (misfit.key, misfit.key.rpartition(".")[0]):
        pattern = rf"(?<![\w.]){re.escape(node)}((?:\.\w+)*)=(\[[\w.,+-]*\]|[\w+-](?:[\w.+/-]*\w)?)"
        found = re.search(pattern, comment) if node else None
        if found is None:
            continue
        below = found[1] and node == misfit.key
        hint = of_each(misfit.takes) if below and misfit.takes is not Any else misfit.takes
        if fits(yaml.safe_load(found[2]), hint, resolve):
            return f"{misfit.key}{found[1] if below else ''}={found[2]}"
    return ""
