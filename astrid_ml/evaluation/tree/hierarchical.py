"""Hierarchical classification: metrics for each level of the tree at each window of days, and their calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.contracts.scoring import JOINED, member_column
from astrid_ml.evaluation.bootstrap import Bootstrap, PairedDifference
from astrid_ml.evaluation.effect import effect_of
from astrid_ml.evaluation.rankings import Ranking
from astrid_ml.evaluation.result import EvaluationResult, with_reasons
from astrid_ml.evaluation.tree.applied import BRIEF, SEEN, WINDOW, age_of, answers, nodes_of, nodes_of_members
from astrid_ml.evaluation.tree.baseline import OF_METRIC, TreeBaseline, put_baseline
from astrid_ml.evaluation.tree.calibration import absent_nodes, fit_nodes, joined_nodes
from astrid_ml.evaluation.tree.figures import figure_over_days, figure_precision_recall, figure_tree_confusion
from astrid_ml.evaluation.tree.intervals import LEAST
from astrid_ml.evaluation.tree.levels import ECE_MINIMUM, level_intervals, level_metrics
from astrid_ml.evaluation.tree.metrics import (
    confusion_matrix,
    one_vs_rest,
)
from astrid_ml.evaluation.tree.ranking import tree_difference, tree_ranking
from astrid_ml.evaluation.tree.remarks import flatten, of_absent, remarks
from astrid_ml.evaluation.tree.sets import NodeSets, measured_nodes, with_node_sets
from astrid_ml.evaluation.tree.views import View, headline_day, scores_of, views
from astrid_ml.metrics.shares import object_share_interval
from astrid_ml.taxonomy import Taxonomy, load_taxonomy
from astrid_ml.types import Floats, Ints, Share

_EDGE = 1e-7


@dataclass(frozen=True)
class HierarchicalJudge:
    """From node scores to calibrated probabilities, classes and metrics.

    Args:
        taxonomy: a shipped tree or a YAML file.
        confidence: the class is the deepest node whose probability reaches this.
        calibrate: fit a scale for each family of siblings and an offset for each node, both drifting with log2(days),
            on validation.
        bootstrap: intervals of differences; its level is that of all intervals.
        headline: the metric that the run is judged by.
        sets: which nodes the scores do not rule out, with a measured coverage; None for none.
        baseline: trees on what is measured of the samples, which the answers are compared with; None for none.
    """

    purpose: ClassVar[str] = "hierarchy"
    brief: ClassVar[tuple[str, ...]] = BRIEF

    taxonomy: str
    confidence: Share = 0.5
    calibrate: bool = True
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    headline: str = "leaf/macro_f1/64d"
    sets: NodeSets | None = field(default_factory=NodeSets)
    baseline: TreeBaseline | None = field(default_factory=TreeBaseline)

    @property
    def tree(self) -> Taxonomy:
        """The tree."""
        return load_taxonomy(self.taxonomy)

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """{kind, parameters, calibrated, clock, absent}: calibration of every family of siblings.

        It drifts with the age of what was seen, and leaves out the nodes that training did not have.
        """
        tree = self.tree
        rule = f"deepest node with a probability of at least {self.confidence:g}"
        if not self.calibrate and self.sets is None:
            return {"kind": "none", "parameters": {}, "calibrated": False, "rule": rule}
        scores, nodes = scores_of(validation, tree), tree.encode(list(validation["label"]))
        sets = self._sets_of(tree, scores, nodes, validation)
        lost = {"absent": [tree.nodes[number] for number in np.flatnonzero(absent_nodes(scores))]}
        if not self.calibrate:
            return {"kind": "none", "parameters": {}, "calibrated": False, "rule": rule, **lost, **sets}
        clock = {"clock": SEEN if SEEN in validation else WINDOW}
        parameters = fit_nodes(tree, scores, nodes, age_of(validation, clock), validation["group_id"])
        return {"kind": "nodes", "parameters": parameters, "calibrated": True, "rule": rule, **clock, **lost, **sets}

    def _sets_of(self, tree: Taxonomy, scores: Floats, nodes: Ints, known: pd.DataFrame) -> dict[str, Any]:
        return {} if self.sets is None else {"sets": self.sets.fit(tree, scores, nodes, known)}

    def fit_members(self, members: Sequence[dict[str, Any]], unseen: pd.DataFrame) -> dict[str, Any]:
        """Each member keeps its calibration; no threshold is chosen; sets are fitted on members' answers.

        See :class:`astrid_ml.contracts.scoring.JudgesMembers`.
        """
        sure = all(bool(fitted.get("calibrated")) for fitted in members)
        rule = f"deepest node with a probability of at least {self.confidence:g}"
        tree = self.tree
        nodes = tree.encode(list(unseen["label"]))
        sets = {} if self.sets is None else self._sets_of(tree, scores_of(unseen, tree, "p_"), nodes, unseen)
        lost = set.intersection(*(set(fitted.get("absent", ())) for fitted in members)) if members else set()
        sets["absent"] = [name for name in tree.nodes if name in lost]
        return {"kind": JOINED, "parameters": {}, "calibrated": sure, "rule": rule, "members": list(members), **sets}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """Add ``p_<node>`` and the columns of :func:`astrid_ml.evaluation.tree.applied.answers`.

        Of joined members the entropy is that of their common leaves: where the members disagree it is high too.
        """
        tree = self.tree
        if fitted.get("kind") == JOINED:
            p = joined_nodes(tree, nodes_of_members(predictions, tree, fitted["members"]))
            own = [member_column(f"score_{node}", i) for i in range(len(fitted["members"])) for node in tree.nodes]
            predictions, told = predictions.drop(columns=own), p
        else:
            p, told = nodes_of(predictions, tree, fitted), scores_of(predictions, tree)
        added = answers(p, tree, self.confidence)
        predictions = predictions.reset_index(drop=True)
        # A checkpoint of before does not say it: a node that no sample has anything of counts as absent.
        lost = fitted.get("absent", [tree.nodes[number] for number in np.flatnonzero(absent_nodes(told))])
        sets = with_node_sets(predictions, tree, told, fitted.get("sets"), lost)
        return pd.concat([predictions, pd.DataFrame(added), sets], axis=1)

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Metrics ``<level>/<metric>/<days>d`` over the same objects at every window.

        At the headline's window each class stands against the rest (``<level>/aucpr_<class>/<days>d``, with
        intervals), and the confusion of the leaves is drawn on the tree.
        """
        tree = self.tree
        nodes = tree.encode(list(predictions["label"]))
        known = predictions[nodes >= 0].reset_index(drop=True)
        result = EvaluationResult(metrics={"n": float(known["group_id"].nunique())}, headline=self.headline)
        days = known["days"].to_numpy(dtype=np.float64)
        shown = headline_day(self.headline, days)
        rows, ranked, matrices = [], [], {}
        for view in views(known, nodes[nodes >= 0], tree):
            key = f"{view.name}/{{}}/{view.day:g}d"
            rows.append({"level": view.name, "days": view.day, **level_metrics(view)})
            own = level_intervals(view, rows[-1], self.bootstrap.level)
            result.intervals.update({key.format(name): ends for name, ends in own.items()})
            if view.day == shown:
                self._effect(view, key, result)
                self._say(view, key, rows[-1], result)
                ranked += self._ranked(view, key, result)
                matrices[view.name] = confusion_matrix(view.y, view.p.argmax(axis=1), len(view.names))
        table = pd.DataFrame(rows)
        for column in ("macro_f1", "macro_aucpr"):
            for end, suffix in enumerate(("low", "high")):
                found = [result.intervals.get(f"{r['level']}/{column}/{r['days']:g}d") for r in rows]
                table[f"{column}_{suffix}"] = [np.nan if interval is None else interval[end] for interval in found]
        result.tables["metrics_over_days"] = table
        for flat in rows:
            flatten(result, flat, ECE_MINIMUM)
        result.remarks.extend(of_absent(tree, known, nodes[nodes >= 0]))
        self._measure_sets(tree, known, nodes[nodes >= 0], shown, result)
        put_baseline(result, tree, known, nodes[nodes >= 0], shown, self.bootstrap)
        if len(days):
            result.figures["Metrics over days"] = lambda: figure_over_days(table)
            self._shown(tree, result, known, nodes[nodes >= 0], shown, ranked, matrices)
        plain = {name: "not computed" for name in result.metrics if OF_METRIC in name or "/set_" in name}
        return with_reasons(result, f"fewer than {LEAST} objects, or too few of a class", plain)

    def notable(self, predictions: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
        """At the headline's window: the most certain mistakes, and the objects that the model knows least about."""
        tree = self.tree
        nodes = tree.encode(list(predictions["label"]))
        days = predictions["days"].to_numpy(dtype=np.float64)
        known = predictions[(nodes >= 0) & (days == headline_day(self.headline, days))]
        if known.empty:
            return {}
        called, true = (tree.encode(list(known[name])) for name in ("class", "label"))
        # A class above the label is right but vague; what lies below a vague label cannot be judged.
        wrong = ~(tree.ancestors[true, called] | tree.ancestors[called, true])
        chosen = {
            "Wrong, and the model is surest": known[wrong].nlargest(most, "probability"),
            "The model knows least": known.nlargest(most, "entropy"),
        }
        words = "{id}; {label}, called {class} with probability {probability:.3f} at {days:g} d"
        return {
            heading: table.assign(caption=[words.format_map(row) for row in table.to_dict("records")])
            for heading, table in chosen.items()
        }

    def ranking(self, predictions: pd.DataFrame, share: float | None = None) -> Ranking:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        return tree_ranking(self.tree, predictions, self.headline, self.bootstrap)

    def ranking_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> PairedDifference | None:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        return tree_difference(self.tree, (first, second), self.headline, self.bootstrap)

    def _measure_sets(
        self, tree: Taxonomy, known: pd.DataFrame, nodes: Ints, shown: float, result: EvaluationResult
    ) -> None:
        """Coverage of the prediction sets at the headline's window."""
        found = measured_nodes(known, tree, nodes, shown, partial(object_share_interval, level=self.bootstrap.level))
        result.metrics.update(found.metrics)
        result.intervals.update(found.intervals)
        result.tables.update(found.tables)
        result.remarks.extend(found.remarks)

    def _say(self, view: View, key: str, row: dict[str, Any], result: EvaluationResult) -> None:
        """What must be said of the headline's level."""
        level, _, metric = self.headline.partition("/")
        metric = metric.partition("/")[0]
        if view.name == level and len(view.y):
            ends = result.intervals.get(key.format(metric))
            result.remarks.extend(remarks(view.p, view.y, view.names, row, ends, metric))

    def _effect(self, view: View, key: str, result: EvaluationResult) -> None:
        """What calibration did to the log-likelihood of a level; where it harmed the leaves, that stands first."""
        if not self.calibrate or not len(view.y):
            return
        before, after = (
            -np.log(np.clip(values[np.arange(len(view.y)), view.y], _EDGE, 1)) for values in (view.raw, view.p)
        )
        found = effect_of("nll", before, after, view.group, self.bootstrap)
        result.metrics[key.format("nll_change")] = found.change
        if found.interval is not None:
            result.intervals[key.format("nll_change")] = found.interval
        if found.alarm and view.name == "leaf":
            result.alarms.append(found.alarm)

    def _ranked(self, view: View, key: str, result: EvaluationResult) -> list[dict[str, Any]]:
        """One-vs-rest rows of a level, also as metrics with intervals."""
        rows = one_vs_rest(view.p, view.y, view.names, view.group, self.bootstrap.level)
        for row in rows:
            name = key.format(f"aucpr_{row['class']}")
            defined = np.isfinite(row["aucpr"])
            result.metrics[name] = float(row["aucpr"]) if defined else None
            if not defined:
                result.why[name] = "no object of the class, or no other"
            elif np.isfinite(row["low"]):
                result.intervals[name] = (row["low"], row["high"])
        return [{"level": view.name, **row} for row in rows]

    def _shown(
        self,
        tree: Taxonomy,
        result: EvaluationResult,
        known: pd.DataFrame,
        nodes: Ints,
        day: float,
        ranked: list[dict[str, Any]],
        matrices: dict[str, Floats],
    ) -> None:
        """Tables and figures at the headline's window."""
        result.tables[f"one_vs_rest_at_{day:g}_days"] = pd.DataFrame(ranked)
        for name, counts in matrices.items():
            level = tree.n_levels if name == "leaf" else int(name.removeprefix("level"))
            names = [tree.nodes[number] for number in tree.level_nodes(level)]
            table = pd.DataFrame(counts.astype(np.int64), columns=names)
            table.insert(0, "truth", names)
            result.tables[f"confusion/{name}, {day:g} days"] = table
            share = pd.DataFrame(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), columns=names).round(4)
            share.insert(0, "truth", names)
            result.tables[f"normalised_confusion_{name}_{day:g}_days"] = share
        if "leaf" not in matrices:
            return
        result.figures[f"Confusion on the tree, {day:g} days"] = lambda: figure_tree_confusion(tree, matrices["leaf"])
        view = next(v for v in views(known, nodes, tree) if v.day == day and v.name == "leaf")
        result.figures[f"Precision and recall of each class, {day:g} days"] = lambda: figure_precision_recall(
            tree, view.p, view.y
        )
