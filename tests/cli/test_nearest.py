"""A misspelt name gets the nearest right one, and only a near one."""

from __future__ import annotations

import pytest

from astrid_ml.nearest import nearest


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("evalute", "evaluate"), ("train", "train")])
def test_the_closest_name_is_asked_for(typed: str, meant: str) -> None:
    assert nearest(typed, ["predict", "evaluate", "train", "prepare"]) == f"did you mean {meant}?"


def test_nothing_is_guessed_where_nothing_is_near() -> None:
    assert nearest("xyz", ["train", "predict"]) == ""
    assert nearest("train", []) == ""
