"""How boosted trees are fitted to features of curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.classes import ClassTrees
from astrid_ml.models.lightcurves.trees import table_of
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Count, Floats, Ints, NonNegative, Positive, Seed, Share


@dataclass(frozen=True)
class Boosting:
    """Settings of a fit over the leaves, on questions of the training fold, stopped early on those of validation.

    Args:
        questions: of an object and pass, drawn from its windows.
        passes: over the training fold: the first as it is, the others as a network sees it, with what training leaves
            out at random.
        trees: of a class at most.
        learning_rate: of the boosting.
        max_leaf_nodes: of a tree.
        l2_regularization: on the leaves.
        max_features: share of the features that a split looks at.
        min_samples_leaf: questions in a leaf.
        seed: of the draws and of the trees.

    Example:
        >>> Boosting(trees=50).settings["max_leaf_nodes"]
        15
    """

    questions: Count = 4
    passes: Count = 2
    trees: Count = 300
    learning_rate: Positive = 0.08
    max_leaf_nodes: Count = 15
    l2_regularization: NonNegative = 5.0
    max_features: Share = 0.15
    min_samples_leaf: Count = 20
    seed: Seed = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What scikit-learn is told beside their number."""
        return {
            "learning_rate": self.learning_rate,
            "max_leaf_nodes": self.max_leaf_nodes,
            "l2_regularization": self.l2_regularization,
            "max_features": self.max_features,
            "min_samples_leaf": self.min_samples_leaf,
        }

    def fit(self, datamodule: Any, tree: Taxonomy) -> ClassTrees:
        """Trees on the training fold; objects that are labelled at an inner node take no part.

        Args:
            datamodule: with the dataset attached, and features in its batches.
            tree: of the labels.

        Raises:
            UserError: training objects of fewer than two leaves.
        """
        random = np.random.default_rng(self.seed)
        leaves = [tree.position[name] for name in tree.leaves]
        parts = [asked_rows(datamodule, "train", self.questions, random, number > 0) for number in range(self.passes)]
        x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
        x_val, y_val = asked_rows(datamodule, "val", self.questions, random, False)
        x, y = x[np.isin(y, leaves)], y[np.isin(y, leaves)]
        if len(np.unique(y)) < 2:
            raise UserError("training objects of two leaves or more", f"of {len(np.unique(y))}", "give finer labels")
        return ClassTrees.fitted(x, y, x_val, y_val, self.trees, self.seed, **self.settings)


def asked_rows(
    datamodule: Any, fold: str, questions: int, random: np.random.Generator, augmented: bool
) -> tuple[Floats, Ints]:
    """Features (n, F + S) and node places (n,) of a fold's objects, each at some of its windows.

    Args:
        datamodule: with the dataset attached.
        fold: its name.
        questions: of an object, at most.
        random: draws them.
        augmented: whether objects are changed as in training.
    """
    rows, size = datamodule.rows[fold], datamodule.eval_batch_size
    xs, ys = [], []
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        generator = torch.Generator().manual_seed(int(random.integers(1 << 31))) if augmented else None
        batch = datamodule.make_batch(datamodule.source, chosen, generator, augmented)
        windows = batch["days"].shape[1]
        picked = random.random((len(chosen), windows)).argsort(axis=1)[:, :questions]
        at = torch.from_numpy(picked)
        features = batch["features"].gather(1, at[..., None].expand(-1, -1, batch["features"].shape[2]))
        xs.append(table_of(features, batch["static"]))
        ys.append(np.repeat(batch["y"].numpy(), picked.shape[1]))
    if not xs:
        return np.zeros((0, 0)), np.zeros(0, dtype=np.int64)
    return np.concatenate(xs), np.concatenate(ys)
