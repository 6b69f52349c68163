"""Finished units become a dataset that says what it holds, what was dropped, and why."""

from __future__ import annotations

import json
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
from astrid_ml.pipeline.index import write_index
from astrid_ml.pipeline.publish import Finished, describe, link_frames, publish, with_units, write_tables
from astrid_ml.pipeline.units import do_unit, make_jobs


@dataclass(frozen=True)
class Rows:
    """A sample of each name in ``names``, one name a letter; a unit for each text."""

    names: tuple[str, ...] = ("ab", "cd")
    domain: ClassVar[str] = "rows"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(str(number), (), {"names": text}) for number, text in enumerate(self.names)]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        names = list(unit.parameters["names"])
        writer.drop(f"{unit.id}-x", "too faint")
        writer.count("read", len(names) + 1)
        records = pd.DataFrame({"id": names, "group_id": names, "image": f"images/{unit.id}.npy"})
        writer.add(records, {"value": np.array([[float(ord(name))] for name in names]).reshape(-1, 1)})
        for name in (unit.id, "unused"):
            writer.open_frame(f"images/{name}.npy", (2, 2), np.float32)
        writer.add_table("truth", pd.DataFrame({"unit": [unit.id]}))

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        kept = index[index["id"] != "d"]
        return kept, [Drop(name, "a repeat") for name in index["id"] if name == "d"]

    def describe(self) -> dict[str, Any]:
        return {"channels": ["value"]}


@dataclass(frozen=True)
class EveryOther:
    """1, 0, 1, ..."""

    version: ClassVar[int] = 1

    def inputs(self) -> tuple[Path, ...]:
        return ()

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        return index.assign(label=(np.arange(len(index)) + 1) % 2), {"source": "parity"}


def finished(store: Path, pipeline: Rows = Rows()) -> list[Finished]:
    return [(job, do_unit(job)) for job in make_jobs(pipeline, pipeline.plan([]), [], store, 1, False)]


def test_a_published_dataset_reads_back_with_its_account(tmp_path: Path) -> None:
    units = finished(tmp_path)
    facts: dict[str, Any] = {"fingerprint": "f", "name": "n", "config": {"a": 1}}
    publish(Rows(), units, [Drop("9", "ValueError: bad")], EveryOther(), tmp_path / "n-f", **facts)
    dataset = PreparedDataset(tmp_path / "n-f")
    assert dataset.index["id"].tolist() == ["a", "b", "c"]
    assert dataset.gather("value", np.array([2, 0])).ravel().tolist() == [ord("c"), ord("a")]
    expected = {"units": 2, "units_failed": 1, "samples": 3, "groups": 3, "dropped": 3, "by_label": {"0": 1, "1": 2}}
    assert dataset.meta["counts"] == {**expected, "read": 6}
    assert dataset.meta["drops_by_reason"] == {"a repeat": 1, "too faint": 2}
    assert dataset.meta["failed"] == [{"id": "9", "reason": "ValueError: bad"}]
    assert {name: dataset.meta[name] for name in facts} == facts
    assert sorted(path.name for path in (tmp_path / "n-f" / "images").iterdir()) == ["0.npy", "1.npy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n-f", "units"]


def test_published_twice_the_bytes_are_the_same(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        units = finished(tmp_path / name)
        publish(Rows(), units, [], None, tmp_path / name / "d", fingerprint="f", name="n", config={})
        files = sorted(path for path in (tmp_path / name / "d").rglob("*") if path.is_file())
        texts.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert texts[0] == texts[1]


def test_without_a_labeller_labels_are_unknown(tmp_path: Path) -> None:
    units = finished(tmp_path)
    made = write_index(Rows(), [job.target for job, _ in units], None, tmp_path / "index.parquet")
    assert made is not None
    assert made.index["label"].isna().all()
    assert made.account == {"source": "none"}
    assert describe(Rows(), units, [], made)["counts"]["by_label"] == {"<NA>": 3}


def test_an_id_of_two_units_is_refused_by_name(tmp_path: Path) -> None:
    twice = Rows(("ab", "bc"))
    with pytest.raises(UserError, match=r"1 ids more than once \(b\)"):
        publish(twice, finished(tmp_path, twice), [], None, tmp_path / "n", fingerprint="f", name="n", config={})


def test_nothing_left_is_said_with_the_reasons(tmp_path: Path) -> None:
    empty = Rows(("", ""))
    with pytest.raises(UserError, match="none of 2: 2 too faint"):
        publish(empty, finished(tmp_path, empty), [], None, tmp_path / "n", fingerprint="f", name="n", config={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["units"]


def test_only_frames_that_samples_point_to_are_linked_and_once(tmp_path: Path) -> None:
    folders = [job.target for job, _ in finished(tmp_path)]
    index = pd.DataFrame({"image": ["images/1.npy", None]})
    link_frames(folders, index, tmp_path / "d")
    [linked] = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
    assert linked.samefile(folders[1] / "files" / "images" / "1.npy")
    with pytest.raises(UserError, match=r"images/1\.npy twice"):
        link_frames(folders, index, tmp_path / "d")


def test_side_tables_are_joined_in_the_order_of_the_units(tmp_path: Path) -> None:
    folders = [job.target for job, _ in finished(tmp_path)]
    write_tables(folders, tmp_path)
    assert pd.read_parquet(tmp_path / "truth.parquet")["unit"].tolist() == ["0", "1"]
    assert json.loads((folders[0] / "unit.json").read_text())["records"] == 2


@pytest.mark.parametrize(("counts", "said"), [
    ({"read_ztf": 3}, "DN"),
    ({"read_ztf": 2, "read_rubin": 1}, "DN (ztf); nJy (rubin)"),
    ({"read_ztf": 1, "read_winter": 2}, "DN"),
    ({"read_ztf": 2, "read_roman": 1}, "any"),  # of Roman's nobody says it
    ({"read_ztf": 4}, "DN"),  # a repeat was left out
])  # fmt: skip
def test_the_unit_of_stamps_is_that_of_those_that_are_there(counts: dict[str, int], said: str) -> None:
    units = {"read_ztf": "DN", "read_rubin": "nJy", "read_winter": "DN"}
    described = {"arrays": {"stamps": {"unit": "any", "axes": "y, x"}}, "units": {"stamps": "any"}, "unit_of": units}
    found = with_units(described, {**counts, "samples": 3})
    assert found["units"]["stamps"] == found["arrays"]["stamps"]["unit"] == said
    assert set(found["unit_of"]) <= set(counts) and described["units"] == {"stamps": "any"}
    others = with_units({"unit_of": {"simulated": "electrons", "others": "theirs"}}, {"simulated": 1, "samples": 3})
    assert others["units"]["stamps"] == "electrons (simulated); theirs (others)"
