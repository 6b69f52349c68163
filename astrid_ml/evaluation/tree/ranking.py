"""Rankings of a tree's leaves: macro-AUCPR at one window of days, its interval, and paired differences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.bootstrap import Bootstrap, PairedDifference
from astrid_ml.evaluation.rankings import Ranking, same_samples
from astrid_ml.evaluation.tree.intervals import macro_area_difference, macro_area_interval
from astrid_ml.evaluation.tree.metrics import macro_average_precision
from astrid_ml.evaluation.tree.views import View, headline_day, views
from astrid_ml.taxonomy import Taxonomy


def tree_ranking(tree: Taxonomy, predictions: pd.DataFrame, headline: str, bootstrap: Bootstrap) -> Ranking:
    """Macro-AUCPR of the leaves that have objects, at the window that the headline names.

    Args:
        tree: the taxonomy.
        predictions: with ``id, group_id, label, days`` and ``p_<node>``, ``score_<node>``.
        headline: ``leaf/macro_f1/64d``; its window counts, or the longest.
        bootstrap: of the interval, by objects.
    """
    view = leaves(tree, predictions, headline)
    value = None if view is None else macro_average_precision(view.p, view.y)
    name = f"macro-AUCPR of the leaves, {view.day:g} days" if view is not None else "macro-AUCPR of the leaves"
    if view is None or value is None:
        return Ranking(name, None, samples=0 if view is None else len(view.y))
    low, high = macro_area_interval(view.p, view.y, view.group, bootstrap.level) or (None, None)
    return Ranking(name, value, low, high, len(view.y))


def tree_difference(
    tree: Taxonomy, tables: tuple[pd.DataFrame, pd.DataFrame], headline: str, bootstrap: Bootstrap
) -> PairedDifference | None:
    """First less second on the same objects.

    Args:
        tree: the taxonomy.
        tables: of both networks, see :func:`tree_ranking`.
        headline: see there.
        bootstrap: of the interval.

    Raises:
        UserError: they do not hold the same objects at the same windows.
    """
    one, two = same_samples(*tables, ["id", "days"])
    pair = [view for table in (one, two) if (view := leaves(tree, table, headline)) is not None]
    if len(pair) < 2:
        return None
    found = macro_area_difference(pair[0].p, pair[1].p, pair[0].y, pair[0].group, bootstrap.level)
    return None if found is None else PairedDifference(found[0], *found[1])


def leaves(tree: Taxonomy, predictions: pd.DataFrame, headline: str) -> View | None:
    """The leaves at the headline's window; None without an object of the tree."""
    nodes = tree.encode(list(predictions["label"]))
    known = predictions[nodes >= 0].reset_index(drop=True)
    if not len(known):
        return None
    day = headline_day(headline, known["days"].to_numpy(dtype=np.float64))
    at = known["days"].to_numpy(dtype=np.float64) == day
    found = views(known[at].reset_index(drop=True), nodes[nodes >= 0][at], tree)
    return next((view for view in found if view.name == "leaf" and len(view.y)), None)
