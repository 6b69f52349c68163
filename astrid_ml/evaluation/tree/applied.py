"""From node scores to what a reader is told: calibrated probabilities, classes, the entropy of the leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.scoring import member_column
from astrid_ml.errors import UserError
from astrid_ml.evaluation.tree.calibration import apply_nodes
from astrid_ml.evaluation.tree.views import scores_of
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Floats

CERTAIN = 0.9  # of the node in ``certain_class``
SEEN, WINDOW = (
    "seen_days",
    "days",
)  # what a calibration may go by: the last epoch that was seen; the window that was asked
# What a reader of a list needs; the rest stands in the full table.
BRIEF = (
    *("id", "top_class", "probability_top", "runner_up", "probability_runner_up", "certain_class", "prediction_set"),
    *("novelty_p", "entropy", "days", "in_domain", "outside_because"),
)


def age_of(table: pd.DataFrame, fitted: dict[str, Any]) -> Floats:
    """The days that a calibration goes by, (n,): as it was fitted, by the last epoch seen or by the window.

    Args:
        table: of predictions.
        fitted: what the judge fitted; a calibration of before went by the window.
    """
    name = str(fitted.get("clock", WINDOW))
    out: Floats = table[name if name in table else WINDOW].to_numpy(dtype=np.float64)
    return out


def nodes_of(table: pd.DataFrame, tree: Taxonomy, fitted: dict[str, Any]) -> Floats:
    """Node probabilities of one model, (n, n_nodes): calibrated where that was fitted."""
    p = scores_of(table, tree)
    if fitted.get("kind") != "nodes":
        return p
    return apply_nodes(tree, p, age_of(table, fitted), fitted["parameters"], fitted.get("absent", ()))


def nodes_of_members(table: pd.DataFrame, tree: Taxonomy, members: Sequence[dict[str, Any]]) -> Iterator[Floats]:
    """Of each member the node probabilities, one after the other.

    Args:
        table: with each member's node scores, see :func:`astrid_ml.contracts.scoring.member_column`.
        tree: the taxonomy.
        members: what was fitted for each.

    Raises:
        UserError: a member's scores are not there.
    """
    ages = table[[name for name in (WINDOW, SEEN) if name in table]]
    for number, fitted in enumerate(members):
        own = {f"score_{node}": member_column(f"score_{node}", number) for node in tree.nodes}
        if absent := [name for name in own.values() if name not in table]:
            got = f"no {', '.join(absent[:3])}"
            raise UserError("the scores of each member of a joined model", got, "score the samples with the checkpoint")
        yield nodes_of(ages.assign(**{n: table[o] for n, o in own.items()}), tree, fitted)


def answers(p: Floats, tree: Taxonomy, confidence: float) -> dict[str, Any]:
    """Columns of a table from node probabilities.

    ``class`` is the deepest node that reaches ``confidence``, ``probability`` its own; ``top_class`` and ``runner_up``
    are the two most probable leaves; ``certain_class`` is the deepest node that reaches 0.9. ``entropy`` is that of the
    leaves over that of a uniform guess among those that training had: 0 sure of one leaf, 1 knows nothing.

    Args:
        p: (n, n_nodes), consistent.
        tree: the taxonomy.
        confidence: from 0 to 1.
    """
    names, rows = np.array(tree.nodes, dtype=object), np.arange(len(p))
    called = tree.deepest_confident(p, confidence)
    own = tree.level_nodes(tree.n_levels)
    leaves = p[:, own]
    order = np.argsort(-leaves, axis=1, kind="stable")
    known = max(int((leaves > 0).any(axis=0).sum()), 2)
    entropy = -(leaves * np.log(np.clip(leaves, 1e-300, None))).sum(axis=1) / np.log(known)
    out: dict[str, Any] = {"class": names[called], "probability": p[rows, called]}
    for place, (name, column) in enumerate((("top_class", "probability_top"), ("runner_up", "probability_runner_up"))):
        chosen = order[:, min(place, len(own) - 1)]
        out |= {name: names[own[chosen]], column: leaves[rows, chosen]}
    out |= {"certain_class": names[tree.deepest_confident(p, CERTAIN)], "entropy": np.clip(entropy, 0.0, 1.0)}
    return out | {f"p_{name}": p[:, number] for number, name in enumerate(tree.nodes)}
