"""Columns of text: what is missing stays missing, whatever the rest is."""

from __future__ import annotations

import pandas as pd

from astrid_ml.preprocessing.roman.job.columns import same, texts


def test_missing_text_is_null_and_never_a_word() -> None:
    column = pd.Series(texts(value for value in ("R062", None, "")))
    assert column.dtype == "string"
    assert column.isna().tolist() == [False, True, False]
    assert column.dropna().tolist() == ["R062", ""]


def test_one_text_or_none_in_all_rows() -> None:
    assert list(same("jid1", 3)) == ["jid1"] * 3
    assert pd.isna(same(None, 2)).all() and len(same("x", 0)) == 0


def test_jobs_with_and_without_a_text_join_to_one_type() -> None:
    parts = [pd.DataFrame({"filter": same(value, n)}) for value, n in (("R062", 2), (None, 1), ("H158", 0))]
    joined = pd.concat(parts, ignore_index=True)["filter"]
    assert joined.dtype == "string"
    assert joined.fillna("unknown").tolist() == ["R062", "R062", "unknown"]
