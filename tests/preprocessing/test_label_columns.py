"""Columns that labels are made of."""

from __future__ import annotations

import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.label_columns import column_of, counts_of, numbers_of, refuse_codes


def test_a_column_that_is_not_there_is_refused_by_name() -> None:
    index = pd.DataFrame({"label": [1, None, 0]})
    assert column_of(index, "label").tolist()[0] == 1
    with pytest.raises(UserError, match="samples with the column labl"):
        column_of(index, "labl")
    assert counts_of(index) == {"labelled": 2, "unlabelled": 1}


def test_words_are_no_numbers_and_codes_say_not_which_is_real() -> None:
    assert numbers_of(pd.Series(["1", "0"])).tolist() == [1.0, 0.0]
    with pytest.raises(UserError):
        numbers_of(pd.Series(["real", "bogus"]))
    refuse_codes(pd.Series([0, 1]))
    with pytest.raises(UserError, match="which is real"):
        refuse_codes(pd.Series([1, 2]))
