"""Pipelines, labellers and executors of a stranger that do not hold their contracts: named before harm is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from toy_units import ToyUnits

from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import Drop, Unit
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.pipeline.contract import check_pipeline, each_once, units_of_plan
from astrid_ml.pipeline.engine import PrepareOutcome, prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter

FILES = 3


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for number in range(FILES):
        (tmp_path / "raw" / f"{number}.txt").write_text("good")
    return tmp_path / "raw"


def prepare(raw: Path, pipeline: Any = None, **other: Any) -> PrepareOutcome:
    return prepare_dataset(pipeline or ToyUnits(), [raw], raw.parent / "store", name="toy", progress=False, **other)


class Altered(ToyUnits):  # type: ignore[misc]
    """A pipeline of which one method is another function."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        super().__init__()
        for name, method in methods.items():
            object.__setattr__(self, name, method)


def planned(raw: Any) -> list[Unit]:
    return list(ToyUnits().plan(raw))


@pytest.mark.parametrize(
    ("describe", "told"),
    [
        (lambda: None, "None from .*Altered"),
        (lambda: {"channels": "science"}, "a str"),
        (lambda: {"channels": np.arange(3)}, "a ndarray"),
        (lambda: {"channels": [1, 2]}, "a list of 2"),
        (lambda: {"scale": np.float32(1)}, "not JSON serializable"),
    ],
)
def test_a_description_is_refused_without_a_raw_file(describe: Callable[[], Any], told: str) -> None:
    with pytest.raises(ContractError, match=told):
        check_pipeline(Altered(describe=describe))
    check_pipeline(ToyUnits())


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (lambda raw: None, "None from"),
        (lambda raw: (unit for unit in planned(raw)), "a generator"),
        (lambda raw: [unit.inputs[0] for unit in planned(raw)], "Path in it"),
        (lambda raw: [Unit(7, unit.inputs) for unit in planned(raw)], "7 from"),  # type: ignore[arg-type]
        (lambda raw: [Unit("a", unit.inputs[0]) for unit in planned(raw)], "of the unit a"),  # type: ignore[arg-type]
        (lambda raw: [Unit("a", ("b",))], r"a tuple \(str\) of the unit a"),  # type: ignore[arg-type]
    ],
)
def test_a_plan_that_is_no_list_of_units(raw: Path, plan: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(ContractError, match=told):
        prepare(raw, Altered(plan=plan))
    assert not (raw.parent / "store").exists()


def test_units_of_one_name_are_told_with_the_class_that_named_them(raw: Path) -> None:
    with pytest.raises(UserError, match=r"same twice.*plan of Altered"):
        prepare(raw, Altered(plan=lambda raw: [Unit("same", unit.inputs) for unit in planned(raw)]))


def test_nights_with_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    nights = [tmp_path / place for place in ("2026/night1", "2027/night1", "2027/night2")]
    for night in nights:
        night.mkdir(parents=True)
        (night / "a.txt").write_text(str(night))
    (nights[0] / "b.txt").write_text("alone")
    names = [unit.id for unit in units_of_plan(ToyUnits(), nights)]
    assert names == ["2026/night1/a.txt", "b.txt", "2027/night1/a.txt", "night2/a.txt"]
    with pytest.raises(UserError, match=r"each raw folder once"):
        units_of_plan(ToyUnits(), [nights[0], nights[0]])


def records(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b"], "group_id": ["a", "b"], **columns})


STAMPS = np.zeros((2, 3, 4, 4))


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda writer: records(), "a DataFrame .* writer.add"),
        (lambda writer: (yield), "a generator .* yield"),
        (lambda writer: writer.add([{"id": "a"}], {}), "a list of 1"),
        (lambda writer: writer.add(records().drop(columns="group_id"), {"s": STAMPS}), "lack group_id"),
        (lambda writer: writer.add(records(), {"s": STAMPS[:1]}), "2 records, but arrays s of 1"),
        (lambda writer: writer.add(records(), {"s": STAMPS.tolist()}), "s is a list"),
        (lambda writer: writer.add(records(), {"s": np.array(["a", "b"])}), "of <U1"),
        (lambda writer: writer.add(records(), {"s": np.array([None, 1])}), "of object"),
        (lambda writer: writer.add_ragged(records(), {"s": [["a"], ["b"]]}), "of <U1"),
        (lambda writer: writer.add_rows(records(), writer.open_shard({"s": ((2,), "f4")})), "column row"),
        (lambda writer: writer.add_rows(records(row=[1, 2]), writer.open_shard({"s": ((2,), "f4")})), "the first is 2"),
    ],
)
def test_a_unit_whose_samples_are_none_stops_the_work_before_the_next_one(
    raw: Path, work: Callable[[Any], Any], told: str
) -> None:
    done = []

    def process(unit: Unit, writer: Any, seed: int) -> Any:
        done.append(unit.id)
        return work(writer)

    with pytest.raises(ContractError, match=told):
        prepare(raw, Altered(process=process))
    assert done == ["0.txt"]


