"""Composing the packaged configuration without a command line: for notebooks, readers and tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import plain


def compose(config: str, overrides: Sequence[str] = ()) -> Any:
    """Compose a primary configuration (``train``, ``_reader``, ...) with Hydra overrides; an OmegaConf node.

    Works inside a command (Hydra is initialised there) and outside.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        return hydra_compose(config, list(overrides))
    with initialize_config_module("astrid_ml.conf", version_base="1.3"):
        return hydra_compose(config, list(overrides))


def preprocessing_of(domain: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The default pipeline of a domain as plain containers."""
    node: dict[str, Any] = plain(compose("_reader", [f"preprocessing={domain}", *overrides]))["preprocessing"]
    return node


def domains() -> list[str]:
    """Every domain that has a pipeline in the configuration."""
    from astrid_ml.build import conf_folder

    return option_names(conf_folder() / "preprocessing")


def option_names(group: Path) -> list[str]:
    """The options of a group's folder, sorted; names that begin with ``_`` are bases of others."""
    return sorted(path.stem for path in group.glob("*.yaml") if not path.stem.startswith("_"))
