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


def write_recovery_figure(path: Path, sources: dict[str, pd.DataFrame], table: pd.DataFrame) -> None:
    """Three panels: completeness, false positives per Mpx, slope with pull.

    Args:
        path: PNG.
        sources: row name -> sources of all pairs, as ``Recovery.sources``.
        table: the summary, one row each.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained", width_ratios=[1.5, 1, 1])
    has_snr = all("snr_opt" in s for s in sources.values())
    _curves(axes[0], {n: part[~part["masked"] & part["alone"]] for n, part in sources.items()}, has_snr)
    axes[0].set(ylim=(-0.03, 1.03), ylabel="completeness", xlabel="optimal S/N" if has_snr else "magnitude")
    if has_snr:
        axes[0].set_xscale("log")
        axes[0].set_xticks([4, 5, 7, 10, 20, 40], ["4", "5", "7", "10", "20", "40"])
        axes[0].minorticks_off()
        axes[0].axvline(5, color="#a0aec0", lw=0.8, ls=":")
    axes[0].legend(frameon=False, fontsize=9, loc="lower right" if has_snr else "lower left")
    place = np.arange(len(table))[::-1]
    axes[1].barh(place + 0.2, table["false_positives_per_mpx"].fillna(0), 0.36, color="#c53030", label="positive")
    axes[1].barh(place - 0.2, table["false_negatives_per_mpx"].fillna(0), 0.36, color="#2b6cb0", label="negative")
    axes[1].set_yticks(place, list(table["name"]))
    axes[1].set(xlabel="false detections per Mpx, 5 sigma")
    axes[1].set_xlim(
        0, max(2.0, 1.1 * float(table[["false_positives_per_mpx", "false_negatives_per_mpx"]].max().max()))
    )
    axes[1].legend(frameon=False, fontsize=9)
    axes[2].axvline(1.0, color="#a0aec0", lw=0.8)
    axes[2].errorbar(
        table["slope"].astype(float), place, xerr=1.96 * table["slope_err"].astype(float), fmt="o", color=_INK
    )
    axes[2].set_yticks(
        place, [f"{n}\n(pull {_short(p)})" for n, p in zip(table["name"], table["pull_std"], strict=True)]
    )
    axes[2].set(xlabel="measured / true flux, S/N > 10")
    for axis in axes[1:]:
        axis.set_ylim(-0.7, len(table) - 0.3)  # else half of the highest label lies outside of the picture
    for axis in axes:
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    with whole(path) as at:
        figure.savefig(at, dpi=110, format="png")
    plt.close(figure)


def _short(value: Any) -> str:
    return "?" if value is None or not np.isfinite(float(value)) else f"{float(value):.2f}"


def _curves(axis: Any, sources: dict[str, pd.DataFrame], has_snr: bool) -> None:
    """One line each with Wilson's intervals; a line on which later ones lie is wider, and shows around them."""
    found = {name: _shares(part, "snr_opt" if has_snr else "mag") for name, part in sources.items()}
    curves = [(i, name, curve) for i, (name, curve) in enumerate(found.items()) if len(curve)]
    for place, (i, name, curve) in enumerate(curves):
        above = sum(_equal(curve, other) for *_, other in curves[place + 1 :])
        look = {"color": _COLOURS[i % len(_COLOURS)], "lw": 1.5 + 1.5 * above, "ms": 4 + 1.6 * above}
        middle, share, n = curve.T
        axis.plot(middle, share, "-o", label=name, **look)
        axis.fill_between(middle, *wilson(share, n), color=look["color"], alpha=0.12, lw=0)


def _equal(one: Floats, other: Floats) -> bool:
    """Whether two curves can hardly be told apart where they are drawn."""
    return one.shape == other.shape and bool(np.allclose(one[:, 1], other[:, 1], atol=0.03))


def _shares(part: pd.DataFrame, column: str) -> Floats:
    """Share found in bins of equal counts, (bins, 3): middle, share, number; sources without a value are left out."""
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
