"""Tabular features, standardised on the training fold; a missing value is the mean plus a mask that says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.types import Array


@dataclass(frozen=True)
class Standardiser:
    """Columns -> (B, 2 F) float32: F standardised values (missing -> 0), then F flags (1 where missing).

    Args:
        columns: names of the index's columns, in order.
        key: of the datamodule that names them, for messages.
    """

    columns: tuple[str, ...] = ()
    key: str = "features"

    @property
    def width(self) -> int:
        """Columns that come out: a value and a flag for each."""
        return 2 * len(self.columns)

    def _values(self, index: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        chosen = index[[name for name in self.columns if name in index]]
        texts = [name for name in self.columns if name in index and not _holds_numbers(index[name])]
        check_columns({self.key: self.columns}, [*map(str, index)], texts)
        values = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def fit(self, index: pd.DataFrame) -> dict[str, Any]:
        """Mean and standard deviation of each column over these rows, as plain lists."""
        if not self.columns:
            return {}
        return {"columns": list(self.columns), **scale_of(self._values(index))}

    def apply(self, index: pd.DataFrame, statistics: dict[str, Any]) -> Tensor:
        """Standardise with the statistics of :meth:`fit`; values are limited to +-10 standard deviations."""
        return scaled(self._values(index), statistics)


def scale_of(values: Array) -> dict[str, list[float]]:
    """Mean and standard deviation of each column of (n, F), NaN left out, as plain lists."""
    counted = np.isfinite(values).sum(axis=0)
    safe = np.where(counted > 0, np.nansum(values, axis=0) / np.maximum(counted, 1), 0.0)
    spread = np.sqrt(np.nansum((values - safe) ** 2, axis=0) / np.maximum(counted, 1))
    return {"mean": safe.tolist(), "std": np.where(spread > 0, spread, 1.0).tolist()}


def scaled(values: Array, statistics: Mapping[str, Any]) -> Tensor:
    """(..., F) -> (..., 2 F) float32: values by :func:`scale_of`, limited to +-10 and 0 where missing; then flags."""
    found = (values - np.asarray(statistics["mean"])) / np.asarray(statistics["std"])
    missing = ~np.isfinite(found)
    both = np.concatenate([np.clip(np.where(missing, 0.0, found), -10, 10), missing], axis=-1)
    return torch.from_numpy(both.astype(np.float32))


def _holds_numbers(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers, or nothing at all."""
    known = column.dropna()
    return pd.api.types.is_numeric_dtype(known.dtype) or bool(pd.to_numeric(known, errors="coerce").notna().all())


def check_columns(
    named: Mapping[str, Sequence[str]], there: Collection[str], texts: Collection[str] = (), group: str = "datamodule"
) -> None:
    """Refuse columns that samples do not have, or that hold no numbers.

    Args:
        named: key of the datamodule, or of another group -> columns.
        there: the columns of the index.
        texts: those of them that hold no numbers, where numbers are asked for.
        group: whose keys they are.

    Raises:
        UserError: names the key, and the nearest column.
    """
    for key, names in named.items():
        if unknown := [name for name in names if name not in there]:
            fix = nearest(unknown[0], there) or f"choose {group}.{key} among these columns"
            shown = ", ".join(sorted(set(there) - set(texts)))
            raise UserError(f"{group}.{key} among the columns of the samples: {shown}", ", ".join(unknown), fix)
        if "label" in names:
            fix = f"leave label out of {group}.{key}"
            raise UserError(f"{group}.{key} of columns that new samples have too", "label, which is learned", fix)
        if wrong := [name for name in names if name in texts]:
            fix = f"leave {wrong[0]} out of {group}.{key}"
            raise UserError(f"{group}.{key} of columns that hold numbers", ", ".join(wrong), fix)
