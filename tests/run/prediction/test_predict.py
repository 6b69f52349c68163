"""A prediction's account: every record is scored, dropped with its reason, or in a failed unit that is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.checkpoint.load import load_model
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.run.prediction.predict import PredictionAccount, predict_files, without_repeats
from astrid_ml.run.prediction.readers import Reader


@dataclass(frozen=True)
class Nights:
    """Stamps of noise, three a night; the night ``bad`` fails, ``cloudy`` drops everything."""

    domain: ClassVar[str] = "nights"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(name, ()) for name in ("one", "bad", "again", "cloudy")] + [Unit("half", (), missing=("b.fits",))]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        if unit.id == "bad":
            raise ValueError("no stamps")
        names = {"one": ["a", "b", "b"], "again": ["b", "c", "d"]}.get(unit.id, [])
        writer.count("read", 3)
        if unit.id == "cloudy":
            writer.drop("e", "clouds")
        table = pd.DataFrame({"id": names, "group_id": names, "mission": "ZTF", "stamp_h": 63, "stamp_w": 63})
        random = np.random.default_rng(len(unit.id))
        writer.add(table, {"stamps": random.normal(size=(len(names), 3, 63, 63)).astype(np.float32)})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {"channels": ["science", "reference", "difference"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("made"))


def reader(*chosen: str) -> Reader:
    units = Nights().plan([])
    return Reader("nights", Nights(), [unit for unit in units if not chosen or unit.id in chosen])


def test_every_record_is_accounted_for(made: Untrained, tmp_path: Path) -> None:
    report = predict_files(load_model(made.checkpoint), made.config, reader(), tmp_path / "out", progress=False)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert table["id"].tolist() == ["a", "b", "c", "d"]
    assert table["source"].tolist() == ["one", "one", "again", "again"]
    assert report["dropped_by_reason"] == {"clouds": 1, "the same id was scored already": 2}
    assert report["read"] == report["scored"] + report["dropped"] == 4 + 3
    assert report["units"] == 5
    assert report["failed_units"] == [
        {"unit": "bad", "reason": "ValueError: no stamps"},
        {"unit": "half", "reason": "missing b.fits"},
    ]
    assert report["counts"] == {"read": 9}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_units_score_alike_one_by_one_and_together(made: Untrained, tmp_path: Path) -> None:
    model = load_model(made.checkpoint)
    tables = []
    for name in ("one", "again"):
        predict_files(model, made.config, reader(name), tmp_path / name, progress=False)
        tables.append(pd.read_parquet(tmp_path / name / "predictions.parquet").set_index("id")["score"])
    predict_files(model, made.config, reader("one", "again"), tmp_path / "both", progress=False)
    both = pd.read_parquet(tmp_path / "both" / "predictions.parquet").set_index("id")["score"]
    for name, table in zip(("a", "c"), tables, strict=True):
        assert both[name] == pytest.approx(table[name], abs=1e-6)


def test_nothing_to_score_is_refused_with_the_reasons_and_leaves_no_table(made: Untrained, tmp_path: Path) -> None:
    model = load_model(made.checkpoint)
    with pytest.raises(UserError, match="got none of 1: 1 clouds"):
        predict_files(model, made.config, reader("cloudy"), tmp_path, progress=False)
    with pytest.raises(UserError, match="ValueError: no stamps"):
        predict_files(model, made.config, reader("bad"), tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_id_is_scored_once_over_all_units() -> None:
    seen, account = {"a"}, PredictionAccount()
    writer = MemoryUnitWriter()
    writer.add(pd.DataFrame({"id": ["b", "a", "b", "c"], "group_id": "g"}), {"x": np.arange(4.0).reshape(4, 1)})
    source = without_repeats(writer.source(), seen, account)
    assert source.index["id"].tolist() == ["b", "c"]
    assert source.gather("x", np.array([0, 1])).ravel().tolist() == [0.0, 3.0]
    assert seen == {"a", "b", "c"}
    assert [drop["id"] for drop in account.dropped] == ["a", "b"]
    assert replace(account, scored=2).summary()["read"] == 4
