"""Figures of a comparison: completeness by charge, precision against recall."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES

if TYPE_CHECKING:
    from astrid_ml.preprocessing.ramps.judge.summary import Comparison

COLOURS = {
    "two_point": "#7f7f7f",
    "likelihood": "#3182bd",
    "network": "#e6550d",
    "fusion": "#31a354",
    "fusion_without_network": "#9e9ac8",
    "fusion_untrained": "#e7298a",
}


def save_figures(comparison: Comparison, result: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``completeness.png`` and ``precision_recall.png``."""
    figures = {"completeness": completeness_figure(result), "precision_recall": curves_figure(comparison)}
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.savefig(path, dpi=110)
    return paths


def completeness_figure(result: dict[str, Any]) -> Figure:
    """Completeness of cosmic rays by charge, at equal false positives, with intervals."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    table = result["completeness_at_matched_false_positives"]
    bins = list(result["cosmic_rays_by_bin"])
    width = 0.8 / len(table)
    for i, (method, values) in enumerate(table.items()):
        shown = [(j, values[name]) for j, name in enumerate(bins) if None not in values[name]]
        x = np.array([j for j, _ in shown]) + (i - (len(table) - 1) / 2) * width
        middle, low, high = np.array([v for _, v in shown], float).reshape(-1, 3).T
        errors = np.clip([middle - low, high - middle], 0, None)
        axes.bar(x, middle, width, color=COLOURS[method], label=method.replace("_", " "))
        axes.errorbar(x, middle, errors, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
    counts = result["cosmic_rays_by_bin"]
    axes.set_xticks(range(len(bins)), [f"{name}\n(n = {counts[name]})" for name in bins])
    false = result["false_positives_per_mpix_frame"]["matched"]["likelihood"][0]
    axes.set(xlabel="charge of the step (read noises)", ylabel="completeness", ylim=(0, 1.02))
    axes.set_title(f"Cosmic rays found, at {false:.1f} false positives per 10$^6$ pixel-frames")
    figure.legend(loc="outside lower center", ncols=len(table), frameon=False)
    return figure


def curves_figure(comparison: Comparison) -> Figure:
    """Precision against recall of every method, a panel a class."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    panels = figure.subplots(1, len(ANOMALIES), sharey=True)
    for axes, name in zip(panels, ANOMALIES, strict=True):
        for method in comparison.methods:
            ranked = comparison.ranked(method, name)
            if not ranked.totals.sum() or not len(ranked.true):
                continue
            label = f"{method.replace('_', ' ')} {ranked.area():.3f}"
            axes.plot(*ranked.curve(), color=COLOURS[method], label=label)
        axes.set(xlabel="recall", xlim=(0, 1.01), ylim=(0, 1.02), title=name.replace("_", " "))
        if axes.lines:
            axes.legend(loc="lower left", fontsize=8, title="AUCPR", title_fontsize=8)
        else:
            axes.text(0.5, 0.5, "no true step or no claim", ha="center", va="center", transform=axes.transAxes)
    panels[0].set_ylabel("precision")
    return figure
