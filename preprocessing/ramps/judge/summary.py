"""Methods compared on many exposures: areas, completeness and false positives, alone and in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.metrics.ranking import completeness
from astrid_ml.preprocessing.ramps.fusion.fusion import UNDECIDED, level_exceeded_by
from astrid_ml.preprocessing.ramps.judge.curves import Ranked, Values, defined, interval, mean_of_defined
from astrid_ml.preprocessing.ramps.judge.methods import SINGLES, UNTRAINED, Claims, ExposureScores
from astrid_ml.preprocessing.ramps.judge.truth import BINS
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES

BIN_NAMES = tuple(f"{low:g}-{high:g}" if np.isfinite(high) else f">{low:g}" for low, high in BINS)
FUSION, PLAIN = "fusion", "fusion_without_network"


class Comparison:
    """All exposures together. Numbers stand as [value, low, high] with the interval over draws of exposures.

    Args:
        exposures: their scores.
        own: the threshold of each method in ordinary use.
        bootstrap: draws of exposures, and the level of the intervals.
    """

    def __init__(self, exposures: Sequence[ExposureScores], own: dict[str, float], bootstrap: Bootstrap) -> None:
        self.n, self.own, self.bootstrap = len(exposures), own, bootstrap
        self.methods = list(exposures[0].claims)
        self.claims = {name: _joined([e.claims[name] for e in exposures]) for name in self.methods}
        self.rays = pd.concat([e.rays.assign(exposure=i) for i, e in enumerate(exposures)], ignore_index=True)
        self.totals = {name: np.array([e.totals[name] for e in exposures], float) for name in ANOMALIES}
        self.area = np.array([e.area for e in exposures])
        self.matched = self._matched()

    def summary(self) -> dict[str, Any]:
        """Everything, as plain containers."""
        out: dict[str, Any] = {
            "exposures": self.n,
            "mpix_frames_without_events": float(self.area.sum()),
            "steps": {name: int(total.sum()) for name, total in self.totals.items()},
            "cosmic_rays_by_bin": self._counts(),
            "aucpr": {m: self._areas(m) for m in self.methods},
            "false_positives_per_mpix_frame": {
                kind: {m: self._number(self._false(m, level[m])) for m in self.methods}
                for kind, level in (("in_use", self.own), ("matched", self.matched))
            },
            "completeness_at_matched_false_positives": {m: self._complete(m, self.matched) for m in self.methods},
            "completeness_in_use": {m: self._complete(m, self.own) for m in self.methods},
        }
        if FUSION in self.methods:
            out["fusion_less_best_single"] = self._paired(FUSION, SINGLES)
            out["fusion_less_fusion_without_network"] = self._paired(FUSION, (PLAIN,))
        if UNTRAINED in self.methods:
            singles = tuple(name for name in SINGLES if name in self.methods)
            out[f"{UNTRAINED}_less_best_single"] = self._paired(UNTRAINED, singles)
        return out

    # ---- one method -----------------------------------------------------------------------------------------

    def ranked(self, method: str, name: str) -> Ranked:
        """The claims of one class."""
        claim, code = self.claims[method], 1 + ANOMALIES.index(name)
        decided = claim.label != UNDECIDED
        right = claim.label == code
        return Ranked.of(claim.scores[decided, code], right[decided], claim.exposure[decided], self.totals[name])

    def _areas(self, method: str) -> dict[str, Any]:
        ranked = {name: self.ranked(method, name) for name in ANOMALIES}
        values: dict[str, Values] = {name: part.areas for name, part in ranked.items()}
        return {key: self._number(value) for key, value in {**values, "mean": _mean(list(values.values()))}.items()}

    def _matched(self) -> dict[str, float]:
        """Thresholds at which each method has as many false positives as the likelihood in use."""
        counts = self.claims["likelihood"]
        target = int((counts.scores[counts.quiet, 0] > self.own["likelihood"]).sum())
        out = {"likelihood": self.own["likelihood"]}
        for method in self.methods:
            if method != "likelihood":
                claim = self.claims[method]
                out[method] = level_exceeded_by(claim.scores[claim.quiet, 0], target)
        return out

    def _false(self, method: str, level: float) -> Values:
        claim = self.claims[method]
        false = claim.quiet & (claim.scores[:, 0] > level)
        count = np.bincount(claim.exposure[false], minlength=self.n)
        return lambda weights: (weights @ count) / np.maximum(weights @ self.area, 1e-12)

    def _found(self, method: str, levels: dict[str, float], low: float, high: float) -> Values:
        """Share of the rays of a bin that are found."""
        inside = ((self.rays["size"] >= low) & (self.rays["size"] < high)).to_numpy()
        exposure = self.rays.exposure.to_numpy(np.int64)
        hit = inside & (self.rays[method].to_numpy() > levels[method])
        found, total = (np.bincount(exposure[m], minlength=self.n) for m in (hit, inside))
        return lambda weights: completeness(weights @ found, weights @ total)

    def _complete(self, method: str, levels: dict[str, float]) -> dict[str, Any]:
        return {name: self._number(value) for name, value in self._bins(method, levels).items()}

    def _bins(self, method: str, levels: dict[str, float]) -> dict[str, Values]:
        bins = {name: self._found(method, levels, *limits) for name, limits in zip(BIN_NAMES, BINS, strict=True)}
        return {**bins, "mean": _mean(list(bins.values()))}

    def _counts(self) -> dict[str, int]:
        size = self.rays["size"]
        return {name: int(((size >= a) & (size < b)).sum()) for name, (a, b) in zip(BIN_NAMES, BINS, strict=True)}

    # ---- two methods ----------------------------------------------------------------------------------------

    def _paired(self, ours: str, rivals: Sequence[str]) -> dict[str, Any]:
        """A fusion less the best rival, drawn together: AUCPR of each class, completeness at equal false positives."""
        areas: dict[str, dict[str, Values]] = {
            m: {name: self.ranked(m, name).areas for name in ANOMALIES} for m in (ours, *rivals)
        }
        bins = {m: self._bins(m, self.matched) for m in (ours, *rivals)}
        return {
            "aucpr": {key: self._less(areas, ours, rivals, key) for key in ANOMALIES},
            "aucpr_mean": self._less(
                {m: {"mean": _mean(list(v.values()))} for m, v in areas.items()}, ours, rivals, "mean"
            ),
            "completeness": {key: self._less(bins, ours, rivals, key) for key in (*BIN_NAMES, "mean")},
        }

    def _less(self, values: dict[str, dict[str, Values]], ours: str, rivals: Sequence[str], key: str) -> dict[str, Any]:
        alone = {m: self._alone(values[m][key]) for m in rivals}
        there = {m: value for m, value in alone.items() if value is not None}
        if not there:
            return {"rival": None, "difference": None}
        best = max(there, key=lambda m: there[m])
        one, two = values[ours][key], values[best][key]
        return {"rival": best, "difference": self._number(lambda weights: one(weights) - two(weights))}

    def _alone(self, value: Values) -> float | None:
        """The number with each exposure counted once."""
        return defined(value(np.ones((1, self.n)))[0])

    def _number(self, value: Values) -> list[float | None]:
        bound = interval(value, self.n, self.bootstrap) or (None, None)
        return [self._alone(value), *bound]


def _joined(parts: Sequence[Claims]) -> Claims:
    return Claims(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("scores", "label", "quiet", "exposure")))


def _mean(values: Sequence[Values]) -> Values:
    """The mean of several numbers, of those that are defined."""
    return lambda weights: mean_of_defined([value(weights) for value in values])
