"""The plots of a report, from the tables of an evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report.svg import Line, plot
from astrid_ml.stats import wilson

UNIT = (0.0, 1.0)


def pr(result: EvaluationResult) -> str:
    """Precision against recall, with the operating point and what a guess would give."""
    table = result.tables["pr_curve"]
    recall, precision = table["recall"].astype(float).tolist(), table["precision"].astype(float).tolist()
    # From no recall at the first precision: the area under these steps is the average precision.
    lines = [Line([0.0, *recall], [precision[0], *precision], "model", "a", steps=True)]
    prevalence = result.metrics.get("prevalence")
    if prevalence is not None:
        lines.append(Line([0, 1], [prevalence, prevalence], "a guess (prevalence)", "ref"))
    r, p = result.metrics.get("recall"), result.metrics.get("precision")
    if r is not None and p is not None:
        label = f"precision {p:.3f}, recall {r:.3f}"
        lines.append(Line([r], [p], "threshold", "b", points=True, label=label))
    return plot(lines, "recall", "precision", "Precision against recall, with the operating point", UNIT, UNIT)


def roc(result: EvaluationResult) -> str:
    """True against false positive rate, the latter on a logarithmic axis: what matters lies at the left."""
    table = result.tables["roc_curve"]
    floor = -4.0
    diagonal = np.logspace(floor, 0, 60)
    lines = [
        # From the right, down and then to the left: the stairs are nowhere above the true ones.
        Line(table["fpr"].astype(float).tolist()[::-1], table["tpr"].astype(float).tolist()[::-1], "model", steps=True),
        Line(diagonal.tolist(), diagonal.tolist(), "a guess", "ref"),
    ]
    fpr, recall = result.metrics.get("fpr"), result.metrics.get("recall")
    if fpr is not None and recall is not None:
        lines.append(Line([fpr], [recall], "threshold", "b", points=True))
    title = "ROC curve, false positive rate on a logarithmic axis"
    return plot(lines, "false positive rate", "recall (true positive rate)", title, (floor, 0.0), UNIT, x_log=True)


def reliability(result: EvaluationResult) -> str:
    """Observed against predicted share of real ones, before and after calibration."""
    lines = [Line([0, 1], [0, 1], "perfect", "ref")]
    before, after = (result.tables.get(name) for name in ("reliability_uncalibrated", "reliability"))
    if before is not None and len(before):
        x, y = before["predicted"].astype(float).tolist(), before["observed"].astype(float).tolist()
        lines.append(Line(x, y, "raw score", "b", points=True, hollow=True))
    if after is not None and len(after):
        x, y = after["predicted"].astype(float).tolist(), after["observed"].astype(float).tolist()
        low, high = wilson(after["observed"].to_numpy(dtype=float), after["n"].to_numpy(dtype=float))
        lines.append(Line(x, y, "calibrated", "a", points=True, low=low.tolist(), high=high.tolist()))
    rare = result.tables.get("reliability_rare")
    if rare is not None and len(rare):
        x, y = rare["predicted"].astype(float).tolist(), rare["observed"].astype(float).tolist()
        low, high = wilson(rare["observed"].to_numpy(dtype=float), rare["n"].to_numpy(dtype=float))
        ends = {"low": low.tolist(), "high": high.tolist()}
        lines.append(Line(x, y, "bins of equal promise", "c", points=True, hollow=True, **ends))
    title = "Reliability: observed share of real ones against the predicted probability"
    return plot(lines, "predicted probability", "observed share", title, UNIT, UNIT)


def training(history: pd.DataFrame, names: list[str], y_label: str) -> str:
    """Columns of the history against the epoch, one line a round; empty where nothing is finite."""
    values = history[names].astype(float).to_numpy()
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ""
    rounds = [part for _, part in history.groupby("round")] if "round" in history else [history]
    lines = []
    for style, name in zip("abcd", names, strict=False):
        for place, part in enumerate(rounds):
            epoch = (part["epoch"].astype(float) + 1).tolist()
            css = f"{style} thin" if len(rounds) > 1 else style
            lines.append(Line(epoch, part[name].astype(float).tolist(), name if place == 0 else "", css))
            if len(epoch) == 1:
                lines.append(Line(epoch, part[name].astype(float).tolist(), "", style, points=True))
    low, high = float(finite.min()), float(finite.max())
    pad = 0.06 * ((high - low) or 1.0)
    last = float(history["epoch"].astype(float).max()) + 1
    span = (1.0, max(last, 2.0))
    return plot(lines, "epoch", y_label, f"{y_label} over training", span, (low - pad, high + pad))
