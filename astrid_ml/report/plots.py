"""The plots of a report, from the tables of an evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report.svg import Line, plot

UNIT = (0.0, 1.0)


def pr(result: EvaluationResult) -> str:
    """Precision against recall, with the operating point and what a guess would give."""
    table = result.tables["pr_curve"]
    lines = [Line(table["recall"].tolist(), table["precision"].tolist(), "model", "a")]
    prevalence = result.metrics.get("prevalence")
    if prevalence is not None:
        lines.append(Line([0, 1], [prevalence, prevalence], "guessing (prevalence)", "ref"))
    recall, precision = result.metrics.get("recall"), result.metrics.get("precision")
    if recall is not None and precision is not None:
        label = f"precision {precision:.3f}, recall {recall:.3f}"
        lines.append(Line([recall], [precision], "", "b", points=True, label=label))
    return plot(lines, "recall", "precision", "Precision-recall curve with its operating point", UNIT, UNIT)


def roc(result: EvaluationResult) -> str:
    """True against false positive rate, the latter on a logarithmic axis: what matters lies at the left."""
    table = result.tables["roc_curve"]
    floor = -4.0
    x = np.maximum(np.log10(np.maximum(table["fpr"].to_numpy(), 10**floor)), floor)
    diagonal = np.linspace(floor, 0, 60)
    lines = [
        Line(x.tolist(), table["tpr"].tolist(), "model", "a"),
        Line(diagonal.tolist(), (10**diagonal).tolist(), "guessing", "ref"),
    ]
    return plot(lines, "log10 false positive rate", "true positive rate", "ROC curve", (floor, 0.0), UNIT)


def reliability(result: EvaluationResult) -> str:
    """Observed against predicted share of real ones, before and after calibration."""
    lines = [Line([0, 1], [0, 1], "perfect", "ref")]
    for name, words, style in (("reliability_uncalibrated", "raw score", "b"), ("reliability", "calibrated", "a")):
        table = result.tables.get(name)
        if table is not None and len(table):
            lines.append(Line(table["predicted"].tolist(), table["observed"].tolist(), words, style))
            lines.append(Line(table["predicted"].tolist(), table["observed"].tolist(), "", style, points=True))
    return plot(lines, "predicted probability", "observed share", "Reliability diagram", UNIT, UNIT, legend_on_top=True)


def breakdown(table: pd.DataFrame, column: str) -> str:
    """AUCPR with its interval in each cell that has one."""
    place = list(range(1, len(table) + 1))
    lines = [
        Line(
            [float(x) for x in place],
            table["aucpr"].tolist(),
            "",
            "a",
            points=True,
            low=table["low"].tolist(),
            high=table["high"].tolist(),
        )
    ]
    words = f"AUCPR by {column}: " + ", ".join(str(value) for value in table["value"])
    return plot(lines, f"{column} (rows of the table, from 1)", "AUCPR", words, (0.5, len(table) + 0.5), UNIT)


def training(history: pd.DataFrame, names: list[str], y_label: str) -> str:
    """Columns of the history against the epoch."""
    epoch = (history["epoch"] + 1).tolist()
    lines = []
    for style, name in zip("abcd", names, strict=False):
        known = history[name].astype(float)
        lines.append(Line(epoch, known.tolist(), name, style))
    values = history[names].astype(float).to_numpy()
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ""
    low, high = float(finite.min()), float(finite.max())
    pad = 0.06 * (high - low or 1.0)
    span = (float(min(epoch)), float(max(max(epoch), min(epoch) + 1)))
    return plot(lines, "epoch", y_label, f"{y_label} over training", span, (low - pad, high + pad))
