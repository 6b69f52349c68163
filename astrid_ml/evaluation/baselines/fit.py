"""Baselines that can win: chosen and fitted without the test fold, kept in the checkpoint, applied like the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.baselines.columns import allowed, best_column, column_from_plain, numbers
from astrid_ml.evaluation.baselines.trees import BoostedTrees
from astrid_ml.types import Count, Floats, Ints, Mask

COLUMN, TREES = "baseline_column", "baseline_trees"  # columns of predictions: the higher, the rather real
NAME = "baseline_column_name"  # which column that is, and its direction in words


@dataclass(frozen=True)
class Baselines:
    """The best single column in either direction, and boosted trees on all of them and what is measured of samples.

    The column is chosen by the average precision on training and validation, the trees are fitted on training alone.

    Args:
        without: columns of the index that no baseline may use, beside labels, truth, names, places, times and scores.
        most: samples that are looked at; more are thinned, the rarer class last.
        trees: how many.
    """

    without: tuple[str, ...] | list[str] = ()
    most: Count = 50_000
    trees: Count = 100

    def chosen(self, labels: Any, train: Mask) -> Ints:
        """Positions to be looked at, ascending: all, or of each set and class a share that leaves the rarer whole.

        Args:
            labels: (n,) in {0, 1}.
            train: (n,) of the training fold; the others are of validation.
        """
        y = np.asarray(labels).astype(bool)
        if len(y) <= self.most:
            return np.arange(len(y), dtype=np.int64)
        random, keep = np.random.default_rng(0), list[Ints]()
        share = self.most / len(y)
        for fold in (train, ~train):
            classes = sorted((np.flatnonzero(fold & (y == value)) for value in (False, True)), key=len)
            left = round(share * int(fold.sum()))
            for number, rows in enumerate(classes):
                count = min(len(rows), left // 2 if number == 0 else left)
                keep.append(np.sort(random.permutation(rows)[:count]))
                left -= count
        return np.sort(np.concatenate(keep)).astype(np.int64)

    def fit(self, table: pd.DataFrame, measured: pd.DataFrame, train: Mask, positive: int = 1) -> dict[str, Any]:
        """Choose and fit.

        Args:
            table: the index of samples of training and validation, with ``label``.
            measured: what is measured of the same samples, beside the catalogue; without columns where nothing is.
            train: (n,) which of them are of the training fold.
            positive: the class whose average precision counts.

        Returns:
            Plain containers: ``column`` and ``trees``, each None where it cannot be made, and ``measured``, the names
            of the features that do not stand in the index.
        """
        y: Mask = table["label"].astype(int).to_numpy() == 1
        names = allowed(table, self.without)
        beside = [str(name) for name in measured.columns if _varies(measured[name])]
        either = table if names else measured
        column = best_column(either, names or beside, y if positive == 1 else ~y)
        if column is not None and positive == 0:  # high scores are of the real, everywhere
            column = type(column)(column.name, -column.sign, column.floor, column.aucpr)
        trees, features = None, [*names, *beside]
        if features and len(np.unique(y[train])) == 2:
            x = np.column_stack([_values(table, measured, name, set(beside)) for name in features])
            made = BoostedTrees.fitted(x[train], y[train], self.trees)
            trees = {"names": features, **made.plain()}
        return {"column": None if column is None else asdict(column), "trees": trees, "measured": beside}


def applied(fitted: Mapping[str, Any], table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """The columns ``baseline_column``, ``baseline_column_name`` and ``baseline_trees`` of any samples.

    Args:
        fitted: what :meth:`Baselines.fit` gave.
        table: their index.
        measured: what is measured of them.

    Returns:
        One row a sample; a baseline whose columns these samples do not have is null.
    """
    beside, out = set(fitted["measured"]), pd.DataFrame(index=range(len(table)))
    if fitted["column"] is not None:
        column = column_from_plain(fitted["column"])
        where = measured if column.name in beside else table
        out[COLUMN] = column.scores(where) if column.name in where else np.nan
        out[NAME] = column.words
    if fitted["trees"] is not None:
        names = [str(name) for name in fitted["trees"]["names"]]
        there = all(name in (measured if name in beside else table) for name in names)
        out[TREES] = np.nan
        if there and len(table):
            x = np.column_stack([_values(table, measured, name, beside) for name in names])
            out[TREES] = BoostedTrees.from_plain(fitted["trees"]).probability(x)
    return out


def comparable(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Predictions of several folds whose columns may be others: where they are, their ranks in each fold are compared.

    Args:
        table: of predictions.
        by: the column that tells the folds apart.
    """
    if NAME not in table or table[NAME].nunique() < 2:
        return table
    return table.assign(**{COLUMN: table.groupby(by)[COLUMN].rank(pct=True)})


def _values(table: pd.DataFrame, measured: pd.DataFrame, name: str, beside: set[str]) -> Floats:
    return numbers(measured if name in beside else table, name)


def _varies(column: pd.Series) -> bool:
    return bool(column.nunique() > 1)
