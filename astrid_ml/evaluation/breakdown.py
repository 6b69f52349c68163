"""A result broken down by a column: each cell with its counts and interval, empty cells left empty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.intervals import area_interval, proportion_interval
from astrid_ml.metrics.binary import UndefinedError, average_precision
from astrid_ml.types import Floats, Mask

COLUMNS = ["value", "n", "positives", "groups", "aucpr", "low", "high", "precision", "recall"]

SIGNED = "snr"  # negative where a source faded: what is faint in either direction belongs together


def breakdown(
    known: pd.DataFrame,
    scores: Floats,
    labels: Mask,
    column: str,
    level: float = 0.95,
    most: int = 12,
    chosen: Mask | None = None,
    of_truth: bool = False,
) -> pd.DataFrame | None:
    """AUCPR, precision and recall for each value of a column; numbers with many values are cut at their quantiles.

    Args:
        known: labelled predictions.
        scores: (n,).
        labels: (n,).
        column: its name.
        level: of the intervals.
        most: the number of values shown.
        chosen: (n,) decisions for the positive class; None leaves precision and recall empty.
        of_truth: only positives have this column (a true magnitude, injected or natural): each of its cells holds the
            positives of a value and all negatives. The table's ``attrs["of_truth"]`` says so.

    Returns:
        A table, or None where the column is missing, all null, or has one value only.
    """
    if column not in known or known[column].isna().all():
        return None
    values = known[column].abs() if column == SIGNED else known[column]
    cells = cells_of(values.where(labels) if of_truth else values)
    if cells.nunique(dropna=True) < 2:
        return None
    order = cells.cat.categories if isinstance(cells.dtype, pd.CategoricalDtype) else cells.value_counts().index[:most]
    rows = []
    for value in order:
        inside = (cells == value).fillna(False).to_numpy(dtype=bool)
        inside = inside | ~labels if of_truth else inside
        rows.append({"value": cell_name(value), **_cell(inside, known, scores, labels, chosen, level)})
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs["of_truth"] = of_truth
    return table


def false_positives(known: pd.DataFrame, column: str, level: float = 0.95) -> pd.DataFrame | None:
    """Of each kind of bogus, how many are called real.

    Args:
        known: labelled predictions with ``decision`` and ``group_id``.
        column: that names the kind.
        level: of the interval, see :func:`astrid_ml.evaluation.intervals.proportion_interval`.

    Returns:
        ``kind, bogus, called_real, share, low, high``, the worst first; None where no bogus has a kind.
    """
    if column not in known or "decision" not in known:
        return None
    kinds = known[column].astype("string").fillna("")
    bogus = (known["label"].astype(int) == 0).to_numpy() & (kinds != "").to_numpy()
    rows = []
    for kind, part in known[bogus].groupby(kinds[bogus]):
        share, ends = float(part["decision"].mean()), proportion_interval(part["decision"], part["group_id"], level)
        low, high = ends or (np.nan, np.nan)
        rows.append([str(kind), len(part), int(part["decision"].sum()), share, low, high])
    if not rows:
        return None
    table = pd.DataFrame(rows, columns=["kind", "bogus", "called_real", "share", "low", "high"])
    return table.sort_values(["share", "bogus"], ascending=False, ignore_index=True)


def cell_name(value: object) -> str:
    """A value as text; an interval with its ends to six digits (the first one's lower end is moved by a little)."""
    return f"({value.left:.6g}, {value.right:.6g}]" if isinstance(value, pd.Interval) else str(value)


def cells_of(values: pd.Series) -> pd.Series:
    """Text as it is; numbers of more than 8 values in five cells of equal size."""
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric and values.nunique() > 8:
        finite = values.astype(float).replace([np.inf, -np.inf], np.nan)
        return pd.qcut(finite, 5, duplicates="drop", precision=2)
    return values.astype("string")


def _cell(
    inside: Mask,
    known: pd.DataFrame,
    scores: Floats,
    labels: Mask,
    decision: Mask | None,
    level: float,
) -> dict[str, float]:
    group = known["group_id"][inside]
    positives = int(labels[inside].sum())
    row = {"n": float(inside.sum()), "positives": float(positives), "groups": float(group.nunique())}
    row |= {"aucpr": np.nan, "low": np.nan, "high": np.nan, "precision": np.nan, "recall": np.nan}
    try:
        row["aucpr"] = average_precision(scores[inside], labels[inside])
    except UndefinedError:
        return row
    interval = area_interval(scores[inside], labels[inside], group, level)
    if interval is not None:
        row["low"], row["high"] = interval
    if decision is not None:
        row["recall"] = float(decision[inside & labels].mean())
        called = labels[inside & decision]
        row["precision"] = float(called.mean()) if len(called) else np.nan
    return row
