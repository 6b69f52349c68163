"""Every experiment with every option of every group: composed and built, or refused with a reviewed reason.

Nothing is composed anew for a pair: an option's node takes the place of the experiment's own, under the values that the
experiment sets, which every option of the group must declare. A sample of pairs is composed by Hydra and compared.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from astrid_ml.build import build, conf_folder, plain
from astrid_ml.config import compose, option_names
from astrid_ml.errors import UserError
from astrid_ml.run import parts

CONF = conf_folder()
EXPERIMENTS = option_names(CONF / "experiment")
REVIEWED = Path(__file__).with_name("refused.txt")
PLACES = ["paths.run_dir=run", "paths.sweep_dir=sweep", "paths.raw=raw"]
DEFAULTS = yaml.safe_load((CONF / "_run.yaml").read_text("utf-8"))["defaults"]
NAMED = [str(next(iter(item))) for item in DEFAULTS if isinstance(item, dict)]
GROUPS = [name for name in NAMED if not name.startswith(("override", "experiment"))]


def own_values(experiment: str) -> dict[str, Any]:
    """What an experiment's file sets below groups."""
    content = yaml.safe_load((CONF / "experiment" / f"{experiment}.yaml").read_text("utf-8"))
    return {key: value for key, value in content.items() if key in GROUPS and isinstance(value, dict)}


def slots_of(domain: str) -> list[tuple[str, str]]:
    """(slot, option) of a pipeline's slots."""
    content = yaml.safe_load((CONF / "preprocessing" / f"{domain}.yaml").read_text("utf-8"))
    named = [next(iter(item)) for item in content.get("defaults", []) if isinstance(item, dict)]
    slots = [name.partition("/")[2] for name in named]
    return [(slot, option) for slot in slots for option in option_names(CONF / "preprocessing" / domain / slot)]


@pytest.fixture(scope="module")
def nodes() -> dict[str, Any]:
    """``group=option`` -> that group's part of the configuration, not resolved."""
    found: dict[str, Any] = {}
    for group in GROUPS:
        for option in option_names(CONF / group):
            cfg = compose("train", [f"{group}={option}", *PLACES])
            found[f"{group}={option}"] = OmegaConf.to_container(cfg[group]) if cfg.get(group) is not None else None
    return found


def with_option(base: Any, group: str, node: Any, values: dict[str, Any]) -> dict[str, Any]:
    """An experiment's configuration with another option of one group, resolved."""
    tree = OmegaConf.to_container(base)
    assert isinstance(tree, dict)
    tree[group] = node
    cfg = OmegaConf.create(tree)
    if group in values and node is not None:
        cfg[group] = OmegaConf.merge(cfg[group], values[group])
    for key in OmegaConf.missing_keys(cfg):
        OmegaConf.update(cfg, key, "given")
    out: dict[str, Any] = plain(cfg)
    return out


OF_OTHERS = ("external", "external_estimator")  # programs without weights or loss: tests/models/external
# Groups that are built whatever else is chosen.
ALONE = (
    *("split", "audit", "label", "executor", "simulate"),
    *("calibration", "threshold", "optimizer", "scheduler"),
)


class Builder:
    """Builds and tries configurations; each distinct combination of parts once."""

    def __init__(self) -> None:
        self.built: dict[str, Any] = {}
        self.tried: dict[str, UserError | None] = {}

    def part(self, node: Any) -> Any:
        key = json.dumps(node, sort_keys=True, default=str)
        if key not in self.built:
            torch.manual_seed(0)
            try:
                self.built[key] = build(node)
            except UserError as error:
                self.built[key] = error
        found = self.built[key]
        if isinstance(found, UserError):
            raise found
        return found

    def refusal(self, config: dict[str, Any]) -> str:
        """Why the configuration is refused before data are read; empty where it is not."""
        try:
            for name in (
                "split",
                "audit",
                "label",
                "executor",
                "simulate",
                "calibration",
                "threshold",
                "optimizer",
                "scheduler",
            ):
                self.part(config.get(name))
            pipeline, datamodule = self.part(config["preprocessing"]), self.part(config["datamodule"])
            with mock.patch.object(parts, "refuse_without_room"):  # of a machine with any disk
                parts.check_raw({**config, "paths": {"raw": None, "data": "store"}}, pipeline)
            parts.check_kinds(pipeline, datamodule)
            # A network is built once, whatever trains it.
            node = config["model"]["task"] | {"optimizer": None, "scheduler": None}
            task, judge = self.part(node), self.part(config["evaluation"])
            parts.check_purposes(task, judge, self.part(config["loss"]) if "loss" in config["model"]["task"] else None)
            self.batch(json.dumps([node, config["datamodule"]], sort_keys=True, default=str), task, datamodule)
        except UserError as error:
            return f"expected {error.expected}; got {error.got}"
        return ""

    def batch(self, key: str, task: Any, datamodule: Any) -> None:
        """Try a network on an empty batch, once."""
        if key not in self.tried:
            try:
                parts.check_batch(task, datamodule)
                self.tried[key] = None
            except UserError as error:
                self.tried[key] = error
        refusal = self.tried[key]
        if refusal is not None:
            raise refusal


