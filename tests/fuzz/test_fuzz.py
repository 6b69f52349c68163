"""A fixed sample of changed files of every kind: ``make fuzz`` reads 200 of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from file_kinds import KINDS
from fuzz import judged, tallies
from mutate import WAYS, mutated

from astrid_ml.executors.contract import OverLimitError, WorkerDiedError

NAMES = sorted(KINDS)
TOGETHER = 12  # kinds whose files one process reads: it imports the libraries once


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(NAMES), TOGETHER))
def test_changed_files_hang_nothing_crash_nothing_and_are_told_of(first: int, tmp_path: Path) -> None:
    kinds = [KINDS[name] for name in NAMES[first : first + TOGETHER]]
    done = tallies(kinds, len(WAYS), 0, tmp_path, 1)
    faults = [fault for each in done.values() for fault in each.faults]
    assert not faults, "\n".join(faults)
    assert [sum(each.counts.values()) for each in done.values()] == [len(WAYS)] * len(kinds)
    assert all(each.peak < 2.0 for each in done.values())


def test_a_seed_is_one_change_and_the_ways_take_turns() -> None:
    content = b"SIMPLE  =                    T".ljust(80) + b"NAXIS   =                    2".ljust(2800) + bytes(9000)
    changes = [mutated(content, seed) for seed in range(45)]
    assert changes == [mutated(content, seed) for seed in range(45)]
    assert {name for name, _ in changes} == {way.__name__ for way in WAYS}
    assert len({changed for _, changed in changes}) > 35
    assert sum(changed == content for _, changed in changes) <= 5  # zeros over zeros


def test_what_must_not_be_is_a_fault() -> None:
    counts = {"outcome": "read", "samples": 0, "dropped": 0, "failed": 0}
    assert judged(counts)[0] == "silent" and judged({**counts, "failed": 1}) == ("dropped", "")
    assert judged({**counts, "samples": 1, "dropped": 3}) == ("read", "")
    assert judged({"outcome": "refused", "words": "x"}) == ("refused", "")
    assert judged({**counts, "failed": 1, "words": "KeyError: 'NAXIS2'"})[0] == "named"
    assert judged({"outcome": "refused", "words": "a ValueError: x"})[0] == "named"
    assert judged({"outcome": "traceback", "words": "KeyError"}) == ("traceback", "KeyError")
    assert judged(OverLimitError("it was not done"))[0] == "hang" and judged(WorkerDiedError("x"))[0] == "crash"
    assert judged(OverLimitError("it took 3 GB of memory"))[0] == "memory"
