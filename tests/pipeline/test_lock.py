"""One owner at a time; an owner that is gone is replaced, one that lives is waited for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from astrid_ml.pipeline import lock
from astrid_ml.pipeline.lock import STALE, Lock


def owned(path: Path, **owner: Any) -> Path:
    """A lock that somebody else left."""
    path.mkdir(parents=True)
    known = {"pid": os.getpid(), "host": socket.gethostname(), "beat": time.time()}
    (path / "owner.json").write_text(json.dumps({**known, **owner}))
    return path


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def entering(waiting: Lock) -> tuple[threading.Event, threading.Thread]:
    """Take it in a thread of its own and give it back at once; the event says that it was taken, by whom it should."""
    entered = threading.Event()

    def work() -> None:
        with waiting:
            if json.loads((waiting.path / "owner.json").read_text())["pid"] == os.getpid():
                entered.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return entered, thread


def test_it_is_signed_while_held_and_gone_after(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "f"
    with Lock(path, "f") as held:
        owner = json.loads((path / "owner.json").read_text())
        assert (owner["pid"], owner["host"]) == (os.getpid(), socket.gethostname())
        assert not held.waited
    assert list(path.parent.iterdir()) == []


def test_an_error_inside_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(tmp_path / "f", "f"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_the_second_waits_says_for_whom_and_comes_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lock, "POLL", 0.01)
    order: list[str] = []
    second = Lock(tmp_path / "f", "the dataset toy")

    def work() -> None:
        with second:
            order.append("second")

    thread = threading.Thread(target=work, daemon=True)
    with Lock(tmp_path / "f", "the dataset toy"):
        thread.start()
        deadline = time.monotonic() + 5
        while not second.waited and time.monotonic() < deadline:
            time.sleep(0.005)
        order.append("first")
    thread.join(timeout=5)
    assert order == ["first", "second"]
    said = f"waiting: process {os.getpid()} on {socket.gethostname()} is working on the dataset toy\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("gone", ["a dead process", "a silent host", "nobody"])
def test_a_lock_whose_owner_is_gone_is_taken_over(gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "POLL", 0.01)
    path = tmp_path / "f"
    if gone == "a dead process":
        owned(path, pid=dead_process())
    elif gone == "a silent host":
        owned(path, host="elsewhere", beat=time.time() - STALE - 1)
    else:
        path.mkdir()
        os.utime(path, (time.time() - STALE - 1,) * 2)
    entered, thread = entering(Lock(path, "f"))
    assert entered.wait(5)
    thread.join(timeout=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lives", ["here", "elsewhere", "not signed yet"])
def test_a_lock_whose_owner_lives_is_left_alone(lives: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "POLL", 0.01)
    path = tmp_path / "f"
    if lives == "not signed yet":
        path.mkdir()
    else:
        owned(path, **({} if lives == "here" else {"host": "elsewhere", "pid": dead_process()}))
    before = sorted(tmp_path.rglob("*"))
    waiting = Lock(path, "f")
    entered, thread = entering(waiting)
    assert not entered.wait(0.15)
    assert waiting.waited
    assert sorted(tmp_path.rglob("*")) == before
    (path / "owner.json").unlink(missing_ok=True)
    path.rmdir()  # its owner ends
    assert entered.wait(5)
    thread.join(timeout=5)
