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
    "ece_rare": "calibration error for one of the rarer class",
    "ece_rare_uncalibrated": "the same of the raw score",
    "ece_rare_excess": "calibration error for one of the rarer class less that of a perfect model",
    "ece_rare_excess_uncalibrated": "the same of the raw score less that of a perfect model",
    "nll": "negative log-likelihood",
    "nll_uncalibrated": "negative log-likelihood of the raw score",
    "nll_change": "negative log-likelihood, calibrated less raw",
    "brier": "Brier score",
    "brier_uncalibrated": "Brier score of the raw score",
    "brier_change": "Brier score, calibrated less raw",
    "set_given": "share of samples with a prediction set",
    "set_coverage": "share of prediction sets that hold the truth",
    "accuracy": "accuracy (shown, never chosen by)",
    "n": "samples",
    "groups": "groups",
}

# Shown where they belong (the confusion matrix, the breakdown), not again in the table of numbers.
ELSEWHERE = ("tp", "fp", "fn", "tn")

VALUES = {("sign", "1"): "brightened", ("sign", "-1"): "faded"}

WHOLE = 1e15  # from here on a float is no longer an exact count


# Of one level of a tree of classes, at one window of days: <level>/<name>/<days>d.
OF_LEVEL = {
    "macro_f1": "macro-F1",
    "macro_aucpr": "macro-AUCPR",
    "macro_roc_auc": "macro ROC AUC",
    "baseline_macro_f1": "macro-F1 of boosted trees on features",
    "macro_f1_minus_baseline": "macro-F1 less that of boosted trees on features",
    "macro_f1_guess": "macro-F1 of a guess",
    "macro_aucpr_guess": "macro-AUCPR of a guess",
    "nll_prior": "negative log-likelihood of the frequencies",
    "brier_prior": "Brier score of the frequencies",
    "ece": "calibration error",
    "ece_excess": "calibration error less that of a perfect model of this size",
    "accuracy": "accuracy",
    "n": "objects",
    "set_given": "share of samples with a prediction set",
    "set_coverage": "share of prediction sets that hold the truth",
    "set_size": "mean size of prediction sets",
    "set_single": "share of prediction sets of one class",
    "set_full": "share of prediction sets of all classes",
    "set_empty": "share of prediction sets of none",
}
_LEVEL = re.compile(r"(leaf|level\d+)/(.+)/([\d.e+]+)d")


_CLASS = re.compile(r"(?:([a-z_]+)/)?([a-z_]+)/(aucpr|recall|precision|aucpr_mean)")


def metric(name: str) -> str:
    """A metric's name in words; its own name where it has no other.

    Example:
        >>> metric("leaf/macro_f1/64d"), metric("level1/aucpr_SNIb/c/64d")
        ('macro-F1 of the leaves at 64 days', 'AUCPR of SNIb/c among level 1 at 64 days')
    """
    found = _LEVEL.fullmatch(name)
    if found is None:
        return METRICS.get(name) or _of_class(name)
    words = measure(found[2])
    return f"{words} {'among' if ' of ' in words else 'of'} {the_level(found[1])} at {found[3]} days"


def _of_class(name: str) -> str:
    """``<way>/<class>/aucpr`` in words: a class, and the way by which it was found, where there are several."""
    found = _CLASS.fullmatch(name)
    if found is None:
        return name
    way, kind, what = ((part or "").replace("_", " ") for part in found.groups())
    words = "mean AUCPR over classes" if what == "aucpr mean" else f"{METRICS[what].split(' (')[0]} of {kind}"
    by = kind if what == "aucpr mean" else way
    return f"{words}, {by}" if by else words


def measure(name: str) -> str:
    """What is measured of a level, or of a class, in words."""
    if name.startswith("aucpr_") and name not in METRICS:
        return f"AUCPR of {name.removeprefix('aucpr_')}"
    return OF_LEVEL.get(name, METRICS.get(name, name.replace("_", " ")))


def the_level(name: str) -> str:
    """``leaf`` -> ``the leaves``, ``level1`` -> ``level 1``."""
    return "the leaves" if name == "leaf" else name.replace("level", "level ")


def window(name: str) -> str:
    """``leaf/macro_f1/64d`` -> ``/64d``; empty for a metric that has none."""
    found = _LEVEL.fullmatch(name)
    return f"/{found[3]}d" if found else ""


def column(name: str) -> str:
    """A column of the index in words."""
    known = {"snr": "|S/N|", "magpsf": "magnitude", "mag_truth": "true magnitude (AB)"}
    return {**known, "in_domain": "domain of validity"}.get(name, name.replace("_", " "))


def value(column: str, text: str) -> str:
    """The value of a column as a reader says it.

    Example:
        >>> value("sign", "-1"), value("filter", "r")
        ('faded', 'r')
    """
    return VALUES.get((column, text), text)


def short(name: str) -> str:
    """For headlines."""
    return "AUCPR" if name == "aucpr" else metric(name)


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


def repeated(metrics: Mapping[str, float | None]) -> set[str]:
    """The numbers of the raw score, where all of them repeat those of the probability: nothing was calibrated.

    Example:
        >>> repeated({"nll": 0.2, "nll_uncalibrated": 0.2}), repeated({"nll": 0.1, "nll_uncalibrated": 0.2})
        ({'nll_uncalibrated'}, set())
    """
    found = {name for name in metrics if name.endswith("_uncalibrated")}
    same = all(metrics.get(name.removesuffix("_uncalibrated"), math.nan) == metrics[name] for name in found)
    return found if same else set()


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


def with_ends(value: float | None, low: float, high: float) -> str:
    """A number and, where it has one, its interval; empty where there is no number.

    >>> with_ends(0.9, 0.85, 0.93), with_ends(0.9, math.nan, math.nan), with_ends(math.nan, 0.1, 0.2)
    ('0.900 (0.850 to 0.930)', '0.900', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    return fixed(value) + (f" ({span((low, high))})" if math.isfinite(low) and math.isfinite(high) else "")


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


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """Names of levels and metrics in words, ends of intervals in one column, shares with the same decimals.

    What a level has beside its own metrics (raw scores, frequencies, guesses) stands in ``metrics.json``.
    """
    columns: list[tuple[str, Any]] = []
    heads = list(map(str, found.columns))
    for name in heads:
        base, _, end = name.rpartition("_")
        if (
            end in ("uncalibrated", "prior", "guess", "excess")
            or (end in ("low", "high") and base in heads)
            or name == "high"
        ):
            continue
        lows = name if name == "low" else f"{name}_low"
        if name != "low":
            column = found[name].map(lambda level: the_level(str(level))) if name == "level" else found[name]
            rate = pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 != 0).any())
            columns.append((measure(name), [fixed(value) for value in column] if rate else column))
        if lows in heads:
            highs = found[f"{lows.removesuffix('low')}high"]
            pairs = zip(found[lows].astype(float), highs.astype(float), strict=True)
            columns.append(("95 % interval", [span(pair) if math.isfinite(pair[0]) else "" for pair in pairs]))
    made = pd.concat([pd.Series(column, index=found.index) for _, column in columns], axis=1)
    return made.set_axis([title for title, _ in columns], axis=1)
