"""A unit on disk: done whole under its fingerprint, or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
from toy_units import ToyUnits

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.fingerprint import fingerprint, input_fingerprint, places_of, relative
from astrid_ml.pipeline.units import MARK, Job, do_unit, failed_drop, make_jobs, portable


@dataclass(frozen=True)
class Unwritable(ToyUnits):  # type: ignore[misc]  # beside the tests, seen as Any
    """Its disk fails after the first sample."""

    number: int = 0
    domain: ClassVar[str] = "unwritable"

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        super().process(unit, writer, seed)
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text(name)
    return folder


def jobs_of(raw: Path, store: Path, slow: float = 0.0, seed: int = 1, hashed: bool = False) -> list[Job]:
    pipeline = ToyUnits(slow)
    return make_jobs(pipeline, pipeline.plan([raw]), [raw], store, seed, hashed)


def marks(jobs: list[Job]) -> list[str]:
    return [job.fingerprint for job in jobs]


def test_a_unit_is_done_once_its_folder_stands(raw: Path, tmp_path: Path) -> None:
    [job, _] = jobs_of(raw, tmp_path / "store")
    assert job.done() is None
    summary = do_unit(job)
    assert summary == job.done() == json.loads((job.target / "unit.json").read_text())
    assert (summary["id"], summary["records"], summary["counts"]) == ("a.txt", 6, {"repaired": 2})
    assert summary["drops"] == [{"id": "a.txt-x", "reason": "no cutout", "source": "a.txt"}]
    assert pd.read_parquet(job.target / "records.parquet")["id"].tolist() == [f"a.txt-{i}" for i in range(6)]
    assert [path.name for path in job.folder.iterdir()] == [job.fingerprint]


def test_the_same_work_has_the_same_mark_wherever_it_lies_and_other_work_another(raw: Path, tmp_path: Path) -> None:
    first = jobs_of(raw, tmp_path / "store")
    moved = Path(shutil.copytree(raw, tmp_path / "moved"))  # with the times of its files
    assert marks(jobs_of(moved, tmp_path / "other")) == marks(first)
    assert len(set(marks(first))) == 2
    assert not set(marks(jobs_of(raw, tmp_path / "store", seed=2))) & set(marks(first))
    assert not set(marks(jobs_of(raw, tmp_path / "store", slow=0.5))) & set(marks(first))
    os.utime(raw / "a.txt", (1, 1))
    assert [mark in marks(first) for mark in marks(jobs_of(raw, tmp_path / "store"))] == [False, True]


def test_by_content_a_new_time_changes_nothing_and_a_new_byte_does(raw: Path, tmp_path: Path) -> None:
    first = marks(jobs_of(raw, tmp_path / "store", hashed=True))
    os.utime(raw / "a.txt", (1, 1))
    assert marks(jobs_of(raw, tmp_path / "store", hashed=True)) == first
    (raw / "a.txt").write_text("c")
    assert [mark in first for mark in marks(jobs_of(raw, tmp_path / "store", hashed=True))] == [False, True]


def test_a_seed_belongs_to_its_unit_not_to_its_place(raw: Path, tmp_path: Path) -> None:
    before = {job.unit.id: job.seed for job in jobs_of(raw, tmp_path / "store")}
    (raw / "0.txt").write_text("first of all")
    after = {job.unit.id: job.seed for job in jobs_of(raw, tmp_path / "store")}
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 3


def test_a_failed_unit_leaves_nothing_and_says_where(raw: Path, tmp_path: Path) -> None:
    (raw / "a.txt").write_text("bad")
    [job, _] = jobs_of(raw, tmp_path / "store")
    summary = do_unit(job)
    assert failed_drop(summary) == Drop("a.txt", "this file is bad")
    assert summary["where"].startswith("toy_units.py:")
    assert job.done() is None
    assert list(job.folder.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EROFS])
def test_what_the_machine_does_is_not_the_units_fault(number: int, raw: Path, tmp_path: Path) -> None:
    [job, _] = jobs_of(raw, tmp_path / "store")
    with pytest.raises(OSError, match=r".") as caught:
        do_unit(replace(job, pipeline=Unwritable(number=number)))
    assert caught.value.errno == number
    assert list(job.folder.iterdir()) == []
    busy = do_unit(replace(job, pipeline=Unwritable(number=errno.EAGAIN)))
    assert busy["error"].startswith("Resource temporarily")  # tried again by the next prepare


def test_names_of_files_in_a_units_parameters_do_not_tell_where_the_raw_folder_is(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.fits").touch()
    (tmp_path / "link").symlink_to(raw)
    seen = []
    for root in (raw, tmp_path / "link", tmp_path / "raw" / ".." / "raw"):
        file = root / "a.fits"
        unit = Unit("u", (file,), {"science": {"path": f"{file}[SCI]", "gain": 2.0}, "both": [str(file), "r"], "n": 1})
        seen.append(portable(unit, [root]))
    assert seen == [{"science": {"path": "a.fits[SCI]", "gain": 2.0}, "both": ["a.fits", "r"], "n": 1}] * 3


def test_a_unit_that_was_done_under_its_former_fingerprint_is_found(tmp_path: Path) -> None:
    pipeline = ToyUnits()
    file = tmp_path / "raw" / "a.fits"
    file.parent.mkdir()
    file.touch()
    unit = Unit("u", (file,), {"path": str(file)})
    [job] = make_jobs(pipeline, [unit], [file.parent], tmp_path / "store", 1, False)
    former = fingerprint(
        fingerprint(pipeline), "u", {"path": str(file)}, input_fingerprint([file], [file.parent], False), job.seed
    )[:24]
    assert former != job.fingerprint
    done = tmp_path / "store" / "units" / former
    done.mkdir(parents=True)
    (done / MARK).write_text("{}")
    [again] = make_jobs(pipeline, [unit], [file.parent], tmp_path / "store", 1, False)
    assert again.fingerprint == former


def test_what_a_link_holds_is_known_by_the_name_of_the_link(tmp_path: Path) -> None:
    for night in ("n1", "n2"):
        (tmp_path / "disk" / night).mkdir(parents=True)
        (tmp_path / "disk" / night / "a.avro").write_text(night)
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, night in (("first", "n1"), ("second", "n2")):
        (raw / name).symlink_to(tmp_path / "disk" / night)
    paths = [raw / "first" / "a.avro", raw / "second" / "a.avro"]
    assert [relative(path, [raw]) for path in paths] == ["first/a.avro", "second/a.avro"]
    assert relative(tmp_path / "disk" / "n1" / "a.avro", [raw / "first"]) == "a.avro"
    assert relative(tmp_path / "elsewhere.avro", [raw]) == "elsewhere.avro"
    assert list(places_of("first/a.avro+1", paths).values()) == ["first/a.avro", "second/a.avro"]
