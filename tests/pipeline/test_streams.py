"""Large files are looked through once, and their chunks are units like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Serial
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.streams import Look, chunked, look_through


@dataclass(frozen=True)
class Lines:
    """A line is a sample; a file of more than two lines is large."""

    lines: int = 2
    domain: ClassVar[str] = "lines"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(path.name, (path,)) for folder in raw for path in sorted(folder.glob("*.txt"))]

    def is_large(self, unit: Unit) -> bool:
        return unit.inputs[0].stat().st_size > 8

    def chunks(self, unit: Unit) -> list[Unit]:
        text = unit.inputs[0].read_text()
        if "?" in text:
            raise ValueError("no lines")
        with (unit.inputs[0].parent / "looked").open("a") as log:
            log.write(".")
        starts = range(0, len(text.splitlines()), self.lines)
        return [replace(unit, id=f"{unit.id}#{first}", parameters={"first": first}) for first in starts]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        lines = unit.inputs[0].read_text().splitlines()
        if "?" in lines:
            raise ValueError("no lines")
        first = unit.parameters.get("first")
        chosen = lines if first is None else lines[first : first + self.lines]
        writer.add(pd.DataFrame({"id": chosen, "group_id": chosen, "label": 0}), {"x": np.zeros((len(chosen), 1))})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.txt").write_text("a1\n")
    (tmp_path / "raw" / "b.txt").write_text("b1\nb2\nb3\nb4\nb5\n")
    return tmp_path / "raw"


@pytest.mark.parametrize("executor", [Serial(), Serial(Limits())], ids=["here", "guarded"])
def test_chunks_are_units_with_names_that_stay(raw: Path, executor: Serial) -> None:
    store = raw.parent / "store"
    made = prepare_dataset(Lines(), [raw], store, name="lines", executor=executor, progress=False)
    assert made.units_done == 4
    for _ in range(2):
        units = chunked(Lines(), Lines().plan([raw]), [raw], store, Serial())
        assert [unit.id for unit in units] == ["a.txt", "b.txt#0", "b.txt#2", "b.txt#4"]
    assert (raw / "looked").read_text() == "."  # once for all
    assert prepare_dataset(Lines(), [raw], store, name="lines", progress=False).reused
    assert len(chunked(Lines(lines=3), Lines().plan([raw]), [raw], store, Serial())) == 3


def test_a_large_file_that_cannot_be_looked_through_fails_by_its_name(raw: Path) -> None:
    (raw / "c.txt").write_text("c1\nc2\n?\nc4\n")
    made = prepare_dataset(Lines(), [raw], raw.parent / "store", name="lines", max_failed=0.5, progress=False)
    assert [(drop.id, drop.reason) for drop in made.units_failed] == [("c.txt", "no lines")]


def test_a_damaged_note_is_made_again_and_a_full_disk_is_the_machines(raw: Path, tmp_path: Path) -> None:
    unit = Lines().plan([raw])[1]
    look = Look(Lines(), unit, tmp_path / "note.json")
    assert look.known() is None and look.bytes_read == unit.inputs[0].stat().st_size
    look_through(look)
    assert [chunk.parameters["first"] for chunk in look.known() or []] == [0, 2, 4]
    look.note.write_text('{"chunks": [3]}')
    assert look.known() is None
    (tmp_path / "a file").write_text("")
    with pytest.raises((UserError, OSError)):
        chunked(Lines(), [unit], [raw], tmp_path / "a file", Serial())
