"""The base of all datamodules: a prepared dataset and a split become whole-batch loaders.

A batch is fetched in one call (``__getitems__``), never sample by sample: one sorted read from memory-mapped
shards instead of thousands of small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from astrid_ml.contracts.columns import Columns, columns_of, rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.datamodules.draws import SampleGenerator, mixed, sample_seeds, seeded
from astrid_ml.datamodules.order import EpochOrder, Pick, TrainLoader
from astrid_ml.errors import UserError
from astrid_ml.splits.balance import oversampled, undersampled
from astrid_ml.splits.folds import FOLDS, folds_of
from astrid_ml.types import Count, Ints, Mask, Positive, Whole
from astrid_ml.validity.drift import input_statistics

Batch = dict[str, Tensor]
MakeBatch = Callable[[Ints, torch.Generator | None], Batch]


class RowDataset(Dataset[Batch]):
    """Positions in an index; a list of them is fetched as one batch.

    Args:
        rows: positions in the source's index, shape (n,).
        make_batch: turns (positions, generator) into a batch.
        seed: of the training, where ``make_batch`` gets a generator; None for everything else.
    """

    def __init__(self, rows: Ints, make_batch: MakeBatch, seed: int | None = None) -> None:
        self.rows, self.make_batch, self.seed = rows, make_batch, seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, picks: Sequence[int] | Sequence[Pick]) -> Batch:
        """Fetch one batch. Sorted positions make the reads from disk sequential; in a batch the order is free."""
        if self.seed is None:
            return self.make_batch(np.sort(self.rows[np.asarray(picks, dtype=np.int64)]), None)
        epochs, places = np.asarray(picks, dtype=np.int64).T
        places = self.in_order(places)
        seeds = sample_seeds(self.seed, int(epochs[0]), places)
        whole = int(mixed(self.seed, int(np.bitwise_xor.reduce(seeds)), len(places)) >> np.uint64(1))
        # Code of a user may draw from the global generators: there too a sample must not depend on what ran before.
        with seeded(whole):
            return self.make_batch(self.rows[places], SampleGenerator(seeds, whole))

    def in_order(self, places: Ints) -> Ints:
        """Places of a batch as they stand in it: by their rows."""
        return places[np.lexsort((places, self.rows[places]))]


def keep(batch: Any) -> Any:
    """The collate function of batches that are made whole."""
    return batch


class PreparedDataModule(LightningDataModule):
    """Loaders over a prepared dataset. Subclasses say how rows become a batch.

    Args:
        batch_size: samples in a training batch.
        eval_batch_size: samples in a batch of validation, test and prediction.
        num_workers: worker processes of the training loader; 0 reads in the main process.
        balance: ``none``, ``oversample`` (rarer classes are repeated up to the largest) or ``undersample`` (larger
            ones are cut to ``undersample_ratio`` times the smallest). Training fold only.
        undersample_ratio: majority to minority after undersampling.

    Example:
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> class Fluxes(PreparedDataModule):
        ...     def make_batch(self, source, rows, generator, train):
        ...         table = source.index.iloc[rows]
        ...         return {"x": torch.tensor(table[["flux"]].to_numpy()), "y": torch.tensor(table["label"].to_numpy())}
        >>> index = pd.DataFrame({"id": ["a", "b"], "flux": [1.0, 5.0], "label": [0, 1], "array": "s", "row": [0, 1]})
        >>> data = Fluxes(batch_size=2)
        >>> data.attach(MemorySource(index, {"s": {}}, {}), pd.DataFrame({"id": ["a", "b"], "fold": "train"}))
        >>> next(iter(data.train_dataloader()))["y"].tolist()
        [0, 1]
    """

    def __init__(
        self,
        batch_size: Count = 256,
        eval_batch_size: Count = 1024,
        num_workers: Whole = 0,
        balance: str = "none",
        undersample_ratio: Positive = 3.0,
    ) -> None:
        super().__init__()
        if balance not in ("none", "oversample", "undersample"):
            raise UserError("datamodule.balance of none, oversample or undersample", balance, "choose one of them")
        self.batch_size, self.eval_batch_size, self.num_workers = batch_size, eval_batch_size, num_workers
        self.balance, self.undersample_ratio = balance, undersample_ratio
        self.statistics: dict[str, Any] = {}
        self.rows: dict[str, Ints] = {}
        self.training_fold: Ints = np.zeros(0, dtype=np.int64)
        self.source: SampleSource | None = None
        self.seed = 0
        self._begin = (0, 0)

    # ---- what a subclass provides -------------------------------------------------------------------------

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        """Rows of ``source`` as a batch of tensors; ``generator`` drives augmentation where ``train`` is true.

        What a batch holds stands in :class:`astrid_ml.contracts.batches.MakesBatches`.
        """
        raise TypeError(f"{type(self).__name__} must define make_batch")

    def fit_statistics(self, source: SampleSource, train_rows: Ints) -> dict[str, Any]:
        """Normalisation fitted on the training fold only, as plain containers (it goes into the checkpoint)."""
        return {}

    def count_classes(self, source: SampleSource, rows: Ints) -> int:
        """How many classes these samples hold; fewer than two can teach nothing."""
        return int(rows_of(source, rows, ["label"])["label"].dropna().nunique())

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """One PNG for each position of the index, in order; an empty list where there is nothing to see."""
        return []

    def report_tables(self) -> dict[str, pd.DataFrame]:
        """Heading -> a table for the report; empty where there is nothing to say."""
        return {}

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes where there are more than two; None for a binary task."""
        return None

    def usable(self, index: Columns) -> Mask:
        """Which samples can train and be scored: by default those with a label. Asks an index for columns alone."""
        known: Mask = index["label"].notna().to_numpy()
        return known

    # ---- what the framework calls -------------------------------------------------------------------------

    def attach(self, source: SampleSource, folds: pd.DataFrame, seed: int = 0) -> None:
        """Apply a split: ``folds`` has ``id`` and ``fold`` (train, val, test; others are left out).

        The seed is that of the training: the order of its batches and its augmentation follow from it.
        """
        fold = folds_of(columns_of(source)["id"], folds)
        usable = self.usable(columns_of(source))
        self.source, self.seed = source, seed
        self.rows = {name: np.flatnonzero((fold == n) & usable).astype(np.int64) for n, name in enumerate(FOLDS)}
        if len(self.rows["train"]):
            # The quantiles of the inputs let a later evaluation measure how far its data have drifted.
            inputs = input_statistics(source, self.rows["train"])
            self.statistics = {**self.fit_statistics(source, self.rows["train"]), "inputs": inputs}
        self.training_fold = self.rows["train"]
        self.rows["train"] = self._balanced(self.training_fold, seed)

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Take the statistics from a checkpoint."""
        self.statistics = statistics

    def batches(
        self, source: SampleSource, rows: Ints | None = None, train: bool = False
    ) -> Iterator[tuple[Ints, Batch]]:
        """Plain iteration for prediction and evaluation: (positions, batch), in order."""
        rows = np.arange(len(columns_of(source)), dtype=np.int64) if rows is None else rows
        for start in range(0, len(rows), self.eval_batch_size):
            chosen = rows[start : start + self.eval_batch_size]
            yield chosen, self.make_batch(source, chosen, None, train)

    def _balanced(self, rows: Ints, seed: int) -> Ints:
        """Training rows, resampled by class where that is asked for."""
        if self.balance == "none" or self.source is None:
            return rows
        classes, names = pd.factorize(rows_of(self.source, rows, ["label"])["label"].astype(str), sort=True)
        if len(names) == 1:
            got = f"{len(rows)} training samples, all with the label {names[0]}"
            raise UserError("two classes or more in training", got, "give samples of both classes, or another split")
        if self.balance == "oversample":
            return rows[oversampled(classes, seed)]
        return rows[undersampled(classes, seed, 1 / self.undersample_ratio)]

    def begin(self, epoch: int, batch: int) -> None:
        """Start training in an epoch, before one of its batches; later epochs are whole."""
        self._begin = (epoch, batch)

    def ids_of(self, epoch: int, batch: int, rank: int = 0, processes: int = 1) -> list[str]:
        """Ids of the samples of a training batch, in their order in it."""
        dataset = self._dataset("train")
        places = self._order(dataset, rank, processes).places(epoch)
        chosen = dataset.in_order(places[batch * self.batch_size : (batch + 1) * self.batch_size])
        return [str(name) for name in rows_of(self._attached(), dataset.rows[chosen], ["id"])["id"]]

    def _attached(self) -> SampleSource:
        if self.source is None:
            raise RuntimeError("attach(source, folds) must come before a loader is asked for")
        return self.source

    def _dataset(self, fold: str) -> RowDataset:
        source, train = self._attached(), fold == "train"
        return RowDataset(
            self.rows[fold],
            lambda rows, generator: self.make_batch(source, rows, generator, train),
            self.seed if train else None,
        )

    def _order(self, dataset: RowDataset, rank: int, processes: int) -> EpochOrder:
        return EpochOrder(dataset, self.seed, rank, processes)

    def train_dataloader(self) -> DataLoader[Batch]:
        dataset, trainer = self._dataset("train"), self.trainer
        rank, processes = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        order = self._order(dataset, rank, processes)
        epoch, batch = self._begin
        order.begin(epoch, batch * self.batch_size)
        return TrainLoader(
            dataset,
            order,
            batch_size=self.batch_size,
            collate_fn=keep,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            multiprocessing_context="fork" if self.num_workers > 0 else None,
        )

    def _whole(self, fold: str) -> DataLoader[Batch]:
        return DataLoader(self._dataset(fold), batch_size=self.eval_batch_size, collate_fn=keep)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._whole("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._whole("test")
