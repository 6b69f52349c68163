"""How well a network foresees epochs that were hidden from it, against one that knows their mean alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.result import EvaluationResult, with_reasons
from astrid_ml.types import Floats

ALL = "all"


@dataclass(frozen=True)
class HiddenFluxJudge:
    """At each window of days ``hidden/nll/<days>d`` and ``hidden/explained/<days>d``; ``.../all`` over all windows.

    ``nll`` is the mean -log p of a hidden flux in units of its error: 0.5 is what noise alone leaves. ``explained`` is
    the share of the variance of asinh flux that is foreseen: 0 for one who knows the mean of all, and noise is in it.

    Args:
        bootstrap: intervals, by resampling groups.
        headline: the metric that the run is judged by.

    Example:
        >>> table = pd.DataFrame({"group_id": ["a", "b"], "days": 4.0, "hidden": 2.0, "nll": [1.0, 3.0]})
        >>> table = table.assign(off_square=[0.1, 0.3], flux_mean=[1.0, -1.0], flux_square=[1.5, 1.5])
        >>> found = HiddenFluxJudge(Bootstrap(replicates=20)).evaluate(table).metrics
        >>> found["hidden/nll/4d"], round(found["hidden/explained/4d"], 3)
        (2.0, 0.867)
    """

    purpose: ClassVar[str] = "masked"

    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    headline: str = f"hidden/explained/{ALL}"

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """Nothing is calibrated, and nothing decided."""
        return {"kind": "none", "parameters": {}, "calibrated": False, "rule": "no decision"}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """The predictions as they are."""
        return predictions

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Both metrics with intervals; curves of which nothing was hidden are left out."""
        asked = predictions[predictions["hidden"] > 0]
        metrics: dict[str, float | None] = {"n": float(asked["group_id"].nunique())}
        intervals: dict[str, tuple[float, float]] = {}
        parts = {f"{day:g}d": part for day, part in asked.groupby("days")} if len(asked) else {}
        for name, part in {**parts, ALL: asked}.items():
            for metric, values in self._replicates(part).items():
                key = f"hidden/{metric}/{name}"
                metrics[key] = float(values[0]) if np.isfinite(values[0]) else None
                ends = self.bootstrap.interval(values[1:])
                if ends is not None and metrics[key] is not None:
                    intervals[key] = ends
        why = {name: "nothing was hidden" for name, value in metrics.items() if value is None}
        made = "by resampling groups."
        result = EvaluationResult(metrics, why, intervals, headline=self.headline, ends_by=made)
        return with_reasons(result, "too few objects")

    def _replicates(self, part: pd.DataFrame) -> dict[str, Floats]:
        """Metric -> its value on the whole, then on each replicate, (1 + replicates,)."""
        weight = part["hidden"].to_numpy(np.float64)
        columns = [part[name].to_numpy(np.float64) for name in ("nll", "off_square", "flux_mean", "flux_square")]
        groups = pd.factorize(part["group_id"])[0].astype(np.int64)
        count = int(groups.max()) + 1 if len(groups) else 0
        sums = np.stack([np.bincount(groups, weight * c, minlength=count) for c in [np.ones(len(part)), *columns]])
        times = np.stack([np.ones(count), *self.bootstrap.times(count)]) if count else np.zeros((1, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            number, nll, off, mean, square = (times @ column for column in sums)
            spread = square / number - (mean / number) ** 2
            return {"nll": nll / number, "explained": 1 - off / number / spread}
