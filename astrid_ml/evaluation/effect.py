"""How well held-out probabilities are calibrated, and what calibration changed; where it harmed, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.evaluation import calibration as cal
from astrid_ml.evaluation.bootstrap import FEWEST_GROUPS, Bootstrap
from astrid_ml.evaluation.prevalence import too_rare
from astrid_ml.evaluation.prior import assumed_of, at_own_share
from astrid_ml.evaluation.result import EvaluationResult, has
from astrid_ml.metrics import reliability as rel
from astrid_ml.metrics.means import loss_interval
from astrid_ml.types import Floats, Mask

LOSSES = {"nll": cal.log_losses, "brier": cal.squared_errors}

RARE = 0.1  # share of a class below which bins of equal size hold too few of it
SAME = 1e-6  # losses that differ by less do so by rounding
WORDS = {"nll": "negative log-likelihood", "brier": "Brier score"}


@dataclass(frozen=True)
class Effect:
    """A loss after calibration less the loss before, on the same samples.

    Args:
        loss: ``nll`` or ``brier``.
        before: mean loss of the raw score.
        after: mean loss of the calibrated probability.
        interval: of their difference, by resampling groups; None where there are too few.
    """

    loss: str
    before: float
    after: float
    interval: tuple[float, float] | None

    @property
    def change(self) -> float:
        """Below 0: calibration helps."""
        return self.after - self.before

    @property
    def alarm(self) -> str:
        """What a reader must know first; empty where calibration does not harm."""
        if not self.change > SAME:
            return ""
        said = (
            f"Calibration makes the held-out probabilities worse: {WORDS[self.loss]} {self.before:.4f} of the raw "
            f"score, {self.after:.4f} calibrated"
        )
        if self.interval is None:
            return f"{said} (too few groups for an interval of the difference)."
        low, high = self.interval
        chance = "; it may be chance" if low <= 0 else ""
        return f"{said} (difference {self.change:.4f}, 95 % interval {low:.4f} to {high:.4f}{chance})."


def effect_of(loss: str, before: Floats, after: Floats, groups: object, bootstrap: Bootstrap) -> Effect:
    """Compare the losses of each sample.

    Args:
        loss: ``nll`` or ``brier``.
        before: (n,) of the raw score.
        after: (n,) of the calibrated probability.
        groups: (n,).
        bootstrap: of the interval.

    Example:
        >>> import numpy as np
        >>> found = effect_of("nll", np.array([0.1, 0.3]), np.array([0.2, 0.2]), ["a", "b"], Bootstrap(50))
        >>> round(found.before, 3), round(found.change, 3), found.alarm
        (0.2, 0.0, '')
    """
    several = len(pd.unique(np.asarray(groups))) > 1
    interval = bootstrap.interval(bootstrap.means(after - before, groups)) if several else None
    return Effect(loss, float(before.mean()), float(after.mean()), interval)


def calibration_metrics(result: EvaluationResult, known: pd.DataFrame, bootstrap: Bootstrap) -> None:
    """Calibration of the raw score (before) and of the probability (after), of samples that have one.

    Args:
        result: gets metrics, intervals, tables, alarms and remarks.
        known: labelled predictions.
        bootstrap: of the intervals of differences.
    """
    if has(known, "probability"):
        given = known["probability"].notna()
        if not given.all():
            result.remarks.append(
                f"Calibration is judged on {int(given.sum()):,} of {len(known):,} samples: the others lie outside the "
                "domain of validity, and have no probability."
            )
        known = known[given].reset_index(drop=True)
    truth: Mask = known["label"].to_numpy(dtype=np.float64) > 0
    if not len(truth):
        return
    pairs = [("", "probability")] if has(known, "probability") else []
    if pairs:
        _expected(result, known, truth, bootstrap.level)
    known = at_own_share(known)
    for suffix, column in [*pairs, ("_uncalibrated", "score")]:
        p = known[column].to_numpy(dtype=float)
        result.metrics[f"ece{suffix}"] = rel.expected_calibration_error(p, truth)
        result.metrics[f"ece_excess{suffix}"] = rel.excess_calibration_error(p, truth, known["group_id"])
        for name, (low, high) in rel.calibration_error_intervals(p, truth, known["group_id"], bootstrap.level).items():
            result.intervals[name + suffix] = rel.moved_ends(name, result.metrics[name + suffix] or 0.0, low, high)
        for name, (value, interval) in rel.rare_calibration_error(p, truth, known["group_id"], bootstrap.level).items():
            result.metrics[name + suffix] = value
            if interval is not None:
                result.intervals[name + suffix] = interval
        if not suffix:
            result.remarks.extend(_wrong_of_rarer(result, known["group_id"], p, truth))
        for name, losses in LOSSES.items():
            values = losses(p, truth)
            result.metrics[name + suffix] = float(values.mean())
            ends = loss_interval(values, known["group_id"], bootstrap.level)
            if ends is not None:
                result.intervals[name + suffix] = ends
        result.tables[f"reliability{suffix}"] = rel.reliability(p, truth)
        if not suffix and min(truth.mean(), 1 - truth.mean()) < RARE:
            result.tables["reliability_rare"] = rel.reliability(p, truth, rare=True)
    if pairs:
        _changed(result, known, truth, bootstrap)


def _wrong_of_rarer(result: EvaluationResult, groups: pd.Series, p: Floats, truth: Mask) -> list[str]:
    """How far the promises for the rarer class are from what is there, where that is shown not to be chance."""
    rarer, words = (truth, "real") if truth.mean() <= 0.5 else (~truth, "bogus")
    size, shown = result.intervals.get("ece_rare"), result.intervals.get("ece_rare_excess")
    if size is None or shown is None or shown[0] <= 0 or groups[rarer].nunique() < FEWEST_GROUPS:
        return []
    value, excess = (float(result.metrics[name] or 0.0) for name in ("ece_rare", "ece_rare_excess"))
    too_many, too_few = rel.promised_wrongly(p, truth)
    return [
        f"Probabilities of the {words} ones, the rarer class, are wrong. For each ten {words} ones "
        f"{10 * too_many:.1f} too many are promised in some bins and {10 * too_few:.1f} too few in others, together "
        f"{10 * value:.1f} (95 % interval {10 * size[0]:.1f} to {10 * size[1]:.1f}). Right probabilities would show "
        f"{10 * (value - excess):.1f} by chance."
    ]


def _expected(result: EvaluationResult, known: pd.DataFrame, truth: Mask, level: float) -> None:
    """Whether there are as many real ones as the probabilities promise, at the prevalence that they hold for."""
    name, assumed = "observed_over_predicted", assumed_of(known)
    why = "a class is absent" if truth.all() or not truth.any() else ""
    why = why or ("" if assumed is None else too_rare(assumed, int((~truth).sum())))
    result.metrics[name] = None
    if why:
        result.why[name] = why
        return
    p = known["probability"].to_numpy(dtype=float)
    value, ends = cal.observed_over_predicted(p, truth, known["group_id"], level, assumed)
    result.metrics[name] = value
    if ends is None:
        return
    result.intervals[name] = ends
    if not ends[0] <= 1 <= ends[1]:
        result.remarks.append(
            f"There are {value:.2f} times as many real ones as the probabilities promise "
            f"(95 % interval {ends[0]:.2f} to {ends[1]:.2f})."
        )


def _changed(result: EvaluationResult, known: pd.DataFrame, truth: Mask, bootstrap: Bootstrap) -> None:
    """What calibration changed; where it harmed, that stands before all else."""
    for name, losses in LOSSES.items():
        before, after = (losses(known[column].to_numpy(dtype=float), truth) for column in ("score", "probability"))
        found = effect_of(name, before, after, known["group_id"], bootstrap)
        result.metrics[f"{name}_change"] = found.change
        if found.interval is not None:
            result.intervals[f"{name}_change"] = found.interval
        if found.alarm:
            result.alarms.append(found.alarm)
