"""Binary metrics on scores and labels, exact with ties; undefined ones say why instead of being 0.

All functions take scores of shape (n,) and labels of shape (n,) in {0, 1} (numpy arrays, tensors or sequences) and,
where it makes sense, ``weights`` (n,), which the bootstrap and the re-weighting to other prevalences use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.metrics.ranking import area, completeness_at, precision, ranked, roc_area
from astrid_ml.types import Array, Floats, Mask


class UndefinedError(ValueError):
    """A metric that these samples cannot define; the message says why."""


@dataclass(frozen=True)
class CurveSteps:
    """Cumulative weights at each distinct score, from the highest down.

    Args:
        threshold: the distinct scores, descending, shape (k,).
        true: weight of positives with score >= threshold, shape (k,).
        false: weight of negatives with score >= threshold, shape (k,).
    """

    threshold: Floats
    true: Floats
    false: Floats

    @property
    def positives(self) -> float:
        """All positives' weight."""
        return float(self.true[-1])

    @property
    def negatives(self) -> float:
        """All negatives' weight."""
        return float(self.false[-1])


def _numpy(values: Any) -> Array:
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def check_scores(scores: Any, labels: Any, *, soft: bool = False) -> tuple[Floats, Mask]:
    """Scores as float64 and labels as bool.

    Args:
        scores: (n,).
        labels: (n,) in {0, 1}.
        soft: also refuse scores outside [0, 1] and hard labels in place of scores, which make every curve one
            point and hide the ranking.

    Raises:
        UserError: shapes differ, a score is NaN, a label is not 0 or 1, or the scores are no scores.

    Example:
        >>> check_scores([0.2, 0.7], [0, 1])[1].tolist()
        [False, True]
    """
    s, y = _numpy(scores).astype(np.float64).ravel(), _numpy(labels).ravel()
    if s.shape != y.shape:
        raise UserError("as many scores as labels", f"{len(s)} scores and {len(y)} labels", "give one score a label")
    if np.isnan(s).any():
        raise UserError(
            "scores that are numbers",
            f"{int(np.isnan(s).sum())} NaN of {len(s)}",
            "look at the inputs of those samples",
        )
    if not np.isin(y, (0, 1)).all():
        raise UserError("labels of 0 and 1", f"{np.unique(y)[:5].tolist()}", "map the labels to 0 (bogus) and 1 (real)")
    if soft and len(s):
        if s.min() < 0 or s.max() > 1:
            raise UserError(
                "scores in [0, 1]", f"{s.min():.4g} to {s.max():.4g}", "give probabilities (sigmoid of the logits)"
            )
        if len(s) > 20 and np.isin(s, (0.0, 1.0)).all():
            fix = "give the score before the threshold; a network that gives nothing else diverged, or knows one class"
            raise UserError("scores, not decisions", "only the values 0 and 1", fix)
    return s, y.astype(bool)


def steps(scores: Any, labels: Any, weights: Any = None) -> CurveSteps:
    """Cumulative counts at each distinct score; ties move together.

    Raises:
        UndefinedError: there are no samples.

    Example:
        >>> at = steps([0.9, 0.5, 0.5], [1, 0, 1])
        >>> at.threshold.tolist(), at.true.tolist(), at.false.tolist()
        ([0.9, 0.5], [1.0, 2.0], [0.0, 1.0])
    """
    s, y = check_scores(scores, labels)
    if not len(s):
        raise UndefinedError("there are no samples")
    w = np.ones(len(s)) if weights is None else _numpy(weights).astype(np.float64).ravel()
    order, last = ranked(s)
    s, y, w = s[order], y[order], w[order]
    return CurveSteps(s[last], np.cumsum(w * y)[last], np.cumsum(w * ~y)[last])


def _need_both(at: CurveSteps, negatives: bool = True) -> None:
    if at.positives <= 0:
        raise UndefinedError("there is no positive sample")
    if negatives and at.negatives <= 0:
        raise UndefinedError("there is no negative sample")


