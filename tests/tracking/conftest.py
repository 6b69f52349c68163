"""A small training that every tracker watches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import pytest
import torch
from matplotlib.figure import Figure
from pytorch_lightning import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from astrid_ml.tracking.loggers import SafeLogger, build_loggers
from astrid_ml.tracking.mirror import mirror

CONFIG = {"name": "toy", "optimizer": {"lr": 0.1}, "model": {"layers": [1, 2]}, "label": None, "seed": 3}
LINEAGE = {"fingerprint of the dataset": "f00d" * 16, "split": "group beef", "code": "astrid-ml 0.1.0, torch 2.13.0"}
METRICS = {
    "test/aucpr": 0.75,
    "test/aucpr_low": 0.5,
    "test/aucpr_high": 0.875,
    "test/aucpr/ZTF": 0.625,
    "test/mcc": None,
    "test/mcc/why": "its denominator is zero",
}


class Line(LightningModule):
    """One weight, three epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = (self.weight(batch[0]) - batch[0]).square().mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@contextmanager
def quiet() -> Iterator[None]:
    """The libraries' own deprecations are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def figure() -> Figure:
    drawn = Figure(figsize=(2, 2))
    drawn.subplots().plot([0, 1], [1, 0])
    return drawn


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[SafeLogger]]:
    """Train with the trackers, mirror the end, return them."""
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def run(folder: Path, trackers: Sequence[str], **choice: Any) -> list[SafeLogger]:
        config = {"trackers": list(trackers), "project": "astrid_ml", "wandb_mode": "offline", "mlflow_store": None}
        with quiet():
            loggers = build_loggers(config | choice, folder, "toy")
            data = DataLoader(TensorDataset(torch.ones(4, 1)), batch_size=2)
            options: dict[str, Any] = {"enable_checkpointing": False, "enable_model_summary": False}
            options |= {"enable_progress_bar": False, "log_every_n_steps": 1, "accelerator": "cpu"}
            Trainer(max_epochs=3, logger=loggers, default_root_dir=str(folder), **options).fit(Line(), data)
            mirror(loggers, CONFIG, METRICS, {"test precision-recall": figure}, LINEAGE)
        return loggers

    return run
