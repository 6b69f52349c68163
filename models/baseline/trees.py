"""Boosted trees on features, one model a node of the taxonomy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.models.baseline.features import FeatureTable
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Floats, Floats32, Ints, Mask


@dataclass(frozen=True)
class Settings:
    """One configuration of the trees.

    Args:
        learning_rate: of the boosting.
        max_leaf_nodes: of a tree.
        l2_regularization: on the leaves.
        max_features: share of the features that a split looks at.
        min_samples_leaf: objects in a leaf.
    """

    learning_rate: float = 0.08
    max_leaf_nodes: int = 15
    l2_regularization: float = 5.0
    max_features: float = 0.15
    min_samples_leaf: int = 20

    @staticmethod
    def drawn(random: np.random.Generator) -> Settings:
        """A configuration at random."""
        return Settings(
            float(np.exp(random.uniform(np.log(0.03), np.log(0.2)))),
            int(random.choice([4, 7, 15, 31])),
            float(np.exp(random.uniform(np.log(0.1), np.log(30)))),
            float(random.choice([0.05, 0.1, 0.2, 0.4])),
            int(random.choice([5, 10, 20, 40])),
        )


def fit_trees(
    table: FeatureTable,
    rows: dict[str, Ints],
    nodes: Ints,
    window: int,
    settings: Settings,
    tree: Taxonomy,
    max_iter: int,
    seed: int,
) -> Trees:
    """Boosted trees over the leaves; objects that are labelled at an inner node cannot take part."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    leaves = [tree.position[name] for name in tree.leaves]
    train, val = (rows[name][np.isin(nodes[rows[name]], leaves)] for name in ("train", "val"))
    val = val[np.isin(nodes[val], nodes[train])]
    model = HistGradientBoostingClassifier(
        max_iter=max_iter, early_stopping=True, n_iter_no_change=15, random_state=seed, **vars(settings)
    )
    x = table.at(train, window)
    # A feature that no object has, or all alike, splits nothing (and binning refuses the first).
    with_spread = np.array([len(np.unique(column[np.isfinite(column)])) > 1 for column in x.T])
    model.fit(x[:, with_spread], nodes[train], X_val=table.at(val, window)[:, with_spread], y_val=nodes[val])
    return Trees(model, with_spread)


@dataclass(frozen=True)
class Trees:
    """A fitted model and the features that it looks at.

    Args:
        model: of scikit-learn.
        columns: (F,) which features.
    """

    model: Any
    columns: Mask

    @property
    def classes(self) -> Ints:
        """Places of the leaves that were trained, ascending."""
        out: Ints = self.model.classes_
        return out

    def probabilities(self, x: Floats32) -> Floats:
        """(n, classes)."""
        out: Floats = self.model.predict_proba(x[:, self.columns])
        return out


def validation_loss(trees: Trees, x: Floats32, nodes: Ints) -> float:
    """Mean -log p of the true leaf, over objects whose leaf was trained."""
    known = np.isin(nodes, trees.classes)
    p = trees.probabilities(x[known])[np.arange(int(known.sum())), np.searchsorted(trees.classes, nodes[known])]
    return float(-np.mean(np.log(np.clip(p, 1e-7, 1))))


def node_probabilities(trees: Trees, x: Floats32, tree: Taxonomy) -> Floats:
    """(n, n_nodes): leaves from the trees, each inner node the sum of its leaves."""
    leaves = np.zeros((len(x), len(tree.nodes)))
    leaves[:, trees.classes] = trees.probabilities(x)
    out: Floats = leaves @ tree.ancestors.astype(np.float64)
    return out
