"""``init=``: a training whose network begins with the weights of a checkpoint, some of them held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_record
from astrid_ml.checkpoint.record import Record
from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.programs import FitsItself
from astrid_ml.contracts.told import Adopts, OrdersLayers
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.inputs import CHECKPOINT, require
from astrid_ml.shipped import network_file
from astrid_ml.types import Ints

Mode = Literal["full", "partial", "frozen"]
MODES = ("full", "partial", "frozen")
NETWORK = "network."


@dataclass(frozen=True)
class Beginning:
    """What a network began with.

    Args:
        source: file or name that was given.
        weights: SHA-256 of its weights.
        mode: full, partial or frozen.
        loaded: how many weights (numbers) were taken over.
        held: how many of them stay as they are.
        fresh: layers that began at random: the last one, where it answers other classes; parts that its network lacks.
        dataset: fingerprint of what they were trained on.
        seen: samples of the test fold that were in their training or validation.
    """

    source: str
    weights: str
    mode: str
    loaded: int
    held: int
    fresh: tuple[str, ...]
    dataset: str | None
    seen: int = 0

    def plain(self) -> dict[str, Any]:
        """For ``run.json``."""
        return {**asdict(self), "fresh": list(self.fresh)}

    def words(self) -> str:
        """One sentence for the checkpoint, which names no folder of this machine."""
        held = {
            "full": "all were trained on",
            "partial": "the first half of the layers was held",
            "frozen": "all but the last layer were held",
        }
        new = f"; {', '.join(self.fresh)} began at random" if self.fresh else ""
        seen = f"; {self.seen} samples of the test fold were in their training" if self.seen else ""
        return (
            f"Weights began as those of {Path(self.source).name} ({self.weights[:12]}); {held[self.mode]}{new}{seen}."
        )


def file_of(init: str) -> Path:
    """The checkpoint that ``init`` names: a file, or a network of the package."""
    if not Path(init).exists():
        return network_file(init)
    require(CHECKPOINT, Path(init), "init")
    return Path(init)


def with_digest(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with ``init_weights``, the digest of what it begins with: another file is another run.

    Raises:
        UserError: there is no such checkpoint, or its weights are not those that ``init_weights`` says.
    """
    if config.get("init") is None:
        return config
    record, weights = read_record(file_of(str(config["init"])))
    found, said = digest_of(network_weights(record, weights, str(config["init"]))), config.get("init_weights")
    if said is not None and said != found:
        fix = "give the file with which this run began, or choose another paths.run_dir"
        raise UserError(f"init= with the weights {str(said)[:12]}", f"{found[:12]} in {config['init']}", fix)
    return {**config, "init_weights": found}


