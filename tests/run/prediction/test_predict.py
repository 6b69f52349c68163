"""A prediction's account: every record is scored, dropped with its reason, or in a failed unit that is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from made.untrained import Untrained, untrained

from astrid_ml.checkpoint.load import read_record
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.described.parquet import meanings_in
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.pipeline.shards import Share, share_of
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.run.prediction.account import PredictionAccount
from astrid_ml.run.prediction.drops import NamedDrops, table_of, with_counts
from astrid_ml.run.prediction.predict import Workplace, predict_files
from astrid_ml.run.prediction.readers import Reader
from astrid_ml.run.prediction.repeats import Repeats, read_part
from astrid_ml.run.prediction.scoring import Scoring, once_each


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


def predicted(
    made: Untrained, found: Reader, folder: Path, executor: Executor | None = None, share: Share | None = None
) -> dict[str, Any]:
    record, _ = read_record(made.checkpoint)
    place = Workplace(folder, executor or Serial(), share, progress=False)
    return predict_files(Scoring(made.checkpoint, record.config), record, found, place)


def test_every_record_is_accounted_for(made: Untrained, tmp_path: Path) -> None:
    report = predicted(made, reader(), tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert table["id"].tolist() == ["a", "b", "c", "d"]
    assert table["source"].tolist() == ["one", "one", "again", "again"]
    assert report["dropped_by_reason"] == {"clouds": 1, "the same id was scored already": 2}
    assert report["read"] == report["scored"] + report["dropped"] == 4 + 3
    assert report["units"] == 5
    assert report["failed_units"] == [
        {"unit": "bad", "reason": "no stamps"},
        {"unit": "half", "reason": "missing b.fits"},
    ]
    assert report["counts"] == {"read": 9}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_columns_of_somebody_s_own_table_are_not_described_as_ours(made: Untrained, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw" / "triplets.npy", random.normal(size=(3, 3, 63, 63)).astype(np.float32))
    theirs = {"id": ["a", "b", "c"], "ra": [1.0, 2.0, 3.0], "mag": 21.0, "distnr": 3.0, "mjd": 6e4, "x": 5.0}
    pd.DataFrame(theirs).to_csv(tmp_path / "raw" / "candidates.csv", index=False)
    pipeline = TripletsPipeline()
    found = Reader("triplets", pipeline, pipeline.plan([tmp_path / "raw"]), (tmp_path / "raw",))
    predicted(made, found, tmp_path / "out")
    said = meanings_in(tmp_path / "out" / "predictions.parquet")
    assert [said[name] for name in ("mag", "distnr", "x")] == [ColumnMeaning()] * 3
    assert (said["ra"].unit, said["mjd"].unit) == ("deg", "d") and said["score"].description and said["peak_snr"].ucd
    (tmp_path / "simulated").mkdir()
    SimulateTriplets(n=3, missions=("ztf",)).run(tmp_path / "simulated", seed=2)
    ours = Reader("triplets", pipeline, pipeline.plan([tmp_path / "simulated"]), (tmp_path / "simulated",))
    predicted(made, ours, tmp_path / "known")
    assert meanings_in(tmp_path / "known" / "predictions.parquet")["snr"].description.startswith("Significance")


def test_units_score_alike_one_by_one_and_together(made: Untrained, tmp_path: Path) -> None:
    tables = []
    for name in ("one", "again"):
        predicted(made, reader(name), tmp_path / name)
        tables.append(pd.read_parquet(tmp_path / name / "predictions.parquet").set_index("id")["score"])
    predicted(made, reader("one", "again"), tmp_path / "both")
    both = pd.read_parquet(tmp_path / "both" / "predictions.parquet").set_index("id")["score"]
    for name, table in zip(("a", "c"), tables, strict=True):
        assert both[name] == pytest.approx(table[name], abs=1e-6)


def test_nothing_to_score_is_refused_with_the_reasons_and_leaves_no_table(made: Untrained, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="got none of 1: 1 clouds"):
        predicted(made, reader("cloudy"), tmp_path)
    with pytest.raises(UserError, match="no stamps"):
        predicted(made, reader("bad"), tmp_path)
    assert not list(tmp_path.glob("*.*"))


def test_a_unit_scores_each_id_once() -> None:
    writer = MemoryUnitWriter()
    writer.add(
        pd.DataFrame({"id": ["b", "b", "c"], "group_id": "g", "source": ["1", "2", "3"]}),
        {"x": np.arange(3.0).reshape(3, 1)},
    )
    source, [repeated] = once_each(writer.source())
    assert source.index["id"].tolist() == ["b", "c"]
    assert (repeated.id, repeated.source) == ("b", "2; the first: 1")
    assert source.gather("x", np.array([0, 1])).ravel().tolist() == [0.0, 2.0]


def test_an_id_of_several_units_counts_where_it_comes_first(tmp_path: Path) -> None:
    units = [["a", "b", "b"], ["b", "c"], ["c", "a", "d"]]
    paths = [tmp_path / f"{number}.parquet" for number in range(3)]
    for names, path in zip(units, paths, strict=True):
        pd.DataFrame({"id": names, "source": path.name}).to_parquet(path)
    repeats = Repeats.among(paths)
    assert len(repeats.suspects) == 3
    kept = [repeats.without(read_part(path)) for path in paths]
    assert [table["id"].to_pylist() for table, _ in kept] == [["a", "b", "b"], ["c"], ["d"]]
    assert [[(drop.id, drop.source) for drop in again] for _, again in kept] == [
        [],
        [("b", "1.parquet; the first: 0.parquet")],
        [("c", "2.parquet; the first: 1.parquet"), ("a", "2.parquet; the first: 0.parquet")],
    ]


def test_drops_of_earlier_versions_count_one_each() -> None:
    table = table_of([Drop("a", "none", "x", 3), Drop("b", "none", "x")], "u")
    for kept, counts in ((table, [3, 1]), (table.drop(columns="count"), [1, 1])):
        assert with_counts(kept)["count"].tolist() == counts


def test_where_all_were_over_a_limit_the_limit_is_to_be_raised() -> None:
    account = PredictionAccount()
    account.fail("a", "it took 2 GB of memory, and its limit is 1 GB (executor.limits.memory)")
    assert account.mend("see the reasons") == "raise executor.limits.memory, or give smaller files"
    account.dropped["no cutout"] += 1
    assert account.mend("see the reasons") == "see the reasons"


def test_no_unit_hides_the_drops_of_the_others_and_what_is_not_named_is_counted() -> None:
    account = PredictionAccount(scored=2)
    for unit, reason, count in (("many.tar", "empty", 20_000), ("a", "empty", 2), ("many.tar", "cut", 1)):
        account.named.add(unit, table_of([Drop(f"{unit}-{n}", reason) for n in range(count)], unit))
        account.dropped[reason] += count
    told = account.summary()
    assert (told["read"], told["dropped"], len(told["drops"])) == (20_005, 20_003, 1000)
    assert told["drops_not_named"] == 19_003
    assert [drop["id"] for drop in told["drops"][:5]] == ["many.tar-0", "a-0", "many.tar-0", "many.tar-1", "a-1"]
    assert told["drops"][1] == {"id": "a-0", "reason": "empty", "source": "a"}
    account.named.add("l", table_of([Drop("l", "none", "line 1 and further ones", 70)], "l"))
    account.dropped["none"] += 70
    assert account.summary()["drops_not_named"] == 19_004  # one of the others made room
    assert {"id": "l", "reason": "none", "source": "line 1 and further ones", "count": 70} in account.named.chosen()
    named = NamedDrops()
    for number in range(1500):
        named.add("u", table_of([Drop("x", f"reason {number}")], "u"))
    assert len(named.chosen()) == len(named.groups) == 1000


@dataclass(frozen=True)
class OtherNights(Nights):
    """The same, with labels and fields that are numbers in one night and texts in another."""

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        inner = MemoryUnitWriter()
        super().process(unit, inner, seed)
        number = unit.id == "one"
        told = (
            inner.table().drop(columns=["array", "row"]).assign(label=1 if number else "SN", field=7 if number else "x")
        )
        writer.add(told, {"stamps": np.zeros((len(told), 3, 63, 63), np.float32)})


def test_columns_of_unlike_kinds_cost_no_score(made: Untrained, tmp_path: Path) -> None:
    units = [unit for unit in Nights().plan([]) if unit.id in ("one", "again")]
    report = predicted(made, Reader("nights", OtherNights(), units), tmp_path)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert (report["scored"], report["failed"]) == (4, 0), report["failed_units"]
    assert "label" not in table and table["field"].tolist() == ["7", "7", "x", "x"]


def results(folder: Path) -> tuple[bytes, dict[str, Any]]:
    return (folder / "predictions.parquet").read_bytes(), json.loads((folder / "report.json").read_text())


def test_executors_and_shards_give_the_same_bytes(made: Untrained, tmp_path: Path) -> None:
    predicted(made, reader(), tmp_path / "serial")
    predicted(made, reader(), tmp_path / "processes", Processes(workers=2))
    for words in ("1/2", "2/2"):
        told = predicted(made, reader(), tmp_path / "shards", share=share_of(words))
        assert told["shard"] == words and told["units"] == 2
        assert not (tmp_path / "shards" / "predictions.parquet").exists()
    predicted(made, reader(), tmp_path / "shards", share=share_of("join"))
    for other in ("processes", "shards"):
        assert results(tmp_path / other) == results(tmp_path / "serial")


def test_shards_that_are_missing_are_named(made: Untrained, tmp_path: Path) -> None:
    predicted(made, reader(), tmp_path, share=share_of("1/2"))
    with pytest.raises(UserError, match=r"2 of 4 pieces of work are missing .*run shard=2/2 again"):
        predicted(made, reader(), tmp_path, share=share_of("join"))


def test_what_is_scored_is_not_scored_again(made: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted(made, reader(), tmp_path)
    before = results(tmp_path)
    lost = sorted((tmp_path / "parts").glob("????????????????????????.parquet"))
    lost[0].unlink()
    read: list[str] = []
    real = Nights.process

    def watched(self: Nights, unit: Unit, writer: UnitWriter, seed: int) -> None:
        read.append(unit.id)
        real(self, unit, writer, seed)

    monkeypatch.setattr(Nights, "process", watched)
    predicted(made, reader(), tmp_path)
    assert results(tmp_path) == before
    assert len(read) == 2 and "bad" in read  # what failed is tried again


def test_parts_of_other_settings_go_when_all_is_scored(made: Untrained, tmp_path: Path) -> None:
    predicted(made, reader("one", "again"), tmp_path)
    many = set((tmp_path / "parts").iterdir())
    predicted(made, reader("one"), tmp_path)
    assert set((tmp_path / "parts").iterdir()) < many


def test_a_part_that_was_damaged_is_scored_again(made: Untrained, tmp_path: Path) -> None:
    predicted(made, reader(), tmp_path)
    before = results(tmp_path)
    parts = sorted((tmp_path / "parts").glob("????????????????????????.parquet"))
    content = bytearray(parts[0].read_bytes())
    content[len(content) // 3] ^= 1
    parts[0].write_bytes(content)
    predicted(made, reader(), tmp_path)
    assert results(tmp_path) == before


def test_damage_between_shards_and_their_join_names_the_shard(made: Untrained, tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        predicted(made, reader("one", "again"), tmp_path, share=share_of(shard))
    for part in (tmp_path / "parts").glob("????????????????????????.parquet"):
        part.write_bytes(bytes(part.stat().st_size))
        break
    with pytest.raises(UserError, match=r"1 of 2 pieces of work are missing .*run shard=[12]/2 again") as refused:
        predicted(made, reader("one", "again"), tmp_path, share=share_of("join"))
    named = refused.value.fix.split("shard=")[1][:3]
    predicted(made, reader("one", "again"), tmp_path, share=share_of(named))
    assert predicted(made, reader("one", "again"), tmp_path, share=share_of("join"))["failed"] == 0


def test_a_part_that_is_damaged_while_it_is_joined_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(bytes(100))
    with pytest.raises(UserError, match=r"a\.parquet, which is damaged"):
        read_part(tmp_path / "a.parquet")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_scores_as_the_processor_does(made: Untrained, tmp_path: Path) -> None:
    record, _ = read_record(made.checkpoint)
    tables = []
    for device in ("cpu", "cuda:0"):
        place = Workplace(tmp_path / device[:3], Serial(), progress=False)
        predict_files(Scoring(made.checkpoint, record.config, device=device), record, reader(), place)
        tables.append(pd.read_parquet(tmp_path / device[:3] / "predictions.parquet"))
    assert np.abs(tables[0]["score"] - tables[1]["score"]).max() < 1e-4
