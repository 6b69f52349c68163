"""How far a classifier on mission, filter and other metadata alone gets: if far, the label is confounded with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.metrics.binary import average_precision, roc_auc
from astrid_ml.nearest import missing
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.groups import shared_out
from astrid_ml.types import Floats, Folds, Ints, Share

PARTS = 5
USUAL = ("mission", "survey", "filter", "detector", "field", "source", "mjd")  # no kind of dataset has all of them


@dataclass(frozen=True)
class Confounding:
    """Gradient boosting on metadata columns, judged out of fold: whole groups in five parts, whatever the run's split.

    Args:
        columns: of the usual ones those present are used; others must be there.
        alarm: ROC AUC from which the report warns.
    """

    columns: tuple[str, ...] | list[str] = USUAL
    alarm: Share = 0.7

    @property
    def chosen(self) -> tuple[str, ...]:
        """Columns that must be there: all, where they are not the usual ones."""
        return () if tuple(self.columns) == USUAL else tuple(self.columns)

    def measure(self, index: Columns) -> dict[str, Any]:
        """AUCPR and ROC AUC of the metadata beside the prevalence; ``why`` where it cannot be measured.

        Raises:
            UserError: a column that was chosen is not there, or is the label itself.
        """
        if absent := [name for name in self.chosen if name not in index]:
            raise missing("audit.confounding.columns among the columns of the samples", absent, sorted(index.columns))
        if "label" in self.chosen:
            fix = "leave label out of audit.confounding.columns"
            raise UserError("columns that may give the label away", "label itself", fix)
        if "label" not in index:
            return {"why": "there is no label"}
        labelled = index["label"].notna().to_numpy()
        known = index[[name for name in self.columns if name in index]][labelled]
        labels = pd.to_numeric(index["label"][labelled], errors="coerce")
        columns = [name for name in known.columns if known[name].nunique(dropna=False) > 1]
        if not columns:
            return {"why": "no metadata column varies"}
        if not labels.isin([0, 1]).all():
            return {"why": "measured for binary labels only"}
        y, groups = labels.to_numpy().astype(int), Coded.of(index["group_id"][labelled])
        if min(groups[y == value].count() for value in (0, 1)) < PARTS:
            return {"why": f"fewer than {PARTS} groups of a class", "columns": columns}
        score = self._score(known[columns], y, shared_out(groups, Coded.of_few(labels, str), [1 / PARTS] * PARTS, 0))
        auc = roc_auc(score, y)
        return {
            "columns": columns,
            "aucpr": average_precision(score, y),
            "roc_auc": auc,
            "prevalence": float(y.mean()),
            "alarm": bool(auc >= self.alarm),
        }

    @staticmethod
    def _score(table: pd.DataFrame, y: Ints, part: Folds) -> Floats:
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
        score = np.full(len(y), y.mean())
        for number in range(PARTS):
            train, test = part != number, part == number
            if test.any() and len(np.unique(y[train])) == 2:
                score[test] = model.fit(encoded[train], y[train]).predict_proba(encoded[test])[:, 1]
        return score
