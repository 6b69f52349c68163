"""What metrics and folds are called on a page, and how values are written there."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

METRICS = {
    "aucpr": "AUCPR (average precision)",
    "aucpr_mean": "mean AUCPR of voxels over classes",
    "aucpr_at_1_in_100": "AUCPR where 1 in 100 is real",
    "aucpr_at_prevalence": "AUCPR at the assumed prevalence",
    "precision_at_prevalence": "precision at the assumed prevalence",
    "observed_over_predicted": "real ones over what the probabilities promise",
    "baseline_column_aucpr": "AUCPR of the best single column",
    "aucpr_minus_baseline_column": "AUCPR less that of the best single column",
    "baseline_trees_aucpr": "AUCPR of boosted trees",
    "aucpr_minus_baseline_trees": "AUCPR less that of boosted trees",
    "baseline_macro_f1": "macro-F1 of boosted trees on features",
    "macro_f1_minus_baseline": "macro-F1 less that of boosted trees on features",
    "prevalence": "prevalence (AUCPR of a guess)",
    "end_to_end_completeness": "end-to-end completeness (share detected in all fields, times share called real here)",
    "roc_auc": "ROC AUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "fpr": "false positive rate",
    "fnr": "false negative rate",
    "fnr_at_fpr_0.01": "false negative rate at 1 % false positives",
    "fnr_at_fpr_0.001": "false negative rate at 0.1 % false positives",
    "ece": "calibration error (15 bins)",
    "ece_uncalibrated": "calibration error of the raw score",
    "ece_excess": "calibration error less that of a perfect model of this size",
    "ece_excess_uncalibrated": "calibration error of the raw score less that of a perfect model",
    "nll": "negative log-likelihood",
    "nll_uncalibrated": "negative log-likelihood of the raw score",
    "nll_change": "negative log-likelihood, calibrated less raw",
    "brier": "Brier score",
    "brier_uncalibrated": "Brier score of the raw score",
    "brier_change": "Brier score, calibrated less raw",
    "accuracy": "accuracy (shown, never chosen by)",
    "n": "samples",
    "groups": "groups",
}

# Shown where they belong (the confusion matrix, the breakdown), not again in the table of numbers.
ELSEWHERE = ("tp", "fp", "fn", "tn")

WHOLE = 1e15  # from here on a float is no longer an exact count


def metric(name: str) -> str:
    """A metric's name in words; its own name where it has no other."""
    return METRICS.get(name, name)


def column(name: str) -> str:
    """A column of the index in words."""
    return {"snr": "|S/N|", "magpsf": "magnitude", "mag_truth": "true magnitude (AB)"}.get(name, name.replace("_", " "))


def short(name: str) -> str:
    """For headlines."""
    return "AUCPR" if name == "aucpr" else name


def fold(name: str) -> str:
    """``test`` -> ``held out``."""
    return {"test": "held out", "val": "validation"}.get(name, name)


def ordered(found: list[str]) -> list[str]:
    """Known metrics in the order of the table, then the others as they came."""
    known = [name for name in METRICS if name in found]
    return known + [name for name in found if name not in METRICS and name not in ELSEWHERE]


def missing(value: Any) -> bool:
    """None, NaN, NaT or NA."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def show(value: Any) -> str:
    """A value as people write it; nothing for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if missing(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return f"{value:,.0f}" if value == int(value) and 10 <= abs(value) < WHOLE else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {show(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(show(part) for part in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def fixed(value: Any, digits: int = 3) -> str:
    """A rate with the same number of decimals as its neighbours; scientific where that would show only zeros."""
    if missing(value):
        return ""
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    return f"{value:.{digits}f}"


def span(interval: tuple[float, float] | None, digits: int = 3) -> str:
    """``0.951 to 0.979``."""
    return "" if interval is None else f"{fixed(interval[0], digits)} to {fixed(interval[1], digits)}"


def spaced(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names with spaces where they had underscores."""
    return {str(name).replace("_", " "): value for name, value in values.items()}


_LOWER = re.compile(r"(^|[/_])(nll|brier|ece|loss|fpr|fnr|rmse|mae|mse)([_/]|$)")


def less_is_better(name: str) -> bool:
    """Whether a metric is an error, of which less is better.

    >>> less_is_better("val/loss"), less_is_better("val/aucpr")
    (True, False)
    """
    return bool(_LOWER.search(name))


def letter(place: int) -> str:
    """A name for one of several.

    >>> letter(0), letter(1), letter(26)
    ('A', 'B', 'AA')
    """
    return (letter(place // 26 - 1) if place >= 26 else "") + chr(65 + place % 26)
