"""Signals that stop a command: one raises, those soon after it wait, and the end is said once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from astrid_ml import interrupts
from astrid_ml.cli import main as cli
from astrid_ml.errors import UserError
from astrid_ml.interrupts import PARENT, asked, ignore_signals, interruptible, take_signals


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_the_first_raises_and_the_next_one_waits(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in interrupts.STOPPING]
    with interruptible():
        with pytest.raises(KeyboardInterrupt), interruptible():
            send(number)
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert asked()
    assert not asked()
    assert [signal.getsignal(each) for each in interrupts.STOPPING] == before


def test_a_signal_that_a_library_swallowed_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "AGAIN", 0.0)
    with interruptible():
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGINT)


class Closing:
    """Something that is stopped while it closes, where nothing can be raised."""

    def __del__(self) -> None:
        send(signal.SIGTERM)


def test_an_interrupt_that_was_swallowed_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.unraisablehook
    with interruptible():
        Closing()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(20)
    assert sys.unraisablehook is before
    assert capsys.readouterr().err == ""


def test_handlers_of_libraries_give_way_and_the_end_is_left_in_peace() -> None:
    take_signals()  # outside a block nothing changes
    assert signal.getsignal(signal.SIGTERM) != interrupts._handle
    with interruptible():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        take_signals()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        ignore_signals()
        send(signal.SIGTERM)


def test_another_thread_may_stand_in_a_block() -> None:
    seen: list[bool] = []

    def work() -> None:
        with interruptible():
            ignore_signals()
            seen.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def unbound() -> None:
    """As a library does that closes in ``finally`` what it never opened."""
    try:
        send(signal.SIGINT)
        opened = 1
    finally:
        del opened


def user_error() -> None:
    try:
        send(signal.SIGTERM)
    except BaseException as error:
        raise UserError("a worker that lives", "one that was ended", "type it again") from error


def ends() -> None:
    try:
        send(signal.SIGINT)
    except KeyboardInterrupt:
        sys.exit(1)


@pytest.mark.parametrize("swallow", [unbound, user_error, ends, lambda: send(signal.SIGINT)])
def test_whatever_a_signal_leads_to_is_an_interruption(
    swallow: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_dispatch", lambda *_: swallow())
    assert cli.run(["train"]) == 130
    assert capsys.readouterr().err == "astrid: interrupted; run the same command again to carry on\n"


AT_THE_END = """
import atexit, os, signal, sys
from astrid_ml.cli import main
atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGTERM)))
main.main(["--version"])
"""


DEAF = """
import ctypes
from astrid_ml import interrupts
from astrid_ml.cli import main
interrupts.LONGEST = 0.5
def dispatch(arguments, aloud):
    mutex = ctypes.create_string_buffer(64)
    for word in ("on", ""):  # the second time it waits for itself, and no signal ends that
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
        print(word, flush=True)
main._dispatch = dispatch
main.main(["train"])
"""


@pytest.mark.parametrize(("rank", "code", "lines"), [("0", 130, 1), ("1", 0, 0)])
def test_a_signal_that_a_library_does_not_let_through_ends_the_command_all_the_same(
    rank: str, code: int, lines: int
) -> None:
    command, environment = [sys.executable, "-c", DEAF], {**os.environ, "LOCAL_RANK": rank}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None and child.stdout.readline() == "on\n"
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=20)
    assert (child.returncode, said.count("astrid: interrupted")) == (code, lines)


def test_it_ends_too_where_nobody_reads_what_it_says() -> None:
    child = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None and child.stdout.readline() == "on\n"
    child.stdout.close()
    child.stderr.close()
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == 130


def test_a_further_process_of_a_training_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(cli, "_dispatch", lambda *_: send(signal.SIGINT))
    assert cli.run(["train"]) == 0
    assert capsys.readouterr().err == ""


IN_A_TEXT = """
from astrid_ml.cli import main
def dispatch(arguments, aloud):
    exec("import os, signal; os.kill(os.getpid(), signal.SIGINT); [None for _ in range(10**5)]")
main._dispatch = dispatch
main.main(["train"])
"""


def test_the_exit_code_is_ours_also_where_a_text_was_executed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(IN_A_TEXT)
    command = [sys.executable, "-m", "mine"]  # as python -m astrid_ml
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("interrupted")) == (130, 1)


def test_a_signal_after_the_work_changes_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


CHILD = """
import os, signal, sys, time
from astrid_ml.interrupts import hear_signals
print("ready", flush=True)
time.sleep(0.3)  # imports
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
hear_signals()
time.sleep(30)
"""


def test_a_child_that_still_starts_hears_a_signal_later_and_leaves_ctrl_c_to_its_parent() -> None:
    with interrupts.starting_children():
        child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(interrupts.STOPPING) == set()
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=20)
    assert (child.returncode, said) == (7, b"")


ORPHAN = """
import subprocess, sys, time
child = "import time; from astrid_ml.interrupts import end_with_parent; end_with_parent(); "
child += "print('on', flush=True); time.sleep(60)"
process = subprocess.Popen([sys.executable, "-c", child], stdout=sys.stdout)
print(process.pid, flush=True)
time.sleep(60)
"""


INNER = "import time; from astrid_ml.interrupts import end_with_parent; end_with_parent(); time.sleep(1.2)"
LATE = """
import os, subprocess, sys
from astrid_ml.interrupts import name_parent
name_parent()
child = "import os, time; print('up', flush=True); time.sleep(1); from astrid_ml.interrupts import end_with_parent; "
stated = str(os.getpid()) if sys.argv[1] == "told" else ""
child += f"end_with_parent({stated}); time.sleep(60); print('late')"
subprocess.Popen([sys.executable, "-c", child]).wait()
"""


@pytest.mark.parametrize("how", ["told", "by the environment"])
def test_a_child_ends_also_when_its_parent_was_killed_before_it_began_to_watch(how: str) -> None:
    with subprocess.Popen([sys.executable, "-c", LATE, how], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        assert parent.stdout.read() == ""


def test_a_parent_that_somebody_else_named_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PARENT, str(os.getpid()))
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {INNER!r}], check=True)"
    assert subprocess.run([sys.executable, "-c", child], timeout=60).returncode == 0


def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        said = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        assert "on" in said
        parent.kill()
        assert parent.stdout.read() == ""  # returns when the child has ended: it holds the other end
