"""Completeness against S/N or magnitude, and the figures of each subtraction side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.files import whole
from astrid_ml.stats import wilson
from astrid_ml.types import Floats

_COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#4a5568", "#b7791f", "#285e61")
_INK = "#1a202c"
_IN_A_ROW = 4  # panels


def write_recovery_figure(path: Path, sources: dict[str, pd.DataFrame], table: pd.DataFrame) -> None:
    """A small panel of completeness for each way, then false positives per Mpx, and slope with pull.

    Args:
        path: PNG.
        sources: row name -> sources of all pairs, as ``Recovery.sources``.
        table: the summary, one row each.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(15, 4.8), layout="constrained")
    parts = figure.add_gridspec(1, 3, width_ratios=[1.9, 1, 1])
    has_snr = all("snr_opt" in s for s in sources.values())
    shares = {name: _shares(part[~part["masked"] & part["alone"]], has_snr) for name, part in sources.items()}
    panels = _curves(figure, parts[0], {name: curve for name, curve in shares.items() if len(curve)}, has_snr)
    false, slope = figure.add_subplot(parts[1]), figure.add_subplot(parts[2])
    place = np.arange(len(table))[::-1]
    false.barh(place + 0.2, table["false_positives_per_mpx"].fillna(0), 0.36, color="#c53030", label="positive")
    false.barh(place - 0.2, table["false_negatives_per_mpx"].fillna(0), 0.36, color="#2b6cb0", label="negative")
    false.set_yticks(place, list(table["name"]))
    false.set(xlabel="false detections per Mpx, 5 sigma")
    most = float(table[["false_positives_per_mpx", "false_negatives_per_mpx"]].max().max())
    false.set_xlim(0, max(2.0, 1.1 * most))
    false.legend(frameon=False, fontsize=9)
    slope.axvline(1.0, color="#a0aec0", lw=0.8)
    slope.errorbar(
        table["slope"].astype(float), place, xerr=1.96 * table["slope_err"].astype(float), fmt="o", color=_INK
    )
    names = [f"{n}\n(pull {_short(p)})" for n, p in zip(table["name"], table["pull_std"], strict=True)]
    slope.set_yticks(place, names)
    slope.set(xlabel="measured / true flux, S/N > 10")
    for axis in (false, slope):
        axis.set_ylim(-0.7, len(table) - 0.3)  # else half of the highest label lies outside of the picture
    for axis in (*panels, false, slope):
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    with whole(path) as at:
        figure.savefig(at, dpi=110, format="png")
    plt.close(figure)


def _short(value: Any) -> str:
    return "?" if value is None or not np.isfinite(float(value)) else f"{float(value):.2f}"


def _curves(figure: Any, part: Any, curves: dict[str, Floats], has_snr: bool) -> list[Any]:
    """A panel for each way: its curve with Wilson's intervals before those of the others."""
    columns = max(min(len(curves), _IN_A_ROW), 1)
    grid = part.subgridspec(max(-(-len(curves) // columns), 1), columns)
    panels: list[Any] = []
    for i, (name, curve) in enumerate(curves.items()):
        axis = figure.add_subplot(grid[i // columns, i % columns])
        colour = _COLOURS[i % len(_COLOURS)]
        middle, share, n = curve.T
        axis.plot(middle, share, "-o", label=name, color=colour, lw=1.8, ms=4, zorder=3)
        axis.fill_between(middle, *wilson(share, n), color=colour, alpha=0.18, lw=0)
        for other in curves.values():
            axis.plot(other[:, 0], other[:, 1], color="#a0aec0", lw=0.9, zorder=1)
        axis.set_title(name, fontsize=10, color=_INK)
        axis.set_ylim(-0.03, 1.03)
        lowest, leftmost = i + columns >= len(curves), i % columns == 0
        axis.set_xlabel(("optimal S/N" if has_snr else "magnitude") if lowest else "")
        axis.set_ylabel("completeness" if leftmost else "")
        if has_snr:
            axis.set_xscale("log")
            axis.set_xticks([5, 10, 20, 40], ["5", "10", "20", "40"])
            axis.minorticks_off()
            axis.axvline(5, color="#a0aec0", lw=0.8, ls=":")
        axis.tick_params(labelbottom=lowest, labelleft=leftmost)
        panels.append(axis)
    return panels


def _shares(part: pd.DataFrame, has_snr: bool) -> Floats:
    """Share found in bins of equal counts, (bins, 3): middle, share, number; sources without a value are left out."""
    column = "snr_opt" if has_snr else "mag"
    if column not in part:
        return np.empty((0, 3))
    part = part[np.isfinite(part[column].to_numpy(dtype=float))]
    if part.empty:
        return np.empty((0, 3))
    value = part[column].to_numpy(dtype=float)
    edges = np.unique(np.quantile(value, np.linspace(0, 1, min(12, max(3, len(value) // 25)) + 1)))
    # A value on an edge belongs to the bin above it, but the greatest to the last bin; equal values make one bin.
    place = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, max(len(edges) - 2, 0))
    bins = [part[place == number] for number in np.unique(place)]
    return np.array([[float(np.median(b[column])), float(b["found"].mean()), float(len(b))] for b in bins])
