"""Drift: how far the inputs of an evaluation lie from those of training, column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Floats, Ints

SKIPPED = ("row", "label", "stamp_h", "stamp_w", "ra", "dec", "mjd", "field")  # where a sample is, not what it is like
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def input_statistics(source: SampleSource, rows: Ints, most: int = 2000) -> dict[str, list[float]]:
    """Quantiles of each numeric column of the index, and of each channel's noise where there are stamps.

    Args:
        source: samples.
        rows: those of the training fold (or of an evaluation).
        most: stamps looked at, evenly spread; never more.

    Returns:
        name -> five quantiles (5, 25, 50, 75, 95 %), plain floats for the checkpoint.
    """
    out: dict[str, list[float]] = {}
    index = columns_of(source)
    for name in index.columns:
        if name in SKIPPED or not is_numeric_dtype(index.dtypes[name]) or is_bool_dtype(index.dtypes[name]):
            continue
        values = index[name].to_numpy(dtype=float, na_value=np.nan)[rows]
        if np.isfinite(values).sum() > 10:
            out[str(name)] = np.nanquantile(values, QUANTILES).tolist()
    return out | _stamp_statistics(source, rows, most)


def _stamp_statistics(source: SampleSource, rows: Ints, most: int) -> dict[str, list[float]]:
    chosen = rows[:: max(1, -(-len(rows) // most))]
    try:
        groups = source.groups("stamps", chosen)
    except KeyError:
        return {}
    noise: dict[str, list[Floats]] = {}
    for _, stamps in groups:
        for channel in range(stamps.shape[1]):
            flat = stamps[:, channel].reshape(len(stamps), -1)[:, ::4].astype(np.float64)
            flat = np.where(np.abs(flat) < 1e37, flat, np.nan)
            flat = flat[np.isfinite(flat).any(axis=1)]
            if len(flat):
                median = np.nanmedian(flat, axis=1, keepdims=True)
                noise.setdefault(f"channel {channel} noise", []).append(robust_sigma(flat, axis=1, centre=median))
    return {name: np.quantile(np.concatenate(parts), QUANTILES).tolist() for name, parts in noise.items()}


def drift_table(training: dict[str, list[float]] | None, source: SampleSource, rows: Ints) -> pd.DataFrame | None:
    """Medians side by side and their shift in units of the training's interquartile range.

    Returns:
        The largest shifts first; None where the checkpoint holds no statistics (imported weights).
    """
    if not training:
        return None
    now = input_statistics(source, rows)
    lines = []
    for name, before in training.items():
        if name in now:
            width = before[3] - before[1]
            shift = (now[name][2] - before[2]) / width if width > 0 else (0.0 if now[name][2] == before[2] else np.inf)
            lines.append({"input": name, "training": before[2], "here": now[name][2], "shift (IQR)": float(shift)})
    table = pd.DataFrame(lines, columns=["input", "training", "here", "shift (IQR)"])
    return table.reindex(table["shift (IQR)"].abs().sort_values(ascending=False).index).reset_index(drop=True)
