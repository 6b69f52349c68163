"""All events of an integration on one figure that stays readable, however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from astrid_ml.types import Array, Floats

COLOURS = {"cosmic_ray": "#e6550d", "telegraph_noise": "#3182bd", "snowball": "#31a354", "shower": "#756bb1"}
_MARKS = {"cosmic_ray": "o", "telegraph_noise": "s", "snowball": "o", "shower": "D"}
# So many open symbols of a class can still be told apart; more are dots, and a map counts them.
FEW = 100
# A named event has room for its number: another one as near as this share of the side is not named.
ROOM = 0.04
_CELLS = 32  # of a map, along the longer side

Event = Mapping[str, Any]


def place(event: Event) -> tuple[float, float]:
    """Where an event is, (x, y)."""
    x, y = event.get("centroid") or event["position"]
    return float(x), float(y)


def brightest(events: Sequence[Event], shape: tuple[int, int], named: int) -> list[Event]:
    """The brightest events of each class that do not crowd each other.

    Args:
        events: of one integration.
        shape: rows and columns of the detector.
        named: of each class at most.

    Returns:
        In the order of their numbers. Events without a measured intensity come after those with one.
    """
    chosen: list[Event] = []
    for kind in COLOURS:
        own = [event for event in events if event["type"] == kind]
        # A shower has no intensity, only an extent: of such events the widest goes first.
        own.sort(key=lambda e: (e["max_intensity"] is None, -(e["max_intensity"] or e["spatial_extent"])))
        count = len(chosen)
        for event in own:
            if len(chosen) - count == named:
                break
            if all(np.hypot(*np.subtract(place(event), place(other))) > ROOM * max(shape) for other in chosen):
                chosen.append(event)
    return chosen


def overview_figure(image: Array, events: Sequence[Event], title: str, named: int) -> Figure:
    """The read with a symbol for each event, a map of each class of more than ``FEW``, and the brightest by name.

    Args:
        image: read in e-, (n_rows, n_cols).
        events: of its integration.
        title: of the figure.
        named: events of each class that get a number and a line.
    """
    shape = (image.shape[0], image.shape[1])
    by_kind = {kind: own for kind in COLOURS if (own := [event for event in events if event["type"] == kind])}
    crowded = [kind for kind, own in by_kind.items() if len(own) > FEW]
    chosen = brightest(events, shape, named)
    height, lines = 8.0, 0.3 + 0.18 * (1 + named if chosen else 0)
    figure = Figure(figsize=(13 if crowded else 9, height + lines), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[height, lines])
    above, below = parts
    grid = above.add_gridspec(max(len(crowded), 1), 2 if crowded else 1, width_ratios=[2.2, 1] if crowded else None)
    axes = above.add_subplot(grid[:, 0])
    show_read(axes, image)
    for kind, own in by_kind.items():
        _symbols(axes, kind, own)
    for row, kind in enumerate(crowded):
        _density(above.add_subplot(grid[row, 1]), kind, by_kind[kind], shape)
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(-0.5, shape[0] - 0.5), title=title)
    _numbers(axes, chosen, shape)
    _lines(below, chosen)
    if by_kind:
        above.legend(loc="outside lower center", ncols=len(by_kind), frameon=False)
    return figure


def show_read(axes: Axes, image: Array, extent: tuple[float, float, float, float] | None = None) -> None:
    """A read or a difference of two in e-, in grey, with its scale."""
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
    shown = axes.imshow(image, origin="lower", cmap="gray", vmin=low, vmax=high, extent=extent)
    assert axes.figure is not None
    axes.figure.colorbar(shown, ax=axes, label="e-", fraction=0.046, pad=0.02)
    axes.set(xlabel="x (pixel)", ylabel="y (pixel)")


def _places(events: Sequence[Event]) -> tuple[Floats, Floats]:
    x, y = np.array([place(event) for event in events], float).T
    return x, y


def _symbols(axes: Axes, kind: str, events: Sequence[Event]) -> None:
    """Open symbols where they can be told apart, else dots; circles where an event has a radius."""
    colour, many = COLOURS[kind], len(events) > FEW
    for event in events:
        if "radius" in event:
            axes.add_patch(Circle(place(event), event["radius"], fill=False, edgecolor=colour, linewidth=1.5))
    inside, edge = (colour, "none") if many else ("none", colour)
    label = f"{kind.replace('_', ' ')} ({len(events)})"
    size, mark = 5 if many else 16, _MARKS[kind]
    axes.scatter(*_places(events), s=size, marker=mark, label=label, facecolors=inside, edgecolors=edge)


def _density(axes: Axes, kind: str, events: Sequence[Event], shape: tuple[int, int]) -> None:
    """How many events of a class lie in each square of the detector."""
    side = int(np.ceil(max(shape) / _CELLS))
    rows, columns = (np.arange(0, size + side, side) - 0.5 for size in shape)
    x, y = _places(events)
    counts = np.histogram2d(y, x, (rows, columns))[0]
    colours = LinearSegmentedColormap.from_list(kind, ["white", COLOURS[kind], "black"])
    extent = (columns[0], columns[-1], rows[0], rows[-1])
    shown = axes.imshow(counts, origin="lower", cmap=colours, vmin=0, extent=extent, interpolation="nearest")
    assert axes.figure is not None
    bar = axes.figure.colorbar(shown, ax=axes, label=f"per {side} x {side} pixels", fraction=0.046, pad=0.02)
    bar.locator = MaxNLocator(integer=True)
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(-0.5, shape[0] - 0.5))
    axes.set_title(f"{kind.replace('_', ' ')}: {len(events)} events", fontsize=10)


def _numbers(axes: Axes, events: Sequence[Event], shape: tuple[int, int]) -> None:
    """A number beside each named event, on the side that lies in the image."""
    halo = [withStroke(linewidth=2.5, foreground="black")]
    for number, event in enumerate(events, 1):
        x, y = place(event)
        side, level = ("right" if x > 0.95 * shape[1] else "left"), ("top" if y > 0.95 * shape[0] else "bottom")
        shift = (-5 if side == "right" else 5, -4 if level == "top" else 4)
        text = axes.annotate(str(number), (x, y), shift, textcoords="offset points", ha=side, va=level)
        text.set(color="white", fontsize=10, fontweight="bold", path_effects=halo)


def _lines(below: Any, events: Sequence[Event]) -> None:
    """The names of the numbered events, in columns, one class a column."""
    kinds = [kind for kind in COLOURS if any(event["type"] == kind for event in events)]
    for column, kind in enumerate(kinds):
        lines = [_line(number, event) for number, event in enumerate(events, 1) if event["type"] == kind]
        text = "\n".join([f"brightest: {kind.replace('_', ' ')}", *lines])
        below.text(0.02 + column / max(len(kinds), 2), 0.98, text, va="top", fontsize=9, color=COLOURS[kind])


def _line(number: int, event: Event) -> str:
    x, y = place(event)
    size = "" if event["max_intensity"] is None else f", {event['max_intensity']:.0f} DN"
    return f"{number}: x={x:.0f}, y={y:.0f}, group {event['first_frame']}{size}"
