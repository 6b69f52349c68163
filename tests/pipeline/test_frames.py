"""Whole frames and side tables of a unit, on disk and in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter


@dataclass(frozen=True)
class Framed:
    """Two frames; the second has no sample. All frames have one name where ``clash``."""

    clash: bool = False
    domain: ClassVar[str] = "framed"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(str(number), ()) for number in range(3)]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        name = "images/same.npy" if self.clash else f"images/{unit.id}.npy"
        shard = writer.open_frame(name, (4, 5, 2), np.float32)
        shard.arrays["frame"][:] = float(unit.id)
        writer.add_table("truth", pd.DataFrame({"unit": [unit.id], "x": [1.5]}))
        if unit.id != "1":
            names = [f"{unit.id}-{i}" for i in range(3)]
            writer.add_rows(pd.DataFrame({"id": names, "group_id": names, "image": name, "row": 0}), shard)

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def complete(self, index: pd.DataFrame, folder: Path) -> dict[str, Any]:
        (folder / "extra.txt").write_text(str(len(index)))
        return {"rows": len(index)}

    def describe(self) -> dict[str, Any]:
        return {}


def test_frames_and_tables_are_published_under_their_names(tmp_path: Path) -> None:
    path = prepare_dataset(Framed(), [tmp_path], tmp_path / "store", name="framed", progress=False).path
    dataset = PreparedDataset(path)
    assert sorted(file.name for file in (path / "images").iterdir()) == ["0.npy", "2.npy"]  # 1 has no sample
    np.testing.assert_array_equal(np.load(path / "images/2.npy"), np.full((4, 5, 2), 2, np.float32))
    assert pd.read_parquet(path / "truth.parquet")["unit"].tolist() == ["0", "1", "2"]
    assert dataset.meta["account"] == {"rows": 6}
    assert (path / "extra.txt").read_text() == "6"


def test_two_frames_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"images/same\.npy"):
        prepare_dataset(Framed(clash=True), [tmp_path], tmp_path / "store", name="framed", progress=False)


def test_in_memory_a_frame_is_the_one_sample_of_its_shard() -> None:
    writer = MemoryUnitWriter()
    Framed().process(Unit("2", ()), writer, 0)
    source = writer.source()
    frames = source.gather("frame", np.array([0, 2]))
    assert frames.shape == (2, 4, 5, 2)
    assert (frames == 2).all()
    assert writer.tables["truth"][0]["x"].tolist() == [1.5]
