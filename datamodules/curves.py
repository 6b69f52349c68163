"""Light curves as batches: windows cut at batch time, packed without padding, static features with masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.pipeline.contracts import SampleSource
from astrid_ml.taxonomy import load_taxonomy
from datamodules.features import Standardiser
from datamodules.prepared import Batch, PreparedDataModule, Rows

# Columns of an epoch that networks get, in order.
N_FEATURES = 7


class CurveDataModule(PreparedDataModule):
    """Batches: ``values`` (N, 7), ``lengths`` (B,), ``static`` (B, 2 S), ``y`` (B,) node places, ``days`` (B,).

    Args:
        taxonomy: a shipped tree or a YAML file; labels that it does not know are left out.
        static: names of static columns; each becomes a standardised value and a flag that says it is missing.
        windows: days since time zero at which validation and test are scored, the same objects at each.
        days: windows of prediction; empty: one row an object with all its epochs.
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
        truncate: training only: share of the batch whose window is cut at a random epoch instead of at a day.
        noise: training only: extra noise up to this share of each error (drawn for each object), 0 for none.
        dimming: training only: objects are dimmed by up to so many magnitudes at constant noise, 0 for none.
        batch_size: see the base class, as for what follows.
    """

    def __init__(
        self,
        taxonomy: str = "elasticc2",
        static: Sequence[str] = (),
        windows: Sequence[float] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        days: Sequence[float] = (),
        softening: float = 10.0,
        truncate: float = 0.25,
        noise: float = 0.0,
        dimming: float = 0.0,
        batch_size: int = 256,
        eval_batch_size: int = 1024,
        num_workers: int = 0,
        balance: str = "none",
        undersample_ratio: float = 3.0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, num_workers, balance, undersample_ratio)
        if not windows or any(day <= 0 for day in [*windows, *days]):
            raise UserError(
                "datamodule.windows and datamodule.days above 0", f"{windows}, {days}", "for instance [1,64]"
            )
        self.taxonomy = load_taxonomy(taxonomy)
        self.classes = list(self.taxonomy.nodes)
        self.standardiser = Standardiser(tuple(static))
        self.windows, self.days = [float(day) for day in windows], [float(day) for day in days]
        self.softening, self.truncate, self.noise, self.dimming = softening, truncate, noise, dimming

    def usable(self, index: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Objects whose label the taxonomy knows."""
        out: npt.NDArray[np.bool_] = self._nodes(index) >= 0
        return out

    def nodes_of(self, fold: str) -> npt.NDArray[np.int64]:
        """Node places of a fold's objects."""
        assert self.source is not None
        return self._nodes(self.source.index.iloc[self.rows[fold]])

    def _nodes(self, index: pd.DataFrame) -> npt.NDArray[np.int64]:
        if "label" not in index:
            return np.full(len(index), -1, dtype=np.int64)
        return self.taxonomy.encode([None if pd.isna(label) else label for label in index["label"]])

    def fit_statistics(self, source: SampleSource, train_rows: Rows) -> dict[str, Any]:
        """Mean and spread of the static columns over the training objects."""
        return self.standardiser.fit(source.index.iloc[train_rows])

    def make_batch(self, source: SampleSource, rows: Rows, generator: torch.Generator | None, train: bool) -> Batch:
        """Training: a window of its own for each object; else the windows take turns over the rows."""
        if train and generator is not None:
            pick = torch.randint(len(self.windows), (len(rows),), generator=generator).numpy()
        else:
            pick = rows % len(self.windows)
        return self.batch_at(source, rows, np.asarray(self.windows)[pick], generator if train else None)

    def batches(
        self, source: SampleSource, rows: Rows | None = None, train: bool = False
    ) -> Iterator[tuple[Rows, Batch]]:
        """Every object at every window: the run's own dataset at ``windows``, new files at ``days``."""
        rows = np.arange(len(source.index), dtype=np.int64) if rows is None else rows
        days = self.windows if source is self.source else (self.days or [np.inf])
        for start in range(0, len(rows), self.eval_batch_size):
            chosen = rows[start : start + self.eval_batch_size]
            for day in days:
                yield chosen, self.batch_at(source, chosen, np.full(len(chosen), day), None)

    def batch_at(
        self,
        source: SampleSource,
        rows: Rows,
        days: npt.NDArray[np.float64],
        generator: torch.Generator | None,
    ) -> Batch:
        """Objects at windows of their own, (B,) days; a generator turns augmentation on."""
        flat, offsets = source.ragged("epochs", rows)
        epochs, lengths = cut(torch.from_numpy(np.ascontiguousarray(flat)), offsets, days)
        if generator is not None:
            epochs, lengths = self._augment(epochs, lengths, generator)
        index = source.index.iloc[rows]
        static = self.standardiser.apply(index, self.statistics) if self.standardiser.columns else None
        return {
            "values": features(epochs, lengths, self.softening),
            "lengths": lengths,
            "static": torch.zeros((len(rows), 0)) if static is None else static,
            "y": torch.from_numpy(self._nodes(index)),
            "days": torch.from_numpy(days.astype(np.float32)),
        }

    def _augment(self, epochs: Tensor, lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        n = len(lengths)
        if self.truncate:
            chosen = torch.rand(n, generator=generator) < self.truncate
            share = torch.rand(n, generator=generator)
            shorter = torch.clamp((lengths * share).ceil().long(), min=1)
            epochs, lengths = shorten(epochs, lengths, torch.where(chosen, shorter, lengths))
        owner = torch.repeat_interleave(torch.arange(n), lengths)
        flux, error = epochs[:, 1], epochs[:, 2]
        if self.dimming:
            flux = flux * (10 ** (-0.4 * self.dimming * torch.rand(n, generator=generator)))[owner]
        if self.noise:
            extra = error * (self.noise * torch.rand(n, generator=generator))[owner]
            flux = flux + extra * torch.randn(len(flux), generator=generator)
            error = torch.hypot(error, extra)
        return torch.stack([epochs[:, 0], flux, error, epochs[:, 3], epochs[:, 4]], dim=1), lengths


def cut(epochs: Tensor, offsets: npt.NDArray[np.int64], days: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Epochs with t <= days of each object; time ascends, so each window is a prefix, with one epoch at least.

    Args:
        epochs: (N, 5), the first column days since time zero.
        offsets: (B + 1,).
        days: (B,).
    """
    lengths = torch.from_numpy(np.diff(offsets))
    limit = torch.repeat_interleave(torch.from_numpy(days).float(), lengths)
    counted = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cumsum(epochs[:, 0] <= limit, 0)])
    ends = torch.from_numpy(offsets)
    return shorten(epochs, lengths, torch.clamp(counted[ends[1:]] - counted[ends[:-1]], min=1))


def shorten(epochs: Tensor, lengths: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The first ``kept`` (B,) epochs of each object of ``lengths`` (B,)."""
    starts = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(epochs)) - torch.repeat_interleave(starts, lengths)
    return epochs[place < torch.repeat_interleave(kept, lengths)], kept


def features(epochs: Tensor, lengths: Tensor, softening: float) -> Tensor:
    """(N, 5) epochs -> (N, 7): time / 100 d, log gap, asinh flux, log error, asinh S/N, detected, wavelength."""
    days, flux, error, detected, wavelength = epochs.unbind(dim=1)
    gap = torch.diff(days, prepend=days[:1])
    starts = torch.cumsum(lengths, 0) - lengths
    gap[starts] = 0.0
    snr = torch.clamp(flux / error, -1e4, 1e4)
    columns = (
        days / 100,
        torch.log1p(gap.clamp(min=0)) / 3,
        torch.asinh(flux / softening) / 3,
        torch.log10(error.clamp(min=1e-3, max=1e7)),
        torch.asinh(snr) / 3,
        detected,
        (wavelength - 0.65) / 0.2,
    )
    return torch.stack(columns, dim=1)  # (N, 7)
