"""The rows of the contact sheet: no sample in two of them, and nothing surely real below the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.run.prediction.extremes import KINDS, OUTSIDE, Extremes, kinds_of


class Drawn:
    """A picture is its row."""

    def draw(self, source: Any, rows: Any) -> list[bytes]:
        return [str(row).encode() for row in rows]


def scored(scores: list[float], threshold: float = 0.5, **other: Any) -> pd.DataFrame:
    table = pd.DataFrame({"id": [f"s{i}" for i in range(len(scores))], "score": scores})
    return table.assign(threshold=threshold, threshold_on="score", **other)


def offered(*tables: pd.DataFrame, keep: int = 8) -> Extremes:
    extremes = Extremes(keep)
    for table in tables:
        source = MemorySource(table[["id"]].assign(array="s", row=range(len(table))), {"s": {}}, {})
        extremes.offer(table, source, Drawn())
    return extremes


@pytest.mark.parametrize("threshold", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("n", [3, 25, 400])
def test_no_sample_stands_twice_and_sure_is_sure(threshold: float, n: int) -> None:
    """Case: of 25 samples all eight "surely real" stood again under "uncertain", with scores of 0.371 to 0.150."""
    random = np.random.default_rng(n)
    table = scored([*random.beta(0.3, 3, n - 1), 0.371], threshold)
    held = offered(table).held
    ids = [each.id for kind in KINDS for each in held[kind]]
    assert len(ids) == len(set(ids))
    score = table.set_index("id")["score"]
    assert all(score[each.id] >= threshold for each in held["surely real"])
    assert all(score[each.id] < threshold for each in held["surely bogus"])
    best = [score[each.id] for each in held["surely real"]]
    assert best == sorted(best, reverse=True)


def test_the_number_shown_is_the_one_that_decides() -> None:
    table = scored([0.9, 0.99]).assign(probability=[0.2, 0.9], threshold_on="probability")
    held = offered(table).held
    assert [each.caption for each in held["surely real"]] == ["s1\nprobability 0.9000 (threshold 0.5)"]
    assert [each.caption for each in held["surely bogus"]] == ["s0\nprobability 0.2000 (threshold 0.5)"]


def test_a_caption_says_label_number_and_light_where_they_are_known() -> None:
    table = scored([0.9, 0.99]).assign(mission="ztf", filter=["g", ""], snr=[12.34, np.nan], magpsf=[18.456, np.nan])
    table = table.assign(label=pd.array([0, None], dtype="Int8"), threshold_on="score")
    captions = {each.id: each.caption for each in offered(table).held["surely real"]}
    assert captions["s0"].splitlines() == [
        "s0, ztf, g", "truly bogus, score 0.9000 (threshold 0.5)", "S/N 12.3, magnitude 18.46",
    ]  # fmt: skip
    assert captions["s1"].splitlines() == ["s1, ztf", "score 0.9900 (threshold 0.5)"]


def test_outside_the_domain_nothing_is_sure() -> None:
    inside = pd.array([True, False, None], dtype="boolean")
    table = scored([0.99, 0.999, 0.01], in_domain=inside)
    held = offered(table.assign(probability=[0.99, np.nan, 0.01], threshold_on="probability")).held
    assert [each.id for each in held[OUTSIDE]] == ["s1"] and held[OUTSIDE][0].caption == "s1\nscore 0.9990"
    assert [each.id for each in held["surely real"]] == ["s0"]
    assert kinds_of(table)[2] == "score"


def test_units_are_joined_to_the_best_of_all() -> None:
    held = offered(scored([0.9, 0.95]), scored([0.99, 0.8]), keep=2).held
    assert [each.caption.split()[2] for each in held["surely real"]] == ["0.9900", "0.9500"]
