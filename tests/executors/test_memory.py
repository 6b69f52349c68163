"""What the machine has and what processes hold is read where the system tells it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from astrid_ml.executors import limits, memory
from astrid_ml.executors.child import Child
from astrid_ml.executors.contract import OverLimitError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.serve import outcome
from astrid_ml.executors.supervise import Crew

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")


@linux
def test_memory_that_is_written_to_counts() -> None:
    before = memory.anonymous(os.getpid())
    held = bytearray(os.urandom(1) * 80_000_000)
    after = memory.anonymous(os.getpid())
    assert before is not None and after is not None and len(held) == 80_000_000
    assert 70_000_000 < after - before < 200_000_000
    assert memory.anonymous(2**22 + 1) is None


@linux
def test_a_containers_limit_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("3000000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000000\nfile 1900000000\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.total() == 3_000_000_000
    assert memory.available() == 2_000_000_000  # pages of files are given back
    assert Limits().bytes() == 2_400_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert (memory.total() or 0) > 3e8


def test_nothing_is_held_where_the_system_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "total", lambda: None)
    monkeypatch.setattr(memory, "available", lambda: None)
    assert Limits().bytes() is None and not limits.short_of_memory()


def test_the_largest_of_several_goes_before_the_machine_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Crew(str, ["a", "b"], Limits())
    crew.children = [Child(str, crew.limits), Child(str, crew.limits)]
    for position, child in enumerate(crew.children):
        child.position = position
    sizes = {crew.children[0].process.pid: 10, crew.children[1].process.pid: 20}
    monkeypatch.setattr(memory, "anonymous", sizes.get)
    monkeypatch.setattr(memory, "total", lambda: 1000)
    monkeypatch.setattr(memory, "available", lambda: 100)
    try:
        crew._relieve()
        assert len(crew.children) == 2 and not crew.lost
        monkeypatch.setattr(memory, "available", lambda: 10)
        crew._relieve()
        assert isinstance(crew.lost[1], OverLimitError) and "ran out of memory" in str(crew.lost[1])
        crew._relieve()
        assert len(crew.children) == 1  # the last one has the machine to itself
    finally:
        crew._end_all()


def test_what_cannot_be_unpickled_is_an_error_of_the_item() -> None:
    assert b"Exception" in outcome(b"no pickle") or b"Error" in outcome(b"no pickle")
