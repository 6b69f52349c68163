"""Baselines of a run and of an evaluation: fitted on the run's own folds, applied to the samples that are judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import HasBaselines, Measures
from astrid_ml.contracts.told import ComparesQuestions, MeasuresQuestions
from astrid_ml.evaluation.baselines.fit import Baselines, applied
from astrid_ml.evaluation.tree.baseline import COLUMN, called
from astrid_ml.types import Floats32, Ints, Mask

PIECE = 1000  # samples that are measured at once


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
    if isinstance(judge, ComparesQuestions) and judge.baseline is not None and isinstance(data, MeasuresQuestions):
        return fit_questions(judge, data, source, (train, val))
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
    if fitted.get("kind") == "tree":
        return table.assign(**{COLUMN: called_at(fitted, data, source, rows)})
    beside = applied(fitted, table, measured(data, source, rows))
    return pd.concat([table.reset_index(drop=True), beside], axis=1)


def fit_questions(
    judge: Any, data: MeasuresQuestions, source: SampleSource, folds: tuple[Ints, Ints]
) -> dict[str, Any] | None:
    """Trees on what is seen at each window, see :class:`astrid_ml.evaluation.tree.baseline.TreeBaseline`.

    Args:
        judge: with ``baseline`` and ``tree``.
        data: measures.
        source: the dataset.
        folds: positions of training and validation.
    """
    tree, random = judge.tree, np.random.default_rng(judge.baseline.seed)
    share = min(1.0, judge.baseline.most / max(sum(map(len, folds)), 1))
    parts = [np.sort(random.permutation(rows)[: max(round(share * len(rows)), 1)]) for rows in folds]

    def blocks() -> Iterator[tuple[Floats32, Ints, Mask]]:
        for rows, train in zip(parts, (True, False), strict=True):
            for start in range(0, len(rows), PIECE):
                some = rows[start : start + PIECE].astype(np.int64)
                labels = rows_of(source, some, ["label"])["label"]
                nodes = tree.encode([None if pd.isna(label) else label for label in labels])
                yield data.measured_questions(source, some), nodes, np.full(len(some), train)

    out: dict[str, Any] | None = judge.baseline.fit(tree, blocks())
    return out


def called_at(fitted: dict[str, Any], data: object, source: SampleSource, rows: Ints) -> Any:
    """The leaf that trees call, for rows of predictions: the windows of a sample behind each other.

    Args:
        fitted: of the checkpoint.
        data: the datamodule.
        source: where the rows lie.
        rows: (n,) position of each prediction's sample.
    """
    if not isinstance(data, MeasuresQuestions):
        return None
    samples, at = np.unique(rows, return_inverse=True)
    window = pd.Series(rows).groupby(rows).cumcount().to_numpy()
    parts = [
        called(fitted, data.measured_questions(source, samples[start : start + PIECE]))
        for start in range(0, len(samples), PIECE)
    ]
    return np.concatenate(parts)[at, window]


def measured(data: object, source: SampleSource, rows: Ints) -> pd.DataFrame:
    """What the datamodule measures of samples; no columns where it measures nothing."""
    return data.measured(source, rows) if isinstance(data, Measures) else pd.DataFrame(index=range(len(rows)))