def average_precision(scores: Any, labels: Any, weights: Any = None) -> float:
    """Average precision: sum over thresholds of (R_n - R_(n-1)) P_n.

    Raises:
        UndefinedError: no positive or no negative sample (with positives alone it would be 1 whatever the scores).

    Example:
        >>> round(average_precision([0.9, 0.5, 0.1], [1, 0, 1]), 4)
        0.8333
    """
    at = steps(scores, labels, weights)
    _need_both(at)
    return from_steps(at)


def from_steps(at: CurveSteps, ratio: float = 1.0) -> float:
    """Average precision of cumulative counts, negatives weighted by ``ratio``.

    Example:
        >>> at = steps([0.9, 0.5, 0.1], [1, 0, 1])
        >>> round(from_steps(at), 4), round(from_steps(at, ratio=10), 4)
        (0.8333, 0.5833)
    """
    return float(area(at.true, ratio * at.false, at.positives))


def negative_weight(at: CurveSteps, prevalence: float) -> float:
    """The weight of a negative that turns the sample's prevalence into ``prevalence``.

    Example:
        >>> negative_weight(steps([0.9, 0.1], [1, 0]), prevalence=0.2)
        4.0
    """
    return at.positives / at.negatives * (1 - prevalence) / prevalence


def precision_at_prevalence(scores: Any, labels: Any, prevalence: float, threshold: float) -> tuple[float, float]:
    """(AUCPR, precision at a threshold) as they would be where one in 1/prevalence samples is real.

    The score distributions within each class stay; only the mixture changes.

    Example:
        >>> precision_at_prevalence([0.9, 0.5, 0.1], [1, 0, 0], prevalence=0.2, threshold=0.5)
        (1.0, 0.3333333333333333)
    """
    at = steps(scores, labels)
    _need_both(at)
    ratio = negative_weight(at, prevalence)
    above = at.threshold >= threshold
    if not above.any():
        return from_steps(at, ratio), float("nan")
    k = int(np.flatnonzero(above)[-1])
    return from_steps(at, ratio), float(at.true[k] / (at.true[k] + ratio * at.false[k]))


def roc_auc(scores: Any, labels: Any, weights: Any = None) -> float:
    """Area under the ROC curve by the trapezoid rule (ties count one half).

    Example:
        >>> roc_auc([0.9, 0.5, 0.1], [1, 0, 1])
        0.5
    """
    at = steps(scores, labels, weights)
    _need_both(at)
    return float(roc_area(at.true, at.false))


def fnr_at_fpr(scores: Any, labels: Any, fpr: float) -> float:
    """The smallest false negative rate that keeps the false positive rate at or below ``fpr``.

    Example:
        >>> fnr_at_fpr([0.9, 0.5, 0.1], [1, 0, 1], fpr=0.1)
        0.5
    """
    at = steps(scores, labels)
    _need_both(at)
    return 1.0 - float(completeness_at(at.true, at.false / at.negatives, fpr))


def pr_curve(scores: Any, labels: Any, points: int = 0) -> pd.DataFrame:
    """Columns ``threshold, precision, recall``, from the highest threshold down.

    Args:
        scores: (n,).
        labels: (n,).
        points: keep about so many rows, evenly spread in recall (0 keeps all).

    Example:
        >>> pr_curve([0.9, 0.5, 0.1], [1, 0, 1])["recall"].tolist()
        [0.5, 0.5, 1.0]
    """
    at = steps(scores, labels)
    _need_both(at, negatives=False)
    table = pd.DataFrame(
        {"threshold": at.threshold, "precision": precision(at.true, at.false), "recall": at.true / at.positives}
    )
    return thin(table, "recall", points)


