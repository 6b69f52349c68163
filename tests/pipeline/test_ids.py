"""Ids of a store are lines of text: control characters are written out, and megabytes are dropped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.by_part import counted, said_of
from astrid_ml.pipeline.writer import ALIKE, MemoryUnitWriter
from astrid_ml.printable import LONGEST_ID

IDS = ["a\x1b[31m\n", "b" * LONGEST_ID, "c" * 2_000_000, "d"]
KEPT = ["a\\x1b[31m\\x0a", "b" * LONGEST_ID, "d"]


def records(ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "group_id": ids, "row": range(len(ids))}, index=[7 + n for n in range(len(ids))])


@pytest.mark.parametrize("how", ["add", "add_ragged", "add_rows"])
def test_ids_of_megabytes_and_control_characters(how: str) -> None:
    writer = MemoryUnitWriter()
    values = np.arange(4.0)[:, None]
    if how == "add":
        writer.add(records(IDS).drop(columns="row"), {"x": values})
    elif how == "add_ragged":
        writer.add_ragged(records(IDS).drop(columns="row"), {"x": list(values)})
    else:
        shard = writer.open_shard({"x": ((4, 1), np.float64)})
        shard.arrays["x"][:] = values
        writer.add_rows(records(IDS), shard)
    table, source = writer.table(), writer.source()
    assert table["id"].tolist() == table["group_id"].tolist() == KEPT
    read = source.ragged("x", np.arange(3))[0] if how == "add_ragged" else source.gather("x", np.arange(3))
    assert read.ravel().tolist() == [0.0, 1.0, 3.0]
    [drop] = writer.drops
    assert (drop.id, drop.reason) == ("c" * 60, "an id of more than 1000 characters")
    writer.add(records(IDS).drop(columns="row").assign(source="night/b.avro"), {"x": values})
    assert writer.drops[-1].source == "night/b.avro"


def test_a_group_of_megabytes_and_none_but_dropped_ones() -> None:
    writer = MemoryUnitWriter()
    writer.add(pd.DataFrame({"id": [1], "group_id": ["g" * 5000]}), {"x": np.zeros((1, 2))})
    assert not len(writer.table()) and writer.drops[0].id == "1"
    writer.add(pd.DataFrame({"id": [1, 2], "group_id": [1, None]}), {"x": np.zeros((2, 2))})
    assert writer.table()["id"].tolist() == [1, 2]


def test_records_without_a_name_that_are_alike_are_counted_in_one_row() -> None:
    writer = MemoryUnitWriter()
    for number in range(1000):
        writer.drop("a.jsonl", "no packet", f"a.jsonl, line {number + 1}")
        writer.drop("a.jsonl", "no JSON" if number % 400 == 0 else "empty")
        writer.drop(f"c{number}", "no packet", "a.jsonl")  # each has a name of its own
    assert counted(writer.drops) == {"no packet": 2000, "no JSON": 3, "empty": 997}
    own = [drop for drop in writer.drops if drop.id == "a.jsonl"]
    assert len(own) == 2 * (ALIKE + 1) + 3 and len(writer.drops) == len(own) + 1000
    last = max(own, key=lambda drop: drop.count)
    assert (last.count, last.source) == (1000 - ALIKE, f"a.jsonl, line {ALIKE + 1} and further ones")
    assert said_of(last)["count"] == 1000 - ALIKE and "count" not in said_of(own[0])
    assert max(drop.count for drop in own if drop.reason == "empty") == 997 - ALIKE
