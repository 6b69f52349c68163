"""Stamps (science, reference, difference) and tabular features as batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.datamodules.channels import Channels
from astrid_ml.datamodules.context import ContextBlocks, SampleFeatures
from astrid_ml.datamodules.features import Standardiser
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.stamp_statistics import BLOCK, stamp_statistics
from astrid_ml.report.contact_sheet import stamp_png
from astrid_ml.splits.coded import Coded
from astrid_ml.types import Array, Ints


class StampDataModule(PreparedDataModule):
    """Batches of ``x`` (B, C, size, size) float32, ``y`` (B,) float32 and, where asked for, ``features`` (B, F).

    Args:
        channels: which channels, which size, which normalisation; stateless, always from the checkpoint.
        features: columns of the index that go beside the images, standardised on the training fold.
        augment: (images, generator) -> images, in training only.
        context: columns of catalogues, which go behind the features.
        other: the arguments of :class:`PreparedDataModule`.
    """

    def __init__(
        self,
        channels: Channels,
        features: Sequence[str] = (),
        augment: Callable[[Tensor, torch.Generator | None], Tensor] | None = None,
        context: ContextBlocks | None = None,
        **other: Any,
    ) -> None:
        super().__init__(**other)
        if not isinstance(channels, Channels):
            raise UserError("channels of stamps", type(channels).__name__, "choose channels=sigma, braai_d6_m7 or _m9")
        self.channels, self.augment = channels, augment
        self.beside = SampleFeatures(Standardiser(tuple(features)), context or ContextBlocks())

    reads: ClassVar[tuple[str, ...]] = ("stamps",)

    @property
    def channel_names(self) -> Sequence[str]:
        """The channels that the network gets."""
        return self.channels.names

    @property
    def column_keys(self) -> dict[str, Sequence[str]]:
        """The columns beside the images."""
        return self.beside.keys

    @property
    def stamp_size(self) -> int:
        """Pixels on a side of what the network gets."""
        return self.channels.size

    def example(self) -> Batch:
        """Two empty stamps of the channels' shape, one of each class."""
        x = torch.zeros(2, len(self.channels.names), self.channels.size, self.channels.size)
        batch = {"x": x, "y": torch.tensor([0.0, 1.0])}
        return batch | ({"features": torch.zeros(2, self.beside.width)} if self.beside.columns else {})

    def fit_statistics(self, source: SampleSource, train_rows: Ints) -> dict[str, Any]:
        self._refuse_padding(source, train_rows)
        return self.beside.fit(rows_of(source, train_rows, self.beside.columns))

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        images = self._images(source, rows)
        if train and self.augment is not None:
            images = self.augment(images, generator)
        index = rows_of(source, rows, ["label", *self.beside.columns])
        batch = {"x": images, "y": labels(index, train)}
        if self.beside.columns:
            batch["features"] = self.beside.apply(index, self.statistics, generator, train)
        return batch

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """The raw stamps, each channel in its own stretch, side by side."""
        return stamps_png(source.groups("stamps", rows), len(rows))

    def measured(self, source: SampleSource, rows: Ints) -> pd.DataFrame:
        """Statistics of the raw stamps, see :func:`astrid_ml.preprocessing.stamp_statistics.stamp_statistics`."""
        return measured_blocks(rows, lambda part: source.groups("stamps", part), stamp_channels(source))

    def _refuse_padding(self, source: SampleSource, rows: Ints) -> None:
        """A network of larger stamps than any that it trains on would learn the padding."""
        _, first = np.unique(Coded.of(rows_of(source, rows, ["array"])["array"]).codes, return_index=True)
        largest = max((max(part.shape[-2:]) for _, part in source.groups("stamps", np.sort(rows[first]))), default=0)
        if 0 < largest < self.channels.size:
            got = f"channels.size={self.channels.size}, and stamps of at most {largest} px"
            raise UserError("channels no larger than the stamps", got, f"set channels.size={largest} or less")

    def _images(self, source: SampleSource, rows: Ints) -> Tensor:
        available = stamp_channels(source)
        table = rows_of(source, rows, ["stamp_h", "stamp_w"])
        sizes = table.to_numpy(dtype=np.int64) if "stamp_h" in table else None
        parts = source.groups("stamps", rows)
        out: Tensor | None = None
        for positions, stamps in parts:
            valid = None if sizes is None else torch.from_numpy(sizes[positions])
            made = self.channels.apply(torch.from_numpy(np.ascontiguousarray(stamps)), valid, available)
            if len(parts) == 1 and len(positions) == len(rows) and (positions == np.arange(len(rows))).all():
                return made
            if out is None:
                out = made.new_empty((len(rows), *made.shape[1:]))
            out[torch.from_numpy(positions)] = made
        if out is None:
            raise UserError("samples with stamps", "none", "prepare the dataset with a pipeline that cuts stamps")
        return out


def measured_blocks(
    rows: Ints, groups: Callable[[Ints], Sequence[tuple[Ints, Array]]], channels: Sequence[str]
) -> pd.DataFrame:
    """Statistics of stamps of any shapes, a block in memory at a time.

    Args:
        rows: positions in the index.
        groups: some of them -> [(positions within these, (m, C, h, w)), ...].
        channels: names of the stamps' channels.

    Returns:
        A row for each position, in order.
    """
    tables = []
    for start in range(0, len(rows), BLOCK):
        parts = groups(rows[start : start + BLOCK])
        made = pd.concat([stamp_statistics(stamps, channels) for _, stamps in parts], ignore_index=True)
        places = np.concatenate([positions for positions, _ in parts])
        tables.append(made.iloc[np.argsort(places, kind="stable")])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def stamps_png(groups: Sequence[tuple[Ints, Array]], n: int) -> list[bytes]:
    """Pictures, in the order of positions, of stamps in groups of one shape: [(positions, (m, C, h, w)), ...]."""
    drawn: list[bytes] = [b""] * n
    for positions, stamps in groups:
        for position, stamp in zip(positions, stamps, strict=True):
            drawn[int(position)] = stamp_png(stamp)
    return drawn


def stamp_channels(source: SampleSource) -> list[str]:
    """Names of the stamps' channels, from the dataset's description; science, reference, difference by default."""
    return list(source.channels or ("science", "reference", "difference"))


def labels(index: pd.DataFrame, train: bool = False) -> Tensor:
    """Labels as float32; a missing label is NaN (at prediction nobody knows it).

    Args:
        index: of the samples.
        train: refuse names of classes; else they are as good as none, for they decide no score.

    Raises:
        UserError: names of classes to train on.
    """
    if "label" not in index:
        return torch.full((len(index),), float("nan"))
    known = index["label"]
    numbers = known if known.dtype.kind in "fiub" else pd.to_numeric(known, errors="coerce")
    if train and (lost := known.notna() & numbers.isna()).any():
        got = f"{known[lost].iloc[0]} among the labels"
        raise UserError("labels 0 and 1, which this network learns", got, "give a table of labels: label=table")
    return torch.from_numpy(numbers.astype("Float32").to_numpy(dtype=np.float32, na_value=np.nan).copy())
