"""The one place that turns configuration into objects.

``build`` accepts a ``_target_`` only if it is named in the project's own configuration, in that of an installed plugin
for a class of its own package, or if the user trusts it by name. It is an exact registry: a list of allowed prefixes
is bypassable, ``<ours>.torch.load`` would run code.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from astrid_ml.contracts.check import check_arguments
from astrid_ml.errors import UserError
from astrid_ml.identity import FORMER_TOP_LEVEL, current
from astrid_ml.identity import targets as targets
from astrid_ml.installed import sound
from astrid_ml.moved import MOVED
from astrid_ml.nearest import nearest

_TARGET = re.compile(r"""_target_:\s*["']?([A-Za-z_][\w.]*)""")
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)  # what it names is an example


def conf_folder() -> Path:
    """The folder of the packaged configuration."""
    import astrid_ml.conf

    return Path(str(astrid_ml.conf.__file__)).parent


@functools.cache
def plugin_classes() -> frozenset[str]:
    """Classes that installed plugins bring."""
    return frozenset[str]().union(*(plugin.classes for plugin in sound()))


@functools.cache
def registry() -> frozenset[str]:
    """Every ``_target_`` that the packaged configuration names, and those that plugins name in their own packages."""
    found: set[str] = set(plugin_classes())
    for path in sorted(conf_folder().rglob("*.yaml")):
        found.update(_TARGET.findall(_COMMENT.sub("", path.read_text(encoding="utf-8"))))
    return frozenset(found)


def resolve(target: str) -> Any:
    """The class or function of this name; its module is imported.

    Raises:
        UserError: there is none, or its module cannot be imported, whatever stops it there.
    """
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        fix = "check the spelling of _target_"
        if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
            fix += "; a module of your own is found where PYTHONPATH names its folder: PYTHONPATH=FOLDER astrid ..."
        raise UserError(f"a class or function at {target}", str(error), fix) from error
    except (Exception, SystemExit) as error:  # a module of a plugin or of the user runs its own code
        got = f"{type(error).__name__}: {error}"
        raise UserError(f"a module that can be imported at {module}", got, "repair that module") from error


def check_targets(node: Any, trust: Iterable[str] = ()) -> None:
    """Refuse a tree that names anything but registered or trusted classes.

    Raises:
        UserError: a target is neither registered nor trusted, or resolves to an object that lives elsewhere.
    """
    trusted = set(trust)
    for target in sorted(set(targets(node))):
        python = target.split(".")[0] in sys.stdlib_module_names and target.split(".")[0] != "__main__"
        if python or (target not in registry() and target not in trusted):
            raise _unknown(target)
        if target in trusted and target in MOVED:
            raise UserError(
                "a class of yours under a name of its own",
                f"{target}, which is the permanent name of {MOVED[target]} in checkpoints",
                "rename your module or class",
            )
        found = resolve(target)
        true_name = f"{getattr(found, '__module__', '?')}.{getattr(found, '__qualname__', '?')}"
        if true_name != target:
            raise UserError("_target_ written with the true home of the class", target, f"write _target_: {true_name}")


def _unknown(target: str) -> UserError:
    """Why a target cannot be built: it moved without a line in the table, or it is not ours."""
    if target.split(".")[0] in sys.stdlib_module_names:
        fix = "name a class of this project, of an installed plugin or of yours"
        return UserError("a class as _target_", f"{target}, which is Python's own", fix)
    name = target.rpartition(".")[2]
    namesakes = sorted(known for known in registry() if known.rpartition(".")[2] == name)
    if namesakes and target.split(".")[0] in ("astrid_ml", *FORMER_TOP_LEVEL):
        return UserError(
            "a class at the place that the configuration or checkpoint names",
            f"{target}, where there is none now; a class of that name stands at {', '.join(namesakes)}",
            f'if it moved, add the line "{target}": "{namesakes[0]}" to astrid_ml/moved.py',
        )
    if target.startswith("astrid_ml."):
        near = nearest(target, registry())
        got = f"_target_: {target}, which no option of this project names"
        return UserError("a class that this project has", got, near or "see the _target_ of the packaged options")
    return UserError(
        "a configuration or checkpoint that names only classes of this project and of installed plugins",
        f"_target_: {target}",
        f"if you wrote that class and trust it, add trust=[{target}]; if it is a plugin's, install that",
    )


