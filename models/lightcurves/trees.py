"""Boosted trees on features of curves in the shape of a network: arrays in a checkpoint, node logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.classes import ClassTrees
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Floats

LEAST = 1e-30  # of a node's probability, so that it has a logarithm


class CurveTrees(nn.Module):
    """Answers of trees over the leaves as logits of all nodes; it has arrays, no weights to train.

    Args:
        static: names of the static columns; each gives a value and a flag.
        taxonomy: the tree whose nodes get logits.
        features: what is computed of a curve at each question.
    """

    def __init__(self, static: Sequence[str], taxonomy: str, features: CurveFeatures) -> None:
        super().__init__()
        self.tree, self.width = load_taxonomy(taxonomy), len(features.names) + len(static)
        self.names: tuple[str, ...] = ()
        self._trees: ClassTrees | None = None

    @property
    def trees(self) -> ClassTrees:
        """What answers.

        Raises:
            UserError: nothing was fitted or loaded.
        """
        if self._trees is None:
            arrays = {name: getattr(self, name).cpu() for name in self.names}
            if not arrays:
                raise UserError("trees that were fitted", "none", "train first: astrid train model=lightcurve_trees")
            self._trees = ClassTrees.from_arrays(arrays)
        return self._trees

    def take(self, trees: ClassTrees) -> None:
        """Answer with these from now on."""
        self._keep(trees.arrays())
        self._trees = trees

    def _keep(self, arrays: Mapping[str, Tensor]) -> None:
        for name, value in arrays.items():
            self.register_buffer(name, value)
        self.names, self._trees = tuple(arrays), None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        found = {name[len(prefix) :]: value for name, value in state_dict.items() if name.startswith(prefix)}
        if found:  # of a training that goes on there are none yet
            self._check(ClassTrees.from_arrays({name: value.cpu() for name, value in found.items()}))
            self._keep(found)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def _check(self, trees: ClassTrees) -> None:
        leaves = [self.tree.position[name] for name in self.tree.leaves]
        asked = {member.features for member in trees.members}
        if not np.isin(trees.classes, leaves).all() or asked - {self.width}:
            got = f"trees on {max(asked, default=0)} columns for classes {trees.classes.tolist()[:5]}"
            raise UserError(f"trees on {self.width} columns over leaves {leaves}", got, "give the best.ckpt of a run")

    def forward(
        self, values: Tensor, lengths: Tensor, static: Tensor, queries: Tensor, elapsed: Tensor, features: Tensor
    ) -> Tensor:
        """Node logits (B, Q, n_nodes), float64: logarithms of probabilities; inner nodes are sums of their leaves.

        Args:
            values: not looked at.
            lengths: not looked at.
            static: (B, 2 S).
            queries: not looked at.
            elapsed: not looked at.
            features: (B, Q, 2 F).
        """
        x, trees = table_of(features, static), self.trees
        leaves = np.zeros((len(x), len(self.tree.nodes)))
        leaves[:, trees.classes] = np.exp(trees.log_probabilities(x))
        nodes = np.log(np.maximum(leaves @ self.tree.ancestors.astype(np.float64), LEAST))
        return torch.from_numpy(nodes.reshape(*features.shape[:2], -1)).to(features.device)


def table_of(features: Tensor, static: Tensor) -> Floats:
    """What trees look at, (B Q, F + S): values with NaN where their flag says so.

    Args:
        features: (B, Q, 2 F).
        static: (B, 2 S).
    """
    both = [features.flatten(0, 1), static[:, None].expand(-1, features.shape[1], -1).flatten(0, 1)]
    parts = [
        np.where(part[:, part.shape[1] // 2 :] > 0, np.nan, part[:, : part.shape[1] // 2])
        for part in (one.double().cpu().numpy() for one in both)
    ]
    return np.concatenate(parts, axis=1)
