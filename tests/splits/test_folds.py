"""Which set each row is in, by its place and by its id."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.splits.coded import Coded
from astrid_ml.splits.folds import NAMES, fold_numbers, fold_texts, folds_of, names_at, places_in, same, sets_of_groups

IDS = pd.Series(["a", "b", "c", "d"])
TABLE = pd.DataFrame({"id": IDS, "fold": ["train", "unused", "test", "val"]})


def test_names_and_numbers_are_inverse() -> None:
    numbers = np.array([3, 0, 2, 1, 1], dtype=np.int8)
    texts = fold_texts(numbers)
    assert texts.tolist() == [NAMES[number] for number in numbers]
    assert texts.dtype == pd.Series(["train"]).dtype
    assert fold_numbers(texts).tolist() == numbers.tolist()
    assert fold_numbers(pd.Series(["validation", None])).tolist() == [-1, -1]


def test_folds_follow_the_ids_whatever_the_order_of_the_table() -> None:
    expected = [0, 4, 2, 1]
    assert folds_of(IDS, TABLE).tolist() == expected
    assert folds_of(IDS, TABLE.iloc[::-1]).tolist() == expected
    assert folds_of(IDS.astype(object), TABLE).tolist() == expected
    assert folds_of(IDS, TABLE.head(2)).tolist() == [0, 4, -1, -1]
    twice = pd.concat([TABLE, TABLE.assign(fold="test")])
    assert folds_of(IDS, twice).tolist() == expected


def test_the_same_column_is_seen_and_places_are_those_of_the_first() -> None:
    assert same(IDS, IDS.astype("string"))
    assert not same(IDS, IDS.iloc[::-1])
    assert places_in(IDS, IDS) is None
    found = places_in(pd.Series(["c", "x"]), pd.Series(["b", "c", "c"]))
    assert found is not None
    assert found.tolist() == [1, -1]


def test_groups_are_counted_in_the_sets_that_count() -> None:
    groups = Coded.of(pd.Series(["g", "g", "h", "h"]))
    there = sets_of_groups(groups, folds_of(IDS, TABLE))
    assert there.tolist() == [[True, False, False, False], [False, True, True, False]]
    assert names_at(groups, [1]) == ["h"]
