"""What a training keeps: the weights of its best epoch, and all that it needs to carry on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, EMAWeightAveraging
from torch import Tensor

from astrid_ml.datamodules.order import EpochOrder
from astrid_ml.errors import UserError
from astrid_ml.run.training.guard import refuse_broken
from astrid_ml.run.training.requeue import interrupt, leaving

LAST, LOSS = "last.ckpt", "val/loss"
ASKED_EVERY = 16  # batches: several processes have to talk to agree on the time


@dataclass(frozen=True)
class Choice:
    """Which weights are the best.

    Args:
        monitor: the metric that says so.
        mode: ``min`` or ``max``.
    """

    monitor: str
    mode: str

    def better(
        self, score: float | None, than: float | None, loss: float | None = None, loss_than: float | None = None
    ) -> bool:
        """Whether one score beats another; an undefined one (None) beats nothing, and of equal ones the lower loss.

        Few samples are soon ranked without a mistake: then only the loss tells a trained network from a new one.
        """
        if score is None or than is None:
            return score is not None
        if score == than:
            return loss is not None and loss_than is not None and loss < loss_than
        return score < than if self.mode == "min" else score > than


@dataclass(frozen=True)
class Pace:
    """How often ``last.ckpt`` is written inside an epoch; at each epoch's end it always is.

    Args:
        minutes: after so many; 0 does not ask for the time.
        steps: after so many batches; 0 does not count them.
    """

    minutes: float = 0.0
    steps: int = 0

    def __post_init__(self) -> None:
        if self.minutes < 0 or self.steps < 0:
            raise UserError(
                "callbacks.checkpoint_minutes and callbacks.checkpoint_steps of 0 or more",
                f"{self.minutes} and {self.steps}",
                "0 writes last.ckpt only at the end of each epoch",
            )


class AveragedWeights(EMAWeightAveraging):
    """Averaged weights that are validated and kept; the weights in training stay what they are.

    Lightning's own would put the average in their place at the end, and a training with more epochs could not carry on.
    """

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the kept weights are the average already."""


class Keeper(Checkpoint):
    """Keeps the best validated weights, and writes them with the whole state into one file, ``last.ckpt``.

    One file is written in one piece: the best weights, their score and the state belong together whenever it is read,
    and wherever the folder has been moved to. Times of writing: before each epoch but the first, at the end, and inside
    an epoch as often as ``pace`` asks, always after a whole step of the optimiser.

    Args:
        folder: of ``last.ckpt``.
        choice: which weights are the best.
        pace: how often inside an epoch.
        data: what it is trained on, as a text; another one cannot carry on.
        requeue: whether a batch system may ask to leave.
    """

    def __init__(self, folder: Path, choice: Choice, pace: Pace, data: str = "", requeue: bool = False) -> None:
        self.folder, self.choice, self.pace, self.data, self.requeue = folder, choice, pace, data, requeue
        self.best: dict[str, Tensor] | None = None
        self.best_score: float | None = None
        self.best_loss: float | None = None
        self.best_epoch: int | None = None  # of a last.ckpt of an earlier version nobody knows it
        self.position, self.stopped = (0, 0), False
        self._validated: dict[str, Tensor] | None = None
        self._restored = (0, 0)
        self._forget_time()

    # ---- the best weights -------------------------------------------------------------------------------------

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Here the averaged weights, where there are some, stand in the task.
        if not trainer.sanity_checking:
            self._validated = copied(pl_module.state_dict())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.choice.monitor)
        if value is None:
            raise UserError(
                f"the metric {self.choice.monitor} at the end of an epoch: the task's monitor",
                f"only {', '.join(sorted(trainer.callback_metrics)) or 'none'}",
                "log it in the task, or name one of these as the task's monitor",
            )
        score = None if torch.isnan(value).any() else float(value)
        found = trainer.callback_metrics.get(LOSS)
        loss = None if found is None or torch.isnan(found).any() else float(found)
        if self.best is None or self.choice.better(score, self.best_score, loss, self.best_loss):
            chosen = self._validated or copied(pl_module.state_dict())
            refuse_broken(chosen, trainer.current_epoch)
            self.best, self.best_score, self.best_loss = chosen, score, loss
            self.best_epoch = trainer.current_epoch
        self._validated = None
        # Lightning leaves out the plateau of the learning rate in an epoch that it carries on.
        trainer.fit_loop.restarting = False

    # ---- last.ckpt --------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.position[1] == 0:
            # At the border of two epochs nothing is half done; Lightning would take the old epoch for unfinished.
            trainer.fit_loop.restarting = False
        self._restored = self.position
        self._forget_time()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # All of the epoch before is done by now: its plateau of the learning rate, its rows in the trackers.
        here = (trainer.current_epoch, 0)
        if here not in ((0, 0), self._restored):
            self._write(trainer, pl_module, here)
            if self._leaves(trainer):
                interrupt()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._batches += 1
        leaves = self._leaves(trainer)
        if (leaves or self._due(trainer)) and self._may_stop_here(trainer, batch_idx):
            self._write(trainer, pl_module, (trainer.current_epoch, batch_idx + 1))
            if leaves:
                interrupt()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.stopped = trainer.should_stop
        self._write(trainer, pl_module, (trainer.current_epoch, 0))

    def _leaves(self, trainer: Trainer) -> bool:
        """Whether the batch system wants its machines back; the first process decides for all."""
        if not self.requeue:
            return False
        return bool(trainer.strategy.broadcast(leaving())) if trainer.world_size > 1 else leaving()

    def _due(self, trainer: Trainer) -> bool:
        if self.pace.steps and self._batches >= self.pace.steps:
            return True
        several = trainer.world_size > 1
        if not self.pace.minutes or (several and self._batches % ASKED_EVERY):
            return False
        # The clocks of several processes differ, and all must write together.
        late = time.monotonic() - self._since >= 60 * self.pace.minutes
        return bool(trainer.strategy.broadcast(late)) if several else late

    def _may_stop_here(self, trainer: Trainer, batch_idx: int) -> bool:
        whole_step = not trainer.fit_loop._should_accumulate()
        last_of_epoch = batch_idx + 1 >= trainer.num_training_batches
        order = getattr(trainer.train_dataloader, "sampler", None)
        # A loader that cannot begin inside an epoch, or a validation inside one, leaves only the ends of epochs.
        return whole_step and not last_of_epoch and isinstance(order, EpochOrder) and trainer.val_check_interval == 1.0

    def _write(self, trainer: Trainer, pl_module: LightningModule, position: tuple[int, int]) -> None:
        refuse_broken(pl_module.state_dict(), trainer.current_epoch)
        self.position = position
        for logger in trainer.loggers:
            logger.save()  # what comes before this place is not logged again
        trainer.save_checkpoint(self.folder / LAST)
        self._forget_time()

    def _forget_time(self) -> None:
        self._since, self._batches = time.monotonic(), 0

    def state_dict(self) -> dict[str, Any]:
        return {
            "position": list(self.position),
            "stopped": self.stopped,
            "best": self.best,
            "best_score": self.best_score,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "data": self.data,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        epoch, batch = state_dict["position"]
        self.position, self.stopped = (epoch, batch), state_dict["stopped"]
        self.best, self.best_score = state_dict["best"], state_dict["best_score"]
        self.best_loss, self.best_epoch = state_dict.get("best_loss"), state_dict.get("best_epoch")


def copied(state: dict[str, Any]) -> dict[str, Tensor]:
    """A copy of weights, on the processor."""
    return {name: value.detach().cpu().clone() for name, value in state.items()}
