"""Which set each row of an index is in, as numbers of one byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.splits.coded import Coded, as_series, as_texts
from astrid_ml.types import Folds, Ints, Mask

FOLDS = ("train", "val", "test")
SEALED, UNUSED = "sealed", "unused"
NAMES = (*FOLDS, SEALED, UNUSED)
TRAIN, VAL, TEST, KEPT, LEFT = range(5)


def fold_texts(folds: Folds) -> pd.Series:
    """Numbers as the names that stand in a split's table.

    Example:
        >>> fold_texts(np.array([2, 0, 4], dtype=np.int8)).tolist()
        ['test', 'train', 'unused']
    """
    import pyarrow as pa

    chosen = pa.DictionaryArray.from_arrays(pa.array(folds), pa.array(NAMES, pa.large_string()))
    return as_series(pa.chunked_array([chosen.cast(pa.large_string())]))


def fold_numbers(names: pd.Series) -> Folds:
    """The inverse; -1 where a name is none of a set."""
    coded = Coded.of(names)
    place = {name: number for number, name in enumerate(NAMES)}
    numbers = np.array([*(place.get(name, -1) for name in coded.names), -1], dtype=np.int8)
    out: Folds = numbers[coded.codes]
    return out


def folds_of(ids: pd.Series, table: pd.DataFrame) -> Folds:
    """The set of each row by its id.

    Args:
        ids: of the index, (n,).
        table: a round of a split, with ``id`` and ``fold``.

    Returns:
        Places in ``NAMES``, (n,); -1 where the table has no such id, or another name of a set. Of an id that it has
        twice the first counts.

    Example:
        >>> table = pd.DataFrame({"id": ["b", "a"], "fold": ["train", "test"]})
        >>> folds_of(pd.Series(["a", "b", "c"]), table).tolist()
        [2, 0, -1]
    """
    numbers, places = fold_numbers(table["fold"]), places_in(ids, table["id"])
    return numbers if places is None else np.append(numbers, np.int8(-1))[places]


def places_in(wanted: pd.Series, ids: pd.Series) -> Ints | None:
    """Where each wanted id stands first among ``ids``, (n,), -1 where it does not; None where both are the same column.

    Example:
        >>> places_in(pd.Series(["a", "c"]), pd.Series(["b", "a", "a"])).tolist()
        [1, -1]
    """
    if same(wanted, ids):
        return None
    import pyarrow.compute as pc

    found = pc.index_in(as_texts(wanted), value_set=as_texts(ids).combine_chunks())
    out: Ints = found.fill_null(-1).to_numpy().astype(np.int64)
    return out


def same(one: pd.Series, other: pd.Series) -> bool:
    """Whether two columns hold the same texts in the same order."""
    return len(one) == len(other) and bool(as_texts(one).equals(as_texts(other)))


def sets_of_groups(groups: Coded, folds: Folds) -> Mask:
    """Which groups stand in which of train, val, test and sealed, shape (names, 4).

    Args:
        groups: of each row.
        folds: of each row, (n,).
    """
    out = np.zeros((len(groups.names), LEFT), dtype=bool)
    for number in range(LEFT):
        out[groups.codes[folds == number], number] = True
    return out


def names_at(groups: Coded, places: Any) -> list[str]:
    """Names of groups by their places."""
    return [str(name) for name in groups.names.iloc[places]]
