"""How far a classifier on mission, filter and other metadata alone gets: if far, the label is confounded with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.metrics.binary import average_precision, roc_auc


@dataclass(frozen=True)
class Confounding:
    """Gradient boosting on metadata columns, fitted on training, judged on test.

    Args:
        columns: candidates; those present are used.
        alarm: ROC AUC from which the report warns.
    """

    columns: tuple[str, ...] | list[str] = ("mission", "survey", "filter", "detector", "field", "source", "mjd")
    alarm: float = 0.7

    def measure(self, index: pd.DataFrame, folds: pd.DataFrame) -> dict[str, Any]:
        """AUCPR and ROC AUC of the metadata beside the prevalence; ``why`` where it cannot be measured."""
        known = index[index["label"].notna()].merge(folds, on="id")
        labels = pd.to_numeric(known["label"], errors="coerce")
        columns = [name for name in self.columns if name in known and known[name].nunique(dropna=False) > 1]
        if not columns:
            return {"why": "no metadata column varies"}
        if not labels.isin([0, 1]).all():
            return {"why": "measured for binary labels only"}
        train, test = (known["fold"] == "train").to_numpy(), (known["fold"] == "test").to_numpy()
        if labels[train].nunique() < 2 or labels[test].nunique() < 2:
            return {"why": "a class is absent in training or test", "columns": columns}
        score = self._score(known[columns], labels, train, test)
        y = labels[test].to_numpy().astype(int)
        auc = roc_auc(score, y)
        return {
            "columns": columns,
            "aucpr": average_precision(score, y),
            "roc_auc": auc,
            "prevalence": float(y.mean()),
            "alarm": bool(auc >= self.alarm),
        }

    @staticmethod
    def _score(table: pd.DataFrame, labels: pd.Series, train: Any, test: Any) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        encoded = pd.DataFrame(
            {
                name: table[name].astype(float)
                if pd.api.types.is_float_dtype(table[name])
                else pd.factorize(table[name].astype(str), sort=True)[0].astype(float)
                for name in table
            }
        ).to_numpy(dtype=float)
        model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=8, random_state=0, min_samples_leaf=5)
        model.fit(encoded[train], labels[train].astype(int))
        return np.asarray(model.predict_proba(encoded[test]))[:, 1]
