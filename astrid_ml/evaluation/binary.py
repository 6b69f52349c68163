"""The evaluation of a binary task: every headline with its interval, its prevalence and baselines that can win."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.baselines.fit import COLUMN, NAME, TREES
from astrid_ml.evaluation.bootstrap import FEWEST_GROUPS, Bootstrap, paired
from astrid_ml.evaluation.breakdown import KINDS, breakdown, false_positives, with_missions
from astrid_ml.evaluation.effect import calibration_metrics
from astrid_ml.evaluation.intervals import area_interval, decision_intervals, missed_interval, roc_interval
from astrid_ml.evaluation.prevalence import prevalence_table, too_rare
from astrid_ml.evaluation.prior import assumed_of
from astrid_ml.evaluation.rankings import no_common_scale, ranked
from astrid_ml.evaluation.remarks import remarks, said_of_domain, verdict
from astrid_ml.evaluation.result import EvaluationResult, has, with_reasons
from astrid_ml.evaluation.sets.conformal import measured
from astrid_ml.metrics.binary import (
    UndefinedError,
    average_precision,
    check_scores,
    confusion_at,
    fnr_at_fpr,
    pr_curve,
    roc_auc,
    roc_curve,
    threshold_table,
)
from astrid_ml.metrics.shares import Interval, object_share_interval
from astrid_ml.types import Count, Floats, Mask

IN_DOMAIN = "in_domain"  # of predictions: whether a sample lies in the domain of validity
PREVALENCES = (0.1, 0.01, 0.001, 0.0001)
FEW_GROUPS = "too few groups (objects, fields) to tell how others would differ"
FEW_COMPARED = f"a class has fewer than {FEWEST_GROUPS} groups"
GRID = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True)
class BinaryEvaluation:
    """Metrics, intervals, tables and remarks of one fold.

    Args:
        bootstrap: how intervals of decisions and differences are made; its level is that of all intervals.
        breakdown_columns: columns of the index to break the result down by; absent ones are passed over.
        curve_points: rows kept of the PR and ROC curves.
        positive: the class whose AUCPR is the headline: 1 (real), or 0 where bogus is the rare one.
        truth_columns: those of them that only real samples have (injected or natural, a true magnitude): the real ones
            of each value are measured against all bogus.
        artefact_column: names the kind of a bogus one: how many of each kind are called real; None for none.
    """

    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    breakdown_columns: tuple[str, ...] | list[str] = (
        "mission",
        "filter",
        "snr",
        "sign",
        "magpsf",
        "injected",
        "truth_kind",
        "field",
    )
    curve_points: Count = 400
    positive: int = 1
    truth_columns: tuple[str, ...] | list[str] = ("injected", "mag_truth", "truth_kind")
    artefact_column: str | None = "artefact"

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Evaluate predictions with ``label``, ``group_id``, ``score`` and, where applied, ``probability``,
        ``threshold``, ``decision``.

        Raises:
            UserError: scores are NaN or outside [0, 1], or are decisions.
        """
        known = predictions[predictions["label"].notna()].reset_index(drop=True)
        _, labels = check_scores(known["score"], known["label"].astype(int), soft=True)
        scores = ranked(known)
        if self.positive == 0:
            scores, labels = 1 - scores, ~labels
        result = EvaluationResult(metrics={"n": float(len(known)), "groups": float(known["group_id"].nunique())})
        result.metrics["prevalence"] = float(labels.mean()) if len(labels) else None
        self._ranking(result, known, scores, labels)
        self._decisions(result, known, labels)
        calibration_metrics(result, known, self.bootstrap)
        self._sets(result, known)
        for name in (COLUMN, TREES):
            if name in known:
                self._beside(result, known, name, scores, labels)
        for column in self.breakdown_columns:
            of_truth = column in self.truth_columns and self.positive == 1
            cells = with_missions(known) if column == "filter" else known
            table = breakdown(
                cells, scores, labels, column, self.bootstrap.level, chosen=self._chosen(known), of_truth=of_truth
            )
            if table is not None:
                result.tables[f"breakdown/{column}"] = table
                if column == "mission":
                    _mission_metrics(result, table)
        self._by_domain(result, known, scores, labels)
        if self.artefact_column is not None:
            found = false_positives(known, self.artefact_column, self.bootstrap.level)
            result.tables.update({} if found is None else {KINDS: found})
        self._single_mission(result, known)
        if self.positive == 0:
            result.remarks.append("The bogus are the rarer class here: AUCPR, precision and recall are theirs.")
        result.remarks.extend([text for text in [no_common_scale(known)] if text])
        result.remarks.extend(remarks(result, known))
        gains = {f"aucpr_minus_{name}": FEW_COMPARED for name in (COLUMN, TREES)}
        return with_reasons(replace(result, verdict=verdict(result)), FEW_GROUPS, gains)

    def _ranking(self, result: EvaluationResult, known: pd.DataFrame, scores: Any, labels: Any) -> None:
        """Metrics of the order of the scores alone."""
        group = known["group_id"]
        self._put(
            result,
            "aucpr",
            lambda: average_precision(scores, labels),
            lambda: area_interval(scores, labels, group, self.bootstrap.level),
        )
        self._put(
            result,
            "roc_auc",
            lambda: roc_auc(scores, labels),
            lambda: roc_interval(scores, labels, group, self.bootstrap.level),
        )
        for fpr in (0.01, 0.001):
            name, why = f"fnr_at_fpr_{fpr:g}", too_rare(fpr, int((~labels).sum()))
            if why:
                result.metrics[name], result.why[name] = None, why
            else:
                self._put(
                    result,
                    name,
                    partial(fnr_at_fpr, scores, labels, fpr),
                    partial(missed_interval, scores, labels, group, fpr, self.bootstrap.level),
                )
        try:
            result.tables["pr_curve"] = pr_curve(scores, labels, self.curve_points)
            result.tables["roc_curve"] = roc_curve(scores, labels, self.curve_points)
        except UndefinedError:
            return
        # The ranking is the score's; precision is that of the decisions, whatever their threshold was applied to.
        assumed = assumed_of(known)
        mixtures = (float(np.mean(labels)), *PREVALENCES, *([] if assumed is None else [assumed]))
        table = prevalence_table(scores, labels, self._chosen(known), group, mixtures, self.bootstrap.level)
        result.tables["prevalence"] = table
        _put_row(result, "aucpr_at_1_in_100", table.iloc[1 + PREVALENCES.index(0.01)], "aucpr")
        if assumed is not None:
            _put_row(result, "aucpr_at_prevalence", table.iloc[-1], "aucpr")
            _put_row(result, "precision_at_prevalence", table.iloc[-1], "precision", "precision_at_threshold")

    def _by_domain(self, result: EvaluationResult, known: pd.DataFrame, scores: Floats, labels: Mask) -> None:
        """The headline metrics inside the domain of validity and outside, where there are samples of both."""
        if not has(known, IN_DOMAIN):
            return
        sides = known[IN_DOMAIN].astype("boolean").map({True: "inside", False: "outside"})
        table = breakdown(
            known.assign(**{IN_DOMAIN: sides}),
            scores,
            labels,
            IN_DOMAIN,
            self.bootstrap.level,
            chosen=self._chosen(known),
        )
        if table is not None:
            result.tables[f"breakdown/{IN_DOMAIN}"] = table
            result.remarks.extend(said_of_domain(table, self.positive))

    @staticmethod
    def _single_mission(result: EvaluationResult, known: pd.DataFrame) -> None:
        """A fold of one mission has no breakdown, but the table of a sweep wants its ``aucpr/<mission>``."""
        if "mission" in known and known["mission"].nunique() == 1:
            name = f"aucpr/{known['mission'].iloc[0]}"
            result.metrics[name] = result.metrics["aucpr"]
            if "aucpr" in result.intervals:
                result.intervals[name] = result.intervals["aucpr"]
            if "aucpr" in result.why:
                result.why[name] = result.why["aucpr"]

    def _chosen(self, known: pd.DataFrame) -> Mask | None:
        """Which samples were called the positive class; None before a threshold was applied."""
        if "decision" not in known:
            return None
        chosen = known["decision"].to_numpy(dtype=bool)
        return ~chosen if self.positive == 0 else chosen

    def _sets(self, result: EvaluationResult, known: pd.DataFrame) -> None:
        """Coverage of the prediction sets, and what they are."""
        found = measured(known, partial(object_share_interval, level=self.bootstrap.level))
        result.metrics.update(found.metrics)
        result.why.update(found.why)
        result.intervals.update(found.intervals)
        result.tables.update(found.tables)

    def _decisions(self, result: EvaluationResult, known: pd.DataFrame, labels: Mask) -> None:
        """Metrics of the decisions at the chosen threshold, and a table of other thresholds."""
        chosen = self._chosen(known)
        if chosen is None:
            return
        at = confusion_at(chosen.astype(float), labels, 0.5)
        for name in ("precision", "recall", "f1", "mcc", "fpr", "fnr", "tp", "fp", "fn", "tn"):
            result.metrics[name] = at[name]
            if at[name] is None:
                result.why[name] = _zero(name, at)
        result.metrics["accuracy"] = float((chosen == labels).mean()) if len(labels) else None
        if len(labels):
            result.intervals.update(decision_intervals(chosen, labels, known["group_id"], self.bootstrap.level))
        result.tables["confusion"] = pd.DataFrame(
            {
                "truth": ["real", "bogus"] if self.positive else ["bogus", "real"],
                "called so": [at["tp"], at["tn"]],
                "called otherwise": [at["fn"], at["fp"]],
            }
        )
        column = "probability" if has(known, "probability") else "score"
        values = known[column].to_numpy(dtype=float, na_value=np.nan)
        given = np.isfinite(values)  # outside the domain there is no probability
        values = 1 - values if self.positive == 0 else values
        own = known["threshold"].astype(float).unique() if "threshold" in known else np.array([])
        # The table's row at the run's own threshold must repeat its decisions, so that one is never rounded.
        own = np.nextafter(1 - own, 2) if self.positive == 0 else own
        found = threshold_table(values[given], labels[given], np.unique([*GRID, *own]))
        found.attrs["without"] = int((~given).sum())
        result.tables["thresholds"] = found

    def _beside(self, result: EvaluationResult, known: pd.DataFrame, column: str, scores: Floats, labels: Mask) -> None:
        """The AUCPR of a baseline, and how much better the scores are on the same samples."""
        name, gain = f"{column}_aucpr", f"aucpr_minus_{column}"
        if column == COLUMN:
            result.texts[NAME] = "; ".join(sorted(known[NAME].dropna().astype(str).unique()))
        values = known[column].to_numpy(dtype=np.float64) * (-1 if self.positive == 0 else 1)
        if np.isnan(values).any():
            result.metrics[name], result.why[name] = None, "these samples lack columns that it was fitted on"
            return
        group = known["group_id"]
        self._put(
            result,
            name,
            lambda: average_precision(values, labels),
            lambda: area_interval(values, labels, group, self.bootstrap.level),
        )
        ap, other = result.metrics["aucpr"], result.metrics[name]
        if ap is None or other is None:
            return
        result.metrics[gain] = ap - other
        difference = paired(scores, values, labels, group, self.bootstrap)
        if difference is not None:
            result.intervals[gain] = (difference.low, difference.high)

    @staticmethod
    def _put(
        result: EvaluationResult,
        name: str,
        value: Callable[[], float],
        ends: Callable[[], Interval | None] | None = None,
    ) -> None:
        """A metric with its interval, or None with the reason."""
        try:
            result.metrics[name] = value()
        except UndefinedError as reason:
            result.metrics[name], result.why[name] = None, str(reason)
            return
        interval = None if ends is None else ends()
        if interval is not None:
            result.intervals[name] = interval


