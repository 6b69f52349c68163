"""Ids of a store are lines of text: control characters are written out, and megabytes are dropped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.pipeline.writer import LONGEST_ID, MemoryUnitWriter

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
