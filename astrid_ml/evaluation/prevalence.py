"""What AUCPR and precision become where real events are rarer than in the sample, as far as its bogus can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.intervals import area_interval, moved_precision_interval
from astrid_ml.metrics.influence import area_influence
from astrid_ml.metrics.shares import Interval, proportion_interval
from astrid_ml.types import Mask

# A rate of false positives rests on at least so many of them: of 10 the standard error is a third.
FEWEST = 10
COLUMNS = [
    *("prevalence", "aucpr", "aucpr_low", "aucpr_high", "aucpr_why"),
    *("precision_at_threshold", "precision_low", "precision_high", "precision_why"),
]


def prevalence_table(
    scores: Any, labels: Mask, chosen: Mask | None, groups: Any, prevalences: Sequence[float], level: float
) -> pd.DataFrame:
    """AUCPR and the decisions' precision at other mixtures; the distributions within each class stay as they are.

    That is label shift: the same mixture of bogus, only more of them. Precision at prevalence p is
    p TPR / (p TPR + (1 - p) FPR) with the rates measured here. Where they end is in :func:`too_rare`; a precision needs
    ``FEWEST`` bogus above the threshold. The first prevalence is the sample's own, where both are as they are.

    Args:
        scores: (n,), any monotonic scale.
        labels: (n,).
        chosen: (n,) decisions, or None: the precision stays empty, as where nothing at all was chosen.
        groups: (n,) which stand or fall together in the intervals.
        prevalences: shares of positives, each within (0, 1); the first is the sample's own.
        level: of the intervals.

    Returns:
        ``prevalence, aucpr, aucpr_low, aucpr_high, aucpr_why`` and the same of ``precision_at_threshold``, one row a
        prevalence; NaN with the reason where the sample cannot tell.

    Raises:
        UndefinedError: a class is absent.
    """
    bogus = int((~labels).sum())
    rows = []
    for place, prevalence in enumerate(prevalences):
        row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan) | {"prevalence": prevalence}
        row["aucpr_why"] = "" if place == 0 else too_rare(prevalence, bogus)
        if not row["aucpr_why"]:
            at = None if place == 0 else prevalence
            row["aucpr"] = area_influence(scores, labels, at).value
            ends = area_interval(scores, labels, groups, level, at)
            row["aucpr_low"], row["aucpr_high"] = ends or (np.nan, np.nan)
        row["precision_why"] = "there is no threshold"
        if chosen is not None:
            row["precision_why"] = _too_few(chosen, labels) if place else "" if chosen.any() else "nothing was chosen"
            if not row["precision_why"]:
                row["precision_at_threshold"] = _precision(chosen, labels, prevalence)
                found = _precision_ends(chosen, labels, groups, prevalence, place, level)
                row["precision_low"], row["precision_high"] = found or (np.nan, np.nan)
        rows.append(row)
    return _in_order(pd.DataFrame(rows, columns=COLUMNS))


def too_rare(rate: float, bogus: int) -> str:
    """Why a share of false positives, or a prevalence, cannot be looked at with so many bogus; empty where it can.

    Example:
        >>> too_rare(0.01, 5000), too_rare(0.001, 1078)
        ('', 'not measurable with 1,078 bogus: at least 10,000 are needed for 1 in 1,000')
    """
    if rate * bogus >= FEWEST * (1 - 1e-9):
        return ""
    return f"not measurable with {bogus:,} bogus: at least {FEWEST / rate:,.0f} are needed for 1 in {1 / rate:,.0f}"


def _too_few(chosen: Mask, labels: Mask) -> str:
    above = int((chosen & ~labels).sum())
    if above >= FEWEST:
        return ""
    return f"not measurable with {above} bogus above the threshold: at least {FEWEST} are needed"


def _precision(chosen: Mask, labels: Mask, prevalence: float) -> float:
    real = prevalence * float(chosen[labels].mean())
    bogus = (1 - prevalence) * float(chosen[~labels].mean())
    return real / (real + bogus) if real + bogus else float("nan")


def _precision_ends(
    chosen: Mask, labels: Mask, groups: Any, prevalence: float, place: int, level: float
) -> Interval | None:
    if place == 0:
        return proportion_interval(labels[chosen], groups[chosen], level)
    return moved_precision_interval(chosen, labels, groups, prevalence, level)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The ends of AUCPR rise with prevalence, as it does itself; the sample's own stay as they are.

    Args:
        table: rows of prevalences, the sample's own first.
    """
    own = float(table["prevalence"].iloc[0])
    out = table.copy()
    for name in ("aucpr_low", "aucpr_high"):
        ends = out[name].to_numpy(dtype=float).copy()
        order = np.argsort(table["prevalence"].to_numpy(dtype=float), kind="stable")
        above = [place for place in order if table["prevalence"].iloc[place] >= own and np.isfinite(ends[place])]
        below = [place for place in order[::-1] if table["prevalence"].iloc[place] <= own and np.isfinite(ends[place])]
        above, below = ([0, *(place for place in side if place)] for side in (above, below))
        if np.isfinite(ends[0]):
            ends[above], ends[below] = np.maximum.accumulate(ends[above]), np.minimum.accumulate(ends[below])
        out[name] = ends
    return out
