"""Parquet tables that are small on the disk and large in memory are refused by what their footer says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astrid_ml import inflating
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.row_blocks import read_any, row_blocks
from astrid_ml.readable import reading_parquet
from astrid_ml.table_files import read_parquet
from astrid_ml.tables import read_table

ROWS = 30_000
NUMBERS = pa.table({"object_id": pa.array([7] * ROWS, pa.int64()), "flux": pa.array([0.0] * ROWS, pa.float32())})
TEXTS = pa.table({"object_id": ["x" * 500] * ROWS})
WORDS = ["x" * 500] * ROWS
IN_LISTS = pa.table({"tags": pa.array([[word] for word in WORDS], pa.list_(pa.string()))})
IN_STRUCTS = pa.table({"about": pa.array([{"a": [{"b": word}], "n": 1} for word in WORDS])})
IN_MAPS = pa.table({"about": pa.array([[("k", word)] for word in WORDS], pa.map_(pa.string(), pa.string()))})
DOTTED = pa.table({"about.a": WORDS})
LISTS = pa.table({"stamps": pa.array([[0.0] * 100] * (ROWS // 100), pa.list_(pa.float64()))})


def _read(path: Path) -> None:
    with reading_parquet(path):
        pq.read_table(path)


READERS: dict[str, Callable[[Path], object]] = {
    "read_parquet": read_parquet,
    "read_table": lambda path: read_table(path, {}),
    "reading_parquet": _read,
    "read_any": read_any,
    "row_blocks": lambda path: list(row_blocks(path)),
}


@pytest.fixture(autouse=True)
def small(watched: None, monkeypatch: pytest.MonkeyPatch) -> None:
    inflating._refuse_swollen_parquet.cache_clear()
    monkeypatch.setattr(inflating, "MOST_BYTES", 200_000)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("table", [NUMBERS, TEXTS, LISTS], ids=["numbers", "texts", "lists"])
def test_equal_values_without_end_are_refused_by_each_reader(table: pa.Table, name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=10_000 if table is NUMBERS else None, compression="zstd")
    assert path.stat().st_size < 20_000
    with pytest.raises(
        (ValueError, UserError),
        match=r"a table of \d+ bytes in a file that may inflate to \d+(: |. To fix it: )write it",
    ):
        READERS[name](path)


@pytest.mark.parametrize("table", [IN_LISTS, IN_STRUCTS, IN_MAPS, DOTTED], ids=["lists", "structs", "maps", "dots"])
def test_texts_are_counted_wherever_they_stand_in_a_column(table: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=20_000, compression="zstd")
    with pytest.raises(inflating.SwollenError, match=r"a table of 1\d{7} bytes"):
        inflating.refuse_swollen_parquet(path)
    pq.write_table(table.slice(0, 100), path)
    inflating.refuse_swollen_parquet(path)


@pytest.mark.parametrize(
    ("values", "kind", "shared"),
    [
        (["abc", None, "abc"], pa.dictionary(pa.int8(), pa.large_string()), 6),
        ([1.0, 1.0], pa.dictionary(pa.int8(), pa.float64()), 0),
        (["abc", None, "a" * 20], pa.string_view(), 23),
        ([b"abc"], pa.binary_view(), 3),
        ([["abc"], None, ["abc"]], pa.list_(pa.string_view()), 6),
        ([["abc"], ["abc"]], pa.list_view(pa.string_view()), 6),
        ([["abc", "a"]], pa.list_(pa.string_view(), 2), 4),
        ([{"a": ["abc"], "b": 1}], pa.struct({"a": pa.large_list(pa.string_view()), "b": pa.int64()}), 3),
        ([["abc"]], pa.list_(pa.string()), 0),
    ],
    ids=str,
)
def test_what_rows_may_share_is_counted_for_each(values: list[object], kind: pa.DataType, shared: int) -> None:
    column = pa.array(values, kind)
    assert inflating.shared_bytes(column) == shared
    twice = pa.chunked_array([column, column])
    assert inflating.shared_bytes(twice) == 2 * shared
    assert inflating.shared_bytes(twice.slice(0, len(column))) == shared


def test_ordinary_tables_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = pd.DataFrame({"id": [f"ZTF{n:08d}" for n in range(ROWS)], "mission": "ZTF", "n": range(ROWS)})
    rows.to_parquet(path, row_group_size=5000)
    assert len(read_parquet(path)) == len(read_table(path, {}).rows) == ROWS


def test_texts_are_counted_as_each_row_has_them(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a" * 30, None, "b"] * 10}), path)
    assert inflating._text_bytes(path, "id", [0]) == 310


def varint(number: int) -> bytes:
    """As thrift writes it, in three bytes."""
    twice = 2 * number
    return bytes([twice & 127 | 128, twice >> 7 & 127 | 128, twice >> 14])


def test_a_footer_that_contradicts_itself_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": pa.array(range(ROWS), pa.int64())}), path)
    content = path.read_bytes()
    assert content.count(varint(ROWS)) >= 2
    before, _, after = content.rpartition(varint(ROWS))
    path.write_bytes(before + varint(ROWS + 1) + after)
    with pytest.raises(ValueError, match="rows"):
        inflating.refuse_swollen_parquet(path)