def test_no_experiment_sets_a_key_that_an_option_of_the_group_lacks(nodes: dict[str, Any]) -> None:
    wrong = []
    for experiment in EXPERIMENTS:
        for group, values in own_values(experiment).items():
            for option in option_names(CONF / group):
                lacking = dotted(values) - dotted(nodes[f"{group}={option}"] or {})
                wrong += [f"{experiment}: {group}={option} lacks {name}" for name in sorted(lacking)]
    assert wrong == []


@pytest.mark.slow
def test_every_pair_builds_or_is_refused_with_a_reviewed_reason(nodes: dict[str, Any]) -> None:
    builder, refused, count = Builder(), [], 0
    for experiment in EXPERIMENTS:
        base = compose("train", [f"experiment={experiment}", *PLACES])
        values = own_values(experiment)
        assert builder.refusal(with_option(base, "split", OmegaConf.to_container(base.split), {})) == ""
        for group in GROUPS:
            for option in [name for name in option_names(CONF / group) if name not in OF_OTHERS]:
                count += 1
                reason = builder.refusal(with_option(base, group, nodes[f"{group}={option}"], values))
                refused += [f"{experiment} {group}={option}: {reason}"] if reason else []
        for slot, option in slots_of(domain_of(base)):
            count += 1
            cfg = compose(
                "train", [f"experiment={experiment}", f"preprocessing/{domain_of(base)}/{slot}={option}", *PLACES]
            )
            reason = builder.refusal(plain(cfg))
            refused += [f"{experiment} preprocessing/{slot}={option}: {reason}"] if reason else []
    print(f"{count} pairs, {len(refused)} refused")
    assert count > 1100
    if os.environ.get("ASTRID_REVIEW"):  # writes the table anew, for a person to read before it is committed
        REVIEWED.write_text("".join(f"{line}\n" for line in refused), encoding="utf-8")
    assert refused == REVIEWED.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("experiment", "override"),
    [
        ("realbogus_sim", "split=leave_one_mission_out"),
        ("realbogus_sim", "channels=braai_d6_m7"),
        ("realbogus_alerts", "evaluation=binary"),
        ("lightcurves_real", "datamodule=curves"),
        ("lightcurves_sim", "optimizer=sgd"),
        ("ramp_anomalies", "datamodule=ramps"),
        ("realbogus_roman", "model=fusion_features"),
        ("realbogus_roman", "split=group"),
    ],
)
def test_a_pair_is_what_hydra_composes(nodes: dict[str, Any], experiment: str, override: str) -> None:
    group = override.partition("=")[0]
    base = compose("train", [f"experiment={experiment}", *PLACES])
    made = with_option(base, group, nodes[override], own_values(experiment))
    assert made == plain(compose("train", [f"experiment={experiment}", override, *PLACES]))


def domain_of(cfg: Any) -> str:
    return str(build(plain(cfg.preprocessing)).domain)


def dotted(node: object, prefix: str = "") -> set[str]:
    names: set[str] = set()
    if isinstance(node, dict):
        for key, value in node.items():
            names |= {f"{prefix}{key}"} | dotted(value, f"{prefix}{key}.")
    return names
