"""What must be said in words beside the numbers of a binary evaluation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.baselines.fit import COLUMN, NAME, TREES
from astrid_ml.evaluation.prior import ASSUMED, in_words
from astrid_ml.evaluation.result import EvaluationResult

NOTED = 0.05  # share of a class outside the domain above which a note says so
OF_TREES = "boosted trees on catalogue columns and stamp statistics"


def _nothing_found(called_real: int, accuracy: float | None, prevalence: float) -> str:
    """Recall is 0: because everything is called bogus, or because what is called real is not."""
    if called_real:
        return f"This model finds no real one: recall is 0, and the {called_real} that it calls real are bogus."
    return (
        "This model calls everything bogus: recall is 0. "
        f"Its accuracy of {accuracy or 0.0:.1%} only repeats that {1 - prevalence:.1%} are bogus."
    )


def remarks(result: EvaluationResult, known: pd.DataFrame) -> list[str]:
    """What must be said in words."""
    said = []
    if ASSUMED in known and len(known):
        share = in_words(float(known[ASSUMED].iloc[0]))
        verb = "are" if share.startswith("all") else "is"
        said.append(
            f"Probabilities and the threshold are for a sky where {share} {verb} real. The bogus are taken to be "
            "the same mixture as on validation, whatever their number. Calibration is judged at the share of real ones "
            "of this sample, to which scores and probabilities are moved."
        )
    metrics, prevalence = result.metrics, result.metrics["prevalence"]
    ap, recall = metrics.get("aucpr"), metrics.get("recall")
    if ap is None:
        said.append(f"AUCPR is undefined: {result.why.get('aucpr', 'too few samples')}.")
    elif prevalence is not None:
        low, high = result.intervals.get("aucpr", (ap, ap))
        if recall == 0:
            said.append(_nothing_found(int((known["decision"] == 1).sum()), metrics["accuracy"], prevalence))
        if metrics.get("tn") == 0 and metrics.get("fn") == 0 and prevalence < 1:
            said.append(
                "This model calls everything real: no bogus is refused. "
                f"Its precision of {metrics['precision'] or 0.0:.1%} is the share of real ones in the sample."
            )
        if known["score"].nunique() == 1:
            said.append("Every sample has the same score: the ranking holds no information.")
        elif high < prevalence:
            said.append(
                f"AUCPR {ap:.3f} ({low:.3f} to {high:.3f}) is below the prevalence {prevalence:.3f}: this ranking is "
                "worse than a guess. Look at the labels: they may be turned round."
            )
        elif low <= prevalence:
            said.append(
                f"AUCPR {ap:.3f}: its {_span(low, high)} reaches down to the prevalence {prevalence:.3f}: not shown "
                "to be better than a guess."
            )
    if metrics.get("set_given") == 0:
        said.append(
            "No sample has a prediction set: of no mission here validation holds enough objects of each class (30 by "
            "default)."
        )
    rare = min(known.loc[known["label"].astype(int) == k, "group_id"].nunique() for k in (0, 1))
    if 0 < rare < 10:
        groups = "1 group" if rare == 1 else f"{rare} groups"
        said.append(f"Only {groups} of the rarer class: so few say little, and their intervals are wide.")
    return said


def said_of_domain(table: pd.DataFrame, positive: int = 1) -> list[str]:
    """How many of each class lie outside the domain, and the AUCPR on either side; nothing where few of both do.

    Args:
        table: the breakdown by side, ``inside`` and ``outside``.
        positive: the class whose AUCPR it holds.
    """
    sides = {str(row["value"]): row for row in table.to_dict("records")}
    outside, inside = sides["outside"], sides["inside"]
    counts = [(outside["positives"], inside["positives"])]
    counts.append((outside["n"] - outside["positives"], inside["n"] - inside["positives"]))
    if max(out / (out + within) if out + within else 0.0 for out, within in counts) <= NOTED:
        return []
    words = ("real ones", "bogus") if positive else ("bogus", "real ones")
    told = [f"{out:,.0f} of {out + within:,.0f} {name}" for (out, within), name in zip(counts, words, strict=True)]
    aucpr = [
        f"{side} undefined" if pd.isna(row["aucpr"]) else f"{side} {row['aucpr']:.3f}{_ends(row['low'], row['high'])}"
        for side, row in (("inside", inside), ("outside", outside))
    ]
    return [
        f"Outside the domain of validity lie {' and '.join(told)}. "
        f"AUCPR is {', '.join(aucpr)}: the headline is of both.{_unanswered(inside, outside)}"
    ]


def _unanswered(inside: Mapping[Hashable, Any], outside: Mapping[Hashable, Any]) -> str:
    """The recall where what lies outside gets no answer, as new samples do."""
    found, every = inside.get("recall", np.nan) * inside["positives"], inside["positives"] + outside["positives"]
    if pd.isna(found) or not every or not outside["positives"]:
        return ""
    return f" New samples outside get no answer; with those counted as missed, recall is {found / every:.3f}."


def _ends(low: float, high: float) -> str:
    return "" if pd.isna(low) else f" (95 % interval {low:.3f} to {high:.3f})"


def _span(low: float, high: float) -> str:
    return f"95 % interval ({low:.3f} to {high:.3f})" if low < high else "value, which has no interval,"


def verdict(result: EvaluationResult) -> str:
    """What stands first where the network is not shown to beat a baseline; empty where it beats all, or there is none.

    Args:
        result: of an evaluation with baselines.
    """
    ap = result.metrics.get("aucpr")
    if ap is None:
        return ""
    worse, unclear = list[str](), list[str]()
    for key in (COLUMN, TREES):
        other, gain = result.metrics.get(f"{key}_aucpr"), result.metrics.get(f"aucpr_minus_{key}")
        if other is None or gain is None:
            continue
        words = f"{_words(result, key)} (AUCPR {other:.3f}, difference {gain:+.3f}"
        ends = result.intervals.get(f"aucpr_minus_{key}")
        words += f", 95 % interval {ends[0]:+.3f} to {ends[1]:+.3f})" if ends else ", too few groups for an interval)"
        if ends is not None and ends[1] < 0:
            worse.append(words)
        elif ends is None or ends[0] <= 0:
            unclear.append(words)
    said = [f"worse than {' and than '.join(worse)}"] if worse else []
    said += [f"not shown to beat {' nor '.join(unclear)}"] if unclear else []
    return f"The network (AUCPR {ap:.3f}) is {', and '.join(said)}." if said else ""


def _words(result: EvaluationResult, key: str) -> str:
    if key == TREES:
        return OF_TREES
    name = result.texts.get(NAME, "")
    return f"the single column {name}" if name else "one single column"
