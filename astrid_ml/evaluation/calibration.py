"""Scores become probabilities: fitted on validation, kept in the checkpoint, judged on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import pandas as pd

from astrid_ml.contracts.scoring import member_column
from astrid_ml.errors import UserError
from astrid_ml.metrics.binary import check_scores
from astrid_ml.types import Floats, Mask

EDGE = 1e-7


class Calibration(Protocol):
    """A kind of calibration: ``fit`` gives {kind, parameters}, :func:`calibrated` applies it."""

    def fit(self, scores: Any, labels: Any) -> dict[str, Any]:
        """Fit on the validation fold."""


def logits_of(scores: Any) -> Floats:
    """The logit of scores in [0, 1]."""
    from scipy.special import logit

    out: Floats = logit(np.clip(np.asarray(scores, dtype=np.float64), EDGE, 1 - EDGE))
    return out


def log_losses(probability: Any, labels: Any) -> Floats:
    """-log p of the true class of each sample, (n,)."""
    p = np.clip(np.asarray(probability, dtype=np.float64), EDGE, 1 - EDGE)
    out: Floats = -np.where(np.asarray(labels, dtype=bool), np.log(p), np.log1p(-p))
    return out


def squared_errors(probability: Any, labels: Any) -> Floats:
    """Squared difference between probability and truth of each sample, (n,)."""
    out: Floats = (np.asarray(probability, dtype=np.float64) - np.asarray(labels, dtype=np.float64)) ** 2
    return out


def negative_log_likelihood(probability: Any, labels: Any) -> float:
    """Mean of -log p of the true class."""
    return float(np.mean(log_losses(probability, labels)))


def brier(probability: Any, labels: Any) -> float:
    """Mean squared difference between probability and truth."""
    return float(np.mean(squared_errors(probability, labels)))


@dataclass(frozen=True)
class Temperature:
    """p = sigmoid(logit / T + b) (Guo et al. 2017, arXiv:1706.04599, with an offset).

    Args:
        offset: fit b as well. A loss with class weights or balanced batches shifts all logits, which no
            temperature corrects; without it the offset is 0.
    """

    offset: bool = True

    def fit(self, scores: Any, labels: Any) -> dict[str, Any]:
        """Minimise the negative log-likelihood on validation; T stays positive."""
        from scipy.optimize import minimize

        _, y = check_scores(scores, labels, soft=True)
        x = logits_of(scores)

        def loss(parameters: Floats) -> float:
            scale, shift = np.exp(parameters[0]), parameters[1] if self.offset else 0.0
            z = x * scale + shift
            return float(np.mean(np.logaddexp(0, z) - y * z))

        found = minimize(
            loss,
            np.zeros(2 if self.offset else 1),
            method="L-BFGS-B",
            bounds=[(-7, 7), (-30, 30)][: 2 if self.offset else 1],
        )
        shift = float(found.x[1]) if self.offset else 0.0
        return {"kind": "temperature", "parameters": {"temperature": float(np.exp(-found.x[0])), "offset": shift}}


@dataclass(frozen=True)
class Beta:
    """logit p = a log s - b log(1 - s) + c with a, b >= 0 (Kull et al. 2017, EJS 11, 5052): each end by itself."""

    def fit(self, scores: Any, labels: Any) -> dict[str, Any]:
        """Minimise the negative log-likelihood on validation."""
        from scipy.optimize import minimize
        from scipy.special import expit

        _, y = check_scores(scores, labels, soft=True)
        logs = _end_logs(scores)

        def loss(parameters: Floats) -> tuple[float, Floats]:
            z = logs @ parameters[:2] + parameters[2]
            gap = (expit(z) - y) / len(y)
            return float(np.mean(np.logaddexp(0, z) - y * z)), np.array([*(gap @ logs), gap.sum()])

        found = minimize(
            loss, np.array([1.0, 1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, 1000), (0, 1000), (-1000, 1000)]
        )
        return {"kind": "beta", "parameters": dict(zip("abc", found.x.tolist(), strict=True))}


def _end_logs(scores: Any) -> Floats:
    """log s and -log(1 - s), (n, 2)."""
    s = np.clip(np.asarray(scores, dtype=np.float64), EDGE, 1 - EDGE)
    return np.stack([np.log(s), -np.log1p(-s)], axis=1)


@dataclass(frozen=True)
class Isotonic:
    """A rising step function (pool adjacent violators), for thousands of validation samples or more."""

    def fit(self, scores: Any, labels: Any) -> dict[str, Any]:
        """Knots of the step function, as plain lists."""
        from sklearn.isotonic import IsotonicRegression

        s, y = check_scores(scores, labels, soft=True)
        model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(s, y.astype(float))
        knots = {"x": model.X_thresholds_.tolist(), "y": model.y_thresholds_.tolist()}
        return {"kind": "isotonic", "parameters": knots}


@dataclass(frozen=True)
class NoCalibration:
    """Scores stay scores; ``probability`` is null."""

    def fit(self, scores: Any, labels: Any) -> dict[str, Any]:
        """Nothing to fit."""
        return {"kind": "none", "parameters": {}}


def calibrated(scores: Any, fitted: dict[str, Any] | None) -> Floats | None:
    """Apply a fitted calibration; None where there is none, the score where that was shown to be the best.

    Raises:
        UserError: a kind that this version does not know.
    """
    if not fitted or (fitted["kind"] == "none" and not fitted.get("measured")):
        return None
    if fitted["kind"] == "none":
        return np.asarray(scores, dtype=np.float64)
    if fitted["kind"] == "isotonic":
        parameters = fitted["parameters"]
        steps: Floats = np.interp(np.asarray(scores, dtype=np.float64), parameters["x"], parameters["y"])
        return steps
    from scipy.special import expit

    out: Floats = expit(_fitted_odds(scores, fitted))
    return out


def _fitted_odds(scores: Any, fitted: dict[str, Any]) -> Floats:
    """Log-odds of the kinds that are formulas."""
    parameters = fitted["parameters"]
    if fitted["kind"] == "temperature":
        tempered: Floats = logits_of(scores) / parameters["temperature"] + parameters["offset"]
        return tempered
    if fitted["kind"] == "beta":
        out: Floats = _end_logs(scores) @ np.array([parameters["a"], parameters["b"]]) + parameters["c"]
        return out
    raise UserError(
        "a calibration of the kind none, temperature, beta or isotonic", str(fitted["kind"]), "update astrid_ml"
    )


def calibrated_log_odds(scores: Any, fitted: dict[str, Any] | None) -> Floats | None:
    """The log-odds of :func:`calibrated`, exact where a probability would round to 1; None where there is none."""
    if fitted and fitted["kind"] not in ("none", "isotonic"):
        return _fitted_odds(scores, fitted)
    probability = calibrated(scores, fitted)
    return None if probability is None else logits_of(probability)


def joined_probability(predictions: pd.DataFrame, members: Sequence[dict[str, Any]]) -> Floats | None:
    """The sigmoid of :func:`joined_log_odds`.

    Args:
        predictions: with each member's score.
        members: what was fitted for each.
    """
    odds = joined_log_odds(predictions, members)
    if odds is None:
        return None
    from scipy.special import expit

    out: Floats = expit(odds)
    return out


def joined_log_odds(predictions: pd.DataFrame, members: Sequence[dict[str, Any]]) -> Floats | None:
    """The mean of the members' calibrated log-odds; None where one of them is not calibrated.

    Args:
        predictions: with each member's score, see :func:`astrid_ml.contracts.scoring.member_column`.
        members: what was fitted for each.

    Raises:
        UserError: a member's scores are not there.
    """
    names = [member_column("score", number) for number in range(len(members))]
    if absent := [name for name in names if name not in predictions]:
        got = f"no {', '.join(absent[:3])}"
        raise UserError("the scores of each member of a joined model", got, "score the samples with the checkpoint")
    odds = [calibrated_log_odds(predictions[name], fitted) for name, fitted in zip(names, members, strict=True)]
    known = [part for part in odds if part is not None]
    return None if len(known) < len(odds) else np.asarray(np.mean(known, axis=0))


def observed_over_predicted(
    probability: Floats, labels: Mask, groups: Any, level: float, prevalence: float | None = None
) -> tuple[float, tuple[float, float] | None]:
    """Real ones over the sum of probabilities, and its interval by the delta method on groups.

    Args:
        probability: (n,), that hold for ``prevalence``.
        labels: (n,).
        groups: (n,) which stand or fall together.
        level: of the interval.
        prevalence: the share for which the classes are weighted, their own mixtures as they are; None for no weights.

    Returns:
        The ratio, 1 for perfect probabilities; the interval is None with fewer than two groups.
    """
    y = labels.astype(np.float64)
    weights = np.ones(len(y))
    if prevalence is not None:
        weights = np.where(labels, prevalence / y.mean(), (1 - prevalence) / (1 - y.mean()))
    found, promised = float((weights * y).sum()), float((weights * probability).sum())
    ratio = found / promised
    if prevalence is None:
        away = y - ratio * probability
    else:  # the shares are given: only the mean probability of each class is uncertain
        means = np.where(labels, probability[labels].mean(), probability[~labels].mean())
        away = -ratio * weights * (probability - means)
    codes, names = pd.factorize(np.asarray(groups))
    if len(names) < 2 or not ratio > 0:
        return ratio, None
    error = float(np.sqrt((np.bincount(codes, weights=away) ** 2).sum())) / promised / ratio
    half = NormalDist().inv_cdf(0.5 + level / 2) * error
    return ratio, (float(ratio * np.exp(-half)), float(ratio * np.exp(half)))
