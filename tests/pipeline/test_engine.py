"""Preparing: resume after kills, sharing, failures, locks, executors; bytes compared throughout."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toy_units import ToyUnits

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.pipeline.engine import PrepareOutcome, plan_dataset, prepare_dataset
from astrid_ml.pipeline.writer import DiskUnitWriter

SCRIPT = "import toy_units; toy_units.main()"
SLOW = ToyUnits(slow=0.01)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.txt").write_text(str(number))
    return folder


def contents(dataset: Path) -> dict[str, bytes]:
    """All files but the report of times and hosts."""
    return {
        str(path.relative_to(dataset)): path.read_bytes()
        for path in sorted(dataset.rglob("*"))
        if path.is_file() and path.name != "report.json"
    }


def prepared(raw: Path, store: Path, executor: Executor | None = None, max_failed: float = 0.05) -> PrepareOutcome:
    return prepare_dataset(
        SLOW, [raw], store, name="toy", executor=executor or Serial(), max_failed=max_failed, progress=False
    )


def start(raw: Path, store: Path, workers: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(raw), str(store), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_run_killed_at_random_moments_resumes_to_the_same_bytes(
    kill: signal.Signals, raw: Path, tmp_path: Path
) -> None:
    expected = contents(prepared(raw, tmp_path / "whole").path)
    moments = random.Random(int(kill))
    for number in range(10):
        store = tmp_path / f"store{number}"
        store.mkdir()
        process = start(raw, store)
        while process.poll() is None and not (store / "units").is_dir():
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.5))
        process.send_signal(kill)
        process.communicate(timeout=60)
        # Whatever lies there under its final name is whole.
        assert all((unit / "unit.json").is_file() for unit in (store / "units").glob("[!.]*"))
        assert all((folder / "dataset.json").is_file() for folder in store.glob("toy-*"))
        before = len(list((store / "units").glob("[!.]*")))
        outcome = prepared(raw, store)
        assert outcome.reused or outcome.units_reused == before
        assert contents(outcome.path) == expected


def test_processes_give_the_bytes_of_serial(raw: Path, tmp_path: Path) -> None:
    one = prepared(raw, tmp_path / "one")
    two = prepared(raw, tmp_path / "two", Processes(2))
    assert one.path.name == two.path.name
    assert contents(one.path) == contents(two.path)


def test_two_at_once_prepare_once(raw: Path, tmp_path: Path) -> None:
    runs = [start(raw, tmp_path / "store") for _ in range(2)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert sum(int(out.split()[2]) for out, _ in outputs) == 20


def test_an_input_more_costs_one_unit_and_units_are_shared(raw: Path, tmp_path: Path) -> None:
    first = prepared(raw, tmp_path / "store")
    (raw / "99.txt").write_text("99")
    second = prepared(raw, tmp_path / "store")
    assert (second.units_done, second.units_reused) == (1, 20)
    shared = next((first.path / "arrays").iterdir())
    assert shared.samefile(second.path / "arrays" / shared.name)
    assert json.loads((tmp_path / "store" / "latest.json").read_text())["dataset"] == second.path.name
    assert prepared(raw, tmp_path / "store").reused


def test_failures_are_named_up_to_the_limit_and_refused_above(raw: Path, tmp_path: Path) -> None:
    (raw / "00.txt").write_text("bad")
    outcome = prepared(raw, tmp_path / "store")
    assert [(drop.id, drop.reason) for drop in outcome.units_failed] == [("00.txt", "this file is bad")]
    assert PreparedDataset(outcome.path).meta["counts"]["units_failed"] == 1
    (raw / "01.txt").write_text("bad")
    with pytest.raises(UserError, match=r"2 of 20 failed"):
        prepared(raw, tmp_path / "store")
    assert len(list((tmp_path / "store").glob("toy-*"))) == 1


def test_a_stale_lock_of_a_dead_process_is_taken_over(raw: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    plan = json.loads(plan_dataset(SLOW, [raw], store, name="toy").read_text())
    assert plan["ready"] == 20
    process = start(raw, store)
    while not any(path.stat().st_size for path in store.glob("locks/*.lock")):
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=60)
    outcome = prepared(raw, store)
    assert outcome.path.name == plan["dataset"]
    assert not list((store / "locks").iterdir())


def test_a_full_disk_is_said_clearly_and_nothing_half_written_stays(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(DiskUnitWriter, "close", full)
        with pytest.raises(UserError, match="room on the disk"):
            prepared(raw, tmp_path / "store")
    assert not list((tmp_path / "store" / "units").iterdir())
    assert prepared(raw, tmp_path / "store").units_done == 20


def test_nothing_found_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none in"):
        prepared(tmp_path, tmp_path / "store")


def test_each_kind_of_shard_reads_back(raw: Path, tmp_path: Path) -> None:
    dataset = PreparedDataset(prepared(raw, tmp_path / "store").path)
    position = {name: row for row, name in enumerate(dataset.index["id"])}
    rows = np.array([position["07.txt-1"], position["03.txt-0"], position["07.txt-0"]])
    together = dataset.gather("stamp", rows)
    assert np.array_equal(together, np.stack([dataset.gather("stamp", rows[i : i + 1])[0] for i in range(3)]))
    assert together.shape == (3, 3, 4, 4)
    values, offsets = dataset.ragged("curve", np.array([position["05.txt-3"], position["04.txt-2"]]))
    assert offsets.tolist() == [0, 5, 8]
    assert values.shape == (8, 2)
    assert dataset.gather("frame", np.array([position["00.txt-4"]])).dtype == np.uint16
    assert dataset.meta["counts"]["repaired"] == 40
    assert dataset.meta["drops_by_reason"] == {"no cutout": 20}