def test_code_that_did_a_unit_fails_only_the_unit_in_which_it_breaks_its_contract(raw: Path) -> None:
    def process(unit: Unit, writer: Any, seed: int) -> Any:
        if unit.id == "1.txt":
            return "a text"
        return ToyUnits().process(unit, writer, seed)

    outcome = prepare(raw, Altered(process=process), max_failed=0.5)
    assert [drop.id for drop in outcome.units_failed] == ["1.txt"]
    assert "a str from" in outcome.units_failed[0].reason


@pytest.mark.parametrize(
    ("finalise", "told"),
    [
        (lambda index: index, "a DataFrame"),
        (lambda index: (index, None), r"tuple \(DataFrame, NoneType\)"),
        (lambda index: (index, ["a"]), r"tuple \(DataFrame, list\)"),
        (lambda index: (index.drop(columns="group_id"), []), "column group_id; got none"),
        (lambda index: (index.drop(columns="array"), []), "column array; got none"),
        (lambda index: (index.assign(group_id=None), []), "group_id in every row"),
        (lambda index: (index.assign(id=[None, *index["id"][1:]]), []), "the first is row 0"),
        (lambda index: (index.iloc[1:], []), "18 samples before, 17 after, 0 dropped"),
        (lambda index: (index.assign(row=index["row"] + 100), []), "18 rows that point to no array"),
        (lambda index: (index.assign(array="x"), []), "18 rows that point to no array"),
    ],
)
def test_a_finalised_index_that_is_none(raw: Path, finalise: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(ContractError, match=told):
        prepare(raw, Altered(finalise=finalise))
    assert not list((raw.parent / "store").glob("toy-*"))


def test_ids_that_finalise_made_twice_are_its_own_mistake(raw: Path) -> None:
    with pytest.raises(UserError, match=r"2 ids more than once.*let finalise of Altered"):
        prepare(raw, Altered(finalise=lambda index: (pd.concat([index, index.head(2)]), [])))


def test_a_sample_that_is_left_out_with_its_drop_and_another_order_are_welcome(raw: Path) -> None:
    def finalise(index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index.iloc[:0:-1], [Drop(index["id"].iloc[0], "the first")]

    dataset = PreparedDataset(prepare(raw, Altered(finalise=finalise)).path)
    assert len(dataset.index) == 17
    assert dataset.meta["drops_by_reason"]["the first"] == 1


@dataclass(frozen=True)
class Labels:
    """A labeller that gives what its test says."""

    version: ClassVar[int] = 1
    kind: str = "whole"

    def inputs(self) -> tuple[Path, ...]:
        return ()

    def apply(self, index: pd.DataFrame) -> Any:
        out = index.assign(label=1)
        answers: dict[str, Any] = {
            "index": out,
            "none": None,
            "fewer": (out.iloc[1:], {}),
            "turned": (out.iloc[::-1], {}),
        }
        return answers.get(self.kind, (out, {"source": "here"}))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("index", "a DataFrame"),
        ("none", "None from"),
        ("fewer", "18 samples before, 17 after"),
        ("turned", "every sample in its place"),
    ],
)
def test_a_labeller_that_gives_another_index(raw: Path, kind: str, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        prepare(raw, labeller=Labels(kind=kind))
    assert PreparedDataset(prepare(raw, labeller=Labels()).path).meta["labels"] == {"source": "here"}


class Runs:
    """An executor that yields what its test makes of the right answer."""

    def __init__(self, change: Callable[[list[tuple[int, Any]]], Any]) -> None:
        self.change = change

    def map(self, work: Any, items: Any) -> Any:
        return self.change(list(Serial().map(work, items)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda right: None, "None from .*Runs"),
        (lambda right: right[1:], "1 of 3 lost, the first is item 0"),
        (lambda right: [], "3 of 3 lost"),
        (lambda right: [*right, right[0]], "item 0 twice"),
        (lambda right: [result for _, result in right], r"yields \(position, result\)"),
        (lambda right: [(position + 1, result) for position, result in right], "position 3 of 3|where 1.txt should be"),
        (lambda right: [("0", result) for _, result in right], "the position '0'"),
        (lambda right: [(position, right[position - 1][1]) for position, _ in right], "2.txt where 0.txt should be"),
        (lambda right: [(position, None) for position, _ in right], "None where 0.txt should be"),
    ],
)
def test_an_executor_that_loses_doubles_or_mixes_up_units(raw: Path, change: Callable[..., Any], told: str) -> None:
    with pytest.raises(ContractError, match=told):
        prepare(raw, executor=Runs(change))
    assert not list((raw.parent / "store").glob("toy-*"))


def test_any_order_is_welcome(raw: Path) -> None:
    assert prepare(raw, executor=Runs(lambda right: iter(right[::-1]))).units_done == FILES
    assert sorted(each_once(Processes(1), abs, [-1, -2])) == [(0, 1), (1, 2)]


def test_in_memory_as_on_disk() -> None:
    with pytest.raises(ContractError, match="s is a list"):
        MemoryUnitWriter().add(records(), {"s": STAMPS.tolist()})
