"""What is measured of one level of a tree at one window, and the intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.evaluation.tree.calibration import absent_nodes
from astrid_ml.evaluation.tree.intervals import (
    LEAST,
    macro_area_interval,
    macro_f1_interval,
    macro_roc_interval,
)
from astrid_ml.evaluation.tree.metrics import (
    confusion_matrix,
    excess_ece,
    macro,
    macro_average_precision,
    macro_f1,
    top_label_ece,
)
from astrid_ml.evaluation.tree.remarks import guesses
from astrid_ml.evaluation.tree.views import View
from astrid_ml.metrics.binary import roc_auc
from astrid_ml.metrics.means import loss_interval
from astrid_ml.metrics.reliability import calibration_error_intervals, moved_ends
from astrid_ml.metrics.shares import Interval, proportion_interval
from astrid_ml.types import Floats, Mask

ECE_MINIMUM = 5000
_EDGE = 1e-7


def level_metrics(view: View) -> dict[str, float | None]:
    """Metrics of one level at one window; NLL and Brier beside those of the prior and of the raw scores."""
    y, k = view.y, len(view.names)
    if not len(y):
        return {"n": 0.0}
    called = view.p.argmax(axis=1)
    out: dict[str, float | None] = {"n": float(len(y)), "accuracy": float(np.mean(called == y))}
    out["macro_f1"] = macro_f1(confusion_matrix(y, called, k))
    out["macro_aucpr"], out["macro_roc_auc"] = macro_average_precision(view.p, y), macro(roc_auc, view.p, y)
    losses, there = likelihoods(view)
    out |= {name: float(values.mean()) if there.any() else None for name, values in losses.items()}
    out |= guesses(y, k)
    out["ece"] = top_label_ece(view.p, y)
    out["ece_excess"] = excess_ece(view.p, y) if len(y) >= ECE_MINIMUM else None
    return out


def level_intervals(view: View, measured: Mapping[str, Any], level: float) -> dict[str, Interval]:
    """Intervals of :func:`level_metrics`, by objects; none of few objects.

    Args:
        view: a level at a window.
        measured: of it, from :func:`level_metrics`.
        level: of the intervals.
    """
    if len(np.unique(view.group)) < LEAST:
        return {}
    called = view.p.argmax(axis=1)
    right = called == view.y
    losses, there = likelihoods(view)
    found = {"accuracy": proportion_interval(right, view.group, level)}
    if len(np.unique(view.y)) > 1:
        found["macro_f1"] = macro_f1_interval(view.y, called, view.group, level)
        found["macro_aucpr"] = macro_area_interval(view.p, view.y, view.group, level)
        found["macro_roc_auc"] = macro_roc_interval(view.p, view.y, view.group, level)
    found |= {name: loss_interval(values, view.group[there], level) for name, values in losses.items() if len(values)}
    for name, (low, high) in calibration_error_intervals(view.p.max(axis=1), right, view.group, level).items():
        if measured[name] is not None:
            found[name] = moved_ends(name, measured[name], low, high)
    return {name: ends for name, ends in found.items() if ends is not None}


def likelihoods(view: View) -> tuple[dict[str, Floats], Mask]:
    """NLL and Brier of the probabilities, of the raw scores and of the prior, over objects whose class training had.

    Of a class that it did not have a model knows nothing: how often that happens is said beside, not averaged in.

    Returns:
        Name -> loss of each such object, and which these are, (n,).
    """
    k = len(view.names)
    there: Mask = ~absent_nodes(view.raw)[view.y]
    y, rows = view.y[there], np.arange(int(there.sum()))
    prior = np.tile(np.bincount(y, minlength=k) / max(len(y), 1), (len(y), 1))
    out: dict[str, Floats] = {}
    for suffix, values in (("", view.p[there]), ("_uncalibrated", view.raw[there]), ("_prior", prior)):
        hit = np.clip(values[rows, y], _EDGE, 1)
        out[f"nll{suffix}"] = -np.log(hit)
        out[f"brier{suffix}"] = ((values - np.eye(k)[y]) ** 2).sum(axis=1)
    return out, there
