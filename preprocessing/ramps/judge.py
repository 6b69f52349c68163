"""From the histograms of a voxel classifier to metrics of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from preprocessing.ramps.codes import ANOMALIES

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VoxelJudge:
    """AUCPR of each class over voxels, and recall at a fixed false-positive rate.

    Args:
        false_positive_rate: at which the recall is quoted.
        replicates: bootstrap draws of whole groups (exposures or detectors) for the 95 % intervals.
        seed: of those draws.
    """

    false_positive_rate: float = 1e-5
    replicates: int = 200
    seed: int = 0

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """Voxel scores are left uncalibrated; a tile is called anomalous at a score of 0.5."""
        return {"calibrated": False, "threshold": 0.5, "rule": "fixed at 0.5"}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """Decisions of tiles, on the score."""
        threshold = float(fitted.get("threshold", 0.5))
        decision = (predictions["score"] >= threshold).astype(np.int8)
        return predictions.assign(probability=np.nan, threshold=threshold, threshold_on="score", decision=decision)

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Metrics ``<class>/aucpr``, ``<class>/recall`` and ``aucpr_mean`` (over the classes that occur)."""
        groups = predictions["group_id"].astype(str).to_numpy()
        names = np.unique(groups)
        pooled = {name: _pooled(predictions, name, groups, names) for name in ANOMALIES}
        metrics: dict[str, float | None] = {}
        why: dict[str, str] = {}
        for name in ANOMALIES:
            true, false = (part.sum(0) for part in pooled[name])
            metrics[f"{name}/aucpr"] = average_precision(true, false)
            metrics[f"{name}/recall"] = recall_at(true, false, self.false_positive_rate)
            if metrics[f"{name}/aucpr"] is None:
                why |= {f"{name}/{key}": f"no voxel of {name}" for key in ("aucpr", "recall")}
        metrics["aucpr_mean"] = _mean([metrics[f"{name}/aucpr"] for name in ANOMALIES])
        if metrics["aucpr_mean"] is None:
            why["aucpr_mean"] = "no anomalous voxel"
        intervals = self._intervals(pooled, len(names))
        few = [] if len(names) >= 5 else [f"Intervals rest on {len(names)} groups only."]
        return EvaluationResult(metrics, why, intervals, remarks=few, headline="aucpr_mean")

    def _intervals(self, pooled: dict[str, tuple[Counts, Counts]], n: int) -> dict[str, tuple[float, float]]:
        """95 % intervals from draws of whole groups."""
        random = np.random.default_rng(self.seed)
        drawn: dict[str, list[float]] = {key: [] for key in (*(f"{name}/aucpr" for name in ANOMALIES), "aucpr_mean")}
        for _ in range(self.replicates):
            weight = np.bincount(random.integers(0, n, n), minlength=n)
            values = {name: average_precision(weight @ t, weight @ f) for name, (t, f) in pooled.items()}
            whole = {f"{name}/aucpr": value for name, value in values.items()}
            for key, value in (whole | {"aucpr_mean": _mean(list(values.values()))}).items():
                if value is not None:
                    drawn[key].append(value)
        return {
            key: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
            for key, values in drawn.items()
            if values
        }


def _pooled(table: pd.DataFrame, name: str, groups: npt.NDArray[Any], names: npt.NDArray[Any]) -> tuple[Counts, Counts]:
    """Histograms of each group: true and false voxels, (n_groups, bins), highest logit first."""
    out = []
    place = np.searchsorted(names, groups)
    for suffix in ("true", "false"):
        rows = np.stack(table[f"{name}_{suffix}"].to_list()).astype(np.float64)[:, ::-1]
        total = np.zeros((len(names), rows.shape[1]))
        np.add.at(total, place, rows)
        out.append(total)
    return out[0], out[1]


def average_precision(true: Counts, false: Counts) -> float | None:
    """Average precision of binned scores, highest first; a bin's voxels are taken as tied. None without positives."""
    if not true.sum() or not false.sum():
        return None
    found, wrong = np.cumsum(true), np.cumsum(false)
    precision = np.divide(found, found + wrong, out=np.zeros_like(found), where=found + wrong > 0)
    return float((precision * true).sum() / found[-1])


def recall_at(true: Counts, false: Counts, rate: float) -> float | None:
    """Largest recall at which at most ``rate`` of the false voxels pass. None without positives."""
    if not true.sum() or not false.sum():
        return None
    allowed = np.cumsum(false) <= rate * false.sum()
    return float((np.cumsum(true)[allowed] / true.sum()).max(initial=0.0))


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
