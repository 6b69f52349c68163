"""The real/bogus task: one logit a sample, watched by AUCPR on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from astrid_ml.contracts.columns import rows_of
from astrid_ml.metrics import AveragePrecision
from astrid_ml.models.losses.binary import WeightedBCE
from astrid_ml.models.tasks.task import Batch, Task


class RealBogusTask(Task):
    """Binary classification of images (and features) with a network that returns (B,) logits.

    Args:
        network: called with ``x`` (B, C, H, W) and, where the batch has them, ``features`` (B, F).
        loss: (logits, labels) -> scalar.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> scheduler or None.
        channels_last: keep images and kernels in NHWC order, faster on CPUs with bf16 and on GPUs.
    """

    purpose: ClassVar[str] = "binary"
    monitor: ClassVar[str] = "val/aucpr"
    monitor_mode: ClassVar[str] = "max"

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | None = None,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
        channels_last: bool = True,
    ) -> None:
        super().__init__(network, optimizer, scheduler)
        self.loss = loss
        self.channels_last = channels_last
        if channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def configure_metrics(self) -> None:
        self.val_aucpr = AveragePrecision()

    def prepare_for(self, datamodule: Any) -> None:
        if isinstance(self.loss, WeightedBCE):
            labels = rows_of(datamodule.source, datamodule.rows["train"], ["label"])["label"].astype(int)
            self.loss.set_class_counts(int((labels == 0).sum()), int((labels == 1).sum()))

    def output_shape(self, batch: Batch) -> tuple[int, ...]:
        """One logit a sample, (B,)."""
        return (len(batch["y"]),)

    def logits(self, batch: Batch) -> Tensor:
        """The network's answer, (B,)."""
        images = batch["x"]
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        out: Tensor = self.network(images, batch["features"]) if "features" in batch else self.network(images)
        return out

    def compute_loss(self, batch: Batch) -> Tensor:
        if self.loss is None:
            raise RuntimeError("a task without a loss can predict, not train")
        out: Tensor = self.loss(self.logits(batch), batch["y"])
        return out

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        logit = self.logits(batch).double()
        return {"score": torch.sigmoid(logit), "logit": logit}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        # One forward pass serves both the loss and the metric.
        logits = self.logits(batch)
        assert self.loss is not None
        self.log("val/loss", self.loss(logits, batch["y"]), prog_bar=True, batch_size=len(logits), sync_dist=True)
        self.val_aucpr.update(torch.sigmoid(logits.float()), batch["y"].long())

    def compute_metrics(self) -> dict[str, Tensor | float]:
        value = self.val_aucpr.compute()
        self.val_aucpr.reset()
        return {"val/aucpr": value}
