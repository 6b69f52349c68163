"""Compares every value of a composed configuration with the field that it is for, before any work begins."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astrid_ml.build import check_targets, plain, registry, resolve
from astrid_ml.cli.keys import Key
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.identity import current
from astrid_ml.run.settings import PLAIN_NODES
from astrid_ml.values import NAMED, TARGET, default_of, fields_of, fits, words_of

_REFERENCE = re.compile(r"\$\{([a-zA-Z_][\w.]*)\}")


@dataclass(frozen=True)
class Misfit:
    """A value that is not what its field accepts.

    Args:
        key: as the user types it.
        accepts: in words.
        value: what stands there.
        default: of the field; ``inspect.Parameter.empty`` for none.
    """

    key: str
    accepts: str
    value: Any
    default: Any


def check_values(cfg: Any, declared: Callable[[str], list[Key]]) -> None:
    """Refuse a configuration with a value that no class accepts; nothing is built and no data are opened.

    Args:
        cfg: composed, with its references.
        declared: key -> its declarations in the files, asked only where something is wrong.

    Raises:
        UserError: names up to three such keys, what each accepts, and what stands there.
    """
    from omegaconf import OmegaConf

    raw, resolved = OmegaConf.to_container(cfg, resolve=False), plain(cfg)
    refuse(left_empty(resolved, declared), declared)
    refuse(of_plain_nodes(raw, resolved), declared)  # before the classes' libraries are imported
    trust = tuple(resolved.get("trust") or ())
    tree = current(resolved, registry(), trust)
    check_targets(tree, trust)
    refuse(_below(raw, tree, ""), declared)


def refuse(misfits: Iterable[Misfit], declared: Callable[[str], list[Key]]) -> None:
    """Raise where there is a misfit; three of them are told."""
    unique = list({misfit.key: misfit for misfit in misfits}.values())
    if unique:
        raise UserError(
            "; ".join(f"{misfit.key}: {misfit.accepts}" for misfit in unique[:3]),
            "; ".join(f"{misfit.key}{got(misfit)}" for misfit in unique[:3]),
            "; ".join(fix(misfit, declared(misfit.key)) for misfit in unique[:3]),
        )


def left_empty(tree: Mapping[str, Any], declared: Callable[[str], list[Key]]) -> Iterator[Misfit]:
    """Keys at the top that a user must give and gave as null."""
    for key, value in tree.items():
        if value is None and any(known.value == "???" for known in declared(str(key))):
            yield Misfit(str(key), "a value that you give", None, inspect.Parameter.empty)


def of_plain_nodes(raw: Any, tree: Any) -> Iterator[Misfit]:
    """Misfits in the nodes that no class stands behind: ``raw`` holds references, ``tree`` what they stand for."""
    for address, kind in PLAIN_NODES.items():
        node = tree.get(address) if address else tree
        before = raw.get(address) if address else raw
        if isinstance(node, Mapping) and isinstance(before, Mapping):
            yield from _of_fields(before, node, address, kind)


def _below(raw: Any, tree: Any, where: str) -> Iterator[Misfit]:
    """Misfits in the nodes of classes, each looked at where it stands and not where it is referred to."""
    if isinstance(tree, Mapping) and isinstance(raw, Mapping):
        if TARGET in tree:
            yield from _of_fields(raw, tree, where, resolve(str(tree[TARGET])))
        for key, value in tree.items():
            yield from _below(raw.get(key), value, _joined(where, key))
    elif isinstance(tree, list) and isinstance(raw, list):
        for number, value in enumerate(tree):
            yield from _below(raw[number], value, f"{where}[{number}]")


def _of_fields(
    raw: Mapping[str, Any], node: Mapping[str, Any], where: str, kind: Callable[..., Any]
) -> Iterator[Misfit]:
    hints = fields_of(kind)
    for name, value in node.items():
        if name in hints and not fits(value, hints[name], resolve):
            yield Misfit(
                _home(raw.get(name), _joined(where, name)), words_of(hints[name]), value, default_of(kind, name)
            )


def _home(raw: Any, address: str) -> str:
    """The key that a value comes from: the one that is referred to, where it is a reference as a whole."""
    found = _REFERENCE.fullmatch(raw) if isinstance(raw, str) else None
    return found.group(1) if found else address


def _joined(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def got(misfit: Misfit) -> str:
    """What stands there, behind its key."""
    value = misfit.value
    if isinstance(value, str) and NAMED in misfit.accepts:
        return f": {found(value)}"
    described = isinstance(value, Mapping) and TARGET in value
    return f": a {str(value[TARGET]).rpartition('.')[2]}" if described else f"={shown(value)}"


def shown(value: Any) -> str:
    """A value as it is typed, shortened."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def fix(misfit: Misfit, declared: Sequence[Key]) -> str:
    """What to type instead."""
    value = misfit.value
    if isinstance(value, str) and value and NAMED in misfit.accepts:
        return f"check the path of {misfit.key}"
    if isinstance(value, Mapping) and TARGET in value:
        return f"choose another option: {misfit.key}="
    if isinstance(value, float) and value.is_integer() and "whole number" in misfit.accepts:
        return f"write {misfit.key}={int(value)}"
    usual = [key.value for key in declared if not isinstance(key.value, dict) and "${" not in str(key.value)]
    if misfit.default is not inspect.Parameter.empty:
        usual.append(misfit.default)
    usual = [value for value in usual if value != "???" and value is not None]
    return f"for instance {misfit.key}={shown(usual[0])}" if usual else f"give {misfit.key}= such a value"
