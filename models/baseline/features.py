"""Features of light curves as a table, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.contracts.columns import columns_of, rows_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.models.baseline.extractors import Extractors, bands_of, curve_features, full_set
from astrid_ml.types import Floats, Floats32, Ints

PIECE = 1000


@dataclass(frozen=True)
class FeatureTable:
    """Features of all labelled objects at all windows.

    Args:
        rows: positions of the objects in the dataset's index, ascending.
        days: the windows.
        values: (n, W, F) float32.
    """

    rows: Ints
    days: tuple[float, ...]
    values: Floats32

    @classmethod
    def of(cls, dataset: PreparedDataset, datamodule: Any) -> FeatureTable:
        """Extract; the same epochs are never measured twice."""
        extractor = full_set()
        rows = np.flatnonzero(datamodule.usable(columns_of(dataset))).astype(np.int64)
        bands = bands_of(dataset.ragged("epochs", rows[:: max(1, len(rows) // 2000)])[0][:, 4])
        days = tuple(datamodule.windows)
        parts = [_piece(dataset, part, datamodule, bands, extractor) for part in pieces(rows)]
        values = np.concatenate(parts)
        static = rows_of(dataset, rows, datamodule.standardiser.columns).to_numpy(dtype=np.float32)
        clock = np.broadcast_to(static[:, None], (*values.shape[:2], static.shape[1]))
        return cls(rows, days, np.concatenate([values, clock], axis=2))

    def at(self, rows: Ints, window: int) -> Floats32:
        """Features (n, F) of objects by their position in the index."""
        out: Floats32 = self.values[np.searchsorted(self.rows, rows), window]
        return out


def pieces(rows: Ints) -> Iterator[Ints]:
    """Blocks of objects."""
    for start in range(0, len(rows), PIECE):
        yield rows[start : start + PIECE]


def _piece(dataset: PreparedDataset, rows: Ints, datamodule: Any, bands: Floats, extractor: Extractors) -> Floats32:
    """(n, W, F); windows that end at the same epoch share one measurement."""
    flat, offsets = dataset.ragged("epochs", rows)
    seen = datamodule.seen_at(flat, offsets)
    out: list[Floats32] = []
    for window in range(seen.shape[1]):
        same = seen[:, window] == seen[:, window - 1] if window else np.zeros(len(rows), dtype=bool)
        new = np.flatnonzero(~same)
        lengths = np.diff(offsets)[new]
        places = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in new] or [np.empty(0, dtype=np.int64)])
        own = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        values = out[-1].copy() if window else np.empty((0, 0), dtype=np.float32)
        if len(new):
            found = curve_features(flat[places], own, seen[new, window], bands, extractor).astype(np.float32)
            if not window:
                values = np.empty((len(rows), found.shape[1]), dtype=np.float32)
            values[new] = found
        out.append(values)
    return np.stack(out, axis=1)
