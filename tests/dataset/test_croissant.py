"""Croissant: every RecordSet's first record is read, and equals what the prepared dataset gives."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import mlcroissant as mlc
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from astrid_ml.commands.croissant import CroissantCommand
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.dataset.croissant import write_croissant
from astrid_ml.dataset.croissant_checks import check_croissant, first_records
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.types import Array


@dataclass(frozen=True)
class Mixed:
    """Stamps of two sizes and ragged curves."""

    domain: ClassVar[str] = "mixed"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit("a", ())]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        random = np.random.default_rng(seed)
        for size in (5, 7):
            names = [f"stamp{size}-{i}" for i in range(3)]
            stamps = random.normal(size=(3, 2, size, size)).astype(np.float32)
            writer.add(pd.DataFrame({"id": names, "group_id": names, "mjd": 6e4}), {"stamp": stamps})
        names = ["curve-0", "curve-1"]
        curves = [random.normal(size=(n, 2)) for n in (4, 6)]
        writer.add_ragged(pd.DataFrame({"id": names, "group_id": names}), {"curve": curves})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    return PreparedDataset(prepare_dataset(Mixed(), [tmp_path], tmp_path / "s", name="mixed", progress=False).path)


def read_sample(record: dict[str, Any], dataset_path: Path) -> Array:
    """A sample of these tables as an array again, as a reader without this package would make it."""
    values: Array = np.load(dataset_path / record["path"], mmap_mode="r")
    part: Array = values[record["start"] : record["stop"]] if "start" in record else values[int(record["row"])]
    assert part.shape == tuple(int(size) for size in str(record["shape"]).split(",") if size)
    return part


def test_every_record_set_is_readable_and_equal(dataset: PreparedDataset) -> None:
    write_croissant(dataset.path, splits=dataset.index[["id"]].assign(fold="train"))
    assert check_croissant(dataset.path) == []
    first = first_records(dataset.path)
    assert set(first) == {"samples", "arrays", "folds", "split", "array-stamp", "array-curve"}
    assert first["folds"]["url"].endswith("TrainingSplit")
    assert first["arrays"]["kind"] == "curve" and first["arrays"]["axes"] == "not stated by the pipeline"
    assert first["samples"]["id"] == first["split"]["id"] == "stamp5-0"
    assert np.array_equal(read_sample(first["array-stamp"], dataset.path), dataset.gather("stamp", np.array([0]))[0])
    row = int(np.flatnonzero(dataset.index["id"] == first["array-curve"]["id"])[0])
    assert np.array_equal(read_sample(first["array-curve"], dataset.path), dataset.ragged("curve", np.array([row]))[0])


def test_the_same_dataset_gives_the_same_bytes(dataset: PreparedDataset) -> None:
    first = write_croissant(dataset.path).read_bytes()
    assert write_croissant(dataset.path).read_bytes() == first


def test_nothing_is_stored_twice(dataset: PreparedDataset) -> None:
    write_croissant(dataset.path)
    arrays = sum(path.stat().st_size for path in (dataset.path / "arrays").glob("*.npy"))
    described = sum(pq.read_metadata(path).num_rows for path in (dataset.path / "croissant").glob("*.parquet"))
    columns = {name for path in (dataset.path / "croissant").glob("*.parquet") for name in pq.read_schema(path).names}
    assert arrays and described == len(dataset.index)
    assert columns == {"id", "path", "row", "start", "stop", "shape"}


def test_each_round_has_its_folds(dataset: PreparedDataset) -> None:
    ids = dataset.index[["id"]]
    rounds = [ids.assign(fold=["test", *["train"] * 6, "val"]), ids.assign(fold=["unused", *["train"] * 6, "test"])]
    write_croissant(dataset.path, splits=[rounds[0], rounds[1].iloc[::-1]])
    assert check_croissant(dataset.path) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the libraries below mlcroissant
        opened = mlc.Dataset(jsonld=str(dataset.path / "croissant.json"))
        told = pd.DataFrame(list(opened.records("split")))
        folds = [row["folds/name"] for row in opened.records("folds")]
    for number, table in enumerate(rounds):
        found = told[f"split/fold_{number}"].str.decode("utf-8")
        assert found.tolist() == table["fold"].tolist()
    assert folds == ["train", "val", "test", "unused"]


def test_keys_references_and_meanings_are_there(dataset: PreparedDataset) -> None:
    write_croissant(dataset.path, splits=dataset.index[["id"]].assign(fold="train"))
    content = json.loads((dataset.path / "croissant.json").read_text())
    sets = {item["@id"]: item for item in content["recordSet"]}
    fields = {item["@id"]: item for record in sets.values() for item in record["field"]}
    for name in ("samples", "split", "array-stamp", "array-curve"):
        assert sets[name]["key"] == {"@id": f"{name}/id"}
    for name in ("split/id", "array-stamp/id", "array-curve/id"):
        assert fields[name]["references"] == {"fileObject": {"@id": "index"}, "extract": {"column": "id"}}
    assert fields["split/fold"]["references"] == {"field": {"@id": "folds/name"}}
    assert sets["folds"]["dataType"] == "cr:Split" and "cr:Split" in fields["split/fold"]["dataType"]
    assert "cr:Label" in fields["samples/label"]["dataType"]
    assert "Unit: d." in fields["samples/mjd"]["description"]
    assert content["rai:dataCollectionTimeFrame"] == ["2023-02-25", "2023-02-25"]
    assert "Neither its licence nor a date" in content["description"]


def test_damage_and_missing_fields_are_found(dataset: PreparedDataset) -> None:
    write_croissant(dataset.path, provenance={"license": ""})
    assert check_croissant(dataset.path) == ["license is missing"]
    write_croissant(dataset.path)
    with (dataset.path / "croissant" / "stamp.parquet").open("ab") as stream:
        stream.write(b"x")
    assert check_croissant(dataset.path) == ["croissant/stamp.parquet: its sha256 is another one"]
    with pytest.raises(UserError, match="licence"):
        write_croissant(dataset.path, provenance={"licence": "CC0"})


def test_the_command_writes_then_checks(dataset: PreparedDataset) -> None:
    (dataset.path / "croissant.json").unlink()
    assert CroissantCommand(str(dataset.path)).run()["written"]
    again = CroissantCommand(str(dataset.path)).run()
    assert (again["written"], again["failed"]) == (False, 0)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unfinished"):
        PreparedDataset(tmp_path)
    with pytest.raises(UserError, match="nothing at"):
        PreparedDataset(tmp_path / "absent")
