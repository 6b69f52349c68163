"""The figure of one object's light curve."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from astrid_ml.types import Array, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Rubin's six bands in colours that colour-blind readers tell apart, each with a marker of its own.
_STYLE = {
    "u": ("#0072B2", "o"), "g": ("#009E73", "s"), "r": ("#D55E00", "^"), "i": ("#8C5A2B", "D"), "z": ("#CC79A7", "v"),
    "y": ("#444444", "P"), "Y": ("#444444", "P"),
}  # fmt: skip
ZERO, LIMIT, MOST = 27.5, 3.0, 6  # zero point, errors above a non-detection, magnitudes beside the axis
_MARKERS = "osDv^P<>Xhp"


class Drawable(Protocol):
    """What the figure reads of an object; arrays are (N,), one value an epoch."""

    @property
    def object_id(self) -> str: ...

    @property
    def label(self) -> str | None: ...

    @property
    def mjd(self) -> Array: ...

    @property
    def band(self) -> Array: ...

    @property
    def flux(self) -> Array: ...

    @property
    def flux_err(self) -> Array: ...

    @property
    def wavelength(self) -> Array: ...

    @property
    def detected(self) -> Mask: ...

    @property
    def start(self) -> float: ...

    def __len__(self) -> int: ...


def draw(source: Drawable, path: Path | None = None, axes: Axes | None = None) -> Figure:
    """All bands with errors, detections filled, non-detections open, time zero as a line.

    Args:
        source: the object.
        path: where to save a PNG, or None.
        axes: draw into these instead of a new figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), layout="constrained") if axes is None else axes.get_figure(root=True)
    assert figure is not None
    axes = figure.add_subplot() if axes is None else axes
    axes.axhline(0, color="0.75", lw=0.8, zorder=0)
    styles = style_of(source)
    for band, (colour, marker) in styles.items():
        here = source.band == band
        # Open markers first: detections must never lie hidden below limits.
        for part, fill in ((here & ~source.detected, "white"), (here & source.detected, colour)):
            draw_points(axes, source, part, colour, marker, fill)
        draw_limits(axes, source, here & ~source.detected, colour)
    if np.isfinite(source.start):
        axes.axvline(source.start, color="0.25", ls="--", lw=1.1, zorder=1)
    linear = linear_width(source)
    axes.set_yscale("asinh", linear_width=linear)
    axes.set_ylim(*limits(source))
    axes.set_yticks(decades(linear, *axes.get_ylim()))
    magnitudes(axes, linear)
    axes.set_xlabel("MJD")
    axes.set_ylabel("FLUXCAL (zero point 27.5), asinh scale")
    title = " - ".join(text for text in (source.object_id, source.label) if text)
    axes.set_title(f"{title} ({int(source.detected.sum())} detections of {len(source)} epochs)", fontsize=10)
    axes.margins(x=0.03)
    legend(axes, styles, np.isfinite(source.start))
    if path is not None:
        figure.savefig(path, dpi=140)
    return figure


def draw_points(axes: Axes, source: Drawable, part: Mask, colour: str, marker: str, fill: str) -> None:
    """Points with errors of one band and kind."""
    if part.any():
        axes.errorbar(
            source.mjd[part],
            source.flux[part],
            yerr=source.flux_err[part],
            fmt=marker,
            ms=5 if len(source) < 80 else 3.5,
            color=colour,
            mfc=fill,
            mew=1.1,
            elinewidth=0.8,
            zorder=2 if fill == "white" else 3,
        )


def linear_width(source: Drawable) -> float:
    """Fluxes below it, of either sign, are nearly linear: a tenth of the brightest, or the noise where that is more."""
    if not len(source):
        return 1.0
    return max(3 * float(np.median(source.flux_err)), 0.1 * float(np.abs(source.flux).max()), 1e-6)


def decades(linear: float, low: float, high: float) -> list[float]:
    """Zero and the powers of ten of either sign that stand apart from it.

    Example:
        >>> decades(30.0, -50.0, 4000.0)
        [-10.0, 0.0, 10.0, 100.0, 1000.0]
    """
    powers = 10.0 ** np.arange(np.ceil(np.log10(linear / 3)), np.floor(np.log10(max(-low, high, linear))) + 1)
    return [float(mark) for mark in (*-powers[::-1], 0.0, *powers) if low <= mark <= high]


