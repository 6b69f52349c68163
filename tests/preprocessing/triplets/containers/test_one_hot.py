"""Labels as a column of 0 and 1 for each class: guessed where they can be nothing else, taken where they are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.strangers import N, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.labels import ColumnLabel
from astrid_ml.preprocessing.triplets.containers.one_hot import columns_said, with_one_hot
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

CLASSES = ["star", "galaxy", "bogus", "star", "bogus", "bogus"]


def one_hot(prefix: str = "", kind: type = int) -> pd.DataFrame:
    """The table of made stamps with a column for each class in place of the label."""
    rows: pd.DataFrame = table().drop(columns="label")
    for name in ("star", "galaxy", "bogus"):
        rows[f"{prefix}{name}"] = [kind(name == own) for own in CLASSES]
    return rows


def prepared(folder: Path, rows: pd.DataFrame, form: str = "csv", **said: Any) -> pd.DataFrame:
    """The index of stamps beside a table, or in one file with it."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    if form == "npz":
        columns = {str(name): rows[name].to_numpy() for name in rows}
        texts = {name: values.astype(str) if values.dtype.kind == "O" else values for name, values in columns.items()}
        np.savez(raw / "a.npz", allow_pickle=False, stamps=stamps(), **texts)
    else:
        np.save(raw / "a.npy", stamps())
        rows.to_csv(raw / "a.csv", index=False)
    done = prepare_dataset(TripletsPipeline(**said), [raw], folder / "store", name="x", progress=False)
    return pd.read_parquet(done.path / "index.parquet")


@pytest.mark.parametrize("form", ["csv", "npz"])
@pytest.mark.parametrize(("prefix", "kind"), [("", int), ("is_", float), ("label_", int), ("class_", bool)])
def test_columns_of_classes_are_the_label(
    tmp_path: Path, form: str, prefix: str, kind: type, capsys: pytest.CaptureFixture[str]
) -> None:
    index = prepared(tmp_path, one_hot(prefix, kind), form)
    assert index["label"].tolist() == CLASSES
    assert not {f"{prefix}{name}" for name in set(CLASSES)} & set(index)  # they would tell a baseline the label
    assert f"label = {prefix}star,{prefix}galaxy,{prefix}bogus" in capsys.readouterr().err


def test_columns_of_classes_in_the_container_beside_a_table(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    classes = {name: one_hot()[name].to_numpy() for name in ("star", "galaxy", "bogus")}
    np.savez(raw / "a.npz", allow_pickle=False, stamps=stamps(), **classes)
    for table_of_others, expected in ((one_hot()[["candid", "ra", "dec"]], CLASSES), (table(), [1, 1, 0, 0, 1, 1])):
        table_of_others.to_csv(raw / "a.csv", index=False)
        done = prepare_dataset(TripletsPipeline(), [raw], tmp_path / "store", name="x", progress=False)
        assert pd.read_parquet(done.path / "index.parquet")["label"].tolist() == expected


def test_real_and_bogus_are_1_and_0_and_a_third_class_is_none_of_them(tmp_path: Path) -> None:
    real = pd.Series([1, 0, 1, 0, 0, 1])
    rows = table().drop(columns="label")
    index = prepared(tmp_path / "two", rows.assign(real=real, bogus=1 - real))
    assert index["label"].tolist() == real.tolist()
    unsure = pd.Series([0, 1, 0, 0, 0, 0])
    index = prepared(tmp_path / "three", rows.assign(real=real, bogus=1 - real - unsure, unsure=unsure))
    assert index["label"].tolist() == ["real", "unsure", "real", "bogus", "bogus", "real"]


def test_columns_that_are_named_and_labels_of_them(tmp_path: Path) -> None:
    rows = table().drop(columns="label").assign(A=[1, 0, 0, 0, 1, 0], B=[0, 1, 1, 0, 0, 1])
    index = prepared(tmp_path, rows, columns={"label": ["A", "B"]})
    assert index["label"].fillna("").tolist() == ["A", "B", "B", "", "A", "B"]
    labelled, _ = ColumnLabel("label", {"A": 1, "B": 0}).apply(index)
    assert labelled["label"].fillna(-1).tolist() == [1, 0, 0, -1, 1, 0]


@pytest.mark.parametrize(
    "rows",
    [
        one_hot().assign(label=1),  # one column says it
        one_hot().drop(columns="bogus").assign(galaxy=[0, 1, 1, 0, 1, 1]),  # of the host, perhaps
        one_hot().assign(star=1),  # two classes at once
        one_hot().assign(star=[0.9, 0.1, 0.0, 0.7, 0.2, 0.0]),  # scores
    ],
)
def test_what_may_be_something_else_is_not_guessed(rows: pd.DataFrame) -> None:
    made, said = with_one_hot(rows, {}, "t.csv")
    assert said == {} and made is rows


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["star", "ghost"], "ghost"),
        (["star", "ra"], "ra of a.csv with other values"),
        (["star", "all"], "rows of a.csv"),
    ],
)
def test_columns_that_hold_no_label_are_refused(tmp_path: Path, columns: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        prepared(tmp_path, one_hot().assign(all=1), columns={"label": columns})
    with pytest.raises(UserError, match="one column for each role"):
        columns_said({"id": ["a", "b"]})
    assert len(CLASSES) == N
