"""Compares every value of a composed configuration with the field that it is for, before any work begins."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_origin

from astrid_ml.build import check_targets, plain, registry, resolve, targets
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import Key, Keys
from astrid_ml.cli.verbs.misfit import LEFT_OUT, NO_EFFECT, NODE, Misfit, fix, got
from astrid_ml.errors import UserError
from astrid_ml.identity import current
from astrid_ml.inputs import Wrong, due_by, wrong_among
from astrid_ml.nearest import nearest
from astrid_ml.run.settings import PLAIN_NODES
from astrid_ml.values import (
    NAMED,
    TARGET,
    default_of,
    example_of,
    fields_of,
    fits,
    of_each,
    required,
    takes_any,
    words_of,
)
from astrid_ml.written import written_fields

TOP = tuple(fields_of(PLAIN_NODES[""]))
_REFERENCE = re.compile(r"\$\{([a-zA-Z_][\w.]*)\}")


def check_early(cfg: Any, verb: Verb, keys: Keys) -> None:
    """Refuse values, paths and choices of a verb that cannot be, as far as no library has to be imported for it.

    Args:
        cfg: composed, with its references.
        verb: that was typed.
        keys: of the verb.

    Raises:
        UserError: says which, and what to type.
    """

    tree = check_written(cfg, lambda key: keys[key])
    refuse_places(tree, keys)
    of_verb = getattr(importlib.import_module(f"astrid_ml.cli.{verb.module}"), "first", None)
    if of_verb is not None:
        of_verb(tree)


def check_written(cfg: Any, declared: Callable[[str], list[Key]]) -> dict[str, Any]:
    """The resolved configuration, where its values are what the files of our classes say.

    Raises:
        UserError: see :func:`check_values`; a file that must be there is not looked for.
    """
    from omegaconf import OmegaConf

    raw: Any = OmegaConf.to_container(cfg, resolve=False)
    resolved: dict[str, Any] = plain(cfg)
    refuse(left_empty(resolved, declared), declared)
    refuse(empty_places(raw, "", declared), declared)
    refuse(unread(raw, declared), declared)
    refuse(of_plain_nodes(raw, resolved), declared)
    tree = current(resolved, registry(), tuple(resolved.get("trust") or ()))
    wrong = _as_written(raw, tree, "")
    refuse((one for one in wrong if NAMED not in one.accepts or not isinstance(one.value, str)), declared)
    return resolved


def check_values(cfg: Any, declared: Callable[[str], list[Key]]) -> None:
    """Refuse a configuration with a value that no class accepts; nothing is built and no data are opened.

    Args:
        cfg: composed, with its references.
        declared: key -> its declarations in the files.

    Raises:
        UserError: names up to three such keys, what each accepts, and what stands there.
    """
    from omegaconf import OmegaConf

    resolved = check_written(cfg, declared)  # before the classes' libraries are imported
    raw: Any = OmegaConf.to_container(cfg, resolve=False)
    trust = tuple(resolved.get("trust") or ())
    tree = current(resolved, registry(), trust)
    refuse(_as_written(raw, tree, ""), declared)
    check_targets(tree, trust)
    refuse(_below(raw, tree, ""), declared)


def refuse(misfits: Iterable[Misfit], declared: Callable[[str], list[Key]]) -> None:
    """Raise where there is a misfit; three of them are told."""
    unique = list({misfit.key: misfit for misfit in misfits}.values())
    if unique:
        raise UserError(
            "; ".join(f"{misfit.key}: {misfit.accepts}" for misfit in unique[:3]),
            "; ".join(f"{misfit.key}{got(misfit)}" for misfit in unique[:3]),
            "; ".join(dict.fromkeys(fix(misfit, _declared(misfit.key, declared)) for misfit in unique[:3])),
        )


def _declared(key: str, declared: Callable[[str], list[Key]]) -> list[Key]:
    """The declarations of a key; of a name below a node that takes any, those of the node."""
    return declared(key) or [known for known in declared(key.rpartition(".")[0]) if known.is_open]


def left_empty(tree: Mapping[str, Any], declared: Callable[[str], list[Key]]) -> Iterator[Misfit]:
    """Keys at the top that a user must give and gave as null."""
    for key, value in tree.items():
        if value is None and any(known.value == "???" for known in declared(str(key))):
            yield Misfit(str(key), "a value that you give", None, inspect.Parameter.empty)


def empty_places(raw: Any, where: str, declared: Callable[[str], list[Key]]) -> Iterator[Misfit]:
    """Keys for files and folders that hold an empty text, or an empty list where that is not their default."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            yield from empty_places(value, _joined(where, key), declared)
    elif raw in ("", []) and any(key.is_path and not (raw == [] and key.value == []) for key in declared(where)):
        yield Misfit(where, "a file or a folder", raw, inspect.Parameter.empty)


def unread(raw: Mapping[str, Any], declared: Callable[[str], list[Key]]) -> Iterator[Misfit]:
    """Keys at the top that nobody declares and no other value refers to: they would change nothing."""
    for key, value in raw.items():
        known = declared(str(key))
        used = f"${{{key}" in str({name: part for name, part in raw.items() if name != key})
        if str(key) not in TOP and not known and not used:
            yield Misfit(str(key), NO_EFFECT, value, inspect.Parameter.empty)


