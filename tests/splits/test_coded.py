"""Columns of texts as numbers, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_ml.splits.coded import Coded

words = st.lists(st.text(max_size=3), max_size=30)


@pytest.mark.parametrize("kind", [object, "str", "string"])
@given(values=words)
def test_texts_come_back_and_numbers_follow_their_order(kind: Any, values: list[str]) -> None:
    column = pd.Series(values, dtype=kind)
    coded = Coded.of(column)
    assert coded.texts().tolist() == values
    assert coded.names.tolist() == sorted(set(values))
    assert coded.codes.dtype == np.int32
    assert coded.count() == len(set(values))
    assert coded.times().tolist() == [values.count(name) for name in sorted(set(values))]


def test_no_text_has_no_number_and_stays_none() -> None:
    coded = Coded.of(pd.Series(["b", None, "a"]))
    assert coded.codes.tolist() == [1, -1, 0]
    assert coded.texts().isna().tolist() == [False, True, False]
    assert coded[np.array([1])].count() == 0
    assert Coded.of(pd.Series([2, 10])).names.tolist() == ["10", "2"]


def test_chunks_of_a_file_are_one_column() -> None:
    parts = [pd.Series(["x", "y"]), pd.Series(["z", "x"])]
    coded = Coded.of(pd.concat(parts, ignore_index=True))
    assert coded.texts(pd.Index([5, 6, 7, 8])).to_dict() == {5: "x", 6: "y", 7: "z", 8: "x"}


def test_two_columns_side_by_side_keep_only_what_is_there() -> None:
    one = Coded.of_few(pd.Series([1, None, 1], dtype="Int8"), str)
    other = Coded.of(pd.Series(["a", "a", "b"]))
    both = one.beside(other, "|")
    assert both.texts().tolist() == ["1|a", "|a", "1|b"]
    assert both.names.tolist() == ["1|a", "1|b", "|a"]
