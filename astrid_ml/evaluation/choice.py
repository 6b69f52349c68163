"""Which calibration may be used at all: the one that a cross-validation shows to be better than the raw score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from astrid_ml.evaluation.calibration import (
    Beta,
    Calibration,
    Isotonic,
    NoCalibration,
    Temperature,
    calibrated,
    log_losses,
)
from astrid_ml.metrics.binary import check_scores
from astrid_ml.types import Count, Floats, Ints, Mask


@runtime_checkable
class ChoosesByGroup(Protocol):
    """A calibration that looks at which samples belong together."""

    def fit_groups(self, scores: Any, labels: Any, groups: Any) -> dict[str, Any]:
        """Fit on the validation fold; groups (n,) of any values stay whole."""


def fit_calibration(calibration: Calibration, scores: Any, labels: Any, groups: Any) -> dict[str, Any]:
    """Fit a calibration, with the groups where it wants them.

    Args:
        calibration: of the configuration.
        scores: (n,) on validation.
        labels: (n,) in {0, 1}.
        groups: (n,).
    """
    if isinstance(calibration, ChoosesByGroup):
        return calibration.fit_groups(scores, labels, groups)
    return calibration.fit(scores, labels)


@dataclass(frozen=True)
class Chosen:
    """The kind with the least cross-validated log-loss: none, temperature with bias, beta or isotonic.

    Groups stay whole, each part holds its share of either class. From the simplest on, a kind is taken only where its
    loss is smaller by more than one standard error of the paired difference (the rule of Breiman et al. 1984,
    Classification and Regression Trees, 3.4.3): none wins a draw. Kinds that bend each end by itself need three times
    as many groups: of a few samples that are told apart they make certainties.

    Args:
        parts: of the cross-validation.
        least: groups of the rarer class below which nothing is compared and nothing is calibrated.
    """

    kinds: ClassVar[dict[str, Calibration]] = {
        "none": NoCalibration(),
        "temperature": Temperature(),
        "beta": Beta(),
        "isotonic": Isotonic(),
    }

    free: ClassVar[tuple[str, ...]] = ("beta", "isotonic")
    times: ClassVar[int] = 3

    parts: Count = 5
    least: Count = 10

    def fit(self, scores: Any, labels: Any) -> dict[str, Any]:
        """:meth:`fit_groups` of samples that are groups of their own."""
        return self.fit_groups(scores, labels, np.arange(len(np.asarray(labels))))

    def fit_groups(self, scores: Any, labels: Any, groups: Any) -> dict[str, Any]:
        """{kind, parameters, chosen}; of the kind none ``measured`` says that the score itself is the probability.

        ``chosen`` holds the ``words`` for a reader and, where kinds were compared, their ``log_loss``.
        """
        s, y = check_scores(scores, labels, soft=True)
        codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
        rarer = min(len(np.unique(codes[mask])) for mask in (y, ~y))
        if rarer < max(self.least, self.parts):
            words = (
                f"nothing was calibrated: validation has {rarer} groups of the rarer class, and "
                f"{max(self.least, self.parts)} are needed to compare kinds"
            )
            return {"kind": "none", "parameters": {}, "chosen": {"words": words}}
        part = parts_of(y, codes, self.parts)
        few = rarer < self.times * self.least
        losses = {
            name: held_out(kind, s, y, part) for name, kind in self.kinds.items() if not (few and name in self.free)
        }
        best, gains = "none", dict[str, tuple[float, float]]()
        for name in losses:
            gain, error = mean_by_group(losses[best] - losses[name], codes)
            gains[name] = gain, error
            if gain > error:
                best = name
        fitted = self.kinds[best].fit(s, y) | ({"measured": True} if best == "none" else {})
        shown = {name: float(values.mean()) for name, values in losses.items()}
        words = _in_words(best, shown, gains, self.parts)
        return {**fitted, "chosen": {"words": words, "log_loss": shown}}


def _in_words(best: str, losses: dict[str, float], gains: dict[str, tuple[float, float]], parts: int) -> str:
    """Which kind was taken and by which rule, with the numbers that decided.

    Args:
        best: the kind.
        losses: kind -> its mean log-loss.
        gains: kind -> what it was better by than the one before that was taken, and the standard error.
        parts: of the cross-validation.
    """
    words = f"{best} by the log-loss of {parts} parts of validation: "
    words += ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
    words += "; a kind is taken only where it is better by more than one standard error"
    if best != "none":
        gain, error = gains[best]
        return f"{words} ({best}: {gain:.4f}, standard error {error:.4f})"
    least = min(losses, key=lambda name: losses[name])
    if least != "none":
        gain, error = gains[least]
        words += f" ({least}: {gain:.4f}, standard error {error:.4f})"
    return f"{words}; the score itself is the probability"


def parts_of(labels: Mask, codes: Ints, parts: int) -> Ints:
    """The part of each sample, (n,): groups whole, those with a positive dealt out apart from those without."""
    positive = np.bincount(codes, weights=labels) > 0
    out = np.empty(len(positive), dtype=np.int64)
    random = np.random.default_rng(0)
    for mask in (positive, ~positive):
        out[mask] = random.permutation(int(mask.sum())) % parts
    return out[codes]


def held_out(kind: Calibration, scores: Floats, labels: Mask, part: Ints) -> Floats:
    """The log-loss of each sample under what the other parts fitted, (n,)."""
    out = np.empty(len(scores))
    for number in np.unique(part):
        held = part == number
        probability = calibrated(scores[held], kind.fit(scores[~held], labels[~held]))
        out[held] = log_losses(scores[held] if probability is None else probability, labels[held])
    return out


def mean_by_group(values: Floats, codes: Ints) -> tuple[float, float]:
    """The mean over samples and its standard error, groups being independent.

    Example:
        >>> mean_by_group(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1]))
        (2.0, 0.7071067811865476)
    """
    mean = float(values.mean())
    away = np.bincount(codes, weights=values - mean)
    return mean, float(np.sqrt((away**2).sum()) / len(values))
