"""Tabular features, standardised on the training fold; a missing value is the mean plus a mask that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.errors import UserError


@dataclass(frozen=True)
class Standardiser:
    """Columns -> (B, 2 F) float32: F standardised values (missing -> 0), then F flags (1 where missing).

    Args:
        columns: names of the index's columns, in order.
    """

    columns: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Columns that come out: a value and a flag for each."""
        return 2 * len(self.columns)

    def _values(self, index: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        absent = [name for name in self.columns if name not in index]
        if absent:
            raise UserError(
                f"the feature columns {list(self.columns)}",
                f"no column {absent}",
                "choose datamodule.features of the data",
            )
        values = index[list(self.columns)].to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def fit(self, index: pd.DataFrame) -> dict[str, Any]:
        """Mean and standard deviation of each column over these rows, as plain lists."""
        if not self.columns:
            return {}
        values = self._values(index)
        counted = np.isfinite(values).sum(axis=0)
        safe = np.where(counted > 0, np.nansum(values, axis=0) / np.maximum(counted, 1), 0.0)
        spread = np.sqrt(np.nansum((values - safe) ** 2, axis=0) / np.maximum(counted, 1))
        return {
            "columns": list(self.columns),
            "mean": safe.tolist(),
            "std": np.where(spread > 0, spread, 1.0).tolist(),
        }

    def apply(self, index: pd.DataFrame, statistics: dict[str, Any]) -> Tensor:
        """Standardise with the statistics of :meth:`fit`; values are limited to +-10 standard deviations."""
        values = self._values(index)
        scaled = (values - np.asarray(statistics["mean"])) / np.asarray(statistics["std"])
        missing = ~np.isfinite(scaled)
        both = np.concatenate([np.clip(np.where(missing, 0.0, scaled), -10, 10), missing], axis=1)
        return torch.from_numpy(both.astype(np.float32))
