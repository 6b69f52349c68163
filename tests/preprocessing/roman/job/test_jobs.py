"""Job folders at any depth, and field lists that choose among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.job.find import FieldLists, find_jobs, select
from astrid_ml.preprocessing.roman.pipeline import RomanPipeline


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)


def write_list(path: Path) -> Path:
    path.write_text(
        "FIELD MJD JOB\n5261331 62001.5 jid1\n5325281 62050.0 jid2\n5261331 62090.25 jid30\n5261331 62001 jid99\n"
    )
    return path


def test_jobs_are_found_at_any_depth_and_sorted_by_number(tmp_path: Path) -> None:
    make(tmp_path, "20250617/jid10", "20250617/jid9", "a/b/c/jid001", "jid2/jid3", "other")
    assert [job.name for job in find_jobs([tmp_path])] == ["jid001", "jid2", "jid9", "jid10"]
    assert [job.name for job in find_jobs([tmp_path / "20250617" / "jid9"])] == ["jid9"]


def test_no_job_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="jid"):
        find_jobs([tmp_path])


def test_of_two_jobs_of_one_name_the_later_run_counts_and_the_other_is_named(tmp_path: Path) -> None:
    make(tmp_path, "20250617/jid7", "20260722/jid7", "20260722/jid8")
    jobs = find_jobs([tmp_path])
    assert [(job.name, job.path.parent.name) for job in jobs] == [("jid7", "20260722"), ("jid8", "20260722")]
    units = RomanPipeline().plan([tmp_path])
    assert [unit.id for unit in units] == ["jid7", "jid8", "jid7 of 20250617"]
    assert "later run" in units[2].missing[0]


def test_a_folder_given_twice_is_one_job(tmp_path: Path) -> None:
    make(tmp_path, "jid7")
    assert [(job.name, job.shadows) for job in find_jobs([tmp_path, tmp_path / "jid7"])] == [("jid7", ())]


def test_field_lists_choose_by_field_and_date_and_name_absent_jobs(tmp_path: Path) -> None:
    make(tmp_path, "jid1", "jid2", "jid30", "jid31")
    lists = [str(write_list(tmp_path / "H158_fields.txt"))]
    jobs = find_jobs([tmp_path])
    everything, absent = select(jobs, FieldLists(lists))
    assert [(job.name, job.field) for job in everything] == [
        ("jid1", "5261331"),
        ("jid2", "5325281"),
        ("jid30", "5261331"),
    ]
    assert absent == ["jid99"]
    chosen, _ = select(jobs, FieldLists(lists, fields=[5261331], mjd_max=62050.0))
    assert [job.name for job in chosen] == ["jid1"]
    units = RomanPipeline(reader=FieldLists(lists)).plan([tmp_path])
    assert units[-1].id == "field list"
    assert units[-1].missing == ("the folder of jid99",)


def test_wrong_field_lists_are_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="field_files"):
        FieldLists(fields=[1])
    with pytest.raises(UserError, match="exist"):
        FieldLists([str(tmp_path / "none.txt")]).chosen()
    (tmp_path / "bad.txt").write_text("FIELD JOB\n1 jid1\n")
    with pytest.raises(UserError, match="no MJD"):
        FieldLists([str(tmp_path / "bad.txt")]).chosen()
    with pytest.raises(UserError, match="none of 4"):
        FieldLists([str(write_list(tmp_path / "list.txt"))], mjd_max=1.0).chosen()
