"""Baselines of a run and of an evaluation: fitted on the run's own folds, applied to the samples that are judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import HasBaselines, Measures
from astrid_ml.evaluation.baselines.fit import Baselines, applied
from astrid_ml.types import Ints


def fit_baselines(judge: object, data: object, source: SampleSource, train: Ints, val: Ints) -> dict[str, Any] | None:
    """What a checkpoint keeps, see :meth:`astrid_ml.evaluation.baselines.fit.Baselines.fit`.

    Args:
        judge: of the task.
        data: the datamodule, which measures samples where it can.
        source: the dataset.
        train: positions of the training fold.
        val: positions of the validation fold.

    Returns:
        None where the judge compares with none.
    """
    if not isinstance(judge, HasBaselines) or judge.baselines is None:
        return None
    settings: Baselines = judge.baselines
    rows = np.concatenate([train, val])
    is_train = np.arange(len(rows)) < len(train)
    labels = pd.to_numeric(rows_of(source, rows, ["label"])["label"]).to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.flatnonzero(np.isfinite(labels))
    chosen = known[settings.chosen(labels[known], is_train[known])]
    table = rows_of(source, rows[chosen]).reset_index(drop=True)
    return settings.fit(table, measured(data, source, rows[chosen]), is_train[chosen], judge.rarer)


def with_baselines(
    table: pd.DataFrame, fitted: dict[str, Any] | None, data: object, source: SampleSource
) -> pd.DataFrame:
    """Predictions with the columns of the baselines behind.

    Args:
        table: of predictions, with ``index_row``.
        fitted: of the checkpoint; None adds nothing.
        data: the datamodule.
        source: where the rows lie.
    """
    if fitted is None or not len(table):
        return table
    rows = table["index_row"].to_numpy(dtype=np.int64)
    beside = applied(fitted, table, measured(data, source, rows))
    return pd.concat([table.reset_index(drop=True), beside], axis=1)


def measured(data: object, source: SampleSource, rows: Ints) -> pd.DataFrame:
    """What the datamodule measures of samples; no columns where it measures nothing."""
    return data.measured(source, rows) if isinstance(data, Measures) else pd.DataFrame(index=range(len(rows)))
