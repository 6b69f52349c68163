"""An index on disk gives what the table of the whole would, and holds none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.audit.audit import Audit
from astrid_ml.checkpoint.record import TrainingDigest
from astrid_ml.contracts.columns import columns_of, rows_of
from astrid_ml.dataset import index_file, prepared
from astrid_ml.dataset.index_file import IndexFile, different
from astrid_ml.dataset.pages import read_pages, write_pages
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.run.training.rounds import predictions
from astrid_ml.splits.options import GroupSplit
from astrid_ml.splits.plan import index_for, planned
from astrid_ml.validity.drift import input_statistics


def table(n: int = 23) -> pd.DataFrame:
    """A column of each kind that an index holds, with and without gaps."""
    number = np.arange(n)
    return pd.DataFrame(
        {
            "id": [f"s{i}" for i in number],
            "group_id": [f"g{i // 3}" for i in number],
            "array": [f"part-{i // 9}" for i in number],
            "row": number % 9,
            "flux": np.where(number % 4, number / 7, np.nan),
            "label": pd.array([pd.NA if i % 5 == 0 else i % 2 for i in number], dtype="Int8"),
            "count": number * 2**33,
            "flagged": number % 2 == 0,
            "small": number.astype(np.float32),
            "seldom": [None] * (n - 1) + ["last"],
            "perhaps": [None if i == 3 else bool(i % 2) for i in number],
            "mission": ["ZTF" if i % 2 else "ps1" for i in number],
        }
    )


@pytest.fixture(params=[[23], [5, 0, 18], [1] * 23], ids=["one file", "three files", "a file a row"])
def both(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[IndexFile, pd.DataFrame]:
    """An index in one or more files, of row groups of four rows, and the same as one table."""
    monkeypatch.setattr(index_file, "BLOCK", 3)
    whole, paths, start = table(), [], 0
    for number, n in enumerate(request.param):
        paths.append(tmp_path / f"{number}.parquet")
        part = whole.iloc[start : start + n]
        part.to_parquet(paths[-1], index=False, row_group_size=4, write_page_checksum=True)
        start += n
    write_pages(whole, tmp_path / "whole.parquet")
    return IndexFile(paths), read_pages(tmp_path / "whole.parquet").assign(mission=whole["mission"].str.lower())


def test_columns_are_those_of_the_table(both: tuple[IndexFile, pd.DataFrame]) -> None:
    index, whole = both
    assert (len(index), index.columns, "flux" in index, "x" in index) == (len(whole), list(whole.columns), True, False)
    pd.testing.assert_frame_equal(index.table(), whole)
    for name in whole:
        pd.testing.assert_series_equal(index[name], whole[name])
    pd.testing.assert_frame_equal(index[["flux", "id"]], whole[["flux", "id"]])
    assert index.dtypes.astype(str).to_dict() == whole.dtypes.astype(str).to_dict()
    with pytest.raises(KeyError):
        index["x"]


@pytest.mark.parametrize("rows", [[], [4], [22, 0, 7, 7], list(range(23))], ids=str)
def test_rows_come_in_the_order_that_was_asked_for(both: tuple[IndexFile, pd.DataFrame], rows: list[int]) -> None:
    index, whole = both
    asked = np.array(rows, dtype=np.int64)
    pd.testing.assert_frame_equal(index.rows(asked), whole.iloc[asked], check_index_type=False)
    few = index.rows(asked, ["small", "label", "id"])
    pd.testing.assert_frame_equal(few, whole[["small", "label", "id"]].iloc[asked], check_index_type=False)


def test_blocks_are_the_rows_in_order(both: tuple[IndexFile, pd.DataFrame]) -> None:
    index, whole = both
    blocks = list(index.blocks(index.columns))
    assert max(map(len, blocks)) <= 3
    pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), whole)


def test_few_texts_are_numbers(both: tuple[IndexFile, pd.DataFrame]) -> None:
    index, whole = both
    codes, names = index.codes("array")
    assert names == ["part-0", "part-1", "part-2"]
    assert [names[code] for code in codes] == whole["array"].tolist()
    assert index.different("seldom") == different(whole, "seldom") == {"last"}


def broken(change: Any) -> pd.DataFrame:
    out = table()
    change(out)
    return out


DAMAGED = {
    "no column group_id": lambda t: t.pop("group_id"),
    "rows without id": lambda t: t.__setitem__("id", t["id"].where(t["id"] != "s4")),
    "no whole numbers": lambda t: t.__setitem__("row", t["row"] + 0.5),
    "the id s4 twice": lambda t: t.__setitem__("id", t["id"].replace("s9", "s4")),
}


@pytest.mark.parametrize("words", DAMAGED)
@pytest.mark.parametrize("rows", [4, 1 << 20], ids=["by columns", "as a table"])
def test_damage_is_told_alike(words: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "ROWS", rows)
    (tmp_path / "dataset.json").write_text(
        '{"schema": 1, "fingerprint": "f", "domain": "d", "counts": {}, "description": {}}'
    )
    write_pages(broken(DAMAGED[words]), tmp_path / "index.parquet")
    with pytest.raises(UserError, match=words):
        PreparedDataset(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("large"))


@pytest.fixture
def on_disk(made: Untrained, monkeypatch: pytest.MonkeyPatch) -> PreparedDataset:
    """The same dataset with an index that is not read as a whole."""
    monkeypatch.setattr(prepared, "ROWS", 5)
    monkeypatch.setattr(index_file, "BLOCK", 7)
    out = PreparedDataset(made.dataset.path)
    assert isinstance(out.by_column, IndexFile)
    return out


def test_a_split_an_audit_and_batches_never_hold_the_table(made: Untrained, on_disk: PreparedDataset) -> None:
    split = GroupSplit(seed=3)
    plan = planned(split, index_for(split, on_disk))
    assert plan.hash == planned(split, made.dataset.index).hash
    assert plan.counts(on_disk.by_column).equals(plan.counts(made.dataset.index))
    audit = Audit(mode="warn")
    assert audit.run(on_disk, plan).to_plain() == audit.run(made.dataset, plan).to_plain()
    made.datamodule.attach(made.dataset, plan.rounds[0], seed=5)
    expected = [batch["x"].numpy() for batch in made.datamodule.train_dataloader()]
    statistics, table = made.datamodule.statistics, predictions(made.task, made.datamodule, made.dataset, "val")
    made.datamodule.attach(on_disk, plan.rounds[0], seed=5)
    for one, other in zip(expected, made.datamodule.train_dataloader(), strict=True):
        assert (one == other["x"].numpy()).all()
    assert made.datamodule.statistics == statistics
    pd.testing.assert_frame_equal(predictions(made.task, made.datamodule, on_disk, "val"), table)
    assert on_disk._index is None


def test_a_digest_and_the_drift_are_the_same(made: Untrained, on_disk: PreparedDataset) -> None:
    one = TrainingDigest.of(made.dataset.index)
    other = TrainingDigest.of(rows_of(on_disk, np.arange(len(made.dataset.index)), ["id", "group_id", "ra", "dec"]))
    assert (one.ids == other.ids).all() and (one.groups == other.groups).all()
    assert other.seen(columns_of(on_disk)).all()
    rows = np.arange(0, len(made.dataset.index), 2)
    assert input_statistics(on_disk, rows) == input_statistics(made.dataset, rows)
    assert on_disk._index is None
