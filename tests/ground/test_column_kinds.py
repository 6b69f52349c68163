"""Columns of tables that become one: of one kind, made so, or refused by the names of both tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astrid_ml.column_kinds import cast_table, kind_of, schemas_to_join, settled_types, with_types
from astrid_ml.errors import UserError


def tables(folder: Path, *columns: Any) -> list[tuple[str, Path]]:
    out = []
    for name, values in zip("abcd", columns, strict=False):
        pd.DataFrame({"x": values, "id": name}).to_parquet(folder / name)
        out.append((name, folder / name))
    return out


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (([1, 2], ["u", "v"]), pa.string()),
        (([1, 2], [True, False]), pa.float64()),
        (([True], ["u"], [2.5]), pa.string()),
        (([1, 2], [0.5, None]), None),
        (([float("nan")], ["u"]), None),
        (([1.0], [None], ["u"][:0]), None),
        ((pd.to_datetime(["2026-01-01"]), ["u"]), pa.string()),
    ],
)
def test_a_column_of_unlike_kinds_gets_a_type_that_holds_both(columns: Any, kind: Any, tmp_path: Path) -> None:
    there = tables(tmp_path, *columns)
    types = settled_types(there)
    assert types == ({} if kind is None else {"x": kind})
    read = [with_types(pd.read_parquet(path), types) for _, path in there]
    again = [cast_table(pq.read_table(path), types).to_pandas() for _, path in there]
    whole = pd.concat(read, ignore_index=True)
    whole.to_parquet(tmp_path / "whole")
    pd.testing.assert_series_equal(whole["x"], pd.concat(again, ignore_index=True)["x"], check_dtype=False)
    schemas = schemas_to_join([pq.ParquetFile(path) for _, path in there], types)
    assert pa.unify_schemas([one.remove_metadata() for one in schemas], promote_options="permissive").names[-1] == "id"


def test_what_decides_something_or_cannot_be_text_is_refused_with_both_names(tmp_path: Path) -> None:
    there = tables(tmp_path, [0, 1], ["SN", "AGN"])
    with pytest.raises(UserError, match="values in the column x; got numbers in a and texts in b") as caught:
        settled_types(there, ("x",))
    assert caught.value.fix
    assert settled_types(tables(tmp_path, [0, 1], [True, False]), ("x",)) == {"x": pa.float64()}
    with pytest.raises(UserError, match="got numbers in a and values of list"):
        settled_types(tables(tmp_path, [1], [[1.0, 2.0]]))


def test_a_category_is_what_its_values_are() -> None:
    assert kind_of(pa.dictionary(pa.int8(), pa.string())) == "texts"