def roc_curve(scores: Any, labels: Any, points: int = 0) -> pd.DataFrame:
    """Columns ``threshold, fpr, tpr``.

    Args:
        scores: (n,).
        labels: (n,).
        points: keep about so many rows (0 keeps all): the corners of the stairs. Joined by steps to the right and then
            up, they are nowhere above the curve of all rows.

    Example:
        >>> roc_curve([0.9, 0.5, 0.1], [1, 0, 1])["fpr"].tolist()
        [0.0, 1.0, 1.0]
    """
    at = steps(scores, labels)
    _need_both(at)
    table = pd.DataFrame({"threshold": at.threshold, "fpr": at.false / at.negatives, "tpr": at.true / at.positives})
    return _corners(table, points)


def _corners(table: pd.DataFrame, points: int) -> pd.DataFrame:
    """Where the stairs end a rise, all or, of more than ``points``, evenly in log10 of the false and in true rates."""
    if not points or len(table) <= points:
        return table
    x, y = table["fpr"].to_numpy(dtype=float), table["tpr"].to_numpy(dtype=float)
    rows = np.flatnonzero(np.append(True, y[1:] > y[:-1]) & np.append(x[1:] > x[:-1], True))
    if len(rows) > points:
        power, half = np.log10(np.maximum(x[rows], 1e-4)), points // 2
        left = np.searchsorted(power, np.linspace(power[0], power[-1], half), side="right") - 1
        low = np.searchsorted(y[rows], np.linspace(y[rows[0]], y[rows[-1]], half))
        rows = rows[np.unique(np.clip(np.concatenate([left, low]), 0, len(rows) - 1))]
    return table.iloc[np.unique([0, *rows, len(table) - 1])].reset_index(drop=True)


def thin(table: pd.DataFrame, column: str, points: int) -> pd.DataFrame:
    """Rows at evenly spaced values of a rising column, the first and the last among them.

    Example:
        >>> thin(pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0, 4.0]}), "x", 3)["x"].tolist()
        [0.0, 2.0, 4.0]
    """
    if not points or len(table) <= points:
        return table
    wanted = np.linspace(table[column].iloc[0], table[column].iloc[-1], points)
    rows = np.unique(np.concatenate([np.searchsorted(table[column].to_numpy(), wanted), [0, len(table) - 1]]))
    return table.iloc[rows[rows < len(table)]].reset_index(drop=True)


def confusion_at(scores: Any, labels: Any, threshold: float) -> dict[str, float | None]:
    """Counts and rates of the decision ``score >= threshold``; a rate without a denominator is None.

    Example:
        >>> found = confusion_at([0.9, 0.5, 0.1], [1, 0, 1], threshold=0.3)
        >>> found["tp"], found["fp"], found["recall"]
        (1, 1, 0.5)
    """
    s, y = check_scores(scores, labels)
    chosen = s >= threshold
    tp, fp = int((chosen & y).sum()), int((chosen & ~y).sum())
    fn, tn = int((~chosen & y).sum()), int((~chosen & ~y).sum())
    precision = tp / (tp + fp) if tp + fp else None
    recall = tp / (tp + fn) if tp + fn else None
    f1 = 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else None
    product = float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    mcc = (tp * tn - fp * fn) / np.sqrt(product) if product else None
    return {
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "mcc": None if mcc is None else float(mcc),
        "fpr": fp / (fp + tn) if fp + tn else None,
        "fnr": fn / (tp + fn) if tp + fn else None,
    }


def threshold_table(scores: Any, labels: Any, thresholds: Any) -> pd.DataFrame:
    """One row a threshold: counts, precision, recall, F1, MCC, FPR, FNR.

    Example:
        >>> threshold_table([0.9, 0.5, 0.1], [1, 0, 1], [0.3, 0.7])["precision"].tolist()
        [0.5, 1.0]
    """
    rows = [{"threshold": float(t), **confusion_at(scores, labels, float(t))} for t in _numpy(thresholds)]
    return pd.DataFrame(rows)