def refuse_places(tree: Mapping[str, Any], keys: Keys) -> None:
    """Refuse a path at which something else stands than its key reads; only names and first bytes are looked at.

    Args:
        tree: the resolved configuration.
        keys: of the verb.

    Raises:
        UserError: names up to three such paths.
    """
    wrong = list(_wrong_places(tree, "", keys))[:3]
    if wrong:
        raise UserError(
            "; ".join(dict.fromkeys(one.expected for one in wrong)),
            "; ".join(f"{one.key}: {one.got}" for one in wrong),
            "; ".join(dict.fromkeys(one.fix for one in wrong)),
        )


def _wrong_places(node: Any, where: str, keys: Keys) -> Iterator[Wrong]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _wrong_places(value, _joined(where, key), keys)
    elif node is not None and where in keys.found:
        dues = [due for key in keys[where] if key.is_path and (due := due_by(key.comment)) is not None]
        above = where.removesuffix(".path")
        yield from wrong_among(dues[0], node, above if keys.path_of_node(above) == where else where) if dues else ()


def of_plain_nodes(raw: Any, tree: Any) -> Iterator[Misfit]:
    """Misfits in the nodes that no class stands behind: ``raw`` holds references, ``tree`` what they stand for."""
    for address, kind in PLAIN_NODES.items():
        node = tree.get(address) if address else tree
        before = raw.get(address) if address else raw
        if isinstance(node, Mapping) and isinstance(before, Mapping):
            own = {} if address else written_fields(str((raw.get("command") or {}).get(TARGET, "")))
            chosen = {name for name, (hint, _) in own.items() if _is_choice(hint)}  # a choice of the verb's
            yield from _of_fields(before, {k: v for k, v in node.items() if k not in chosen}, address, kind)
        elif address and address in tree:
            names = ", ".join(f"{address}.{name}" for name in fields_of(kind))
            yield Misfit(address, f"{NODE}: {names}", node, inspect.Parameter.empty)


def _is_choice(hint: Any) -> bool:
    """Whether a field takes one of some words."""
    origin: Any = get_origin(hint)
    return origin is Literal


def _as_written(raw: Any, tree: Any, where: str) -> Iterator[Misfit]:
    """Misfits that the files of our classes show, without an import."""
    if isinstance(tree, Mapping) and isinstance(raw, Mapping):
        fields = written_fields(str(tree.get(TARGET, "")))
        for name in [name for name in tree if name in fields]:
            hint, default = fields[str(name)]
            if not any(targets(tree[name])):
                yield from _of_value(tree[name], hint, _home(raw.get(name), _joined(where, name)), default)
        for key, value in tree.items():
            yield from _as_written(raw.get(key), value, _joined(where, key))
    elif isinstance(tree, list) and isinstance(raw, list):
        for number, value in enumerate(tree):
            yield from _as_written(raw[number], value, f"{where}[{number}]")


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
    if where == "trainer" and any(name not in hints for name in node):
        from pytorch_lightning import Trainer  # the node has a part of its arguments; others may be added

        hints = fields_of(Trainer) | hints
    if where not in PLAIN_NODES or TARGET not in node:
        yield from _names_apart(node, where, kind, hints)
    for name, value in node.items():
        if name in hints:
            yield from _of_value(value, hints[name], _home(raw.get(name), _joined(where, name)), default_of(kind, name))


def _of_value(value: Any, hint: Any, key: str, default: Any) -> Iterator[Misfit]:
    """The misfit of one field, if it is one; of names with a value each those whose value is wrong."""
    each = of_each(hint)
    if each is not None and isinstance(value, Mapping) and TARGET not in value:
        for name, part in value.items():
            yield from _of_value(part, each, f"{key}.{name}", inspect.Parameter.empty)
    elif not fits(value, hint, resolve):
        yield Misfit(key, words_of(hint), value, default, example_of(hint), hint)


def _names_apart(
    node: Mapping[str, Any], where: str, kind: Callable[..., Any], hints: Mapping[str, Any]
) -> Iterator[Misfit]:
    """Keys that the class does not know, and keys that it needs and the node lacks."""
    open_ended = where == "" or takes_any(kind)
    for name in () if open_ended else [name for name in node if name not in hints and not str(name).startswith("_")]:
        close = nearest(str(name), hints)
        accepts = f"no key of {kind.__name__}{', ' + close if close else ''}"
        yield Misfit(_joined(where, name), accepts, node[name], inspect.Parameter.empty, _alone(node, where))
    if not node.get("_partial_"):
        for name in required(kind):
            if name not in node and where:
                yield Misfit(_joined(where, name), f"a value, which {kind.__name__} needs", LEFT_OUT, None)


def _alone(node: Mapping[str, Any], where: str) -> str:
    """How a class of the user's own is named without the keys of the class that the option has; empty for others."""
    target = str(node.get(TARGET, ""))
    return "" if not target or target in registry() else f"'~{where}' +{where}.{TARGET}={target}"


def _home(raw: Any, address: str) -> str:
    """The key that a value comes from: the one that is referred to, where it is a reference as a whole."""
    found = _REFERENCE.fullmatch(raw) if isinstance(raw, str) else None
    return found.group(1) if found else address


def _joined(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
