"""The configuration that is in use, and composing it without a command line: for notebooks, readers and tests."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import conf_folder, plain
from astrid_ml.errors import UserError
from astrid_ml.installed import package_folder, sound
from astrid_ml.layers import Folder, Layers
from astrid_ml.nearest import nearest

# A path where the name of an option is due.
_NO_NAME = re.compile(r"[/~]|\.{1,2}(/|$)|.*/\.{1,2}(/|$)|[A-Za-z]:\\")


def configuration(*further: Path) -> Layers:
    """The folders in which options are looked for: ours, those of installed plugins, then further ones."""
    plugins = [plugin.conf for plugin in sound() if plugin.conf]
    return Layers(tuple(dict.fromkeys([conf_folder(), *plugins, *further])))


def in_use() -> Layers:
    """The same, with the folders that the command which runs now was given."""
    if "hydra.core.hydra_config" not in sys.modules:
        return configuration()
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return configuration()
    sources = [source for source in HydraConfig.get().runtime.config_sources if source.schema in ("file", "pkg")]
    given = [source for source in sources if source.provider == "command-line" or "searchpath" in source.provider]
    return configuration(*(folder_of(f"{source.schema}://{source.path}") for source in given))


def folder_of(address: str) -> Path:
    """The folder of an element of ``hydra.searchpath``: ``file://FOLDER``, ``pkg://PACKAGE`` or ``FOLDER``.

    Raises:
        UserError: there is none.
    """
    kind, _, rest = address.rpartition("://")
    try:
        folder = package_folder(rest.replace("/", ".")) if kind == "pkg" else Path(rest).expanduser().absolute()
    except ValueError as error:
        raise UserError("a package that holds options", f"{address}: {error}", "install it") from error
    if kind not in ("", "file", "pkg") or not folder.is_dir():
        raise UserError("a folder of options", f"{address}, where there is none", "check the path")
    return folder


def compose(config: str, overrides: Sequence[str] = ()) -> Any:
    """Compose a primary configuration (``train``, ``_reader``, ...) with Hydra overrides; an OmegaConf node.

    Works inside a command (Hydra is initialised there) and outside. Options of installed plugins are there in both.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    from astrid_ml.searchpath import announce

    if GlobalHydra.instance().is_initialized():
        return hydra_compose(config, [*overrides, *_given_searchpath(overrides)])
    announce()
    with initialize_config_module("astrid_ml.conf", version_base="1.3"):
        return hydra_compose(config, list(overrides))


def _given_searchpath(overrides: Sequence[str]) -> list[str]:
    """``hydra.searchpath`` of the command that runs now: Hydra forgets it in what is composed within."""
    import json

    from hydra.core.hydra_config import HydraConfig

    given = list(HydraConfig.get().searchpath) if HydraConfig.initialized() else []
    own = any(override.startswith("hydra.searchpath=") for override in overrides)
    return [f"hydra.searchpath={json.dumps(given)}"] if given and not own else []


def preprocessing_of(domain: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The default pipeline of a domain as plain containers."""
    node: dict[str, Any] = plain(compose("_reader", [f"preprocessing={domain}", *overrides]))["preprocessing"]
    return node


def domains() -> list[str]:
    """Every domain that has a pipeline in the configuration."""
    return option_names(in_use() / "preprocessing")


def refuse_no_name(key: str, value: str, options: Sequence[str], group: str = "") -> None:
    """Refuse what cannot be the name of an option: a path, of which nothing is read, and a base of other options.

    Args:
        key: by which the group is chosen.
        value: as it was typed.
        options: that can be chosen.
        group: where it is called otherwise than its key.

    Raises:
        UserError: with the options that there are.
    """
    wanted = f"{key}: one of {', '.join(options)}"
    if _NO_NAME.match(value):
        fix = f"give the name alone; --config-dir=FOLDER adds options of yours, FOLDER/{group or key}/NAME.yaml"
        raise UserError(wanted, f"{value}, which is a path", fix)
    if value.startswith("_"):
        fix = nearest(value.lstrip("_"), options) or f"for instance {key}={options[0]}"
        raise UserError(wanted, f"{value}, on which others build", fix)


def reader_of(wanted: str) -> str:
    """What ``reader=`` says: ``auto``, or a domain that has a pipeline.

    Raises:
        UserError: there is no such domain.
    """
    known = domains()
    if wanted != "auto" and wanted not in known:
        fix = nearest(wanted, known) or "for instance reader=auto"
        raise UserError(f"reader=auto or one of {', '.join(known)}", f"reader={wanted}", fix)
    return wanted


def option_names(group: Folder) -> list[str]:
    """The options of a group's folder, sorted; names that begin with ``_`` are bases of others."""
    return sorted(path.stem for path in group.glob("*.yaml") if not path.stem.startswith("_"))
