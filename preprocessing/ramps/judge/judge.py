"""From the histograms of a voxel classifier to metrics of each class; fusion is fitted and judged beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap, PairedDifference
from astrid_ml.evaluation.rankings import Ranking, same_samples
from astrid_ml.evaluation.result import EvaluationResult, with_reasons
from astrid_ml.metrics.ranking import area, completeness_at
from astrid_ml.metrics.shares import exact
from astrid_ml.preprocessing.ramps.fusion.fusion import (
    FUSIONS,
    UNDECIDED,
    Fusion,
    FusionFit,
    fused_probabilities,
    likelihood_scores,
)
from astrid_ml.preprocessing.ramps.fusion.truth import unpacked
from astrid_ml.preprocessing.ramps.judge.curves import Ranked, Values, defined, interval, mean_of_defined
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.types import Array, Count, Floats, Floats32, Ints, Level, Seed

FEW = 5  # groups below which no interval is given
GAIN = "fusion_minus_fusion_without_network"


@dataclass(frozen=True)
class VoxelJudge:
    """AUCPR of each class over voxels, and recall at a fixed false-positive rate.

    Where the predictions bring evidence, the fusion of network, likelihood and rules is fitted on validation, with and
    without the network, and its AUCPR stands beside.

    Args:
        false_positive_rate: at which the recall is quoted.
        replicates: bootstrap draws of whole groups (exposures or detectors) for the intervals.
        seed: of those draws.
        fusion: how the fusion is fitted.
        level: of the intervals.
    """

    purpose: ClassVar[str] = "voxels"

    false_positive_rate: Level = 1e-5
    replicates: Count = 200
    seed: Seed = 0
    fusion: FusionFit = field(default_factory=FusionFit)
    level: Level = 0.95

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """Tile scores are left uncalibrated, a tile is called anomalous at 0.5; the fusion's weights."""
        fitted: dict[str, Any] = {"calibrated": False, "threshold": 0.5, "rule": "fixed at 0.5"}
        if "evidence" not in validation:
            return fitted
        table, area = unpacked(validation), float(validation["quiet_area"].sum())
        try:
            both = {name: self.fusion(table, area, use).to_plain() for name, use in FUSIONS.items()}
        except UserError as error:  # too small a run: it can still train and be judged
            return fitted | {"fusion": f"not fitted: {error.got}"}
        cadence = {name: sorted(set(validation[name].astype(float))) for name in ("n_groups", "group_time")}
        return fitted | {"parameters": {"fusions": both, "cadence": cadence}}

    def fit_members(self, members: Sequence[dict[str, Any]], unseen: pd.DataFrame) -> dict[str, Any]:
        """One fusion for all members, fitted on the evidence of each where it is not the evidence of its training.

        See :class:`astrid_ml.contracts.scoring.JudgesMembers`.
        """
        return {**self.fit(unseen), "members": list(members)}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """Decisions of tiles, on the score."""
        threshold = float(fitted.get("threshold", 0.5))
        decision = (predictions["score"] >= threshold).astype(np.int8)
        out = predictions.assign(probability=np.nan, threshold=threshold, threshold_on="score", decision=decision)
        fusions = fitted.get("parameters", {}).get("fusions", {})
        if "evidence" in out and fusions:
            table = unpacked(out)
            for name, plain in fusions.items():
                fused = fused_probabilities(Fusion.from_plain(plain), table, self.fusion.faintest)
                out[name] = pd.Series(_by_tile(fused, table.tile.to_numpy(np.int64), len(out)), index=out.index)
        return out

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Metrics ``<class>/aucpr``, ``<class>/recall`` and ``aucpr_mean`` (over the classes that occur)."""
        groups = predictions["group_id"].astype(str).to_numpy()
        names = np.unique(groups)
        pooled = {name: _pooled(predictions, name, groups, names) for name in ANOMALIES}
        metrics: dict[str, float | None] = {}
        why: dict[str, str] = {}
        for name in ANOMALIES:
            true, false = (np.cumsum(part.sum(0)) for part in pooled[name])
            metrics[f"{name}/aucpr"] = defined(area(true, false))
            metrics[f"{name}/recall"] = defined(self._recall(true, false)) if false[-1] else None
            if metrics[f"{name}/aucpr"] is None:
                why |= {f"{name}/{key}": f"no voxel of {name}" for key in ("aucpr", "recall")}
        each = [metrics[f"{name}/aucpr"] for name in ANOMALIES]
        metrics["aucpr_mean"] = defined(mean_of_defined([np.nan if value is None else value for value in each]))
        if metrics["aucpr_mean"] is None:
            why["aucpr_mean"] = "no anomalous voxel"
        intervals = self._intervals(pooled, len(names))
        if set(FUSIONS) <= set(predictions.columns):
            more, bounds = self._fused(predictions, np.searchsorted(names, groups), len(names))
            metrics, intervals = metrics | more, intervals | bounds
            why |= {key: "no step of this class" for key, value in more.items() if value is None}
        metrics |= {"n": float(len(predictions)), "groups": float(len(names))}
        holding = {name: int((pooled[name][0].sum(1) > 0).sum()) for name in ANOMALIES}
        for key in [key for key in intervals if 0 < holding.get(key.split("/")[-2] if "/" in key else "", FEW) < FEW]:
            del intervals[key]
        intervals = {
            key: _of_alike(ends, holding.get(key.split("/")[0], 0), self.level) for key, ends in intervals.items()
        }
        said = verdict(metrics, intervals)
        few = without_intervals(len(names), holding)
        result = EvaluationResult(
            metrics, why, intervals, remarks=few, headline="aucpr_mean", verdict=said, ends_by="by resampling groups."
        )
        return with_reasons(result, f"fewer than {FEW} groups, of all or with a voxel of the class")

    def ranking(self, predictions: pd.DataFrame, share: float | None = None) -> Ranking:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        mean, n = self._mean_area(predictions, np.unique(predictions["group_id"].astype(str)))
        low, high = self._interval(mean, n) or (None, None)
        value = defined(float(mean(np.ones((1, n)))[0])) if n else None
        return Ranking("mean AUCPR of voxels over classes", value, low, high, len(predictions))

    def ranking_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> PairedDifference | None:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        one, two = same_samples(first, second, ["id"])
        names = np.unique(one["group_id"].astype(str))
        (ours, n), (theirs, _) = (self._mean_area(table, names) for table in (one, two))
        whole = np.ones((1, n))
        value = defined(float((ours(whole) - theirs(whole))[0])) if n else None
        ends = self._interval(lambda weights: ours(weights) - theirs(weights), n)
        return None if value is None or ends is None else PairedDifference(value, *ends)

    def notable(self, predictions: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
        """The tiles with the most anomalous voxels that are missed, and with the most false alarms, at even odds."""
        counts = {suffix: predictions[[f"{name}_{suffix}" for name in ANOMALIES]] for suffix in ("true", "false")}
        totals = {
            (suffix, above): np.sum([[half_of(v, above) for v in table[name]] for name in table], axis=0)
            for suffix, table in counts.items()
            for above in (False, True)
        }
        missed, there = totals["true", False], totals["true", False] + totals["true", True]
        false = totals["false", True]
        captions = [
            f"{name}; {int(m)} of {int(n)} anomalous voxels missed, {int(f)} false"
            for name, m, n, f in zip(predictions["id"], missed, there, false, strict=True)
        ]
        table = predictions.assign(caption=captions)
        return {
            "Tiles with the most missed voxels": table[missed > 0].iloc[np.argsort(-missed[missed > 0])[:most]],
            "Tiles with the most false alarms": table[false > 0].iloc[np.argsort(-false[false > 0])[:most]],
        }

    def _fused(
        self, predictions: pd.DataFrame, group: Ints, n: int
    ) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
        """AUCPR of each class for lists of steps: ``<method>/<class>/aucpr``, with intervals."""
        table = unpacked(predictions)
        metrics: dict[str, float | None] = {}
        bounds: dict[str, tuple[float, float]] = {}
        decided = (table.label != UNDECIDED).to_numpy()
        tile_group = group[table.tile.to_numpy(np.int64)]
        scores = {name: np.concatenate([np.reshape(v, (-1, 4)) for v in predictions[name]]) for name in FUSIONS}
        scores = {name: np.where(values > 0, values, -np.inf) for name, values in scores.items()}
        scores["likelihood"] = likelihood_scores(table, self.fusion.faintest)
        ranked: dict[str, list[Ranked]] = {method: [] for method in scores}
        for code, name in enumerate(ANOMALIES, start=1):
            there = np.array([np.sum(counts) for counts in predictions[f"{name}_true"]], float)
            totals = np.bincount(group, weights=there, minlength=n).astype(np.float64)
            right = (table.label == code).to_numpy()
            for method, values in scores.items():
                found = Ranked.of(values[decided, code], right[decided], tile_group[decided], totals)
                ranked[method].append(found)
                key = f"{method}/{name}/aucpr"
                metrics[key] = found.area()
                bound = self._interval(found.areas, n)
                bounds |= {key: bound} if bound else {}
        means = self._means(ranked, n)
        return metrics | means[0], bounds | means[1]

    def _means(
        self, ranked: dict[str, list[Ranked]], n: int
    ) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
        """``<method>/aucpr_mean`` over the classes that occur, and what the network adds to the fusion, paired."""

        def mean(method: str, weights: Floats) -> Floats:
            return mean_of_defined([part.areas(weights) for part in ranked[method]])

        def gain(weights: Floats) -> Floats:
            with_network, without = (mean(method, weights) for method in FUSIONS)
            return with_network - without

        whole = np.ones((1, n))
        values: dict[str, Values] = {f"{method}/aucpr_mean": partial(mean, method) for method in ranked}
        values[GAIN] = gain
        bounds = {key: self._interval(value, n) for key, value in values.items()}
        metrics = {key: defined(float(np.asarray(value(whole)).ravel()[0])) for key, value in values.items()}
        return metrics, {key: bound for key, bound in bounds.items() if bound is not None}

    def _mean_area(self, predictions: pd.DataFrame, names: Array) -> tuple[Values, int]:
        """The mean over classes of the AUCPR of voxels, from weights of groups, and the number of groups."""
        groups = predictions["group_id"].astype(str).to_numpy()
        pooled = [_pooled(predictions, name, groups, names) for name in ANOMALIES]

        def mean(weights: Floats) -> Floats:
            return mean_of_defined(
                [area(*(np.cumsum(weights @ counts, axis=-1) for counts in pair)) for pair in pooled]
            )

        return mean, len(names)

    def _intervals(self, pooled: dict[str, tuple[Floats, Floats]], n: int) -> dict[str, tuple[float, float]]:
        """Intervals of ``<class>/aucpr``, ``<class>/recall`` and ``aucpr_mean`` from draws of whole groups."""

        def found(name: str, weights: Floats) -> Iterator[Floats]:
            return (np.cumsum(weights @ counts, axis=-1) for counts in pooled[name])

        def value(name: str, weights: Floats) -> Floats:
            return area(*found(name, weights))

        def recall(name: str, weights: Floats) -> Floats:
            return self._recall(*found(name, weights))

        values: dict[str, Values] = {f"{name}/aucpr": partial(value, name) for name in pooled}
        values |= {f"{name}/recall": partial(recall, name) for name in pooled}
        values["aucpr_mean"] = lambda weights: mean_of_defined([value(name, weights) for name in pooled])
        bounds = {key: self._interval(number, n) for key, number in values.items()}
        return {key: bound for key, bound in bounds.items() if bound is not None}

    def _recall(self, true: Floats, false: Floats) -> Floats:
        """Completeness at the false positive rate that is allowed, from cumulative counts, (..., k)."""
        return completeness_at(true, false, self.false_positive_rate * false[..., -1])

    def _interval(self, value: Values, n: int) -> tuple[float, float] | None:
        """None of few groups: draws of two say nothing of a third."""
        return interval(value, n, Bootstrap(self.replicates, self.seed, self.level)) if n >= FEW else None


def _of_alike(ends: tuple[float, float], groups: int, level: float) -> tuple[float, float]:
    """An interval; where none, or all, was found in every group, no draw differs: what one more would do is exact.

    Example:
        >>> _of_alike((0.1, 0.2), 8, 0.95), [round(end, 3) for end in _of_alike((0.0, 0.0), 8, 0.95)]
        ((0.1, 0.2), [0.0, 0.369])
    """
    low, high = ends
    return exact(low * groups, groups, (1 - level) / 2) if groups and low == high and low in (0.0, 1.0) else ends


def without_intervals(groups: int, holding: Mapping[str, int]) -> list[str]:
    """Which numbers have no interval, and why.

    Args:
        groups: exposures or detectors.
        holding: class -> groups with a voxel of it.

    Example:
        >>> without_intervals(2, {})
        ['No number has an interval: 2 groups do not tell how others would differ, 5 or more do.']
        >>> without_intervals(9, {"snowball": 1, "cosmic_ray": 9, "telegraph_noise": 0})
        ['snowball has no interval: it is in 1 of 9 groups, and less than 5 do not tell how others would differ.']
    """
    if groups < FEW:
        told = "1 group does" if groups == 1 else f"{groups} groups do"
        return [f"No number has an interval: {told} not tell how others would differ, {FEW} or more do."]
    return [
        f"{name} has no interval: it is in {number} of {groups} groups, and less than {FEW} do not tell how others "
        "would differ."
        for name, number in holding.items()
        if 0 < number < FEW
    ]


def verdict(metrics: dict[str, float | None], intervals: dict[str, tuple[float, float]]) -> str:
    """What stands first where the network is not shown to add to likelihood and rules; empty where it does.

    Voxels and steps are counted apart, so that the network's own AUCPR cannot be set against the likelihood's: what is
    compared is the fusion with it and without it, on the same steps.
    """
    gain, both, without = (metrics.get(key) for key in (GAIN, *(f"{name}/aucpr_mean" for name in FUSIONS)))
    if gain is None or both is None or without is None:
        return ""
    ends = intervals.get(GAIN)
    if ends is not None and ends[0] > 0:
        return ""
    found = "makes the fusion worse" if ends is not None and ends[1] < 0 else "is not shown to add to the fusion"
    chance = f"95 % interval {ends[0]:+.4f} to {ends[1]:+.4f}" if ends else "too few groups for an interval"
    return (
        f"The network {found} of likelihood and rules: mean AUCPR of steps {both:.4f} with it, {without:.4f} without "
        f"({gain:+.4f}, {chance})."
    )


def half_of(histogram: Array, above: bool) -> float:
    """Voxels of a histogram over logits from -L to L that lie above, or below, zero."""
    values = np.asarray(histogram, dtype=np.float64)
    middle = len(values) // 2
    return float(values[middle:].sum() if above else values[:middle].sum())


def _by_tile(values: Floats, tile: Ints, n: int) -> list[Floats32]:
    """Rows of candidates as one flat list a tile."""
    ends = np.cumsum(np.bincount(tile, minlength=n))[:-1]
    return [part.ravel().astype(np.float32) for part in np.split(values, ends)]


def _pooled(table: pd.DataFrame, name: str, groups: Array, names: Array) -> tuple[Floats, Floats]:
    """Histograms of each group: true and false voxels, (n_groups, bins), highest logit first."""
    out = []
    place = np.searchsorted(names, groups)
    for suffix in ("true", "false"):
        rows = np.stack(table[f"{name}_{suffix}"].to_list()).astype(np.float64)[:, ::-1]
        total = np.zeros((len(names), rows.shape[1]))
        np.add.at(total, place, rows)
        out.append(total)
    return out[0], out[1]
