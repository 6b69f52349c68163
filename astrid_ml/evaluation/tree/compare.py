"""Two hierarchical models on the same objects: differences with paired intervals, window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.intervals import macro_area_difference
from astrid_ml.evaluation.tree.metrics import (
    confusion_matrix,
    macro_average_precision,
    macro_f1,
    macro_f1_draws,
)
from astrid_ml.evaluation.tree.views import View, views
from astrid_ml.taxonomy import Taxonomy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compare_trees(tree: Taxonomy, first: pd.DataFrame, second: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Leaf macro-F1 and macro-AUCPR of two judged tables of predictions, and their difference.

    Args:
        tree: the taxonomy.
        first: ``id, group_id, label, days`` and ``score_<node>``, ``p_<node>``: the network.
        second: the same objects at the same windows: the baseline.
        bootstrap: of the paired intervals; the same objects are drawn for both.

    Returns:
        Columns ``metric, days, network, baseline, difference, low, high``.

    Raises:
        UserError: the two do not hold the same objects and windows.
    """
    one, two = (table.sort_values(["days", "id"], kind="stable").reset_index(drop=True) for table in (first, second))
    if len(one) != len(two) or not (one[["id", "days"]] == two[["id", "days"]]).all(axis=None):
        raise UserError(
            "predictions of the same objects at the same windows", f"{len(one)} and {len(two)} rows that differ",
            "use the same dataset, split and windows",
        )  # fmt: skip
    nodes = tree.encode(list(one["label"]))
    pairs = zip(views(one, nodes, tree), views(two, nodes, tree), strict=True)
    rows = [row for a, b in pairs if a.name == "leaf" and len(np.unique(a.y)) > 1 for row in _rows(a, b, bootstrap)]
    return pd.DataFrame(rows)


def _rows(a: View, b: View, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    k, of_f1, drawn = len(a.names), [], []
    for view in (a, b):
        called = view.p.argmax(axis=1)
        of_f1.append(macro_f1(confusion_matrix(view.y, called, k)))
        drawn.append(macro_f1_draws(view.y, called, k, view.group, bootstrap))
    of_area = [macro_average_precision(view.p, view.y) or np.nan for view in (a, b)]
    apart = macro_area_difference(a.p, b.p, a.y, a.group, bootstrap.level)
    found = {
        "macro_f1": (of_f1, bootstrap.interval(drawn[0] - drawn[1])),
        "macro_aucpr": (of_area, None if apart is None else apart[1]),
    }
    rows = []
    for metric, (values, ends) in found.items():
        low, high = ends or (np.nan, np.nan)
        row = {"metric": f"leaf/{metric}", "days": a.day, "network": values[0], "baseline": values[1]}
        rows.append({**row, "difference": values[0] - values[1], "low": low, "high": high})
    return rows


_TITLES = {"leaf/macro_f1": "macro-F1 of the leaves", "leaf/macro_aucpr": "macro-AUCPR of the leaves"}


def figure_pair(compared: pd.DataFrame) -> Figure:
    """Both models against days, and their difference with its interval below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.0), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, height_ratios=[2, 1])
    for column, (metric, part) in enumerate(compared.groupby("metric", sort=False)):
        above, below = panels[0][column], panels[1][column]
        above.plot(part["days"], part["network"], "o-", ms=3, label="network")
        above.plot(part["days"], part["baseline"], "s--", ms=3, label="features + boosted trees")
        above.set(title=_TITLES.get(str(metric), str(metric)), ylim=(0, 1))
        above.set_xscale("log", base=2)
        days = part["days"].to_numpy()
        below.set_xticks(days, [f"{day:g}" for day in days], fontsize=8)
        below.minorticks_off()
        below.axhline(0, color="0.5", lw=0.8)
        gaps = np.abs(part[["low", "high"]].to_numpy() - part[["difference"]].to_numpy()).T
        below.errorbar(part["days"], part["difference"], yerr=gaps, fmt="o-", ms=3, lw=1, capsize=2)
        below.set(xlabel="days since first detection", ylabel="difference (95 %)")
        for axes in (above, below):
            axes.grid(alpha=0.3)
    panels[0][0].legend(loc="lower right", fontsize=8)
    return figure
