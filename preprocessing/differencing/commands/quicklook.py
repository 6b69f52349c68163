"""One look at a subtracted pair: images with detections, the noise, the residuals at stars, the registration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.files import whole
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.printable import as_id
from astrid_ml.start import importing
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Floats32

_GREY, _BLUE, _RED, _INK = "#8a8f98", "#2b6cb0", "#c53030", "#1a202c"
_MARKED = 200  # more circles than this hide the picture
_SHOWN = 800  # px of an image's longer side: a panel has half of that


def write_quicklook(path: Path, done: Difference) -> None:
    """``quicklook.png``."""
    with importing(at_start=False):
        from matplotlib.figure import Figure  # pyplot, which keeps figures for a screen, takes twice as long

    figure = Figure(figsize=(15, 8.6), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 12, height_ratios=[1.0, 1.0])
    planes = (
        ("science", done.science.data, False),
        ("reference", done.reference.data, False),
        ("difference", done.result.diff, True),
        ("significance", done.result.significance, True),
    )
    for i, (name, plane, signed) in enumerate(planes):
        axis = figure.add_subplot(grid[0, 3 * i : 3 * i + 3])
        _image(axis, plane.numpy(), name, signed, done)
    _noise(figure.add_subplot(grid[1, 0:4]), done)
    _residuals(figure.add_subplot(grid[1, 4:8]), done)
    _registration(figure.add_subplot(grid[1, 8:12]), done)
    said = done.quality
    figure.suptitle(
        f"{as_id(done.science.name)}  minus  {as_id(done.reference.name)}      {said.candidates} candidates,  "
        f"FWHM {said.science.fwhm:.2f} / {said.reference.fwhm:.2f} px,  flux ratio {said.flux_ratio:.4f},  "
        f"std in blank sky {said.significance.std_raw:.3f}",
        fontsize=12,
        color=_INK,
    )
    with whole(path) as at:
        figure.savefig(at, dpi=110, format="png")


def _image(axis: Any, plane: Floats32, name: str, signed: bool, done: Difference) -> None:
    blank = plane[done.blank.numpy()] if bool(done.blank.any()) else plane.ravel()
    centre, sigma = float(np.median(blank)), float(robust_sigma(blank)) or 1.0
    low, high = (-8, 8) if signed else (-2, 20)
    if name == "significance":
        centre, sigma = 0.0, 1.0
    colours = "RdBu_r" if signed else "gray_r"
    every = max(max(plane.shape) // _SHOWN, 1)  # a panel shows no more: the rest would be work and memory alone
    shown = (plane[::every, ::every] - centre) / sigma
    height, width = (length * every - 0.5 for length in shown.shape)
    extent = (-0.5, width, -0.5, height)
    axis.imshow(shown, origin="lower", cmap=colours, vmin=low, vmax=high, interpolation="nearest", extent=extent)
    axis.set_title(name + (" (sigma)" if name == "significance" else ""), fontsize=11, color=_INK)
    axis.set_xticks([])
    axis.set_yticks([])
    if signed:
        table = done.candidates.head(_MARKED)
        size = max(120.0 * 300 / max(plane.shape), 14.0)
        for sign, colour in ((1, _RED), (-1, _BLUE)):
            at = table[table["sign"] == sign]
            axis.scatter(at["x"], at["y"], s=size, facecolors="none", edgecolors=colour, linewidths=0.9)


def _noise(axis: Any, done: Difference) -> None:
    values = done.result.significance.numpy()[done.blank.numpy()]
    edges = np.linspace(-7, 7, 113)
    counts, _ = np.histogram(values, edges)
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    expected = len(values) * width * np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
    axis.step(middle, np.maximum(counts, 0.3), where="mid", color=_BLUE, label="blank sky")
    axis.plot(middle, expected, color=_INK, lw=1, ls="--", label="Gaussian, std 1")
    axis.set(yscale="log", ylim=(0.5, max(10, 2 * counts.max(initial=1))), xlabel="significance", ylabel="pixels")
    _plain_numbers(axis.yaxis)
    axis.set_title("noise after rescaling", fontsize=11, color=_INK)
    axis.legend(frameon=False, fontsize=9)
    _plain(axis)


def _residuals(axis: Any, done: Difference) -> None:
    """What the subtraction leaves at each matched star: its significance against the star's own."""
    stars = done.matched.stars
    axis.set_title("residuals at matched stars", fontsize=11, color=_INK)
    axis.set(xlabel="flux in the science image", ylabel="largest significance of 5 x 5 px, with its sign")
    _plain(axis)
    if len(stars) == 0:
        axis.text(0.5, 0.5, "no matched stars", ha="center", va="center", transform=axis.transAxes, color=_GREY)
        return
    import torch

    x, y = (torch.from_numpy(stars[c].to_numpy(copy=True)) for c in ("x", "y"))
    stamps, _ = stamps_at(done.result.significance, x, y, 5)
    flat = stamps.flatten(1)
    worst = flat.gather(1, flat.abs().argmax(1, keepdim=True))[:, 0].numpy()
    kept = stars["kept"].to_numpy()
    axis.axhspan(-5, 5, color="#edf2f7", zorder=0)
    axis.scatter(stars["flux_science"][kept], worst[kept], s=12, color=_BLUE, label="used for the flux ratio")
    axis.scatter(stars["flux_science"][~kept], worst[~kept], s=12, color=_RED, label="left out (variable?)")
    limit = max(8.0, 1.15 * float(np.abs(worst).max(initial=0.0)))
    flux = stars["flux_science"].to_numpy()
    known = flux[np.isfinite(flux) & (flux > 0)]
    axis.set(ylim=(-limit, limit))
    if len(known):  # a damaged frame may have none
        axis.set(xscale="log", xlim=(0.8 * known.min(), 1.25 * known.max()))
        _plain_numbers(axis.xaxis)
    axis.legend(frameon=False, fontsize=9)


def _registration(axis: Any, done: Difference) -> None:
    stars = done.matched.stars
    stars = stars[stars["kept"]] if len(stars) else stars
    axis.set_title(
        f"registration left, {done.quality.astrometric_sigma:.3f} px per axis", fontsize=11, color=_INK, loc="left"
    )
    h, w = done.science.shape
    axis.set(xlim=(0, w), ylim=(0, h), xlabel="x (px)", ylabel="y (px)", aspect="equal")
    _plain(axis)
    if len(stars) == 0:
        return
    arrows = axis.quiver(
        stars["x"],
        stars["y"],
        stars["dx"],
        stars["dy"],
        angles="xy",
        color=_BLUE,
        width=0.004,
        scale=1.0,
        units="width",
    )
    axis.quiverkey(arrows, 0.86, 1.05, 0.1, "0.1 px", labelpos="E", fontproperties={"size": 9})


def _plain(axis: Any) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _plain_numbers(axis: Any) -> None:
    """Labels of a logarithmic axis without powers of ten as formulae.

    The reader of formulae keeps the stack that it was called from, and with it every plane of the pair.
    """
    from matplotlib.ticker import NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_formatter(_number)
    axis.set_minor_formatter(NullFormatter() if high > 10 * low else _number)


def _number(value: float, _: int) -> str:
    return f"{value:,.0f}" if 1 <= value < 1e7 else f"{value:g}"
