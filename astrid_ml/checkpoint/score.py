"""A loaded checkpoint, asked about samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.pipeline import SampleSource


def score_source(model: LoadedModel, judge: Any, source: SampleSource) -> pd.DataFrame:
    """Scores, probabilities and decisions for every sample of a source, beside its index columns."""
    table = model.task.predict_table(model.datamodule, source)
    index = source.index.iloc[table["row"].to_numpy()].reset_index(drop=True)
    index = index.drop(columns=[name for name in ("array", "row", "label") if name in index])
    joined = pd.concat([index, table.drop(columns="row")], axis=1)
    applied: pd.DataFrame = judge.apply(joined, model.record.calibration if model.record.calibration else {})
    return applied


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
