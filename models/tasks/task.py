"""The base of all tasks: a network, a loss and how they are trained and asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningModule
from scipy.special import expit
from torch import Tensor, nn
from torch.optim import Optimizer

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import member_column
from astrid_ml.evaluation.calibration import logits_of

Batch = dict[str, Tensor]


class Task(LightningModule):
    """Train a network and turn its output into columns of predictions.

    Subclasses define ``compute_loss`` and ``scores``; those that watch more than the loss also
    ``configure_metrics``, ``update_metrics`` and ``compute_metrics``; those that ask for one shape of logits
    ``output_shape``. What they and the network give is tried on two samples before a training begins
    (``astrid_ml/run/trial.py``); :class:`astrid_ml.contracts.batches.MakesBatches` says what a batch is.

    Hyper-parameters are not saved (partials break safe loading); the checkpoint's own entry holds the configuration.
    ``configure_model`` is never overridden: Lightning runs it again before a test, and weights would silently be
    replaced.

    Args:
        network: a pure ``nn.Module`` whose layers have their sizes from the start; finite output from fresh weights.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> scheduler, stepped every epoch; None keeps the rate.

    Example:
        >>> from torch.nn.functional import binary_cross_entropy_with_logits
        >>> class Binary(Task):
        ...     def compute_loss(self, batch):
        ...         return binary_cross_entropy_with_logits(self.network(batch["x"])[:, 0], batch["y"])
        ...     def scores(self, batch):
        ...         return {"score": self.network(batch["x"])[:, 0].sigmoid()}
        >>> task = Binary(nn.Linear(3, 1), torch.optim.Adam)
        >>> batch = {"x": torch.zeros(2, 3), "y": torch.tensor([0.0, 1.0])}
        >>> task.compute_loss(batch).shape, task.scores(batch)["score"].shape
        (torch.Size([]), torch.Size([2]))
    """

    monitor: ClassVar[str] = "val/loss"
    monitor_mode: ClassVar[str] = "min"
    history_file: ClassVar[str | None] = None  # each epoch's metrics, in the run's folder

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._held: list[nn.Module] = []  # no submodules of the task: they are the network's
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.configure_losses()
        self.configure_metrics()

    # ---- what a subclass provides -------------------------------------------------------------------------

    def compute_loss(self, batch: Batch) -> Tensor:
        """The training loss of a batch, a tensor of shape () that depends on the network's weights."""
        raise TypeError(f"{type(self).__name__} must define compute_loss")

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Columns of predictions, each of shape (B,) (or all of one multiple of B, where a sample has several rows).

        ``score`` in [0, 1], shape (B,), is among them for a binary task.
        """
        raise TypeError(f"{type(self).__name__} must define scores")

    def output_shape(self, batch: Batch) -> tuple[int, ...] | None:
        """Shape that the network's logits must have for this batch; None where any will do."""
        return None

    def weights_to_train(self) -> Iterator[nn.Parameter]:
        """What the optimizer gets: the weights of the network that are not held."""
        return (weight for weight in self.network.parameters() if weight.requires_grad)

    def configure_losses(self) -> None:
        """Make loss modules; called once by ``__init__``."""

    def configure_metrics(self) -> None:
        """Make validation metrics; called once by ``__init__``."""

    def prepare_for(self, datamodule: Any) -> None:
        """Look at the training fold before the fit (class counts for a balanced loss, for instance)."""

    def update_metrics(self, batch: Batch) -> None:
        """Add a validation batch to the metrics."""

    def compute_metrics(self) -> dict[str, Tensor | float]:
        """Validation metrics of the epoch, by full name (``val/aucpr``), and reset."""
        return {}

    def hold(self, layers: Sequence[nn.Module]) -> None:
        """Layers of the network that stay as they are: running means of batches no more than weights."""
        self._held = list(layers)

    def train(self, mode: bool = True) -> Self:
        """Training mode for all layers but those that are held."""
        super().train(mode)
        for layer in self._held:
            layer.eval()
        return self

    # ---- Lightning ----------------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.compute_loss(batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=batch_length(batch))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        loss = self.compute_loss(batch)
        self.log("val/loss", loss, prog_bar=True, batch_size=batch_length(batch), sync_dist=True)
        self.update_metrics(batch)

    def on_validation_epoch_end(self) -> None:
        # The metrics reduce over processes themselves, so the logged value is the same in each.
        for name, value in self.compute_metrics().items():
            self.log(name, value, prog_bar=name == self.monitor, rank_zero_only=False, sync_dist=False)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("test/loss", self.compute_loss(batch), batch_size=batch_length(batch), sync_dist=True)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return self.scores(batch)

    def configure_optimizers(self) -> Any:
        if self.make_optimizer is None:
            raise RuntimeError("a task without an optimizer can predict, not train")
        optimizer = self.make_optimizer(self.weights_to_train())
        if self.make_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.make_scheduler(optimizer)}}

    # ---- predictions outside the Trainer ------------------------------------------------------------------

    def predict_table(self, datamodule: Any, source: SampleSource, rows: Any = None) -> pd.DataFrame:
        """Score rows of a source in full precision.

        Returns:
            One row a sample, in order: ``row`` (position in the index) and the columns of ``scores``.
        """
        return member_tables([(self, datamodule)], source, rows)[0]

    def predict_members(
        self, members: Sequence[tuple[Task, Any]], source: SampleSource, rows: Any = None
    ) -> pd.DataFrame:
        """Several networks of this task as one, each with its own statistics.

        Args:
            members: (task, datamodule), in the order of the folds.
            source: samples.
            rows: positions in its index; None for all.

        Returns:
            The columns of one member, see :meth:`join_tables`, and beside them each member's scores (``score_fold_0``).
        """
        if any(type(task).predict_table is not Task.predict_table for task, _ in members):
            tables = [task.predict_table(data, source, rows) for task, data in members]
        else:
            tables = member_tables(members, source, rows)
        beside = {
            member_column(name, number): table[name]
            for number, table in enumerate(tables)
            for name in table.columns
            if str(name).startswith("score")
        }
        return self.join_tables(tables).assign(**beside)

    def join_tables(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """``score`` from the mean of the log-odds (``logit`` where a task gives it), other fractions as their mean.

        What is no fraction (times, counts) is the first member's.
        """
        out = tables[0].copy()
        for name in out.columns:
            if out[name].dtype.kind == "f" and name != "score":
                out[name] = np.mean([table[name].to_numpy(np.float64) for table in tables], axis=0)
        if "score" in out:
            odds = [
                table["logit"].to_numpy(np.float64) if "logit" in table else logits_of(table["score"])
                for table in tables
            ]
            out["score"] = expit(np.mean(odds, axis=0))
        return out.astype(tables[0].dtypes)


def member_tables(members: Sequence[tuple[Task, Any]], source: SampleSource, rows: Any = None) -> list[pd.DataFrame]:
    """Each task's table; a batch of members that share a datamodule is made once.

    Args:
        members: (task, datamodule).
        source: samples.
        rows: positions in its index; None for all.
    """
    for task, _ in members:
        task.eval()
    different = {id(data): data for _, data in members}
    streams = {key: data.batches(source, rows) for key, data in different.items()}
    first, *others = streams
    parts: list[list[pd.DataFrame]] = [[] for _ in members]
    with torch.inference_mode():
        for chosen, batch in streams[first]:
            made = {first: batch} | {key: next(streams[key])[1] for key in others}
            for (task, data), own in zip(members, parts, strict=True):
                held = next(itertools.chain(task.network.parameters(), task.network.buffers()), None)
                device = torch.device("cpu") if held is None else held.device
                moved = {name: value.to(device) for name, value in made[id(data)].items()}
                columns = {name: to_numpy(value) for name, value in task.scores(moved).items()}
                own.append(pd.DataFrame({"row": chosen, **columns}))
    empty = pd.DataFrame({"row": np.array([], dtype=np.int64)})
    return [pd.concat(own, ignore_index=True) if own else empty for own in parts]


def to_numpy(value: Tensor) -> Any:
    """A (B,) tensor as a column; a (B, k) tensor as a list column."""
    array = value.detach().float().cpu().numpy() if value.is_floating_point() else value.detach().cpu().numpy()
    return array if array.ndim == 1 else list(array)


def batch_length(batch: Batch) -> int:
    """The number of samples in a batch (the key ``y`` or, without it, the first tensor)."""
    return len(batch["y"]) if "y" in batch else len(next(iter(batch.values())))