def _zero(name: str, at: Mapping[str, float | None]) -> str:
    """Why a share of the decisions is undefined: at this threshold alone, or at every one."""
    tp, fp, fn, tn = (at[count] or 0 for count in ("tp", "fp", "fn", "tn"))
    absent = {"recall": not tp + fn, "fnr": not tp + fn, "fpr": not fp + tn, "mcc": not (tp + fn and fp + tn)}
    return f"its denominator is zero at {'every' if absent.get(name) else 'this'} threshold"


def _put_row(result: EvaluationResult, name: str, row: pd.Series, kind: str, column: str = "") -> None:
    """A number of the table of prevalences among the metrics, with its interval or the reason."""
    result.metrics[name] = None if row[f"{kind}_why"] else float(row[column or kind])
    if row[f"{kind}_why"]:
        result.why[name] = str(row[f"{kind}_why"])
    elif np.isfinite(row[f"{kind}_low"]):
        result.intervals[name] = (float(row[f"{kind}_low"]), float(row[f"{kind}_high"]))


def _mission_metrics(result: EvaluationResult, table: pd.DataFrame) -> None:
    """``aucpr/<mission>`` for the table of a sweep."""
    for row in table.to_dict("records"):
        name = f"aucpr/{row['value']}"
        value, low, high = float(row["aucpr"]), float(row["low"]), float(row["high"])
        result.metrics[name] = None if np.isnan(value) else value
        if np.isnan(value):
            result.why[name] = "a class is absent in this mission"
        elif not np.isnan(low):
            result.intervals[name] = (low, high)
