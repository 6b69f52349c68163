"""A process uses the processors that it may use, not all that the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from astrid_ml.audit.candidates import workers
from astrid_ml.executors import cores as of_machine
from astrid_ml.executors.cores import cores


@pytest.mark.parametrize(
    ("quota", "allowed", "expected"),
    [
        (None, 6, 6),
        ("max 100000", 6, 6),
        ("200000 100000", 6, 2),
        ("150000 100000", 6, 2),
        ("10000 100000", 6, 1),
        ("900000 100000", 6, 6),
        ("rubbish", 6, 6),
        ("1 0", 6, 6),
        ("max 100000", 0, 1),
    ],
)
def test_cores_are_those_of_the_job_and_of_its_container(
    quota: str | None, allowed: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(of_machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    assert cores() == workers() == expected


def test_where_nothing_tells_all_processors_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_machine, "CGROUP", tmp_path)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
