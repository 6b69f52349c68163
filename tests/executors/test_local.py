"""Files that hang, swell or crash a process cost themselves; everything else is done once and told exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crew_work import Sized, work

from astrid_ml.executors.contract import OverLimitError, WorkerDiedError
from astrid_ml.executors.limits import Limits, size_of
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.executors.supervise import Crew
from astrid_ml.executors.within import within_time
from astrid_ml.interrupts import _lives

QUICK = Limits(seconds=1.5, seconds_per_mb=0, memory=0.6, retries=1, backoff=0.0)
BAD = ("hang", "kill", "crash", "leave", "swell")


@pytest.mark.parametrize("executor", [Serial(QUICK), Processes(2, QUICK)], ids=["serial", "processes"])
def test_each_bad_item_is_named_with_what_it_did_and_the_others_are_done(executor: Serial | Processes) -> None:
    items = ["a", *BAD, "refuse", "odd", "lambda", "b"]
    found = dict(executor.map(work, items))
    assert sorted(found) == list(range(len(items)))
    results = dict(zip(items, (found[n] for n in range(len(items))), strict=True))
    assert (results["a"], results["b"]) == ("A", "B")
    assert isinstance(results["hang"], OverLimitError) and "after 1.5 s, which is its limit" in str(results["hang"])
    assert isinstance(results["swell"], OverLimitError) and "its limit is 0.6 GB" in str(results["swell"])
    died = {name: str(results[name]) for name in ("kill", "crash", "leave")}
    assert all(isinstance(results[name], WorkerDiedError) for name in died)
    assert "was killed" in died["kill"] and "SIGSEGV" in died["crash"] and "exit code 3" in died["leave"]
    assert isinstance(results["refuse"], ValueError) and str(results["refuse"]) == "no such file kind"
    assert str(results["odd"]) == "OddError: odd"
    assert "cannot be sent" in str(results["lambda"])


def test_what_a_neighbour_or_a_moment_killed_passes_when_it_is_tried_again(tmp_path: Path) -> None:
    items = [f"once {tmp_path / 'mark'}", "b"]
    assert dict(Processes(2, QUICK).map(work, items)) == {0: items[0].upper(), 1: "B"}
    (tmp_path / "mark").unlink()
    without = Limits(memory=0.6, retries=0)
    assert isinstance(dict(Processes(2, without).map(work, items))[0], WorkerDiedError)


def test_large_files_have_more_time() -> None:
    tight = Limits(seconds=0.2, seconds_per_mb=0.5, retries=0)
    assert size_of(Sized(4_000_000)) == 4_000_000 and tight.time(4_000_000) == pytest.approx(2.2)
    found = dict(Serial(tight).map(work, [Sized(0), Sized(10_000_000)]))
    assert isinstance(found[0], OverLimitError) and isinstance(found[1], str)


def test_one_process_does_all_of_a_serial_run_and_several_share_the_cores() -> None:
    serial = dict(Serial(QUICK).map(work, ["who"] * 3))
    assert len({process for process, _ in serial.values()}) == 1 and os.getpid() not in {p for p, _ in serial.values()}
    shared = dict(Processes(2, QUICK).map(work, ["who"] * 6))
    assert {threads for _, threads in shared.values()} == {"1"}
    assert dict(Serial().map(work, ["who"]))[0][0] == os.getpid()
    assert list(Processes(2, QUICK).map(work, [])) == list(Serial(QUICK).map(work, [])) == []


def test_a_slow_taker_of_results_costs_nobody_the_time() -> None:
    found = {}
    for position, result in Processes(2, Limits(seconds=1.0, seconds_per_mb=0, retries=0)).map(work, ["a", "b", "c"]):
        time.sleep(1.3)
        found[position] = result
    assert found == {0: "A", 1: "B", 2: "C"}


def test_retries_without_end_end_with_the_work() -> None:
    endless = Limits(memory=0.6, retries=10**9)
    with within_time(60.0):
        assert dict(Processes(2, endless).map(work, ["a", "b"])) == {0: "A", 1: "B"}


def test_who_stops_listening_leaves_no_process_behind() -> None:
    crew = Crew(work, ["a", "hang", "hang"], QUICK)
    results = crew.run(3)
    assert next(results) == (0, "A")
    processes = [child.process for child in crew.children]
    results.close()  # type: ignore[attr-defined]
    assert processes and all(process.poll() is not None for process in processes)


def test_work_that_no_process_can_begin_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(WorkerDiedError, match="could not start: its process ended with exit code 7"):
        list(Serial(QUICK).map(work, ["a"]))


SCRIPT = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
sys.path.insert(0, sys.argv[1])
from crew_work import work
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes
for position, result in Processes(2, Limits()).map(work, ["who", "who", "hang", "hang"]):
    print(result[0], flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_killed_parent(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        workers = {int(parent.stdout.readline()) for _ in range(2)}
        parent.send_signal(number)
        parent.wait(20)
    deadline = time.monotonic() + 20
    while any(_lives(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_lives(worker) for worker in workers)
