"""Figures of many epochs: forced light curves, and maps of limiting magnitude."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.files import whole

_COLOURS = ("#2b6cb0", "#c53030", "#2f855a", "#b7791f", "#6b46c1", "#1a202c")
_PANELS = 9


def write_curves(path: Path, table: pd.DataFrame) -> None:
    """The most significant objects' fluxes over time, a colour a band; faint points are no detections."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    peaks = table.assign(peak=table["snr"].abs()).groupby("object_id")["peak"].max().dropna()
    names = list(peaks.sort_values(ascending=False, kind="stable").index[:_PANELS])
    columns = min(3, max(1, len(names)))
    rows = -(-len(names) // columns) or 1
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 2.9 * rows), layout="constrained", squeeze=False, sharex=True
    )
    bands = sorted(table["band"].astype(str).unique())
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        _curve(axis, table[(table["object_id"] == name) & ~table["masked"].astype(bool)], bands)
        axis.set_title(str(name), fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("MJD")
    for axis in axes[:, 0]:
        axis.set_ylabel("flux (FLUXCAL)")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=_COLOURS[i % len(_COLOURS)], label=band)
        for i, band in enumerate(bands)
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=max(1, len(bands)), frameon=False, fontsize=9)
    with whole(path) as at:
        figure.savefig(at, dpi=110, format="png")
    plt.close(figure)


def _curve(axis: Any, points: pd.DataFrame, bands: Sequence[str]) -> None:
    axis.axhline(0, color="#8a8f98", linewidth=0.8)
    for i, band in enumerate(bands):
        own = points[points["band"].astype(str) == band]
        colour = _COLOURS[i % len(_COLOURS)]
        for found, alpha in ((True, 1.0), (False, 0.35)):
            part = own[own["detected"].astype(bool) == found]
            if len(part):
                axis.errorbar(
                    part["mjd"], part["flux"], part["flux_err"], fmt="o", ms=4, lw=1, color=colour, alpha=alpha
                )
    axis.spines[["top", "right"]].set_visible(False)
    axis.ticklabel_format(axis="x", useOffset=False)
    axis.xaxis.get_major_locator().set_params(nbins=4)


def write_depths(path: Path, table: pd.DataFrame, images: Sequence[dict[str, Any]]) -> None:
    """Maps of the limiting magnitude of the first images, on one scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = list(images[:_PANELS])
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3.8 * rows), layout="constrained", squeeze=False)
    known = table["limit"].dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high - low < 0.02:
        low, high = low - 0.01, high + 0.01
    drawn = None
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, image in zip(axes.flat, shown, strict=False):
        own = table[table["source"] == image["source"]]
        x, y = np.unique(own["x"]), np.unique(own["y"])
        grid = own["limit"].to_numpy(dtype=float).reshape(image["boxes"])
        drawn = axis.pcolormesh(x, y, grid, shading="nearest", cmap="viridis", vmin=low, vmax=high)
        axis.set_aspect("equal")
        name = Path(str(image["source"]))
        median = f"{image['median']:.2f}" if np.isfinite(image["median"]) else "no good pixel"
        axis.set_title(
            f"{name.parent.name}/{name.name}\n{image['band']}, MJD {image['mjd']:.3f}, median {median}", fontsize=9
        )
        axis.set_xlabel("x (px)")
    for axis in axes[:, 0]:
        axis.set_ylabel("y (px)")
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, label="limiting magnitude (AB)")
    with whole(path) as at:
        figure.savefig(at, dpi=110, format="png")
    plt.close(figure)
