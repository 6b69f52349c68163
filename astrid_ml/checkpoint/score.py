"""A loaded checkpoint, asked about samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Scorer
from astrid_ml.evaluation.judge import Judge


def score_source(scorer: Scorer, judge: Judge, calibration: dict[str, Any], source: SampleSource) -> pd.DataFrame:
    """Scores, probabilities and decisions for every sample of a source, beside its index columns.

    Args:
        scorer: a loaded checkpoint, or anything else that scores.
        judge: of the scorer's task.
        calibration: what ``judge.fit`` gave on validation; empty for none.
        source: the samples.
    """
    table = scorer.score(source)
    index = source.index.iloc[table["row"].to_numpy()].reset_index(drop=True)
    index = index.drop(columns=[name for name in ("array", "row", "label") if name in index])
    joined = pd.concat([index, table.drop(columns="row")], axis=1)
    return judge.apply(joined, calibration)


# Columns that stand in every file of predictions, in this order; the rest of the index follows.
FIRST = ("id", "group_id", "mission", "score", "probability", "threshold", "threshold_on", "decision", "source")


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that people rely on first, missing ones as null; id as text, decision as int8."""
    out = table.copy()
    for name in FIRST:
        if name not in out:
            out[name] = None if name in ("mission", "threshold_on") else np.nan
    out["id"] = out["id"].astype(str)
    rest = [name for name in out.columns if name not in FIRST]
    return out[[*FIRST, *rest]]
