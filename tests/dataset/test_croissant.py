"""Croissant: every RecordSet's first record is read, and equals what the prepared dataset gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from astrid_ml.commands.croissant import CroissantCommand
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.dataset import sample_tables
from astrid_ml.dataset.croissant import check_croissant, first_records, write_croissant
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
    shape = tuple(int(size) for size in str(record["shape"]).split(",") if size)
    if "values" in record:
        return np.asarray(record["values"]).reshape(shape)
    array: Array = np.load(dataset_path / record["path"])[int(record["row"])]
    return array


def test_every_record_set_is_readable_and_equal(dataset: PreparedDataset) -> None:
    write_croissant(dataset.path, splits=dataset.index[["id"]].assign(fold="train"))
    assert check_croissant(dataset.path) == []
    first = first_records(dataset.path)
    assert set(first) == {"samples", "split", "array-stamp", "array-curve"}
    assert first["samples"]["id"] == first["split"]["id"] == "stamp5-0"
    assert np.array_equal(read_sample(first["array-stamp"], dataset.path), dataset.gather("stamp", np.array([0]))[0])
    row = int(np.flatnonzero(dataset.index["id"] == first["array-curve"]["id"])[0])
    assert np.array_equal(read_sample(first["array-curve"], dataset.path), dataset.ragged("curve", np.array([row]))[0])


def test_the_same_dataset_gives_the_same_bytes(dataset: PreparedDataset) -> None:
    first = write_croissant(dataset.path).read_bytes()
    assert write_croissant(dataset.path).read_bytes() == first


def test_large_samples_are_named_by_path(dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_tables, "LARGEST", 10)
    write_croissant(dataset.path)
    assert check_croissant(dataset.path) == []
    record = first_records(dataset.path)["array-stamp"]
    assert "values" not in record
    assert np.array_equal(read_sample(record, dataset.path), dataset.gather("stamp", np.array([0]))[0])


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
