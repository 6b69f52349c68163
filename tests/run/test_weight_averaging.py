"""Averaged weights are what is validated and kept, and a stopped training carries on with both sets of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from astrid_ml.errors import UserError
from astrid_ml.models.tasks.task import Batch, Task
from astrid_ml.run.training.fit import FitOutcome, fit

TRAINER = {
    "accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true", "gradient_clip_val": 1.0,
    "log_every_n_steps": 10, "num_sanity_val_steps": 0, "deterministic": False, "fast_dev_run": False,
    "enable_progress_bar": False,
}  # fmt: skip
DECAY = 0.9


class Line(Task):
    """Follows every step of its one weight."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(1, 1, bias=False), lambda parameters: torch.optim.SGD(parameters, lr=0.2))
        self.steps: list[float] = []

    def compute_loss(self, batch: Batch) -> Tensor:
        out: Tensor = ((self.network(batch["x"]) - batch["y"]) ** 2).mean()
        return out

    def weight(self) -> Tensor:
        return next(self.network.parameters())

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps.append(float(self.weight().detach()))


class Points(LightningDataModule):
    """Four batches of eight points on a noisy line, always the same."""

    def train_dataloader(self) -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(32, 1, generator=generator)
        rows = [{"x": a, "y": 3 * a + torch.randn(1, generator=generator)} for a in x]
        return DataLoader(rows, batch_size=8)  # type: ignore[arg-type]

    val_dataloader = train_dataloader


def trained(folder: Path, epochs: int, averaging: float) -> tuple[Line, FitOutcome]:
    task = Line()
    nn.init.zeros_(task.weight())
    callbacks = {"early_stopping": False, "weight_averaging": averaging}
    return task, fit(task, Points(), TRAINER | {"max_epochs": epochs}, callbacks, [], folder)


def test_the_kept_weights_are_the_exponential_average_of_the_steps(tmp_path: Path) -> None:
    task, outcome = trained(tmp_path, 1, DECAY)
    average = task.steps[0]
    for weight in task.steps[1:]:
        average = DECAY * average + (1 - DECAY) * weight
    assert float(outcome.state_dict["network.weight"]) == pytest.approx(average, rel=1e-5)
    assert average != pytest.approx(task.steps[-1], rel=1e-3)
    _, plain = trained(tmp_path / "plain", 1, 0.0)
    assert float(plain.state_dict["network.weight"]) == pytest.approx(task.steps[-1], rel=1e-6)


def test_a_decay_of_one_is_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"weight_averaging[\s\S]*0.99"):
        trained(tmp_path, 1, 1.0)


def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    trained(tmp_path / "broken", 2, DECAY)
    resumed, outcome = trained(tmp_path / "broken", 5, DECAY)
    whole, expected = trained(tmp_path / "whole", 5, DECAY)
    assert len(resumed.steps) == 12
    assert resumed.steps == pytest.approx(whole.steps[8:], rel=1e-6)
    assert float(outcome.state_dict["network.weight"]) == pytest.approx(
        float(expected.state_dict["network.weight"]), rel=1e-6
    )
