"""The hierarchical task of boosted trees on features of curves: fitted at once, kept as arrays, judged as a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.classes import ClassTrees
from astrid_ml.models.lightcurves.trees import CurveTrees, table_of
from astrid_ml.models.tasks.hierarchy import HierarchyTask
from astrid_ml.models.tasks.task import Batch
from astrid_ml.types import Count, Floats, Ints, NonNegative, Positive, Seed, Share


class TreesTask(HierarchyTask):
    """Fits trees over the leaves on questions of the training fold, stopped early on those of validation.

    Objects that are labelled at an inner node take no part. The settings were drawn on validation folds of simulated
    samples; see docs/lightcurves.md.

    Args:
        network: a :class:`astrid_ml.models.lightcurves.trees.CurveTrees`.
        taxonomy: a shipped tree or a YAML file.
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
        optimizer: not used; as of other tasks.
        scheduler: not used.
    """

    apart: ClassVar[str] = "trees of several folds have other sizes"
    predict_members = None  # type: ignore[assignment]

    def __init__(
        self,
        network: CurveTrees,
        taxonomy: str,
        questions: Count = 4,
        passes: Count = 2,
        trees: Count = 300,
        learning_rate: Positive = 0.08,
        max_leaf_nodes: Count = 15,
        l2_regularization: NonNegative = 5.0,
        max_features: Share = 0.15,
        min_samples_leaf: Count = 20,
        seed: Seed = 0,
        optimizer: Callable[[Iterable[Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        super().__init__(network, taxonomy, 0.0, False)
        self.questions, self.passes, self.trees, self.seed = questions, passes, trees, seed
        self.settings = {
            "learning_rate": learning_rate, "max_leaf_nodes": max_leaf_nodes, "l2_regularization": l2_regularization,
            "max_features": max_features, "min_samples_leaf": min_samples_leaf,
        }  # fmt: skip

    def fit_fold(self, datamodule: Any) -> None:
        """See :class:`astrid_ml.contracts.programs.FitsItself`.

        Raises:
            UserError: no training object at a leaf.
        """
        assert isinstance(self.network, CurveTrees)
        self.network.take(fitted_trees(self, datamodule))

    def try_on(self, batch: Batch) -> None:
        """See :class:`astrid_ml.contracts.programs.FitsItself`: without a fit there is nothing to be tried.

        Raises:
            UserError: batches without features.
        """
        if "features" not in batch:
            fix = "choose model=lightcurve_trees, which sets both"
            raise UserError("batches with features, which trees look at", "no datamodule.curve_features", fix)


def fitted_trees(task: TreesTask, datamodule: Any) -> ClassTrees:
    """Trees on the training fold.

    Args:
        task: with the settings.
        datamodule: with the dataset attached.

    Raises:
        UserError: no training object at a leaf.
    """
    random = np.random.default_rng(task.seed)
    leaves = [task.taxonomy.position[name] for name in task.taxonomy.leaves]
    parts = [asked_rows(datamodule, "train", task.questions, random, number > 0) for number in range(task.passes)]
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    x_val, y_val = asked_rows(datamodule, "val", task.questions, random, False)
    x, y = x[np.isin(y, leaves)], y[np.isin(y, leaves)]
    if len(np.unique(y)) < 2:
        raise UserError("training objects of two leaves or more", f"of {len(np.unique(y))}", "give finer labels")
    return ClassTrees.fitted(x, y, x_val, y_val, task.trees, task.seed, **task.settings)


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
