"""The scores against the baselines on the same samples, and the sentence that stands first where they do not win."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.baselines.fit import COLUMN, NAME, TREES
from astrid_ml.evaluation.bootstrap import Bootstrap, paired
from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.metrics.binary import UndefinedError, average_precision
from astrid_ml.types import Floats, Mask

OF_TREES = "boosted trees on catalogue columns and stamp statistics"
ABSENT = "these samples lack columns that it was fitted on"


def compare(result: EvaluationResult, known: pd.DataFrame, scores: Floats, labels: Mask, bootstrap: Bootstrap) -> None:
    """Put the baselines' AUCPR, and the paired differences into a result.

    Args:
        result: of the evaluation, with its ``aucpr``.
        known: labelled predictions; without columns of baselines nothing is compared.
        scores: (n,) of the positive class.
        labels: (n,), true for the positive class.
        bootstrap: of the paired intervals.
    """
    truth = known["label"].astype(int).to_numpy() == 1
    sign = 1.0 if np.array_equal(truth, labels) else -1.0
    for key in (COLUMN, TREES):
        if key not in known:
            continue
        values = sign * known[key].to_numpy(dtype=np.float64)
        name, gain = f"{key}_aucpr", f"aucpr_minus_{key}"
        if key == COLUMN and NAME in known:
            result.texts[NAME] = "; ".join(sorted(known[NAME].dropna().astype(str).unique()))
        if np.isnan(values).any():
            result.metrics[name], result.why[name] = None, ABSENT
            continue
        try:
            result.metrics[name] = average_precision(values, labels)
        except UndefinedError as reason:
            result.metrics[name], result.why[name] = None, str(reason)
            continue
        interval = area_interval(values, labels, known["group_id"], bootstrap.level)
        if interval is not None:
            result.intervals[name] = interval
        difference = paired(scores, values, labels, known["group_id"], bootstrap)
        result.metrics[gain] = float(result.metrics["aucpr"] or 0.0) - float(result.metrics[name] or 0.0)
        if difference is not None:
            result.intervals[gain] = (difference.low, difference.high)


def verdict(result: EvaluationResult) -> str:
    """What stands first where the network is not shown to beat a baseline; empty where it beats all, or there is none.

    Args:
        result: with what :func:`compare` put there.
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
    return f"one single column ({name})" if name else "one single column"


def comparable(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Predictions of several folds whose columns may be others: where they are, their ranks in each fold are compared.

    Args:
        table: of predictions.
        by: the column that tells the folds apart.
    """
    if NAME not in table or table[NAME].nunique() < 2:
        return table
    return table.assign(**{COLUMN: table.groupby(by)[COLUMN].rank(pct=True)})