def network_weights(record: Record, weights: Mapping[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """Weights of a checkpoint's network, without ``network.`` before their names.

    Raises:
        UserError: it holds the networks of several folds, or none.
    """
    if record.members is not None:
        got = f"{name}, which holds those of {record.count} folds"
        raise UserError("init=CKPT of one network", got, "give fold_0/checkpoints/best.ckpt of that run")
    own = {key.removeprefix(NETWORK): value for key, value in weights.items() if key.startswith(NETWORK)}
    if not any(value.is_floating_point() for value in own.values()):
        raise UserError("init=CKPT of a network", f"{name}, which has no weights", "give the best.ckpt of a network")
    return own


def begin(task: Any, config: Mapping[str, Any]) -> Beginning | None:
    """Give a task's network the weights that ``init`` names, and hold those that ``init_mode`` says.

    Args:
        task: fresh.
        config: of the run.

    Returns:
        None where nothing is to be begun with.

    Raises:
        UserError: the checkpoint's network is another one; the first difference is named.
    """
    if config.get("init") is None:
        return None
    name, mode = str(config["init"]), str(config.get("init_mode") or "full")
    if isinstance(task, FitsItself):
        fix = "leave out init=, or choose a model with a network"
        raise UserError("a network that can begin with weights", f"{type(task).__name__}, fitted at once", fix)
    record, weights = read_record(file_of(name))
    given, network = network_weights(record, weights, name), task.network
    order = layers_of(network)
    last = order[-1][0]
    whole, beside, wider = _adopted(network, given)
    fresh = (*beside, *_refuse_other(whole, network, last, (name, record.config, config)))
    network.load_state_dict({key: value for key, value in whole.items() if not _inside(key, fresh)}, strict=False)
    kept = {"full": [], "partial": order[: len(order) // 2], "frozen": order[:-1]}[mode]
    held = [layer for at, layer in kept if not _inside(f"{at}.", (*beside, *wider))]
    free = {id(weight) for at, layer in order if layer not in held for weight in layer.parameters()}
    for layer in held:
        for weight in layer.parameters(recurse=False):
            weight.requires_grad_(id(weight) in free)
    task.hold(held)
    count = sum(weight.numel() for weight in network.parameters() if not weight.requires_grad)
    loaded = sum(value.numel() for key, value in given.items() if not _inside(key, fresh))
    return Beginning(name, digest_of(given), mode, loaded, count, fresh, record.dataset_fingerprint)


def layers_of(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers with weights of their own, by name, from the input to the output."""
    parts = network.layers_in_order() if isinstance(network, OrdersLayers) else list(network.children())
    names = {id(layer): name for name, layer in network.named_modules()}
    layers = [network, *(layer for part in parts for layer in part.modules())]
    own = [layer for layer in layers if next(layer.parameters(recurse=False), None) is not None]
    return [(names[id(layer)], layer) for layer in own]


def _refuse_other(
    given: Mapping[str, torch.Tensor], network: nn.Module, last: str, said: tuple[str, Any, Any]
) -> tuple[str, ...]:
    """The last layer, where it alone is another one (other classes); empty where all fits.

    Raises:
        UserError: anything else differs.
    """
    own = network.state_dict()
    kinds = [{key: (value.shape, value.dtype) for key, value in part.items()} for part in (given, own)]
    other = [key for key in sorted(own.keys() | given.keys()) if kinds[0].get(key) != kinds[1].get(key)]
    outer = [key for key in other if not _inside(key, (last,))]
    if not outer:
        return (last,) if other else ()
    key, (name, there, here) = outer[0], said
    shapes = [tuple(part[key].shape) if key in part else "none" for part in (given, own)]
    keys = _differing(there.get("model", {}).get("network"), here["model"].get("network"))
    got = f"{name}, whose {key} is {shapes[0]}, not {shapes[1]} ({len(outer)} differ)"
    fix = f"set {keys}" if keys else "choose the model and the columns of that checkpoint, or leave out init="
    raise UserError(f"init=CKPT with the network of this run, {type(network).__name__}", got, fix)


def _adopted(
    network: nn.Module, given: Mapping[str, torch.Tensor]
) -> tuple[Mapping[str, torch.Tensor], tuple[str, ...], tuple[str, ...]]:
    """Weights as this network has them; its parts that the given one lacks; its layers that read them beside others."""
    taken = network.adopted(given) if isinstance(network, Adopts) else None
    if taken is None:
        return given, (), ()
    own = network.state_dict()
    beside = sorted({key.split(".")[0] for key in own.keys() - taken.keys()})
    wider = sorted({key.rpartition(".")[0] for key in taken if taken[key].shape != given[key].shape})
    return {**own, **taken}, tuple(beside), tuple(wider)


def _inside(key: str, layers: tuple[str, ...]) -> bool:
    return any(key.startswith(f"{layer}.") for layer in layers)


def _differing(there: Any, here: Any) -> str:
    """Keys of the network in which two configurations differ, at the checkpoint's values."""
    if not isinstance(there, Mapping) or not isinstance(here, Mapping):
        return ""
    keys = [key for key in there if there[key] != here.get(key) and key != "taxonomy"]
    return " ".join(f"model.network.{key}={there[key]}" for key in keys[:4])


def seen_before(config: Mapping[str, Any], dataset: PreparedDataset, test: Ints) -> int:
    """How many samples of a test fold were in the training or validation of what a run begins with.

    Args:
        config: of the run.
        dataset: the samples.
        test: positions of the test fold.

    Raises:
        UserError: some were, and a leak is to stop the run.
    """
    if config.get("init") is None or not len(test):
        return 0
    record, _ = read_record(file_of(str(config["init"])))
    if record.digest is None:
        return 0
    count = int(record.digest.seen(rows_of(dataset, test, ("id", "group_id", "ra", "dec"))).sum())
    if count and config["audit"].get("mode") == "fail":
        got = f"{count} of {len(test)} in the training or validation of {config['init']}"
        fix = "begin with a checkpoint of other samples or of the same split, or see it in the report with audit=warn"
        raise UserError("a test fold that the network of init= never saw", got, fix)
    return count
