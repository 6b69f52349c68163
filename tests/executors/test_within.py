"""Work in this process is refused what the machine does not have, and afterwards nothing is bounded any more."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.executors import memory, within
from astrid_ml.executors.local import Serial
from astrid_ml.executors.within import allowed, too_much, within_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds the bound")
MANY = 600_000_000  # bytes, more than what is always allowed


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has nothing left."""
    monkeypatch.setattr(memory, "available", lambda: 0)


def inflated(_: Any) -> int:
    return len(gzip.decompress(gzip.compress(bytes(MANY // 4), 1) * 4))


ASKS: dict[str, Callable[[Any], Any]] = {
    "numpy": lambda _: np.ones(MANY // 8),
    "torch": lambda _: torch.ones(MANY // 4),
    "python": lambda _: bytearray(MANY),
    "a gzip file": inflated,
}


@linux
@pytest.mark.parametrize("name", ASKS)
@pytest.mark.usefixtures("full")
def test_what_is_too_much_is_told_in_three_parts(name: str) -> None:
    ((_, said),) = Serial().map(ASKS[name], [None])
    assert isinstance(said, UserError) and "fits into this machine's memory" in said.expected
    assert "more than the 0.3 GB that are free" in said.got and "machine with more memory" in said.fix


@linux
@pytest.mark.usefixtures("full")
def test_the_bound_ends_with_the_block_and_blocks_may_stand_in_one_another() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with within_memory("a"):
        outer = resource.getrlimit(resource.RLIMIT_DATA)[0]
        with within_memory("b"):
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] <= outer
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] == outer
        assert len(np.ones(1000)) == 1000
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(np.ones(MANY // 8)) == MANY // 8


def test_other_faults_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), within_memory("a"):
        raise RuntimeError("shapes do not fit")
    with pytest.raises(UserError, match="something else"), within_memory("a"):
        raise UserError("something", "something else", "nothing")


def test_without_a_word_of_the_system_there_is_no_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: None)
    assert allowed() is None
    with within_memory("a night"):
        held = bytes(MANY)
    assert len(held) == MANY
    assert too_much("a night", "give a part", None, "").got == "a night takes more"
    monkeypatch.setattr(within, "_data", lambda: None)
    monkeypatch.undo()
    assert (allowed() or 0) >= within.NEEDED
