"""Hierarchical classification: metrics for each level of the tree at each window of days, and their calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.node_calibration import apply_nodes, fit_nodes
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.metrics.binary import UndefinedError, average_precision, roc_auc
from astrid_ml.taxonomy import Taxonomy, load_taxonomy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Below so many objects the calibration error is mostly noise.
ECE_MINIMUM = 5000
_EDGE = 1e-7


def macro_average_precision(p: Floats, truth: Ints) -> float | None:
    """Mean one-vs-rest average precision over the classes that have objects; None where fewer than two have.

    Args:
        p: (n, k) probabilities.
        truth: (n,) classes 0 .. k-1.
    """
    return _macro(average_precision, p, truth)


def _macro(metric: Any, p: Floats, truth: Ints) -> float | None:
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


@dataclass(frozen=True)
class HierarchicalJudge:
    """From node scores to calibrated probabilities, classes and metrics.

    Args:
        taxonomy: a shipped tree or a YAML file.
        confidence: the class is the deepest node whose probability reaches this.
        calibrate: fit a temperature for each family of siblings and an offset for each node, both rising or falling
            with log2(days), on validation.
        bootstrap: intervals of accuracy and macro-F1.
        headline: the metric that the run is judged by.
    """

    taxonomy: str
    confidence: float = 0.5
    calibrate: bool = True
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    headline: str = "leaf/macro_f1/64d"

    @property
    def tree(self) -> Taxonomy:
        """The tree."""
        return load_taxonomy(self.taxonomy)

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """{kind, parameters, calibrated}: calibration of every family of siblings."""
        tree = self.tree
        rule = f"deepest node with a probability of at least {self.confidence:g}"
        if not self.calibrate:
            return {"kind": "none", "parameters": {}, "calibrated": False, "rule": rule}
        nodes = tree.encode(list(validation["label"]))
        parameters = fit_nodes(tree, scores_of(validation, tree), nodes, validation["days"].to_numpy(dtype=np.float64))
        return {"kind": "nodes", "parameters": parameters, "calibrated": True, "rule": rule}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """Add ``p_<node>``, ``class``, ``probability`` (of that class) and ``anomaly``.

        ``anomaly`` is the entropy of the leaves over that of a uniform guess: 0 sure of one leaf, 1 knows nothing.
        """
        tree = self.tree
        p = scores_of(predictions, tree)
        if fitted.get("kind") == "nodes":
            p = apply_nodes(tree, p, predictions["days"].to_numpy(dtype=np.float64), fitted["parameters"])
        called = tree.deepest_confident(p, self.confidence)
        leaves = p[:, tree.level_nodes(tree.n_levels)]
        entropy = -(leaves * np.log(np.clip(leaves, 1e-300, None))).sum(axis=1) / np.log(leaves.shape[1])
        added: dict[str, Any] = {
            "class": np.array(tree.nodes, dtype=object)[called],
            "probability": p[np.arange(len(p)), called],
            "anomaly": entropy,
        }
        added |= {f"p_{name}": p[:, number] for number, name in enumerate(tree.nodes)}
        return pd.concat([predictions.reset_index(drop=True), pd.DataFrame(added)], axis=1)

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Metrics ``<level>/<metric>/<days>d`` over the same objects at every window."""
        tree = self.tree
        nodes = tree.encode(list(predictions["label"]))
        known = predictions[nodes >= 0].reset_index(drop=True)
        nodes = nodes[nodes >= 0]
        days = known["days"].to_numpy(dtype=np.float64)
        result = EvaluationResult(metrics={"n": float(known["group_id"].nunique())}, headline=self.headline)
        p, raw = scores_of(known, tree, "p_"), scores_of(known, tree)
        group = pd.factorize(known["group_id"])[0].astype(np.int64)
        rows = []
        for day in np.unique(days):
            at = days == day
            for level, name in levels(tree):
                truth = tree.at_level(nodes[at], level)
                row = self._level(tree, level, truth, p[at], raw[at], group[at], result, name, day)
                rows.append({"level": name, "days": day, **row})
        table = pd.DataFrame(rows)
        result.tables["metrics_over_days"] = table
        for flat in table.to_dict("records"):
            _flatten(result, flat)
        result.figures["Metrics over days"] = lambda: figure_over_days(table)
        self._confusions(tree, result, nodes, days, p)
        return result

    def _level(
        self,
        tree: Taxonomy,
        level: int,
        truth: Ints,
        p: Floats,
        raw: Floats,
        group: Ints,
        result: EvaluationResult,
        name: str,
        day: float,
    ) -> dict[str, float | None]:
        """Metrics of one level at one window."""
        classes = tree.level_nodes(level)
        known = truth >= 0
        y = np.searchsorted(classes, truth[known])
        q, before = p[known][:, classes], raw[known][:, classes]
        if not len(y):
            return {"n": 0.0}
        called = q.argmax(axis=1)
        confusion = confusion_matrix(y, called, len(classes))
        out: dict[str, float | None] = {"n": float(len(y)), "accuracy": float(np.mean(called == y))}
        out["macro_f1"] = macro_f1(confusion)
        out["macro_aucpr"], out["macro_roc_auc"] = macro_average_precision(q, y), _macro(roc_auc, q, y)
        prior = np.bincount(y, minlength=len(classes)) / len(y)
        for suffix, values in (("", q), ("_uncalibrated", before), ("_prior", np.tile(prior, (len(y), 1)))):
            out[f"nll{suffix}"] = float(-np.mean(np.log(np.clip(values[np.arange(len(y)), y], _EDGE, 1))))
            out[f"brier{suffix}"] = float(np.mean(((values - np.eye(len(classes))[y]) ** 2).sum(axis=1)))
        out["ece"] = excess_ece(q, y) if len(y) >= ECE_MINIMUM else None
        if level == tree.n_levels or len(classes) == 2:
            interval = self._interval(y, called, len(classes), group[known])
            if interval is not None:
                result.intervals[f"{name}/macro_f1/{day:g}d"] = interval
        return out

    def _interval(self, y: Ints, called: Ints, k: int, group: Ints) -> tuple[float, float] | None:
        codes = pd.factorize(group)[0].astype(np.int64)
        values = [macro_f1(confusion_matrix(y, called, k, weights)) for weights in self.bootstrap.draws(codes)]
        return self.bootstrap.interval(np.array(values))

    def _confusions(self, tree: Taxonomy, result: EvaluationResult, nodes: Ints, days: Floats, p: Floats) -> None:
        """Confusion matrices of every level at the longest window, as tables of counts and figures."""
        if not len(days):
            return
        at = days == days.max()
        for level, name in levels(tree):
            classes = tree.level_nodes(level)
            truth = tree.at_level(nodes[at], level)
            known = truth >= 0
            called = p[at][known][:, classes].argmax(axis=1)
            counts = confusion_matrix(np.searchsorted(classes, truth[known]), called, len(classes))
            labels = [tree.nodes[number] for number in classes]
            table = pd.DataFrame(counts.astype(np.int64), columns=labels)
            table.insert(0, "truth", labels)
            result.tables[f"confusion/{name}"] = table
            title = f"Confusion, {name}, {days.max():g} days"
            result.figures[title] = lambda counts=counts, labels=labels: figure_confusion(counts, labels)  # type: ignore[misc]


