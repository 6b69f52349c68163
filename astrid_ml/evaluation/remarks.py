"""What must be said in words beside the numbers of a binary evaluation."""

from __future__ import annotations

import pandas as pd

from astrid_ml.evaluation.baselines.fit import COLUMN, NAME, TREES
from astrid_ml.evaluation.prior import ASSUMED, in_words
from astrid_ml.evaluation.result import EvaluationResult

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
            "No sample has a prediction set: within each mission validation has too few objects of a class (30 by "
            "default), or the missions were not trained on."
        )
    rare = min(known.loc[known["label"].astype(int) == k, "group_id"].nunique() for k in (0, 1))
    if 0 < rare < 10:
        said.append(f"Only {rare} groups of the rarer class: so few say little, and their intervals are wide.")
    return said


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