def with_defaults(node: Any) -> Any:
    """Plain containers in which each node of our class or a plugin's has the fields that it leaves to their defaults.

    So configurations of before and after a field was added can be compared, and its key can be set in the older one.
    """
    if isinstance(node, list | tuple):
        return [with_defaults(value) for value in node]
    if not isinstance(node, Mapping):
        return node
    out = {key: with_defaults(value) for key, value in node.items()}
    target = str(node.get("_target_", ""))
    own = target in plugin_classes() or (target in registry() and target.startswith("astrid_ml."))
    if own and not node.get("_partial_"):
        for name, parameter in inspect.signature(resolve(target)).parameters.items():
            if isinstance(parameter.default, str | int | float | list | tuple | None):
                out.setdefault(
                    name, list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
                )
    return out


def plain(cfg: Any) -> Any:
    """Resolve an OmegaConf node to plain containers; plain containers pass through."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True) if OmegaConf.is_config(cfg) else cfg


def build(cfg: Any, trust: Iterable[str] = (), **extra: Any) -> Any:
    """Turn a configuration node into the object that it describes.

    Args:
        cfg: a mapping with ``_target_`` (DictConfig or plain); None gives None.
        trust: further ``_target_`` names that are allowed.
        extra: arguments added to the outermost call.

    Returns:
        The object. Nested nodes are built first; lists and mappings arrive as plain Python.

    Raises:
        UserError: a class that is not allowed, or what a class says of its own arguments.
    """
    if cfg is None:
        return None
    trust = tuple(trust)
    node = current(plain(cfg), registry(), trust)
    check_targets(node, trust)
    if extra:
        node = {**node, **extra}
    return _made(node, "")


def _hints(target: Any) -> dict[str, Any]:
    """Parameter -> annotation; nothing where they cannot be read."""
    try:
        from astrid_ml.values import fields_of  # numpy with it: help and the first word need neither

        return fields_of(target)
    except (NameError, TypeError, ValueError):  # they name what is imported for the type checker alone
        return {}


def _made(node: Any, where: str) -> Any:
    """Build a checked tree of plain containers, the inner nodes first. Texts are texts: nothing in them is resolved."""
    if isinstance(node, list | tuple):
        return [_made(value, f"{where}[{number}]") for number, value in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    values = {key: _made(value, f"{where}.{key}" if where else str(key)) for key, value in node.items()}
    if "_target_" not in node:
        return values
    partial, target = values.pop("_partial_", False), str(values.pop("_target_"))
    strange = sorted(key for key in values if not str(key).isidentifier() or str(key).startswith("_"))
    if strange or not isinstance(partial, bool):
        got = f"{', '.join(map(str, strange)) or f'_partial_: {partial!r}'} at {where or 'the top'}"
        raise UserError(f"arguments of {target} by name, and _partial_: true or false", got, "take it out")
    found = resolve(target)
    if partial:
        return functools.partial(found, **values)
    check_arguments(values, _hints(found), where)
    try:
        return found(**values)
    except UserError:
        raise
    except Exception as error:
        if target.startswith("astrid_ml.") and not isinstance(error, TypeError | ValueError):
            raise  # a fault of ours; classes of others refuse their arguments in any way
        name = target.rpartition(".")[2]
        raise UserError(
            f"values that {name} accepts" + (f" at {where}" if where else ""),
            f"{type(error).__name__}: {error}",
            f"see the fields of {name}, or --cfg job for what is set",
        ) from error
