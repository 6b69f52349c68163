"""Boosted trees of many classes: an ensemble for each, whose log-odds go through a softmax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.trees import BoostedTrees
from astrid_ml.types import Floats, Ints

PARTS = ("base", "trees", "nodes")  # of each ensemble: log-odds before its trees, how many trees, how many nodes


@dataclass(frozen=True)
class ClassTrees:
    """Trees of many classes as plain arrays.

    Args:
        classes: (K,) what each class is called, ascending.
        members: an ensemble for each; of two classes one, of the second; of one class none.

    Example:
        >>> random = np.random.default_rng(0)
        >>> x, y = random.normal(size=(300, 2)), random.integers(3, size=300) * 7
        >>> x[:, 0] += y
        >>> found = ClassTrees.fitted(x, y, x[:50], y[:50], trees=20)
        >>> found.classes.tolist(), bool(np.mean(found.classes[found.log_probabilities(x).argmax(axis=1)] == y) > 0.9)
        ([0, 7, 14], True)
    """

    classes: Ints
    members: tuple[BoostedTrees, ...]

    @classmethod
    def fitted(
        cls, x: Floats, y: Ints, x_val: Floats, y_val: Ints, trees: int = 300, seed: int = 0, **settings: Any
    ) -> ClassTrees:
        """Fit scikit-learn's histogram gradient boosting, stopped early on validation, and take its trees.

        Args:
            x: (n, F), NaN where nothing is known.
            y: (n,) classes.
            x_val: (m, F) of validation; without a sample of a trained class there, all trees are grown.
            y_val: (m,).
            trees: of a class at most.
            seed: of the fit.
            settings: of ``HistGradientBoostingClassifier``.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        classes = np.unique(y)
        if len(classes) < 2:
            return cls(classes.astype(np.int64), ())
        known = np.isin(y_val, classes)
        model = HistGradientBoostingClassifier(
            max_iter=trees, early_stopping=bool(known.any()), n_iter_no_change=15, random_state=seed, **settings
        )
        varies = np.array([len(np.unique(column[np.isfinite(column)])) > 1 for column in x.T])
        held = {"X_val": np.where(varies, x_val, 0.0)[known], "y_val": y_val[known]} if known.any() else {}
        model.fit(np.where(varies, x, 0.0), y, **held)  # binning refuses a column without a value
        return cls(classes.astype(np.int64), tuple(BoostedTrees.each_of(model)))

    def log_probabilities(self, x: Floats) -> Floats:
        """(n, F) -> (n, K)."""
        from scipy.special import log_softmax  # a command that has no such trees begins without scipy

        odds = [member.log_odds(x) for member in self.members]
        odds = [np.zeros(len(x)), *odds] if len(odds) < len(self.classes) else odds
        out: Floats = log_softmax(np.stack(odds, axis=1), axis=1)
        return out

    def arrays(self) -> dict[str, Any]:
        """As tensors, for a checkpoint: the arrays of all ensembles behind each other."""
        import torch

        parts = [member.plain() for member in self.members]
        own = [[part["base"], len(part["first"]), len(part["feature"])] for part in parts]
        out = {name: torch.cat([part[name] for part in parts]) for name in parts[0] if name not in ("base", "features")}
        features = parts[0]["features"]
        # A checkpoint holds finite numbers alone; what is known goes left of the largest one too.
        out["threshold"] = out["threshold"].clamp(max=float(np.finfo(np.float64).max))
        return {
            "classes": torch.from_numpy(self.classes),
            "columns": torch.tensor(features),
            "each": torch.tensor(own, dtype=torch.float64),
            **out,
        }

    @classmethod
    def from_arrays(cls, content: Mapping[str, Any]) -> ClassTrees:
        """The inverse of :meth:`arrays`, of what a file holds.

        Raises:
            UserError: these are no trees.
        """
        wrong = UserError("trees of classes as a run wrote them", "other arrays", "give the best.ckpt of a run")
        try:
            classes = content["classes"].numpy().astype(np.int64)
            own = content["each"].numpy().astype(np.float64).reshape(-1, len(PARTS))
            sizes = own[:, 1:].astype(np.int64)
            if len(own) != (1 if len(classes) == 2 else len(classes)) or (sizes < 1).any():
                raise wrong
            names = [name for name in content if name not in ("classes", "columns", "each")]
            cut = {name: torch_split(content[name], sizes[:, 0 if name == "first" else 1]) for name in names}
            features = int(content["columns"])
        except (KeyError, AttributeError, ValueError, TypeError, RuntimeError) as error:
            raise wrong from error
        members = [
            BoostedTrees.from_plain(
                {"base": own[number, 0], "features": features, **{name: part[number] for name, part in cut.items()}}
            )
            for number in range(len(own))
        ]
        return cls(classes, tuple(members))


def torch_split(values: Any, sizes: Ints) -> Sequence[Any]:
    """A tensor in pieces of these sizes, which it must have in all.

    Raises:
        ValueError: it is longer or shorter.
    """
    if values.ndim != 1 or len(values) != int(sizes.sum()):
        raise ValueError(f"{tuple(values.shape)} for {int(sizes.sum())} values")
    out: Sequence[Any] = values.split(sizes.tolist())
    return out
