"""Boosted trees on what is measured of samples, beside the answers of a hierarchical task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.classes import ClassTrees
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.evaluation.tree.metrics import confusion_matrix, macro_f1, macro_f1_draws
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Count, Floats, Floats32, Ints, Mask, Seed

COLUMN = "baseline_class"  # of predictions: the leaf that the trees call
OF_METRIC, LESS = "baseline_macro_f1", "macro_f1_minus_baseline"


@dataclass(frozen=True)
class TreeBaseline:
    """Trees over the leaves, fitted on a run's training fold at some windows of each sample, stopped on validation.

    Args:
        trees: of a class at most.
        questions: of a sample, drawn from its windows.
        most: samples of training and validation that are looked at.
        seed: of the draws and of the trees.

    Example:
        >>> TreeBaseline().trees
        60
    """

    trees: Count = 60
    questions: Count = 4
    most: Count = 20_000
    seed: Seed = 0

    def fit(self, tree: Taxonomy, blocks: Iterable[tuple[Floats32, Ints, Mask]]) -> dict[str, Any] | None:
        """What a checkpoint keeps; None where training has fewer than two leaves.

        Args:
            tree: of the labels.
            blocks: of samples: what is measured (n, W, F), places of their nodes (n,), whether they are of training.
        """
        random, leaves = np.random.default_rng(self.seed), [tree.position[name] for name in tree.leaves]
        xs, ys, of_training = list[Floats](), list[Ints](), list[Mask]()
        for measured, nodes, training in blocks:
            kept = np.isin(nodes, leaves)
            picked = random.random(measured.shape[:2]).argsort(axis=1)[kept][:, : self.questions]
            chosen = np.take_along_axis(measured[kept], picked[..., None], axis=1)
            xs.append(chosen.reshape(-1, measured.shape[2]).astype(np.float64))
            ys.append(np.repeat(nodes[kept], picked.shape[1]))
            of_training.append(np.repeat(training[kept], picked.shape[1]))
        if not xs:
            return None
        x, y, train = np.concatenate(xs), np.concatenate(ys), np.concatenate(of_training)
        if len(np.unique(y[train])) < 2:
            return None
        made = ClassTrees.fitted(
            x[train], y[train], x[~train], y[~train], self.trees, self.seed,
            learning_rate=0.1, max_leaf_nodes=15, l2_regularization=5.0, max_features=0.15,
        )  # fmt: skip
        return {"kind": "tree", "leaves": [tree.nodes[place] for place in made.classes], **made.arrays()}


def called(fitted: Mapping[str, Any], x: Floats32) -> Any:
    """The leaf that the trees call at each question: texts (n, W) of what is measured, (n, W, F).

    Raises:
        UserError: these are no trees, or trees on other columns.
    """
    made = ClassTrees.from_arrays({name: value for name, value in fitted.items() if name not in ("kind", "leaves")})
    asked = {member.features for member in made.members}
    if len(fitted.get("leaves", ())) != len(made.classes) or asked != {x.shape[2]}:
        got = f"{len(fitted.get('leaves', ()))} leaves, {max(asked)} columns"
        expected = f"baseline trees of {len(made.classes)} leaves on {x.shape[2]} columns"
        raise UserError(expected, got, "evaluate with the datamodule of the checkpoint")
    log_p = made.log_probabilities(x.reshape(-1, x.shape[2]).astype(np.float64))
    return np.array(fitted["leaves"], dtype=object)[log_p.argmax(axis=1)].reshape(x.shape[:2])


def put_baseline(
    result: EvaluationResult, tree: Taxonomy, known: pd.DataFrame, nodes: Ints, shown: float, bootstrap: Bootstrap
) -> None:
    """Metrics ``leaf/baseline_macro_f1/<days>d``; at the headline's window the difference too, and what it says.

    Args:
        result: gets them.
        tree: the taxonomy.
        known: predictions of objects whose label the tree knows.
        nodes: (n,) places of their nodes.
        shown: the headline's window.
        bootstrap: of the paired interval.
    """
    if COLUMN not in known:
        return
    classes = tree.level_nodes(tree.n_levels)
    names = [tree.nodes[place] for place in classes]
    truth = tree.at_level(nodes, tree.n_levels)
    there = (truth >= 0) & known[COLUMN].isin(names).to_numpy()
    own = known[[f"p_{name}" for name in names]].to_numpy(dtype=np.float64).argmax(axis=1)
    other = known[COLUMN].map({name: number for number, name in enumerate(names)}).to_numpy()
    days = known["days"].to_numpy(dtype=np.float64)
    for day in np.unique(days):
        at = there & (days == day)
        y = np.searchsorted(classes, truth[at]).astype(np.int64)
        if len(np.unique(y)) < 2:
            continue
        theirs = other[at].astype(np.int64)
        value = macro_f1(confusion_matrix(y, theirs, len(names)))
        result.metrics[f"leaf/{OF_METRIC}/{day:g}d"] = value
        mine = macro_f1(confusion_matrix(y, own[at], len(names)))
        if day != shown or value is None or mine is None:
            continue
        group = pd.factorize(known["group_id"].to_numpy()[at])[0].astype(np.int64)
        draws = [macro_f1_draws(y, answer, len(names), group, bootstrap) for answer in (own[at], theirs)]
        ends, key = bootstrap.interval(draws[0] - draws[1]), f"leaf/{LESS}/{day:g}d"
        result.metrics[key] = mine - value
        if ends is not None:
            result.intervals[key] = ends
            result.remarks.append(words(day, value, mine - value, ends))


def words(day: float, value: float, less: float, ends: tuple[float, float]) -> str:
    """What the comparison says, in one sentence."""
    said = "ahead of them" if ends[0] > 0 else "behind them" if ends[1] < 0 else "not to be told from them"
    return (
        f"Boosted trees on features of the same curves have a leaf macro-F1 of {value:.3f} at {day:g} days; "
        f"this model is {said} ({less:+.3f}, {ends[0]:+.3f} to {ends[1]:+.3f})."
    )
