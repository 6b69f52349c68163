"""Boosted trees as plain arrays, with a predictor of our own: a checkpoint that holds them brings nothing that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened
from astrid_ml.types import Floats, Ints, Mask

KINDS: dict[str, str] = {
    "first": "int64", "feature": "int64", "threshold": "float64", "missing_left": "bool", "left": "int64",
    "right": "int64", "leaf": "bool", "value": "float64",
}  # fmt: skip
BLOCK = 1 << 15  # rows that go down the trees together


@dataclass(frozen=True)
class BoostedTrees:
    """An ensemble of binary trees whose leaves are added up to log-odds.

    Args:
        base: log-odds before the first tree.
        features: how many columns it takes.
        first: (T,) where each tree's nodes begin; its root is the first of them.
        feature: (N,) column that a node asks; of all trees behind each other.
        threshold: (N,) up to which a row goes left.
        missing_left: (N,) whether a row without the value goes left.
        left: (N,) the next node, counted from the root of its tree.
        right: (N,).
        leaf: (N,).
        value: (N,) log-odds that a leaf adds.
    """

    base: float
    features: int
    first: Ints
    feature: Ints
    threshold: Floats
    missing_left: Mask
    left: Ints
    right: Ints
    leaf: Mask
    value: Floats

    @classmethod
    def fitted(cls, x: Floats, y: Mask, trees: int = 100, seed: int = 0) -> BoostedTrees:
        """Fit scikit-learn's histogram gradient boosting (as LightGBM, Ke et al. 2017, NIPS 30) and take its trees.

        Args:
            x: (n, F), NaN where nothing is known.
            y: (n,), both classes.
            trees: how many.
            seed: of the fit.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        least = int(np.clip(min(y.sum(), (~y).sum()) // 10, 2, 20))  # few samples must be able to split at all
        model = HistGradientBoostingClassifier(
            max_iter=trees, min_samples_leaf=least, early_stopping=False, random_state=seed
        ).fit(x, y)
        return cls.of(model)

    @classmethod
    def of(cls, model: Any) -> BoostedTrees:
        """The trees of a fitted ``HistGradientBoostingClassifier`` of two classes without categories."""
        return cls.each_of(model)[0]

    @classmethod
    def each_of(cls, model: Any) -> list[BoostedTrees]:
        """One ensemble for each class; of two classes one, for the log-odds of the second."""
        return [cls._of_class(model, number) for number in range(len(model._predictors[0]))]

    @classmethod
    def _of_class(cls, model: Any, number: int) -> BoostedTrees:
        nodes = [stage[number].nodes for stage in model._predictors]
        every = np.concatenate(nodes)
        lengths = [len(part) for part in nodes]
        return cls(
            float(np.ravel(model._baseline_prediction)[number]),
            int(model.n_features_in_),
            np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
            every["feature_idx"].astype(np.int64),
            every["num_threshold"].astype(np.float64),
            every["missing_go_to_left"].astype(bool),
            every["left"].astype(np.int64),
            every["right"].astype(np.int64),
            every["is_leaf"].astype(bool),
            every["value"].astype(np.float64),
        )

    def log_odds(self, x: Floats) -> Floats:
        """(n, F) -> (n,): added in the order of the trees, as scikit-learn adds them."""
        parts = [self._block(x[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def probability(self, x: Floats) -> Floats:
        """(n, F) -> (n,) in [0, 1]."""
        from scipy.special import expit

        out: Floats = expit(self.log_odds(x))
        return out

    def _block(self, x: Floats) -> Floats:
        out = np.full(len(x), self.base)
        rows = np.arange(len(x))
        for root in self.first:
            at = np.full(len(x), root)
            going = rows
            while len(going := going[~self.leaf[at[going]]]):
                node = at[going]
                value = x[going, self.feature[node]]
                left = np.where(np.isnan(value), self.missing_left[node], value <= self.threshold[node])
                at[going] = root + np.where(left, self.left[node], self.right[node])
            out += self.value[at]
        return out

    def plain(self) -> dict[str, Any]:
        """As numbers and tensors, for a checkpoint."""
        import torch

        arrays = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in KINDS}
        return {"base": self.base, "features": self.features, **arrays}

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> BoostedTrees:
        """The inverse of :meth:`plain`, of what a file holds.

        Raises:
            UserError: these are no trees.
        """
        try:
            arrays = {name: np.asarray(content[name].numpy(), dtype=kind) for name, kind in KINDS.items()}
            made = cls(float(content["base"]), int(content["features"]), **arrays)
            wrong = made._wrong()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            raise UserError("baseline trees as a run wrote them", shortened(wrong, 200), "give the best.ckpt of a run")
        return made

    def _wrong(self) -> str:
        """What makes these no trees; empty where they are. Children stand behind their parent, so that all ways end."""
        nodes = [getattr(self, name) for name in KINDS if name != "first"]
        size = len(self.feature)
        if any(part.shape != (size,) for part in nodes) or self.first.ndim != 1 or not size or not len(self.first):
            return "arrays of other shapes"
        ends = np.append(self.first[1:], size)
        if self.first[0] != 0 or (ends <= self.first).any():
            return "trees without nodes"
        lengths = np.repeat(ends - self.first, ends - self.first)
        place = np.arange(size) - np.repeat(self.first, ends - self.first)
        inner = ~self.leaf
        for child in (self.left[inner], self.right[inner]):
            if ((child <= place[inner]) | (child >= lengths[inner])).any():
                return "a node whose child does not stand behind it"
        if ((self.feature[inner] < 0) | (self.feature[inner] >= self.features)).any():
            return "a node that asks for a column that is not there"
        if np.isnan(self.threshold[inner]).any() or not np.isfinite(self.value[self.leaf]).all():
            return "thresholds or values that are no numbers"
        return "" if np.isfinite(self.base) else "a base that is no number"
