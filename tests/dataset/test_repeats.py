"""Texts that stand twice are found by their hashes and decided by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_ml.dataset import repeats as module
from astrid_ml.dataset.repeats import hashed, repeats, repeats_of


@given(st.lists(st.text("abc", max_size=2), max_size=40), st.integers(1, 7))
def test_what_pandas_calls_duplicated_is_found_in_pieces(values: list[str], size: int) -> None:
    column = pd.Series(values, dtype=str)

    def blocks() -> Iterator[pd.Series]:
        return (column.iloc[start : start + size] for start in range(0, len(column), size))

    assert repeats(blocks).tolist() == np.flatnonzero(column.duplicated()).tolist()
    assert repeats_of(column).tolist() == np.flatnonzero(column.duplicated()).tolist()


def test_texts_with_one_hash_are_not_taken_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hashed", lambda texts: np.zeros(len(texts), dtype=np.uint64))
    assert repeats_of(pd.Series(["a", "b", "c"])).tolist() == []
    assert repeats_of(pd.Series(["a", "b", "a"])).tolist() == [2]


def test_hashes_are_those_of_the_text() -> None:
    assert hashed(pd.Series(["a", "b"])).tolist() == hashed(pd.Series(["a", "b"], dtype=object)).tolist()
    assert hashed(pd.Series([7])).tolist() == hashed(pd.Series(["7"])).tolist()
