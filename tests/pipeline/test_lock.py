"""One owner at a time: one that is gone is replaced, one that lives is waited for, one that lost its lock learns it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from astrid_ml.files import whole_folder, write_text
from astrid_ml.pipeline import lock
from astrid_ml.pipeline.lock import Claim, Lock, LockLostError

# A process with a short lease: owns the path until a line comes, then asks whether it still owns it.
OWNER = """
import sys
from pathlib import Path
from astrid_ml.pipeline import lock
lock.LEASE = float(sys.argv[2])
try:
    with lock.Lock(Path(sys.argv[1]), "the dataset toy") as own:
        print("owns", flush=True)
        sys.stdin.readline()
    print("kept", flush=True)
except lock.LockLostError as error:
    print(error, flush=True)
"""
LONG_AGO, FAR_AHEAD = 86_400.0 * 400, -86_400.0 * 400


def owner(path: Path, lease: float) -> subprocess.Popen[str]:
    """A process that owns the path."""
    command = [sys.executable, "-c", OWNER, str(path), str(lease)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "owns\n"
    return process


def marker(pid: int, host: str | None = None, token: str = "f00d") -> str:
    """What an owner signs with, as the library writes it."""
    name = host or socket.gethostname()
    return f"filelock/2\npid={pid}\nhost={name}\nmode=lease\ntoken={token}\nduration={lock.LEASE!r}\n"


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def entering(waiting: Lock) -> tuple[threading.Event, threading.Thread]:
    """Take it in a thread of its own and give it back at once; the event says that it was really owned."""
    entered = threading.Event()

    def work() -> None:
        with waiting:
            waiting.check()
            entered.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return entered, thread


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> float:
    """A lease of a fraction of a second."""
    monkeypatch.setattr(lock, "POLL", 0.01)
    monkeypatch.setattr(lock, "LEASE", 0.6)
    return 0.6


def test_it_is_signed_while_held_and_gone_after(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "f.lock"
    with Lock(path, "f") as held:
        assert f"pid={os.getpid()}\n" in path.read_text()
        held.check()
        assert not held.waited
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ValueError, match="only while it is held"):
        held.check()


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


def test_one_that_was_stopped_for_longer_than_the_lease_learns_it_and_leaves_the_new_owner_alone(
    tmp_path: Path, short: float
) -> None:
    path = tmp_path / "f.lock"
    first = owner(path, short)
    first.send_signal(signal.SIGSTOP)
    with Lock(path, "the dataset toy") as second:
        signed = path.read_text()
        first.send_signal(signal.SIGCONT)
        out, err = first.communicate("\n", timeout=60)
        assert (first.returncode, err) == (0, "")
        assert out.startswith("expected this process to be the only one that makes the dataset toy")
        assert f"got process {os.getpid()} on" in out and "To fix it: run the same command again" in out
        assert path.read_text() == signed
        second.check()
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_stopped_for_less_is_waited_for(tmp_path: Path, short: float) -> None:
    path = tmp_path / "f.lock"
    first = owner(path, short)
    entered, thread = entering(Lock(path, "f"))
    for _ in range(4):  # longer than the lease together
        first.send_signal(signal.SIGSTOP)
        assert not entered.wait(short / 3)
        first.send_signal(signal.SIGCONT)
        time.sleep(short / 3)
    assert first.communicate("\n", timeout=60)[0] == "kept\n"
    assert entered.wait(5)
    thread.join(timeout=5)


def test_one_that_was_killed_is_replaced_at_once(tmp_path: Path) -> None:
    first = owner(tmp_path / "f.lock", lock.LEASE)
    first.kill()
    first.communicate()
    with Lock(tmp_path / "f.lock", "f") as second:
        assert not second.waited
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("beat", [LONG_AGO, FAR_AHEAD])
def test_the_clock_of_another_host_decides_nothing(beat: float, tmp_path: Path, short: float) -> None:
    path = tmp_path / "f.lock"
    path.write_text(marker(dead_process(), "elsewhere"))
    entered, thread = entering(Lock(path, "f"))
    for step in range(8):  # it lives: its marker changes, whatever time it says
        os.utime(path, (time.time() - beat + step,) * 2)
        assert not entered.wait(short / 4)
    assert entered.wait(10)  # it has gone silent
    thread.join(timeout=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", ["", "filelock/2\npid=1", "no record"])
def test_what_a_kill_leaves_of_a_marker_is_cleared(left: str, tmp_path: Path, short: float) -> None:
    (tmp_path / "f.lock").write_text(left)
    entered, thread = entering(Lock(tmp_path / "f.lock", "f"))
    assert entered.wait(15)
    thread.join(timeout=5)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_asked_in_any_process_and_a_lock_that_is_gone_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "f.lock"
    code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1])).check()"
    import pickle

    held = Lock(path, "f")
    held.__enter__()
    asked = subprocess.run([sys.executable, "-c", code, pickle.dumps(held.claim).hex()], check=False)
    assert asked.returncode == 0
    path.unlink()
    with pytest.raises(LockLostError, match="its lock is gone"):
        held.check()
    held.__exit__(ValueError, ValueError(), None)
    with pytest.raises(LockLostError):
        Claim(path, "f00d", "f").check()


def test_many_at_once_are_one_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, os\nfrom pathlib import Path\nfrom astrid_ml.pipeline.lock import Lock\n"
        "folder = Path(sys.argv[1])\n"
        "for _ in range(5):\n"
        "    with Lock(folder / 'f.lock', 'f') as own:\n"
        "        fd = os.open(folder / 'inside', os.O_CREAT | os.O_EXCL)\n"
        "        own.check()\n        os.close(fd)\n        os.unlink(folder / 'inside')\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], errors
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_published_in_a_guarded_folder_once_the_lock_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    own = Lock(folder / ".lock", "the run", guards=folder)
    own.__enter__()
    write_text(folder / "a.txt", "first")
    (folder / ".lock").unlink()
    with pytest.raises(LockLostError):
        write_text(folder / "a.txt", "second")
    with pytest.raises(LockLostError), whole_folder(folder / "b", "mark") as work:
        (work / "mark").touch()
    write_text(tmp_path / "elsewhere.txt", "free")
    with pytest.raises(LockLostError, match="run the same command again"):
        own.__exit__(None, None, None)  # also one whose work is done learns it
    write_text(folder / "a.txt", "of nobody")
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt"]


def test_what_went_wrong_inside_is_not_hidden_by_a_lost_lock(tmp_path: Path) -> None:
    own = Lock(tmp_path / ".lock", "the run")
    own.__enter__()
    (tmp_path / ".lock").unlink()
    own.__exit__(ValueError, ValueError("a"), None)  # raises nothing of its own
    with Lock(tmp_path / ".lock", "the run") as after:
        assert not after.waited