def levels(tree: Taxonomy) -> list[tuple[int, str]]:
    """(depth, name) of the levels below the root; the last is ``leaf``."""
    return [(n, "leaf" if n == tree.n_levels else f"level{n}") for n in range(1, tree.n_levels + 1)]


def scores_of(table: pd.DataFrame, tree: Taxonomy, prefix: str = "score_") -> Floats:
    """Columns ``<prefix><node>`` as (n, n_nodes)."""
    out: Floats = table[[f"{prefix}{name}" for name in tree.nodes]].to_numpy(dtype=np.float64)
    return out


def _flatten(result: EvaluationResult, row: dict[Any, Any]) -> None:
    for name, value in row.items():
        if name in ("level", "days"):
            continue
        key = f"{row['level']}/{name}/{row['days']:g}d"
        missing = value is None or (isinstance(value, float) and np.isnan(value))
        result.metrics[key] = None if missing else float(value)
        if missing:
            small = f"fewer than {ECE_MINIMUM} objects" if name == "ece" else "fewer than two classes"
            result.why[key] = small


def figure_over_days(table: pd.DataFrame) -> Figure:
    """Accuracy, macro-F1 and macro-AUCPR of each level against days."""
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(10, 3.4), layout="constrained")
    finite = table[np.isfinite(table["days"])]
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    names = {"accuracy": "accuracy", "macro_f1": "macro-F1", "macro_aucpr": "macro-AUCPR"}
    for axes, (column, title) in zip(panels, names.items(), strict=True):
        for level, part in finite.groupby("level", sort=False):
            axes.plot(part["days"], part[column].astype(float), "o-", ms=3, lw=1.2, label=str(level))
        axes.set(title=title, xlabel="days since first detection", xscale="log", ylim=(0, 1.02))
        ticks = [1, 4, 16, 64, 256, 1024]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.3)
    panels[0].legend(loc="lower right")
    return figure


def figure_confusion(counts: Floats, labels: list[str]) -> Figure:
    """Row-normalised confusion with the share in each cell; siblings stand together, as in the tree."""
    size = max(3.2, 0.46 * len(labels) + 1.6)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.005:
            colour = "white" if value > 0.55 else "black"
            axes.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set(xlabel="called", ylabel="truth")
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")
    return figure
