"""How a matrix is shown: a heat map for each adaptation, as a figure and on a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from astrid_ml.report import views
from astrid_ml.report.names import fixed
from astrid_ml.report.pages import comparison_page
from astrid_ml.report.views import SectionView, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERS = ("value", "low", "high", "to_own", "to_own_low", "to_own_high", "won_back", "won_back_low", "won_back_high")


def mean_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of values and of the ends of their intervals, one row for each adaptation and pair of values."""
    numbers = table.assign(**{name: pd.to_numeric(table[name]).astype(float) for name in NUMBERS})
    return numbers.groupby(["adapt", "trained", "tested"], sort=False)[list(NUMBERS)].mean().reset_index()


def matrix_page(table: pd.DataFrame, column: str, words: Sequence[str], name: str) -> str:
    """The page.

    Args:
        table: one row a cell, seed and adaptation.
        column: whose values they are.
        words: what was found.
        name: of the experiment.
    """
    cells, seeds = mean_cells(table), table["seed"].nunique()
    known = cells["value"].dropna()
    scale = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    sections = []
    for way, part in cells.groupby("adapt", sort=False):
        title = "Each network on each value" if way == "none" else f"adapt={way}"
        shown: list[View] = [heat_of(part, column, str(table["name"].iloc[0]), seeds, scale)]
        shown += [differences_of(part, way != "none")]
        sections.append(SectionView(title, "pieces", {"pieces": shown}))
    heading = f"{name}: trained on one {column}, tested on another"
    return comparison_page("matrix", f"Matrix of {name}", heading, words, sections)


def heat_of(part: pd.DataFrame, column: str, name: str, seeds: int, scale: tuple[float, float]) -> View:
    """The heat map of one adaptation."""
    side, head = list(dict.fromkeys(part["trained"])), sorted(set(part["tested"]))
    rows = {(row["trained"], row["tested"]): row for row in part.to_dict("records")}
    cells = [[_cell(rows.get((one, other)), scale) for other in head] for one in side]
    many = f" Means over {seeds} seeds." if seeds > 1 else ""
    caption = (
        f"{name}, the stronger the colour the higher. Rows: the {column} that was trained on; columns: the held-out "
        f"samples of each {column}, the same for all rows, on which nobody was trained. Small: 95 % intervals.{many}"
    )
    return views.heat(cells, head, side, caption)


def _cell(row: Mapping[Any, Any] | None, scale: tuple[float, float]) -> tuple[str, float | None]:
    if row is None or not math.isfinite(row["value"]):
        return "", None
    low, high = scale
    strength = 0.15 + 0.85 * (row["value"] - low) / (high - low) if high > low else 1.0
    ends = f"\n{fixed(row['low'])} to {fixed(row['high'])}" if math.isfinite(row["low"]) else ""
    return fixed(row["value"]) + ends, strength


def differences_of(part: pd.DataFrame, adapted: bool) -> View:
    """What each network loses against that of the tested value, and wins by adapting, on the same samples."""
    apart = part[part["trained"] != part["tested"]]
    shown = pd.DataFrame({"trained": apart["trained"], "tested": apart["tested"]})
    shown["less the network of the tested value"] = [_signed(value) for value in apart["to_own"]]
    shown["95 % interval, paired"] = _spans(apart, "to_own")
    if adapted:
        shown["less the network as it is"] = [_signed(value) for value in apart["won_back"]]
        shown["95 % interval, paired "] = _spans(apart, "won_back")
    return views.table(shown, "Differences on the same samples; the same groups are drawn for both.")


def _spans(table: pd.DataFrame, name: str) -> list[str]:
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return [f"{low:+.3f} to {high:+.3f}" if math.isfinite(low) else "" for low, high in ends]


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else "undefined"


def heat_figure(table: pd.DataFrame, column: str) -> Figure:
    """The heat maps side by side."""
    from matplotlib.figure import Figure

    cells = mean_cells(table)
    ways = list(dict.fromkeys(cells["adapt"]))
    size = cells["tested"].nunique()
    figure = Figure(figsize=(len(ways) * (1.6 + 0.95 * size), 1.6 + 0.75 * size), layout="constrained")
    low, high = float(cells["value"].min()), float(cells["value"].max())
    image = None
    for axes, way in zip(figure.subplots(1, len(ways), squeeze=False)[0], ways, strict=True):
        part = cells[cells["adapt"] == way]
        side, head = list(dict.fromkeys(part["trained"])), sorted(set(part["tested"]))
        grid = part.pivot(index="trained", columns="tested", values="value").reindex(index=side, columns=head)
        values = grid.to_numpy(dtype=float)
        image = axes.imshow(values, cmap="Blues", vmin=low - 0.15 * (high - low + 1e-9), vmax=high)
        for row, line in enumerate(values.tolist()):
            for place, value in enumerate(line):
                if math.isfinite(value):
                    dark = value > low + 0.6 * (high - low)
                    axes.text(place, row, f"{value:.3f}", ha="center", va="center", color="w" if dark else "k")
        axes.set_xticks(range(len(head)), head, rotation=30, ha="right")
        axes.set_yticks(range(len(side)), side)
        axes.set(
            xlabel=f"tested {column}",
            ylabel=f"trained {column}",
            title="as trained" if way == "none" else f"adapt={way}",
        )
    if image is not None:
        figure.colorbar(image, ax=figure.axes, label=str(table["name"].iloc[0]), shrink=0.8)
    return figure
