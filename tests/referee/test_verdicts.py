"""What was said beside what was computed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.referee.verdicts import (
    DIFFERENT,
    EQUAL,
    NEAR,
    ORDER,
    UNKNOWN,
    WITHOUT_DATA,
    Compared,
    PartAbsentError,
    compare,
    compare_tables,
    judged,
)


@pytest.mark.parametrize(
    ("said", "made", "verdict"),
    [
        ({"a": 1}, {"a": 1}, EQUAL),
        ({"a": 1.0}, {"a": 1}, EQUAL),
        ({"a": math.nan}, {"a": math.nan}, EQUAL),
        ({"a": None}, {"a": None}, EQUAL),
        ({"a": 1e9}, {"a": 1e9 + 1}, NEAR),
        ({"a": 1.0}, {"a": 1.0 + 1e-7}, NEAR),
        ({"a": 1.0}, {"a": 1.001}, DIFFERENT),
        ({"a": True}, {"a": 1}, DIFFERENT),
        ({"a": None}, {"a": 0.0}, DIFFERENT),
        ({"a": math.inf}, {"a": 1.0}, DIFFERENT),
        ({"a": "x"}, {"a": "y"}, DIFFERENT),
        ({"a": [1, 2]}, {"a": [1]}, DIFFERENT),
        ({"a": []}, {"a": {}}, DIFFERENT),
        ({"a": 1}, {}, DIFFERENT),
        ({}, {"a": 1}, DIFFERENT),
    ],
)
def test_trees_are_compared_leaf_by_leaf(said: object, made: object, verdict: str) -> None:
    assert compare(said, made, 1e-6).verdict == verdict


def test_the_graver_part_counts() -> None:
    parts = {name: Compared(name, name) for name in ORDER}
    for place, one in enumerate(ORDER):
        for other in ORDER[place:]:
            assert parts[one].also(parts[other]).verdict == parts[other].also(parts[one]).verdict == other
    assert Compared(EQUAL, "a; b").also(Compared(EQUAL, "b; c")).words == "a; b; c"


def test_checks_that_cannot_be_done_are_told_apart_from_those_that_fail() -> None:
    def absent() -> Compared:
        raise PartAbsentError("run.json")

    def damaged() -> Compared:
        raise UserError("a record", "bytes", "ask again")

    def strange() -> Compared:
        return Compared(EQUAL, str(dict[str, int]()["label"]))

    assert judged("a", "b", absent).verdict == UNKNOWN and "run.json" in judged("a", "b", absent).found
    assert judged("a", "b", damaged).verdict == DIFFERENT
    assert judged("a", "b", strange).found == "cannot be computed from this bundle: KeyError: 'label'"
    assert Compared(WITHOUT_DATA, "").also(Compared(EQUAL, "x")).verdict == EQUAL


TABLE = pd.DataFrame(
    {"id": ["a", "b"], "score": np.array([0.1, 0.2]), "label": [1, 0], "set": ["val", None], "null": [None, None]}
)


def test_tables_are_compared_by_rows_and_columns() -> None:
    assert compare_tables(TABLE, TABLE.drop(columns="null"), 0.0).verdict == EQUAL
    near = compare_tables(TABLE, TABLE.assign(score=TABLE["score"] + 1e-6), 1e-4)
    assert near.verdict == NEAR and "score" in near.words
    for other in (
        TABLE.assign(score=[0.1, 0.3]), TABLE.assign(label=[1, 1]), TABLE.iloc[:1], TABLE.iloc[::-1],
        TABLE.assign(score=[0.1, math.nan]), TABLE.drop(columns="label"), TABLE.assign(more=1),
    ):  # fmt: skip
        assert compare_tables(TABLE, other, 1e-4).verdict == DIFFERENT
    assert "score in 1 rows (b: 0.2, computed 0.3)" in compare_tables(TABLE, TABLE.assign(score=[0.1, 0.3]), 0).words
    assert compare_tables(TABLE, TABLE.assign(label=[1, 1]), 0.0, ["label"]).verdict == EQUAL


def test_cells_that_hold_arrays_are_compared_by_their_values() -> None:
    def cells(*values: float) -> pd.Series:
        return pd.Series([np.array(values, np.float32 if isinstance(values[0], float) else np.int64)])

    counts = pd.DataFrame({"id": ["a"], "counts": cells(1, 2), "values": cells(0.5)})
    other = counts.assign(counts=cells(1, 3))
    assert compare_tables(counts, counts.copy(), 0.0).verdict == EQUAL
    assert compare_tables(counts, other, 1e-4).verdict == DIFFERENT
    assert compare_tables(counts, counts.assign(values=cells(0.50001)), 1e-4).verdict == NEAR
