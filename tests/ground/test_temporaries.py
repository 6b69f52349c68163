"""What killed writers leave: found, told from what is still being written, and removed by the next writer there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrid_ml.files import whole_folder, write_text
from astrid_ml.temporaries import _swept, forget_orphans, process_lives, temporaries, temporary_for, this_host

CODE = """
import sys, time
from pathlib import Path
from astrid_ml.files import whole
with whole(Path(sys.argv[1])) as part:
    part.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CODE, str(tmp_path / "a.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_writing_and_no_sooner(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    write_text(tmp_path / "b.json", "whole")
    [found] = temporaries(tmp_path)
    assert found.process == writer.pid and not found.orphaned
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    [found] = temporaries(tmp_path)
    assert found.orphaned and found.path.read_text() == "half"
    _swept.clear()  # as another process, which has not looked yet
    write_text(tmp_path / "b.json", "again")
    assert names(tmp_path) == ["b.json"]


def test_writers_elsewhere_and_files_of_others_are_left_alone(tmp_path: Path) -> None:
    dead = 2**22 + 1  # above every process number
    others = [f".a.part-00000000-{dead}-1.txt", f".a.part-{this_host()}-x-1.txt", f"a.part-{this_host()}-{dead}-1.txt"]
    for name in others:
        (tmp_path / name).touch()
    folder = tmp_path / f".a.part-{this_host()}-{dead}-1"
    (folder / "inside").mkdir(parents=True)
    (tmp_path / f".b.part-{this_host()}-{dead}-2.txt").symlink_to(tmp_path / others[0])
    forget_orphans(tmp_path)
    assert names(tmp_path) == sorted(others)
    forget_orphans(tmp_path / "nowhere")


def test_names_as_long_as_a_file_system_takes_are_written(tmp_path: Path) -> None:
    for name in ("x" * 250 + ".json", "é" * 125 + ".txt"):
        write_text(tmp_path / name, "whole")
        assert (tmp_path / name).read_text() == "whole"
    with whole_folder(tmp_path / ("y" * 255), "mark") as work:
        (work / "mark").touch()
    assert len(names(tmp_path)) == 3


def test_a_process_lives_or_not() -> None:
    assert process_lives(os.getpid()) and process_lives(1)
    assert not process_lives(2**22 + 1) and not process_lives(2**70)


def test_two_temporaries_of_one_target_differ(tmp_path: Path) -> None:
    assert temporary_for(tmp_path / "a") != temporary_for(tmp_path / "a")
