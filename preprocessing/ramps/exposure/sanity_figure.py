"""What an exposure's sanity looks like: chi-square and decay on the detector, their spreads, steps over the groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import chi2 as chi_squared
from scipy.stats import norm

from astrid_ml.types import Array, Floats32

_BLUE, _GREY = "#3182bd", "0.35"


def sanity_figure(
    said: Mapping[str, Any], maps: Mapping[str, Floats32], steps: pd.DataFrame, n_groups: int, name: str
) -> Figure:
    """Six panels; the verdict and its reasons stand above them.

    Args:
        said: of ``sanity.json``.
        maps: chi2, decay_snr, slope, each (n_ints, n_rows, n_cols).
        steps: group and amplitude (e-) of every fitted step.
        n_groups: of an integration.
        name: of the exposure.
    """
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    axes = figure.subplots(2, 3)
    # Of several integrations the worst: the mean over them would hide one that fails.
    worst = int(np.argmax([_finite(image).mean() for image in maps["chi2"]]))
    of_which = f", integration {worst}" if len(maps["chi2"]) > 1 else ""
    _image(axes[0, 0], maps["chi2"][worst], (0.0, 3.0), f"reduced chi-square{of_which}", "magma")
    _image(axes[0, 1], maps["decay_snr"][worst], (-6.0, 6.0), f"decay of the rate (sigma){of_which}", "RdBu_r")
    rate = maps["slope"][worst]
    _image(axes[0, 2], rate, tuple(np.nanpercentile(_finite(rate), [1, 99])), f"count rate (e-/s){of_which}", "gray")
    degrees = max(n_groups - 2, 1)
    x = np.linspace(0, max(3.0, float(chi_squared.isf(1e-4, degrees)) / degrees), 121)
    _spread(axes[1, 0], maps["chi2"], x, degrees * chi_squared.pdf(x * degrees, degrees), "reduced chi-square")
    x = np.linspace(-8, 8, 121)
    _spread(axes[1, 1], maps["decay_snr"], x, norm.pdf(x), "decay of the rate (sigma)")
    _groups(axes[1, 2], steps, n_groups)
    verdict = "sound" if said["sound"] else "NOT SOUND: " + "\n".join(said["reasons"])
    noise = said["measures"].get("read_noise_ratio")
    measured = "" if noise is None else f"; measured / given read noise {noise:.2f}"
    figure.suptitle(f"{name}: {verdict}{measured}", fontsize=10, color="black" if said["sound"] else "#b30000")
    return figure


def _finite(image: Array) -> Array:
    known = image[np.isfinite(image)]
    return known if known.size else np.zeros(1, np.float32)


def _image(axes: Axes, image: Array, limits: tuple[float, ...], title: str, colours: str) -> None:
    h, w = image.shape
    aspect: Literal["equal", "auto"] = "equal" if 1 / 6 < h / w < 6 else "auto"  # a few rows are seen too
    shown = axes.imshow(
        image, origin="lower", vmin=limits[0], vmax=limits[1], cmap=colours, interpolation="nearest", aspect=aspect
    )
    assert axes.figure is not None
    axes.figure.colorbar(shown, ax=axes, shrink=0.85)
    axes.set(xlabel="x (pixel)", ylabel="y (pixel)", title=title)


def _spread(axes: Axes, image: Array, x: Array, expected: Array, label: str) -> None:
    """Pixels as a histogram over what noise alone makes; what lies beyond is counted at the ends."""
    values = np.clip(_finite(image), x[0], x[-1])
    axes.hist(values, bins=x.tolist(), density=True, color=_BLUE, alpha=0.6, label="pixels")
    axes.plot(x, expected, color=_GREY, label="noise alone")
    axes.set(xlabel=label, ylabel="density", yscale="log", ylim=(1e-5, None))
    axes.legend(frameon=False)


def _groups(axes: Axes, steps: pd.DataFrame, n_groups: int) -> None:
    rising = (steps.amplitude > 0).to_numpy()
    bins = np.arange(0.5, n_groups, 1.0).tolist()
    group = steps.group.to_numpy(int)
    if n_groups > 1:
        axes.hist(
            [group[rising], group[~rising]], bins=bins, stacked=True, color=[_BLUE, "#e6550d"], label=["up", "down"]
        )
    axes.set(xlabel="group after the step", ylabel="steps", title="steps over the groups")
    axes.legend(frameon=False)
