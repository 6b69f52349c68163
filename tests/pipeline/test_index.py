"""An index that is written part by part is the one that the table of the whole would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.by_part import FinalisesParts, LabelsByColumn
from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.dataset import index_file
from astrid_ml.dataset.index_file import IndexFile
from astrid_ml.dataset.pages import read_pages
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.index import MadeIndex, write_index
from astrid_ml.pipeline.units import do_unit, make_jobs
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.labels import ColumnLabel, MatchLabel, ScoreThresholdLabel, TableLabel, TruthLabel
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.ramps.pipeline import RampsPipeline
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.types import Mask

FIRST = {"id": "a b c d e f".split(), "drb": [0.1, 0.9, None, 0.4, 0.6, 0.7], "truth_given": True, "match_id": "m"}
SECOND = {"id": "g h a i".split(), "kind": ["x", "y", "x", None], "nights": [1, 2, 3, 4], "truth_given": False}
THIRD = {"id": "k b".split(), "drb": [0.5, 0.2], "kind": ["y", "x"], "flagged": [True, False], "truth_given": True}


@dataclass(frozen=True)
class Catalogue:
    """Three files of unlike columns; ids of the first stand in the others again."""

    keeps: bool = False
    forgets: bool = False
    truth: bool = True
    domain: ClassVar[str] = "catalogue"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(str(number), (), {"place": number}) for number in range(4)]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        table = pd.DataFrame([FIRST, SECOND, {"id": []}, THIRD][unit.parameters["place"]])
        if len(table):
            table = table.assign(group_id=table["id"])
            if self.truth:
                table["label"] = pd.array([pd.NA if name == "c" else ord(name) % 2 for name in table["id"]], "Int8")
            writer.add(table, {"value": np.zeros((len(table), 1))})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return self.finalise_part(index, index["id"].duplicated().to_numpy())

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        if self.keeps:
            return part, []
        drops = [] if self.forgets else [Drop(name, "twice") for name in part["id"][repeated]]
        return part[~repeated].assign(place=part["id"].str.len().astype(np.int16)), drops

    def describe(self) -> dict[str, Any]:
        return {}


def made(folder: Path, pipeline: Any, labeller: Any, monkeypatch: pytest.MonkeyPatch, rows: int) -> MadeIndex:
    monkeypatch.setattr(index_file, "ROWS", rows)
    monkeypatch.setattr(index_file, "BLOCK", 2)
    jobs = make_jobs(pipeline, pipeline.plan([]), [], folder, 1, False)
    for job in jobs:
        do_unit(job)
    out = write_index(pipeline, [job.target for job in jobs], labeller, folder / "index.parquet")
    assert out is not None
    return out


def labels(folder: Path) -> dict[str, Any]:
    (folder / "labels.csv").write_text("id,label\na,1\nd,0\ng,1\nzz,0\n")
    return {
        "none": None,
        "truth": TruthLabel(),
        "table": TableLabel(str(folder / "labels.csv")),
        "column": ColumnLabel("kind", {"x": 1, "y": 0}),
        "score": ScoreThresholdLabel("drb", 0.5),
        "match": MatchLabel("bogus"),
    }


def test_ours_can_all_be_done_by_part() -> None:
    labellers = (TruthLabel(), TableLabel("x"), ColumnLabel("x"), ScoreThresholdLabel(), MatchLabel())
    assert all(isinstance(one, LabelsByColumn) for one in labellers)
    pipelines = (RampsPipeline, DifferencingPipeline, TripletsPipeline, LightcurvesPipeline, AlertsPipeline)
    assert all(issubclass(one, FinalisesParts) for one in pipelines)


@pytest.mark.parametrize("which", ["none", "truth", "table", "column", "score", "match"])
@pytest.mark.parametrize("truth", [True, False], ids=["labels in the files", "none there"])
def test_parts_give_the_table_of_the_whole(
    which: str, truth: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if which == "truth" and not truth:
        return
    pipeline, labeller = Catalogue(truth=truth), labels(tmp_path)[which]
    whole = made(tmp_path / "whole", pipeline, labeller, monkeypatch, 1 << 20)
    parts = made(tmp_path / "parts", pipeline, labeller, monkeypatch, 5)
    assert isinstance(whole.index, pd.DataFrame) and isinstance(parts.index, IndexFile)
    one, other = (read_pages(tmp_path / name / "index.parquet") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(parts.index.table(), other)
    assert (parts.dropped, parts.account) == (whole.dropped, whole.account)
    assert [drop.id for drop in parts.dropped] == ["a", "b"]


@pytest.mark.parametrize(
    ("pipeline", "labeller", "error", "words"),
    [
        (Catalogue(keeps=True), None, UserError, r"2 ids more than once \(a, b\)"),
        (Catalogue(forgets=True), None, ContractError, "returns a Drop for each sample"),
        (Catalogue(), ColumnLabel("nothing"), UserError, "the column nothing"),
        (Catalogue(), ColumnLabel("kind", {"z": 1}), UserError, "values of kind in label.mapping; got x, y"),
        (Catalogue(truth=False), TruthLabel(), UserError, "no label in them"),
    ],
)
def test_what_is_refused_of_the_whole_is_refused_of_parts(
    pipeline: Catalogue, labeller: Any, error: type, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (5, 1 << 20):
        with pytest.raises(error, match=words):
            made(tmp_path / str(rows), pipeline, labeller, monkeypatch, rows)


@pytest.mark.parametrize("rows", [5, 1 << 20], ids=["by parts", "as a table"])
def test_records_of_a_unit_that_are_damaged_are_not_passed_over(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, Catalogue(), None, monkeypatch, rows)
    folders = sorted((tmp_path / "units").iterdir())
    (folders[0] / "records.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match=r"a whole table records\.parquet"):
        write_index(Catalogue(), folders, None, tmp_path / "index.parquet")


@dataclass(frozen=True)
class TwoFolders:
    """Two files whose columns are of unlike kinds.

    Args:
        labels: of each.
    """

    labels: tuple[tuple[Any, ...], tuple[Any, ...]] = ((1, 0), (0, 1))
    domain: ClassVar[str] = "folders"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit("a/one.npy#0", (), {"place": 0}), Unit("b/two.npy", (), {"place": 1})]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        place = unit.parameters["place"]
        table = pd.DataFrame({"id": ["ab"[place] + "1", "ab"[place] + "2"], "label": self.labels[place]})
        table = table.assign(group_id=table["id"], field=[[5, 6], ["north", None]][place])
        table = table.assign(seen=[[True, False], [1.0, 0.0]][place], nothing=[np.nan, [None, "x"]][place])
        writer.add(table, {"value": np.zeros((2, 1))})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        return part, []

    def describe(self) -> dict[str, Any]:
        return {}


def test_columns_of_unlike_kinds_become_text_or_numbers_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = made(tmp_path / "whole", TwoFolders(), None, monkeypatch, 1 << 20)
    parts = made(tmp_path / "parts", TwoFolders(), None, monkeypatch, 3)
    assert isinstance(parts.index, IndexFile)
    one, other = (read_pages(tmp_path / name / "index.parquet") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(one, other)
    assert one["field"].tolist()[:3] == ["5", "6", "north"] and one["field"].isna().tolist()[3]
    assert one["seen"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert len(whole.index) == 4 and "the column field holds numbers in" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [3, 1 << 20], ids=["by parts", "as a table"])
def test_labels_of_unlike_kinds_are_refused_with_both_files(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "ROWS", rows)
    (tmp_path / "raw").mkdir()
    pipeline = TwoFolders((("1", "0"), (0, 1)))
    got = "values in the column label; got texts in a/one.npy and numbers in b/two.npy"
    with pytest.raises(UserError, match=got):
        prepare_dataset(pipeline, [tmp_path / "raw"], tmp_path / "store", name="x", progress=False)
    table = tmp_path / "labels.csv"
    table.write_text("id,label\na1,1\nb1,0\n")  # the files' own labels decide nothing
    done = prepare_dataset(
        pipeline, [tmp_path / "raw"], tmp_path / "store", name="x", labeller=TableLabel(str(table)), progress=False
    )
    assert read_pages(done.path / "index.parquet")["label"].dropna().tolist() == [1, 0]
