"""Every option of every group composes, resolves, and binds to the signature of its class."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from astrid_ml.build import check_targets, plain, targets
from astrid_ml.config import compose, option_names

CONF = Path(__file__).resolve().parents[2] / "conf"
PRIMARIES = sorted(path.stem for path in CONF.glob("*.yaml") if not path.stem.startswith("_"))
EXPERIMENTS = option_names(CONF / "experiment")
# Slots of whole exposures, which no training has; tests/conf/test_exposure.py composes them.
EXPOSURES = ("steps", "twopoint", "rules", "flags", "windows", "products", "sanity")
OPTIONS = sorted(
    str(path.relative_to(CONF).with_suffix(""))
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF
    and not path.stem.startswith("_")
    and path.relative_to(CONF).parts[0] not in ("experiment", "task", "frame", "acquisition", "sweep")
    and path.parent.name not in EXPOSURES
)


def defaults_of(primary: str) -> set[str]:
    """Groups that a primary's defaults list names, with those that it inherits."""
    text = (CONF / f"{primary}.yaml").read_text(encoding="utf-8")
    groups = set(re.findall(r"^  - (?!override)([\w/]+):", text, re.MULTILINE))
    return groups | (defaults_of("_run") if "- _run" in text else set())


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def check_binding(tree: Any) -> None:
    for node in nodes(tree):
        module, _, name = node["_target_"].rpartition(".")
        signature = inspect.signature(getattr(importlib.import_module(module), name))
        arguments = {key: value for key, value in node.items() if not key.startswith("_")}
        bind = signature.bind_partial if node.get("_partial_") else signature.bind
        try:
            bind(**arguments)
        except TypeError as error:
            raise AssertionError(f"{node['_target_']}: {error}") from error


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_binds(option: str) -> None:
    group, _, name = option.rpartition("/")
    overrides = [f"{group}={name}"]
    parts = group.split("/")
    if parts[0] == "preprocessing" and len(parts) == 3:
        overrides.insert(0, f"preprocessing={parts[1]}")
    cfg = compose("train", overrides)
    cfg.paths.run_dir = "run"  # the default holds the time and needs Hydra's own resolver only
    cfg.paths.sweep_dir = "sweep"
    for key in OmegaConf.missing_keys(cfg):  # what the user must give
        OmegaConf.update(cfg, key, "given")
    tree = plain(cfg)
    check_targets(tree)
    check_binding(tree)
    node = tree
    for part in parts[:1] if len(parts) == 3 else parts:
        node = node.get(part) or {}
    assert (
        list(targets(node))
        or name in ("none", "default", "cpu", "gpu", "ddp", "ddp_cpu", "fail", "warn", "off", "many", "many_local")
        or group in ("paths", "trainer", "callbacks", "logger", "audit")
    )


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_without_missing_keys(experiment: str) -> None:
    cfg = compose("train", [f"experiment={experiment}"])
    cfg.paths.run_dir, cfg.paths.sweep_dir = "run", "sweep"
    assert not OmegaConf.missing_keys(cfg)
    tree = plain(cfg)
    assert tree["name"] == experiment
    check_targets(tree)
    check_binding(tree)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_begins_with_its_command(experiment: str) -> None:
    lines = (CONF / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8").splitlines()
    head = [line for line in lines[:12] if line.startswith("#")]
    assert any(f"experiment={experiment}" in line and "astrid" in line for line in head)


def test_no_group_bears_the_name_of_a_commands_key() -> None:
    groups = {path.name for path in CONF.iterdir() if path.is_dir()} - {"__pycache__"}
    for primary in PRIMARIES:
        text = (CONF / f"{primary}.yaml").read_text(encoding="utf-8")
        keys = set(re.findall(r"^(\w+):", text, re.MULTILINE)) - {"defaults", "hydra", "command"}
        clash = keys & groups - defaults_of(primary)
        # A key of that name is only allowed as the place where the group's own option lands.
        assert not {key for key in clash if not re.search(rf"^{key}: *(null|\{{\}})", text, re.MULTILINE)}, primary
