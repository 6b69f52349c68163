"""A result broken down by a column: each cell with its counts and interval, empty cells left empty."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd

from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.metrics.binary import UndefinedError, average_precision
from astrid_ml.metrics.shares import proportion_interval
from astrid_ml.types import Floats, Mask

RATES = ("precision", "recall")
ENDS = [f"{name}_{end}" for name in RATES for end in ("low", "high")]
COLUMNS = ["value", "n", "positives", "groups", "aucpr", "low", "high", *RATES, *ENDS]

SIGNED = "snr"  # negative where a source faded: what is faint in either direction belongs together
KINDS = "false positives by artefact"  # the table of :func:`false_positives` in a result


def with_missions(known: pd.DataFrame) -> pd.DataFrame:
    """Filters with the mission before them where several missions have one of a name: no two of them are one.

    Args:
        known: predictions with ``filter``, and ``mission`` where it is known.

    Example:
        >>> known = pd.DataFrame({"mission": ["ztf", "ps1", "ztf"], "filter": ["g", "g", "i"]})
        >>> with_missions(known)["filter"].tolist()
        ['ztf g', 'ps1 g', 'i']
    """
    if not {"mission", "filter"} <= set(known.columns):
        return known
    shared = known.groupby("filter")["mission"].transform("nunique") > 1
    both = known["mission"].astype("string") + " " + known["filter"].astype("string")
    return known.assign(filter=known["filter"].astype("string").mask(shared & both.notna(), both))


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
    """AUCPR, precision and recall for each value of a column, each with its interval.

    ``low`` and ``high`` are AUCPR's. Numbers with many values are cut at their quantiles.

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
        ``kind, bogus, groups, called_real, share, low, high``, the worst first; None where no bogus has a kind.
    """
    if column not in known or "decision" not in known:
        return None
    kinds = known[column].astype("string").fillna("")
    bogus = (known["label"].astype(int) == 0).to_numpy() & (kinds != "").to_numpy()
    rows = []
    for kind, part in known[bogus].groupby(kinds[bogus]):
        share, ends = float(part["decision"].mean()), proportion_interval(part["decision"], part["group_id"], level)
        low, high = ends or (np.nan, np.nan)
        counts = [len(part), part["group_id"].nunique(), int(part["decision"].sum())]
        rows.append([str(kind), *counts, share, low, high])
    if not rows:
        return None
    table = pd.DataFrame(rows, columns=["kind", "bogus", "groups", "called_real", "share", "low", "high"])
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
    row |= dict.fromkeys(("aucpr", "low", "high", *RATES, *ENDS), np.nan)
    # A cell without a real one has no AUCPR; what is called real in it is bogus all the same, and is told.
    with suppress(UndefinedError):
        row["aucpr"] = average_precision(scores[inside], labels[inside])
        row["low"], row["high"] = area_interval(scores[inside], labels[inside], group, level) or (np.nan, np.nan)
    if decision is not None:
        of = {"recall": (decision, inside & labels), "precision": (labels, inside & decision)}
        for name, (hits, which) in of.items():
            ends = proportion_interval(hits[which], known["group_id"][which], level)
            if ends is not None:
                row[name], row[f"{name}_low"], row[f"{name}_high"] = float(hits[which].mean()), *ends
    return row
