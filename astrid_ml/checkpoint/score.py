"""A loaded checkpoint, asked about samples."""

from __future__ import annotations

from typing import Any

import pandas as pd

from astrid_ml.contracts.columns import rows_of
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
    index = rows_of(source, table["row"].to_numpy()).reset_index(drop=True)
    index = index.drop(columns=[name for name in ("array", "row", "label") if name in index])
    joined = pd.concat([index, table.drop(columns="row")], axis=1)
    return judge.apply(joined, calibration)