def draw_limits(axes: Axes, source: Drawable, part: Mask, colour: str) -> None:
    """An arrow down from the upper limit of each non-detection: its flux and three errors above."""
    arrow = {
        "arrowstyle": "->",
        "color": colour,
        "lw": 0.8,
        "alpha": 0.7,
        "mutation_scale": 7,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    tops = np.maximum(source.flux[part], 0.0) + LIMIT * source.flux_err[part]
    axes.plot(source.mjd[part], tops, ls="", marker="_", ms=5, color=colour, alpha=0.7, zorder=1)
    for day, top, error in zip(source.mjd[part].tolist(), tops.tolist(), source.flux_err[part].tolist(), strict=True):
        axes.annotate("", (day, top - error), (day, top), arrowprops=arrow, zorder=1)


def magnitudes(axes: Axes, linear: float) -> None:
    """The same axis in magnitudes, at the right: whole ones, or as many as there is room for."""
    beside = axes.twinx()
    beside.set_yscale("asinh", linear_width=linear)
    low, high = axes.get_ylim()
    beside.set_ylim(low, high)
    brightest = ZERO - 2.5 * np.log10(max(high, 1e-9))
    whole = np.ceil(brightest) + np.arange(6)  # a hundredth of the brightest lies at zero
    step = max(len(whole) // MOST + 1, 1)
    marks = {float(10 ** (0.4 * (ZERO - value))): f"{value:g}" for value in whole[::step]}
    kept = [flux for flux in marks if low < flux < high]
    beside.set_yticks(kept, [marks[flux] for flux in kept])
    beside.minorticks_off()
    beside.set_ylabel("magnitude")


def style_of(source: Drawable) -> dict[str, tuple[str, str]]:
    """Colour and marker of each band, bluest first; bands beyond Rubin's take colours by their order."""
    from matplotlib import colormaps

    names, first = np.unique(source.band, return_index=True)
    order = np.argsort(source.wavelength[first], kind="stable")
    out: dict[str, tuple[str, str]] = {}
    for place, name in enumerate(names[order].tolist()):
        red, green, blue, _ = colormaps["turbo"]((place + 0.5) / len(names))
        own = f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"
        out[name] = _STYLE.get(name, (own, _MARKERS[place % len(_MARKERS)]))
    return out


def limits(source: Drawable) -> tuple[float, float]:
    """Range of the flux axis: every flux, and errors that are not larger than that range."""
    if not len(source):
        return -1.0, 1.0
    low, high = float(source.flux.min()), float(source.flux.max())
    span = max(high - low, float(np.median(source.flux_err)), 1e-6)
    error = np.minimum(source.flux_err, span)
    low, high = min(float((source.flux - error).min()), 0.0), max(float((source.flux + error).max()), 0.0)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def legend(axes: Axes, styles: dict[str, tuple[str, str]], has_start: bool) -> None:
    """Bands, then what filled, open and the line mean, beside the axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, ls="", label=name) for name, (colour, marker) in styles.items()
    ]
    handles.append(Line2D([], [], color="0.25", marker="o", ls="", label="detection"))
    handles.append(
        Line2D([], [], color="0.25", marker="o", mfc="white", ls="", label="non-detection,\nlimit at 3 sigma")
    )
    if has_start:
        handles.append(Line2D([], [], color="0.25", ls="--", label="trigger"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.09, 1.0), frameon=False, fontsize=9)


@dataclass(frozen=True)
class DrawnEpochs:
    """One object's prepared epochs, as the figure reads them; arrays are (N,).

    Args:
        object_id, label: of the object.
        mjd: days since time zero.
        band: names, from the wavelengths.
        flux, flux_err: FLUXCAL.
        wavelength: micrometres.
        detected: which epochs are detections.
        start: where time zero is.
    """

    object_id: str
    label: str | None
    mjd: Array
    band: Array
    flux: Array
    flux_err: Array
    wavelength: Array
    detected: Mask
    start: float = 0.0

    @staticmethod
    def of(object_id: str, label: str | None, values: Array) -> DrawnEpochs:
        """From the columns days, flux, flux_err, detected, wavelength, (N, 5)."""
        days, flux, error, detected, wavelength = np.asarray(values, dtype=np.float64).T
        names = np.array([f"{value:.2f} µm" for value in wavelength])
        return DrawnEpochs(object_id, label, days, names, flux, error, wavelength, detected > 0)

    def __len__(self) -> int:
        return len(self.mjd)


def draw_png(source: Drawable, time_label: str = "days since time zero") -> bytes:
    """The figure as a PNG, small enough for a gallery."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(source, axes=axes)
    axes.set_xlabel(time_label)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, format="png", facecolor="white")
    return buffer.getvalue()
