"""A failure that has passed is not published for ever: one fingerprint means one content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.pipeline.engine import PrepareOutcome, is_whole, prepare_dataset


@dataclass(frozen=True)
class Sick:
    """Forty units of five samples; those named in ``SICK`` fail as long as they stand there."""

    domain: ClassVar[str] = "sick"
    version: ClassVar[int] = 1
    SICK: ClassVar[set[str]] = set()

    def plan(self, raw: Any) -> list[Unit]:
        return [Unit(f"u{i}", (raw[0] / f"u{i}",)) for i in range(40)]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        if unit.id in self.SICK:
            raise MemoryError("no memory just now")
        names = [f"{unit.id}-{k}" for k in range(5)]
        writer.add(pd.DataFrame({"id": names, "group_id": unit.id, "label": 0}), {"x": np.zeros((5, 3), np.float32)})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for i in range(40):
        (folder / f"u{i}").write_text("x")
    return folder


def prepared(raw: Path, *sick: str) -> PrepareOutcome:
    Sick.SICK.clear()
    Sick.SICK.update(sick)
    return prepare_dataset(Sick(), [raw], raw.parent / "store", name="toy", progress=False)


def test_the_next_prepare_tries_again_and_publishes_the_whole(raw: Path) -> None:
    partial, whole = prepared(raw, "u7"), prepared(raw)
    assert "-partial-" in partial.path.name and whole.path.name == partial.path.name.partition("-partial-")[0]
    one, two = PreparedDataset(partial.path), PreparedDataset(whole.path)
    assert (len(one.index), len(two.index)) == (195, 200) and one.fingerprint != two.fingerprint
    assert (whole.units_done, whole.units_reused, whole.units_failed) == (1, 39, [])
    assert prepared(raw, "u7").path == whole.path  # it is there: nothing is tried


def test_the_same_failure_is_the_same_dataset_and_another_is_another(raw: Path) -> None:
    first, again, other = prepared(raw, "u7", "u8"), prepared(raw, "u7", "u8"), prepared(raw, "u8")
    assert first.path == again.path and again.reused and [d.id for d in again.units_failed] == ["u7", "u8"]
    assert other.path != first.path and [drop.id for drop in other.units_failed] == ["u8"]
    assert json.loads((raw.parent / "store" / "latest.json").read_text())["dataset"] == other.path.name


def test_what_an_earlier_version_published_as_the_whole_is_made_anew(raw: Path) -> None:
    whole = prepared(raw)
    file = whole.path / "dataset.json"
    content = json.loads(file.read_text())
    del content["record"], content["digests"]  # an earlier version had none
    assert is_whole(whole.path)
    file.write_text(json.dumps({**content, "failed": [{"id": "u9", "reason": "missing u9.fits"}]}))
    assert is_whole(whole.path)  # an absent file is part of the fingerprint
    file.write_text(json.dumps({**content, "failed": [{"id": "u7", "reason": "MemoryError: no memory just now"}]}))
    assert not is_whole(whole.path)
    again = prepared(raw)
    assert again.path == whole.path and is_whole(again.path) and again.units_reused == 40
    assert len(list((raw.parent / "store").glob("toy-*-partial-*"))) == 1
