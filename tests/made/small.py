"""A training that is small enough to be stopped everywhere: dropout, augmentation, running means, a changing rate."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torchmetrics import MeanSquaredError

from astrid_ml.datamodules.draws import uniform
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.models.tasks.task import Task
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.run.training.fit import FitOutcome, fit

TRAINER = {
    "accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true", "gradient_clip_val": 1.0,
    "log_every_n_steps": 1, "num_sanity_val_steps": 0, "deterministic": False, "fast_dev_run": False,
    "enable_progress_bar": False, "max_epochs": 3, "accumulate_grad_batches": 1,
    "requeue": False,
}  # fmt: skip
CALLBACKS = {
    "early_stopping": False, "patience": 2, "min_delta": 0.0, "weight_averaging": 0.0,
    "checkpoint_minutes": 0.0, "checkpoint_steps": 1,
}  # fmt: skip
SAMPLES, BATCH = 44, 8  # six batches an epoch, the last one shorter


class Fluxes(PreparedDataModule):
    """One number a sample, shaken in training: by the sample's own numbers, and by the global generators."""

    def make_batch(self, source: Any, rows: Any, generator: torch.Generator | None, train: bool) -> Batch:
        table = source.index.iloc[rows]
        x = torch.tensor(table[["flux"]].to_numpy(), dtype=torch.float32)
        if train:
            x = x + 0.1 * uniform(len(x), 1, generator).float() + 0.1 * torch.rand(1) + 0.1 * random.random()
            x = x + 0.1 * float(np.random.uniform())  # noqa: NPY002  as code of users may
        return {"x": x, "y": torch.tensor(table["label"].to_numpy(), dtype=torch.float32)}


class StopHereError(Exception):
    """The training is stopped by a test."""


class Small(Task):
    """Two layers with dropout and batch normalisation, a rate on a plateau; stops where it is told.

    Args:
        stop: (hook, how many calls of it) after which it stops; None for never.
    """

    monitor: ClassVar[str] = "val/loss"

    def __init__(self, stop: tuple[str, int] | None = None, lr: float = 0.05) -> None:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))
        super().__init__(network, lambda parameters: torch.optim.AdamW(parameters, lr=lr))
        self.stop, self.seen = stop, 0
        self.batches: list[tuple[int, int, float]] = []

    def configure_metrics(self) -> None:
        self.spread = MeanSquaredError()

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.7)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val/loss"}}

    def compute_loss(self, batch: Batch) -> Tensor:
        out: Tensor = nn.functional.binary_cross_entropy_with_logits(self.network(batch["x"])[:, 0], batch["y"])
        return out

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.spread(self.network(batch["x"])[:, 0].detach(), batch["y"])
        self.log("train/spread", self.spread, on_step=False, on_epoch=True)
        self.log("train/largest", batch["x"].max(), on_step=False, on_epoch=True, reduce_fx="max")
        self.batches.append((self.current_epoch, batch_idx, float(batch["x"].sum())))
        return super().training_step(batch, batch_idx)

    def count(self, hook: str) -> None:
        if self.stop and self.stop[0] == hook:
            self.seen += 1
            if self.seen == self.stop[1]:
                raise StopHereError

    def on_train_batch_start(self, *_: Any) -> None:
        self.count("batch start")

    def on_before_optimizer_step(self, *_: Any) -> None:
        self.count("optimizer")

    def on_train_batch_end(self, *_: Any) -> None:
        self.count("batch end")

    def on_validation_start(self) -> None:
        self.count("validation")

    def on_train_epoch_end(self) -> None:
        self.count("epoch end")

    def on_train_epoch_start(self) -> None:
        self.count("epoch start")

    def on_train_end(self) -> None:
        self.count("end")


def fluxes(workers: int = 0, broken: int | None = None, samples: int = SAMPLES) -> Fluxes:
    """The data; one sample may hold what is no number."""
    rng = np.random.default_rng(0)
    label = np.arange(samples) % 2
    index = pd.DataFrame({"id": [f"s{i}" for i in range(samples)], "flux": rng.normal(label, 1.0), "label": label})
    if broken is not None:
        index.loc[broken, "flux"] = np.nan
    made = Fluxes(batch_size=BATCH, num_workers=workers)
    fold = np.where(np.arange(samples) < samples - 8, "train", "val")
    source = MemorySource(index.assign(array="s", row=np.arange(samples)), {"s": {}}, {})
    made.attach(source, pd.DataFrame({"id": index["id"], "fold": fold}), seed=5)
    return made


def trained(folder: Path, task: Small, workers: int = 0, **other: Any) -> FitOutcome:
    """Train in a folder; options of the trainer and the callbacks by their names."""
    trainer = {name: other.get(name, value) for name, value in TRAINER.items()}
    callbacks = {name: other.get(name, value) for name, value in CALLBACKS.items()}
    return fit(task, other.get("data") or fluxes(workers), trainer, callbacks, [], folder, seed=5)
