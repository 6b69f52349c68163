"""What the machine does to a preparation is said as such, and never counted as a bad file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.files import read_array
from astrid_ml.pipeline.engine import PrepareOutcome, prepare_dataset
from astrid_ml.pipeline.machine import explained, machine_fault, of_command, refuse_lost_files


@dataclass(frozen=True)
class Said:
    """Each unit does what its file says: an errno, ``unmount``, ``write``, ``kill``, or nothing."""

    domain: ClassVar[str] = "said"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(path.stem, (path,)) for folder in raw for path in sorted(folder.glob("*.txt"))]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        words = unit.inputs[0].read_text().split()
        if words[0].isdigit():
            try:
                raise OSError(int(words[0]), os.strerror(int(words[0])))
            except OSError as error:
                raise ValueError("a reader's own words") from error
        if words[0] == "unmount":
            shutil.rmtree(unit.inputs[0].parent)
            unit.inputs[0].read_text()
        if words[0] == "vanish":
            unit.inputs[0].unlink()
            unit.inputs[0].read_text()
        if words[0] == "grow":
            unit.inputs[0].write_text("grow more")
        if words[0] == "kill" and (words[1] == "always" or not Path(words[1]).exists()):
            Path(words[1]).write_text("once") if words[1] != "always" else None
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        writer.add(pd.DataFrame({"id": [unit.id], "group_id": [unit.id], "label": [0]}), {"x": np.zeros((1, 3))})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text("nothing")
    return folder


def prepared(raw: Path, executor: Executor | None = None, max_failed: float = 0.5) -> PrepareOutcome:
    return prepare_dataset(
        Said(), [raw], raw.parent / "store", name="toy", executor=executor, max_failed=max_failed, progress=False
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "room on the disk"),
        (errno.EIO, "disks and mounts that answer"),
        (errno.ESTALE, "disks and mounts that answer"),
        (errno.ENODEV, "disks and mounts that answer"),
        (errno.ENOTCONN, "disks and mounts that answer"),
        (errno.EMFILE, "files that can be opened"),
        (errno.EROFS, "a folder that can be written"),
    ],
)
def test_the_machines_errors_stop_the_run_in_three_parts_and_keep_what_is_done(
    number: int, said: str, raw: Path
) -> None:
    (raw / "5.txt").write_text(str(number))
    with pytest.raises(UserError, match=said) as caught:
        prepared(raw)
    assert caught.value.fix
    store = raw.parent / "store"
    assert not list(store.glob("toy-*")) and not list((store / "locks").iterdir())
    (raw / "5.txt").write_text("nothing")
    assert prepared(raw).units_reused == 5


@pytest.mark.parametrize("executor", [Serial(), Processes(2)])
def test_a_mount_that_goes_is_no_bad_file_and_one_file_that_goes_is(raw: Path, executor: Executor) -> None:
    (raw / "3.txt").write_text("vanish")
    outcome = prepared(raw)
    assert [drop.id for drop in outcome.units_failed] == ["3"]
    (raw / "4.txt").write_text("unmount")
    with pytest.raises(UserError, match="raw files that stay until all are read"):
        prepared(raw, executor)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EINTR, errno.EAGAIN])
def test_what_may_pass_is_tried_again(number: int, raw: Path) -> None:
    (raw / "3.txt").write_text(str(number))
    state = (raw / "3.txt").stat()
    assert "-partial-" in prepared(raw).path.name
    (raw / "3.txt").write_text("well" if number < 100 else "well" * 2)
    os.utime(raw / "3.txt", ns=(state.st_mtime_ns, state.st_mtime_ns))
    again = prepared(raw)
    assert "-partial-" not in again.path.name and not again.units_failed


def test_a_file_that_is_written_while_it_is_read_fails_and_is_read_again(raw: Path) -> None:
    (raw / "3.txt").write_text("grow")
    outcome = prepared(raw)
    assert [(drop.id, drop.reason) for drop in outcome.units_failed] == [("3", "3.txt was written while it was read")]
    assert prepared(raw).units_failed == [] or (raw / "3.txt").read_text() == "grow more"


def test_a_killed_worker_costs_nobody_a_unit_and_one_that_kills_alone_too_is_named(raw: Path, tmp_path: Path) -> None:
    for number in (0, 1, 3, 4, 5, 7):
        (raw / f"{number}.txt").unlink()
    (raw / "2.txt").write_text(f"kill {tmp_path / 'mark'}")
    outcome = prepared(raw, Processes(2))
    assert outcome.units_failed == [] and (tmp_path / "mark").exists()
    (raw / "6.txt").write_text("kill always")
    outcome = prepared(raw, Processes(2))
    assert [drop.id for drop in outcome.units_failed] == ["6"]
    assert outcome.units_failed[0].reason.startswith("its process was killed")


def test_a_right_that_a_raw_file_lacks_is_the_files_and_one_that_the_store_lacks_is_not(tmp_path: Path) -> None:
    store = tmp_path / "store"
    raw_file, unit = (OSError(errno.EACCES, "no", str(tmp_path / name)) for name in ("raw/a", "store/units/u"))
    assert machine_fault(raw_file, store) is None and machine_fault(unit, store) is unit
    assert "raw files that can be read" in str(explained(raw_file, store))
    assert "a folder that can be written" in str(explained(unit, store))
    assert "raw files that stay" in str(explained(OSError(errno.ENOENT, "gone", str(tmp_path / "raw/a")), store))
    assert "read and written" in str(explained(OSError(errno.ELOOP, "loop", str(store)), store))
    bare = OSError("a library's own words")
    assert explained(bare, store) is bare


def test_a_reader_that_turns_the_disks_error_into_words_hides_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a.npy"
    folder.mkdir()
    with pytest.raises(UserError) as caught:
        read_array(folder)
    assert caught.value.__cause__ is not None
    caught.value.__cause__.errno = errno.EIO  # type: ignore[attr-defined]
    assert machine_fault(caught.value, tmp_path) is caught.value.__cause__


def test_one_named_file_may_vanish_and_is_a_file(tmp_path: Path) -> None:
    refuse_lost_files([tmp_path], [tmp_path / "gone"])
    with pytest.raises(UserError, match="no file left below"):
        refuse_lost_files([tmp_path], [tmp_path / "gone", tmp_path / "gone too"])
    with pytest.raises(UserError, match="nothing at"):
        refuse_lost_files([tmp_path / "raw"], [])


# The real thing: a preparation that is stopped for longer than the lease while another does its work.
SCRIPT = """
import sys
from pathlib import Path
import toy_units
from astrid_ml.pipeline import lock
lock.LEASE = float(sys.argv.pop())
toy_units.main()
"""


def started(raw: Path, store: Path, lease: float, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(raw), str(store), str(workers), str(lease)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stopped_and_replaced(raw: Path, store: Path, lease: float, workers: int) -> None:
    for number in range(60):
        (raw / f"more{number:02}.txt").write_text(str(number))
    first = started(raw, store, lease, workers)
    while not list(store.glob("units/[!.]*")):
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    second = started(raw, store, lease, 0)
    while len(list(store.glob("units/[!.]*"))) < 40 and second.poll() is None:
        time.sleep(0.01)
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=120)
    assert first.returncode == 1 and "Traceback" not in err, (out, err)
    assert "expected this process to be the only one that makes the dataset toy-" in err
    out, err = second.communicate(timeout=120)
    assert (second.returncode, "Traceback" in err) == (0, False), err
    assert (Path(out.split()[0]) / "dataset.json").is_file()
    assert not list((store / "locks").iterdir()) and not list(store.rglob(".*part-*"))
    assert json.loads((store / "latest.json").read_text())["dataset"] == Path(out.split()[0]).name


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stopped_owner_that_wakes_publishes_nothing_and_says_so(raw: Path, tmp_path: Path, workers: int) -> None:
    stopped_and_replaced(raw, tmp_path / "store", 1.0, workers)


@pytest.mark.slow
def test_the_same_with_the_real_lease(raw: Path, tmp_path: Path) -> None:
    stopped_and_replaced(raw, tmp_path / "store", 30.0, 0)


def test_a_name_that_no_disk_takes_is_told_in_words() -> None:
    name = "n" * 400
    with pytest.raises(OSError, match="File name too long") as raised:
        Path(name).exists()
    told = of_command(raised.value)
    assert told is not None and told.got.endswith("...: File name too long") and len(told.got) < 300
