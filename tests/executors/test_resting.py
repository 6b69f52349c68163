"""A worker's chunks share one process: it waits a moment for the next one, does other work, and goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crew_work import work

from astrid_ml.executors import resting
from astrid_ml.executors.contract import OverLimitError, WorkerDiedError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.remote import Chunk, chunk_of, do_chunk
from astrid_ml.executors.resting import RESTING

ONE_TRY = Limits(retries=0, backoff=0.0)


@pytest.fixture(autouse=True)
def rested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    RESTING.end()


def values(chunk: Chunk) -> list[Any]:
    return [value for _, _, value in do_chunk(chunk, rest=True)]


def process_of(chunk: Chunk) -> int:
    [number] = values(chunk)
    return int(number)


def number_of(_: Any) -> int:
    """The process that does it."""
    return os.getpid()


def ended(number: int) -> bool:
    """Whether a process is gone within some seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_chunks_share_a_process_that_goes_when_nobody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = process_of(chunk_of(number_of, ["a"], ONE_TRY))
    assert values(chunk_of(len, ["abc"], ONE_TRY)) == [3]  # other work
    monkeypatch.setattr(resting, "PATIENCE", 0.2)
    assert process_of(chunk_of(number_of, ["b"], ONE_TRY)) == first != os.getpid()
    assert ended(first)
    assert process_of(chunk_of(number_of, ["c"], ONE_TRY)) != first


def test_another_folder_has_another_process_and_nobody_keeps_one_unasked(tmp_path: Path) -> None:
    chunk = chunk_of(number_of, ["a"], ONE_TRY)
    first = process_of(chunk)
    (tmp_path / "other").mkdir()
    assert process_of(replace(chunk, folder=str(tmp_path / "other"))) != first
    [(_, _, alone)] = do_chunk(chunk)
    assert alone != first and ended(alone)
    assert process_of(chunk) == first


@pytest.mark.parametrize(("item", "kind"), [("kill", WorkerDiedError), ("crash", WorkerDiedError)])
def test_a_process_that_dies_is_not_left_to_the_next_chunk(item: str, kind: type[Exception]) -> None:
    first = process_of(chunk_of(number_of, ["a"], ONE_TRY))
    [lost] = values(chunk_of(work, [item], ONE_TRY))
    assert isinstance(lost, kind) and ended(first)
    assert values(chunk_of(len, ["ab"], ONE_TRY)) == [2]


def test_a_process_that_died_meanwhile_is_replaced_and_limits_are_those_of_the_chunk() -> None:
    first = process_of(chunk_of(number_of, ["a"], ONE_TRY))
    os.kill(first, 9)
    assert process_of(chunk_of(number_of, ["b"], ONE_TRY)) != first
    [late] = values(chunk_of(work, ["hang"], Limits(seconds=0.5, retries=0)))
    assert isinstance(late, OverLimitError)
