"""Metrics over the classes of one level of a tree: macro averages, confusion, top-label calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.metrics.binary import UndefinedError, average_precision
from astrid_ml.types import Floats, Ints


def macro_average_precision(p: Floats, truth: Ints) -> float | None:
    """Mean one-vs-rest average precision over the classes that have objects; None where fewer than two have.

    Args:
        p: (n, k) probabilities.
        truth: (n,) classes 0 .. k-1.
    """
    return macro(average_precision, p, truth)


def macro(metric: Any, p: Floats, truth: Ints) -> float | None:
    """The mean of a one-vs-rest metric over the classes that have objects."""
    present = np.unique(truth)
    if len(present) < 2:
        return None
    values = []
    for k in present:
        try:
            values.append(metric(np.clip(p[:, k], 0, 1), truth == k))
        except UndefinedError:
            continue
    return float(np.mean(values)) if values else None


def confusion_matrix(truth: Ints, called: Ints, k: int, weights: Floats | None = None) -> Floats:
    """(k, k) counts: row the truth, column what it was called."""
    counted = np.bincount(truth * k + called, weights=weights, minlength=k * k)
    return counted.reshape(k, k).astype(np.float64)


def macro_f1(confusion: Floats) -> float:
    """Mean F1 over the classes that have objects."""
    true = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = confusion.sum(axis=1) > 0
    return float(np.mean(2 * true[present] / np.maximum(total[present], 1e-300)))


def top_label_ece(p: Floats, truth: Ints, bins: int = 15) -> float:
    """Top-label calibration error: mean |accuracy - confidence| over bins of equal mass of the confidence."""
    confidence, hit = p.max(axis=1), (p.argmax(axis=1) == truth).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, bins)
    return float(sum(abs(hit[part].sum() - confidence[part].sum()) for part in parts) / len(order))


def excess_ece(p: Floats, truth: Ints, bins: int = 15, draws: int = 20, seed: int = 0) -> float:
    """:func:`top_label_ece` minus its mean for labels drawn from the predictions themselves."""
    random = np.random.default_rng(seed)
    edges = np.cumsum(p, axis=1)
    edges /= edges[:, -1:]
    null = [
        top_label_ece(p, (random.random((len(p), 1)) > edges).sum(axis=1).clip(max=p.shape[1] - 1), bins)
        for _ in range(draws)
    ]
    return top_label_ece(p, truth, bins) - float(np.mean(null))


def macro_f1_draws(truth: Ints, called: Ints, k: int, groups: Ints, bootstrap: Bootstrap) -> Floats:
    """Macro-F1 in each replicate, (replicates,). The same groups give the same draws, so two models can be paired."""
    cell = np.bincount(groups * (k * k) + truth * k + called, minlength=(int(groups.max()) + 1) * k * k)
    if len(cell) > 5_000_000:  # many objects: counted anew in each replicate
        return np.array([macro_f1(confusion_matrix(truth, called, k, w)) for w in bootstrap.draws(groups)])
    per_group = cell.reshape(-1, k * k).astype(np.float64)
    unit = np.arange(len(per_group))
    return np.array([macro_f1((times @ per_group).reshape(k, k)) for times in bootstrap.draws(unit)])


def one_vs_rest(p: Floats, truth: Ints, names: list[str], groups: Ints, level: float = 0.95) -> list[dict[str, Any]]:
    """A row a class: ``class, n, prevalence, aucpr, low, high``; prevalence is what a guess would reach.

    Args:
        p: (n, k).
        truth: (n,).
        names: of the k classes.
        groups: (n,) codes.
        level: of the intervals.
    """
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(names):
        own = truth == k
        row: dict[str, Any] = {"class": name, "n": int(own.sum()), "prevalence": float(own.mean())}
        if 0 < own.sum() < len(own):
            scores = np.clip(p[:, k], 0, 1)
            interval = area_interval(scores, own, groups, level) or (np.nan, np.nan)
            row |= {"aucpr": average_precision(scores, own), "low": interval[0], "high": interval[1]}
        rows.append({"aucpr": np.nan, "low": np.nan, "high": np.nan} | row)
    order = ["class", "n", "prevalence", "aucpr", "low", "high"]
    return [{name: row[name] for name in order} for row in rows]
