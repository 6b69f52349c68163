"""What makes a resumed training the same training: its random numbers, and the running means of a cut epoch."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric

from astrid_ml.datamodules.draws import seed_all
from astrid_ml.datamodules.order import step_seed


class Reseed(Callback):
    """Seeds the global generators (dropout draws from them) before each step, from the seed, epoch, batch and process.

    Args:
        seed: of the training.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seed_all(step_seed(self.seed, trainer.current_epoch, -1, trainer.global_rank))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        seed_all(step_seed(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank))


class RunningMeans(Callback):
    """Saves what an unfinished epoch has logged so far (each process its own), which Lightning forgets.

    Sums go on where they stood: the mean of the epoch is to the bit that of an unbroken one.
    """

    def __init__(self) -> None:
        self._logged: dict[str, dict[str, Tensor]] = {}
        self._metrics: dict[str, dict[str, Any]] = {}
        self._trainer: Trainer | None = None
        self._saved: list[dict[str, Any]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        trainer = self._trainer
        if trainer is None or trainer.lightning_module is None:
            return {"processes": []}
        own = {"logged": logged(trainer), "metrics": running_metrics(trainer.lightning_module)}
        parts: list[Any] = [own]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, own)
        return {"processes": parts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved = state_dict["processes"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_rank < len(self._saved):
            own = self._saved[trainer.global_rank]
            self._logged = own["logged"]
            put_metrics(pl_module, own["metrics"])
        self._saved = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for name in list(self._logged):
            found = trainer.fit_loop.epoch_loop._results.get(name)
            if found is not None and not found.has_reset:
                # It holds this batch alone; a sum of two numbers does not depend on their order.
                join(found, self._logged.pop(name))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._logged = {}


def logged(trainer: Trainer) -> dict[str, dict[str, Tensor]]:
    """Name -> sum and weight of what the unfinished epoch has logged with ``self.log``."""
    return {
        name: {part: getattr(found, part).detach().cpu().clone() for part in found._defaults}
        for name, found in trainer.fit_loop.epoch_loop._results.items()
        if found.is_tensor and found.meta.on_epoch and not found.has_reset
    }


def join(found: Any, before: dict[str, Tensor]) -> None:
    """Add what was logged before to what has been logged since."""
    extreme = found.meta.reduce_fx if found.meta.is_max_reduction or found.meta.is_min_reduction else None
    for part, value in before.items():
        here = getattr(found, part)
        value = value.to(here.device)
        setattr(found, part, extreme(here, value) if extreme else here + value)
    found._computed = None


def running_metrics(module: LightningModule) -> dict[str, dict[str, Any]]:
    """Name -> state of the task's metrics that have been fed since they were reset."""
    return {
        name: {
            "count": metric._update_count,
            "state": {part: plain(getattr(metric, part)) for part in metric._defaults},
        }
        for name, metric in module.named_modules()
        if isinstance(metric, Metric) and metric.update_called
    }


def put_metrics(module: LightningModule, states: dict[str, dict[str, Any]]) -> None:
    """Give metrics the state that they had."""
    metrics = dict(module.named_modules())
    for name, kept in states.items():
        metric = metrics.get(name)
        if isinstance(metric, Metric):
            for part, value in kept["state"].items():
                setattr(metric, part, moved(value, metric.device))
            metric._update_count = kept["count"]
            metric._computed = None


def plain(value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    """A copy on the processor."""
    return [part.detach().cpu().clone() for part in value] if isinstance(value, list) else value.detach().cpu().clone()


def moved(value: Tensor | list[Tensor], device: torch.device) -> Tensor | list[Tensor]:
    """On another device."""
    return [part.to(device) for part in value] if isinstance(value, list) else value.to(device)
