"""Tables of predictions of both schemas."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from astrid_ml.checkpoint.predictions import FIRST, ordered, read_predictions, reasons, write_predictions
from astrid_ml.errors import UserError


def table() -> pd.DataFrame:
    return pd.DataFrame({"snr": [3.0, 9.0], "id": [1, 2], "score": [0.2, 0.9], "set": "test", "source": "a.avro"})


def test_the_columns_that_people_rely_on_come_first_and_the_file_says_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "new" / "test.parquet"
    write_predictions(table(), path)
    assert (pq.read_schema(path).metadata or {})[b"astrid.schema"] == b"2"
    read = read_predictions(path)
    assert list(read.columns) == [*FIRST, "snr"]
    assert read["id"].tolist() == ["1", "2"] and read["set"].tolist() == ["test", "test"]
    assert read["in_domain"].isna().all() and read["probability"].isna().all()


def test_a_column_of_samples_of_others_means_what_they_say(tmp_path: Path) -> None:
    rows = table().assign(mag=21.0, ra=3.0, baseline_trees=0.5)
    for others in (False, True):
        about = {"unit_of": {"others" if others else "simulated": "electrons"}}
        write_predictions(rows, tmp_path / "p.parquet", ["votable"], about)
        units = pd.read_parquet(tmp_path / "p.parquet").attrs["units"]
        assert units.get("mag", "") == ("" if others else "mag") and units["ra"] == "deg"
        read = Table.read(tmp_path / "p.vot")
        assert read["score"].description and read["baseline_trees"].description
        assert bool(read["snr"].description) is not others


def test_schema_1_is_read(tmp_path: Path) -> None:
    old = ordered(table()).drop(columns=["in_domain", "set"])
    old.to_parquet(tmp_path / "old.parquet", index=False)
    read = read_predictions(tmp_path / "old.parquet")
    assert list(read.columns) == [*FIRST, "snr"] and read["set"].isna().all()
    assert read["score"].tolist() == [0.2, 0.9]


def test_what_is_null_has_a_reason() -> None:
    assert set(reasons(ordered(table()))) == {"in_domain", "prediction_set"}
    assert set(reasons(table().drop(columns="set"))) == {"in_domain", "prediction_set", "set"}


def test_what_is_no_table_of_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing at"):
        read_predictions(tmp_path / "absent.parquet")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match="damaged"):
        read_predictions(tmp_path / "cut.parquet")
    table().drop(columns="id").to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="the column id"):
        read_predictions(tmp_path / "other.parquet")
    arrow = pq.read_table(tmp_path / "other.parquet").replace_schema_metadata({"astrid.schema": "3"})
    pq.write_table(arrow, tmp_path / "newer.parquet")
    with pytest.raises(UserError, match="schema 3"):
        read_predictions(tmp_path / "newer.parquet")
