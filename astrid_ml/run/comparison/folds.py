"""Folds for comparisons: a random split beside an honest one, labels that are wrong, one model a value of a column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import columns_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.splits.common import strata_of
from astrid_ml.splits.folds import FOLDS, UNUSED
from astrid_ml.splits.groups import assign

CLAIM = "claim"  # of random folds: what a random split tests


def random_folds(dataset: PreparedDataset, honest: pd.DataFrame, seed: int) -> pd.DataFrame:
    """What the honest split trains and chooses by, shared out again, each sample by itself, whatever its group.

    The honest test fold stays apart, so that the same network is judged by both. The shares of validation and of what
    the random split tests are those of the honest split.

    Args:
        dataset: the samples.
        honest: ``id`` and ``fold``.
        seed: of the draw.

    Returns:
        ``id`` and ``fold``; the random split's own test samples stand as ``claim``, the honest ones as ``test``.
    """
    index = columns_of(dataset)
    ids = index["id"].astype(str)
    fold = honest.set_index(honest["id"].astype(str))["fold"].reindex(ids).to_numpy(dtype=object)
    rest = np.isin(fold, ("train", "val"))
    counts = {name: int((fold == name).sum()) for name in FOLDS}
    test = counts["test"] / sum(counts.values())
    val = (1 - test) * counts["val"] / (counts["train"] + counts["val"])
    part = assign(ids[rest], strata_of(index)[rest].texts(), [1 - val - test, val, test], seed)
    fold[rest] = np.array(["train", "val", CLAIM], dtype=object)[part]
    return pd.DataFrame({"id": ids.to_numpy(), "fold": fold})


def flipped(dataset: PreparedDataset, folds: pd.DataFrame, share: float, seed: int) -> pd.Series:
    """Labels of which a share of those that a training sees is wrong: another class of the dataset, at random.

    Whole groups are wrong, as a wrong classification of an object is in all of its samples. Tested labels stay.

    Args:
        dataset: with a label for each sample.
        folds: ``id`` and ``fold``.
        share: of the labelled groups of train and val.
        seed: of the draw.

    Raises:
        UserError: the labels have fewer than two classes.
    """
    index = columns_of(dataset)
    labels = pd.Series(index["label"].to_numpy(), dtype=object)
    fold = folds.set_index("id")["fold"].reindex(index["id"].astype(str)).to_numpy(dtype=object)
    seen = np.isin(fold, ("train", "val")) & labels.notna().to_numpy()
    classes = sorted(labels[seen].unique(), key=str)
    if len(classes) < 2:
        raise UserError("labels of two classes or more, to flip some", f"{len(classes)}", "leave out flip=")
    # A group and a label of it: both labels of an exposure stay among its candidates.
    keys = pd.Series(index["group_id"].astype(str).to_numpy()) + "\t" + labels.astype(str)
    names = np.sort(keys[seen].unique())
    random = np.random.default_rng([seed, round(1e6 * share)])
    order = random.permutation(len(names))
    wrong = set(names[order[: round(share * len(names))]])
    place = {name: number for number, name in enumerate(classes)}
    shift = dict(zip(names, random.integers(1, len(classes), len(names)), strict=True))
    hit = seen & keys.isin(wrong).to_numpy()
    out = [
        classes[(place[label] + shift[key]) % len(classes)] if changed else label
        for label, key, changed in zip(labels, keys, hit, strict=True)
    ]
    return pd.Series(out).astype(index["label"].dtype)


def held_out_by_value(
    dataset: PreparedDataset, plan: pd.DataFrame, column: str, least: int
) -> tuple[list[str], dict[str, pd.DataFrame]]:
    """One round a value: trained and chosen by what the plan gives it, tested on the test samples of all values.

    Args:
        dataset: the samples.
        plan: ``id`` and ``fold`` of a split that cuts no group.
        column: of the index.
        least: samples of a value in each fold, below which it is passed over.

    Returns:
        The values in order, and for each (and ``all``, which trains on all of them) ``id`` and ``fold``.

    Raises:
        UserError: no such column, or fewer than two values.
    """
    index = columns_of(dataset)
    if column not in index:
        there = ", ".join(str(name) for name in index.columns)
        raise UserError(f"the column {column} for a matrix", "none in this dataset", f"choose column= among {there}")
    ids, values = index["id"].astype(str), index[column]
    fold = plan.set_index("id")["fold"].reindex(ids).to_numpy(dtype=object)
    texts = values.astype(str).where(values.notna(), "").to_numpy(dtype=object)
    labelled = index["label"].notna().to_numpy()
    counts = {
        name: min(int(((texts == name) & labelled & (fold == part)).sum()) for part in FOLDS)
        for name in sorted(set(texts) - {""})
    }
    kept = [name for name, count in counts.items() if count >= least]
    if len(kept) < 2:
        got = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:10]) or "none"
        raise UserError(
            f"two values of {column} or more with {least} labelled samples in each fold",
            f"in the smallest fold: {got}",
            "choose another column=, a smaller least=, or give more data",
        )
    out = {}
    for name in [*kept, "all"]:
        own = np.isin(texts, kept) if name == "all" else texts == name
        mine = np.where(own, fold, UNUSED)
        mine = np.where((fold == "test") & np.isin(texts, kept), "test", np.where(mine == "test", UNUSED, mine))
        out[name] = pd.DataFrame({"id": ids.to_numpy(), "fold": mine})
    return kept, out
