"""The figures that trackers get: the report's, drawn with matplotlib since trackers take nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from astrid_ml.evaluation.result import EvaluationResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tracker_figures(results: Mapping[str, EvaluationResult]) -> dict[str, Callable[[], Figure]]:
    """PR curve and reliability of each fold, and what a domain adds."""
    figures: dict[str, Callable[[], Figure]] = {}
    for fold, result in results.items():
        if "pr_curve" in result.tables:
            figures[f"{fold} precision-recall"] = lambda result=result: _pr(result)  # type: ignore[misc]
        if "reliability" in result.tables:
            figures[f"{fold} reliability"] = lambda result=result: _reliability(result)  # type: ignore[misc]
        figures |= {f"{fold} {title}": draw for title, draw in result.figures.items()}
    return figures


def _axes(x_label: str, y_label: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    return figure


def _pr(result: EvaluationResult) -> Figure:
    figure = _axes("recall", "precision")
    table = result.tables["pr_curve"]
    figure.axes[0].plot(table["recall"], table["precision"])
    prevalence = result.metrics.get("prevalence")
    if prevalence is not None:
        figure.axes[0].axhline(prevalence, color="0.5", ls="--", lw=1)
    return figure


def _reliability(result: EvaluationResult) -> Figure:
    figure = _axes("predicted probability", "observed share")
    table = result.tables["reliability"]
    figure.axes[0].plot([0, 1], [0, 1], color="0.5", ls="--", lw=1)
    figure.axes[0].plot(table["predicted"], table["observed"], marker="o")
    return figure
