"""What goes wrong in a training, told so that it can be put right: numbers that are none, too little memory or room."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from astrid_ml.contracts.scoring import OrdersBatches
from astrid_ml.errors import UserError

SHOWN = 10
_NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory", "std::bad_alloc", "Cannot allocate memory")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DivergedError(UserError):
    """The training has left the finite numbers: it cannot carry on from here, only begin anew."""


class Finite(Callback):
    """Stops at the first loss that is no finite number, before the weights follow it."""

    def __init__(self) -> None:
        self.batch: Any = None
        self.place = (0, 0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.batch, self.place = batch, (trainer.current_epoch, batch_idx)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        bad = ~torch.isfinite(loss.detach()).all()
        several = trainer.world_size > 1
        # Every process must stop, or the others would wait for it.
        anywhere = trainer.strategy.reduce(bad.float(), reduce_op="sum") if several else bad
        if not bool(anywhere):
            return
        epoch, number = self.place
        if not bool(bad):
            where = f"another one in another process, epoch {epoch}, batch {number}"
            raise DivergedError("a loss that is a finite number", where, _SLOWER)
        raise self._told(trainer, pl_module, float(loss.detach().mean()))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.batch = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        refuse_broken(pl_module.state_dict(), trainer.current_epoch)

    def _told(self, trainer: Trainer, pl_module: LightningModule, loss: float) -> DivergedError:
        epoch, number = self.place
        ids: list[str] = []
        if isinstance(data := getattr(trainer, "datamodule", None), OrdersBatches):
            ids = data.ids_of(epoch, number, trainer.global_rank, trainer.world_size)
        where = f"{loss} in epoch {epoch}, batch {number}"
        guilty = not_finite(self.batch, len(ids))
        if guilty:
            named = [f"{name} of {some([ids[place] for place in places])}" for name, places in guilty.items()]
            return DivergedError(
                "a loss that is a finite number",
                f"{where}: not finite are {'; '.join(named)}",
                "repair or leave out these samples, prepare the data again, and run the same command: it begins anew",
            )
        # Weights alone: what a network counts of its inputs has followed this batch already.
        refuse_broken(dict(pl_module.named_parameters()), epoch)
        held = f", samples {some(ids)}" if ids else ""
        return DivergedError("a loss that is a finite number", where + held, _SLOWER)


_SLOWER = (
    "choose a smaller optimizer.lr or trainer.gradient_clip_val, or look at these samples; the next run begins anew"
)


def refuse_broken(state: Mapping[str, Any], epoch: int) -> None:
    """No weights that are not finite numbers are kept.

    Raises:
        DivergedError: names the first of them.
    """
    broken = [
        name
        for name, value in state.items()
        if torch.is_tensor(value) and value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    if broken:
        raise DivergedError(
            "weights that are finite numbers",
            f"epoch {epoch}: {some(broken, 3)} hold others",
            "choose a smaller optimizer.lr or trainer.gradient_clip_val; the next run begins anew",
        )


def not_finite(batch: Any, n: int) -> dict[str, list[int]]:
    """Name of an input -> places of samples in which it is not finite."""
    out = {}
    for name, value in batch.items() if isinstance(batch, Mapping) else ():
        if torch.is_tensor(value) and value.is_floating_point() and value.ndim and len(value) == n:
            places = (~torch.isfinite(value)).flatten(1).any(1) if value.ndim > 1 else ~torch.isfinite(value)
            if bool(places.any()):
                out[str(name)] = places.nonzero().flatten().tolist()
    return out


def some(names: list[str], most: int = SHOWN) -> str:
    """The first names, and how many there are.

    >>> some(["a", "b", "c"], 2)
    'a, b (2 of 3)'
    """
    return ", ".join(names[:most]) + (f" ({most} of {len(names)})" if len(names) > most else "")


def explained(error: BaseException, datamodule: Any, place: tuple[int, int]) -> UserError | None:
    """An error that the user can do something about, in three parts; None for a mistake of the program.

    Args:
        error: what the training ended with.
        datamodule: of the training.
        place: epoch and batch.
    """
    if isinstance(error, UserError):
        return error
    text = str(error)
    killed = "DataLoader worker" in text and "Killed" in text
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or killed or any(word in text for word in _NO_MEMORY):
        size = int(getattr(datamodule, "batch_size", 0))
        fix = f"datamodule.batch_size={max(size // 2, 1)} and trainer.accumulate_grad_batches=2 in a new paths.run_dir"
        return UserError(
            "memory for a step of the training",
            f"none left in epoch {place[0]}, batch {place[1]}, with datamodule.batch_size={size}",
            f"free memory and run the same command again, which carries on, or choose {fix}",
        )
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return UserError(
            "room on the disk",
            f"{error.filename or 'a file of the run'}: {error.strerror}",
            "free space and run the same command again: it carries on",
        )
    return None


_PEER = re.compile(r"closed by peer|connection reset|gloo|nccl|processgroup|tcpstore|broken pipe", re.IGNORECASE)
LOST = "another process of this training has ended; run the same command again, which carries on from its last.ckpt"


def peer_lost(error: BaseException) -> bool:
    """Whether processes that train together have lost one of them, or its machine."""
    return isinstance(error, RuntimeError | OSError) and bool(_PEER.search(str(error)))


def ended_by_signal(error: BaseException) -> bool:
    """Whether somebody has ended a worker of the loader, as Ctrl-C and shutdowns do with a whole group of processes."""
    text = str(error)
    return "DataLoader worker" in text and ("Terminated" in text or "Interrupt" in text or "Hangup" in text)
