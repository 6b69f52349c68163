"""Cutouts of full frames and tabular features as batches: nothing is cut before it is needed.

Where a dataset kept only stamps (n, C, h, w) they serve in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.contracts.columns import Columns, columns_of, rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.datamodules.channels import resize
from astrid_ml.datamodules.context import ContextBlocks, SampleFeatures
from astrid_ml.datamodules.features import Standardiser
from astrid_ml.datamodules.frame_channels import CHANNELS, FrameChannels
from astrid_ml.datamodules.frame_cutouts import FrameStore
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.datamodules.stamps import labels, measured_blocks, stamps_png
from astrid_ml.errors import UserError
from astrid_ml.types import Array, Ints, Mask

# What the finder measures of each detection.
FEATURES = ("sharpness", "roundness1", "roundness2", "npix", "peak", "flux", "mag", "daofind_mag")


class FrameDataModule(PreparedDataModule):
    """Batches of ``x`` (B, C, size, size) float32, ``y`` (B,) float32 and ``features`` (B, 2 F): values and flags.

    Ambiguous detections (``ambiguous`` in the index: they match truth fainter than the limit) neither train nor count.

    Args:
        channels: which channels, which size, which scale; always from the checkpoint.
        features: columns of the index, standardised on the training fold; a missing value is the mean and a flag.
        augment: (images, generator) -> images, in training only.
        context: columns of catalogues, which go behind the features.
        other: the arguments of :class:`PreparedDataModule`.

    Raises:
        UserError: the channels are those of stamps.
    """

    def __init__(
        self,
        channels: FrameChannels,
        features: Sequence[str] = FEATURES,
        augment: Callable[[Tensor, torch.Generator | None], Tensor] | None = None,
        context: ContextBlocks | None = None,
        **other: Any,
    ) -> None:
        super().__init__(**other)
        if not isinstance(channels, FrameChannels):
            raise UserError(
                "channels of frames", f"{type(channels).__name__}", "choose channels=frames_asinh, _zscale or _sigma"
            )
        self.channels, self.augment = channels, augment
        self.beside = SampleFeatures(Standardiser(tuple(features)), context or ContextBlocks())
        self._store: FrameStore | None = None

    reads: ClassVar[tuple[str, ...]] = ("roman",)

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
        """Two empty cutouts of the channels' shape, one of each class."""
        x = torch.zeros(2, len(self.channels.names), self.channels.size, self.channels.size)
        batch = {"x": x, "y": torch.tensor([0.0, 1.0])}
        return batch | ({"features": torch.zeros(2, self.beside.width)} if self.beside.columns else {})

    def usable(self, index: Columns) -> Mask:
        """Those with a label that is not ambiguous."""
        known = super().usable(index)
        if "ambiguous" not in index:
            return known
        ambiguous: Mask = index["ambiguous"].fillna(False).to_numpy(dtype=bool)
        return known & ~ambiguous

    def fit_statistics(self, source: SampleSource, train_rows: Ints) -> dict[str, Any]:
        """Of the features, and what the scaling clips on the training fold (1000 cutouts, evenly spread)."""
        sample = train_rows[:: max(1, len(train_rows) // 1000)]
        lost = self.channels.clipped(
            self._raw(source, sample), rows_of(source, sample, self.channels.asks), frame_channels(source)
        )
        return {**self.beside.fit(rows_of(source, train_rows, self.beside.columns)), "clipped": lost}

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        index = rows_of(source, rows, list(dict.fromkeys(["label", *self.channels.asks, *self.beside.columns])))
        images = self.channels.apply(self._raw(source, rows), index, frame_channels(source))
        if train and self.augment is not None:
            images = self.augment(images, generator)
        batch = {"x": images, "y": labels(index, train)}
        if self.beside.columns:
            batch["features"] = self.beside.apply(index, self.statistics, generator, train)
        return batch

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """The raw cutouts, each channel in its own stretch, side by side; beyond the frame in a colour of its own."""
        stamps = self._raw(source, rows).permute(0, 3, 1, 2).numpy()
        return stamps_png([(np.arange(len(rows), dtype=np.int64), stamps)], len(rows))

    def measured(self, source: SampleSource, rows: Ints) -> pd.DataFrame:
        """Statistics of the raw cutouts, see :func:`astrid_ml.preprocessing.stamp_statistics.stamp_statistics`."""

        def cut(part: Ints) -> list[tuple[Ints, Array]]:
            stamps = self._raw(source, part).permute(0, 3, 1, 2).numpy()
            return [(np.arange(len(part), dtype=np.int64), stamps)]

        return measured_blocks(rows, cut, frame_channels(source))

    def report_tables(self) -> dict[str, pd.DataFrame]:
        """What the scaling clips, for the report."""
        lost: dict[str, dict[str, float]] = self.statistics.get("clipped", {})
        rows = [
            {"channel": name, "pixels clipped": part["pixels"], "central pixels clipped": part["centres"]}
            for name, part in lost.items()
        ]
        title = f"Clipped by the scaling {self.channels.scaling!r}, share of the training cutouts"
        return {title: pd.DataFrame(rows)} if rows else {}

    def _raw(self, source: SampleSource, rows: Ints) -> Tensor:
        """Raw cutouts (B, size, size, C), NaN beyond the frame (or beyond the stamp, where only those were kept)."""
        if "image" not in columns_of(source):
            stamps = torch.from_numpy(np.ascontiguousarray(source.gather("stamps", rows), dtype=np.float32))
            return resize(stamps, self.channels.size, torch.nan).permute(0, 2, 3, 1).contiguous()
        if self._store is None or self._store.source is not source or self._store.index is not columns_of(source):
            self._store = FrameStore(source)
        return torch.from_numpy(self._store.cutouts(rows, self.channels.size))


def frame_channels(source: SampleSource) -> list[str]:
    """Names of the frames' channels, from the dataset's description; the four of a job folder by default."""
    return list(source.channels or CHANNELS)
