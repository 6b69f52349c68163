"""The picture of one tile of a ramp: its image, its largest steps with the known events, and its brightest pixel."""

from __future__ import annotations

import io

import numpy as np

from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.types import Array, Bits

# Cosmic ray, telegraph noise, snowball: told apart by colour-blind readers too.
COLOURS = ("#D55E00", "#0072B2", "#009E73")
STEP_RANGE = (-5.0, 25.0)  # read noises


def tile_png(cube: Array, codes: Bits) -> bytes:
    """A PNG of one tile.

    Args:
        cube: signal above the first read, in read noises, (n_groups, h, w); NaN unusable.
        codes: class of the step at each voxel, the same shape; 255 where undecided.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    steps = np.nan_to_num(np.diff(cube.astype(np.float32), axis=0), nan=0.0)
    largest = np.take_along_axis(steps, np.abs(steps).argmax(0)[None], axis=0)[0]
    figure = Figure(figsize=(7.2, 2.1), layout="constrained")
    FigureCanvasAgg(figure)
    image, map_of_steps, series = figure.subplots(1, 3, width_ratios=(1, 1, 1.6))
    last = cube[-1] - np.nanmedian(cube[-1]) if np.isfinite(cube[-1]).any() else cube[-1]
    image.imshow(np.arcsinh(last / 3), origin="lower", cmap="gray", interpolation="nearest")
    image.set_title("last read", fontsize=8)
    low, high = STEP_RANGE
    map_of_steps.imshow(largest, origin="lower", cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
    map_of_steps.set_title("largest step", fontsize=8)
    known, handles = [], []
    for code, (name, colour) in enumerate(zip(ANOMALIES, COLOURS, strict=True), start=1):
        rows, columns = np.nonzero((codes == code).any(axis=0))
        if len(rows):
            known.append((rows, columns))
            map_of_steps.scatter(columns, rows, s=14, marker="s", facecolors="none", edgecolors=colour, linewidths=0.8)
            handles.append(
                Line2D([], [], ls="", marker="s", mfc="none", mec=colour, ms=4, label=name.replace("_", " "))
            )
    if handles:
        map_of_steps.legend(handles=handles, fontsize=6, loc="upper right", framealpha=0.8)
    for axis in (image, map_of_steps):
        axis.set_axis_off()
    y, x = _brightest(largest, known)
    series.plot(np.arange(len(cube)), cube[:, y, x], "-o", color="#222222", ms=2.5, lw=0.8)
    for code, colour in enumerate(COLOURS, start=1):
        for group in np.flatnonzero(codes[:, y, x] == code):
            series.axvline(group, color=colour, lw=1.0)
    series.set_title(f"pixel row {y}, column {x}", fontsize=8)
    series.set_xlabel("group", fontsize=7)
    series.set_ylabel("signal (read noises)", fontsize=7)
    series.tick_params(labelsize=6)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format="png", facecolor="white")
    return buffer.getvalue()


def _brightest(largest: Array, known: list[tuple[Array, Array]]) -> tuple[int, int]:
    """The pixel (row, column) with the largest step: of the known events where there are any, else of all."""
    size = np.abs(largest)
    if known:
        chosen = np.zeros(size.shape, dtype=bool)
        for rows, columns in known:
            chosen[rows, columns] = True
        size = np.where(chosen, size, -1.0)
    y, x = np.unravel_index(int(size.argmax()), size.shape)
    return int(y), int(x)
