"""Work that says nothing itself is named after a moment, and leaves nothing on a terminal."""

from __future__ import annotations

import io
import threading

import pytest

from astrid_ml import progress
from astrid_ml.progress import waiting


class Screen(io.StringIO):
    """Standard error that tells when something came.

    Args:
        terminal: whether it is one.
    """

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal, self.came = terminal, threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        self.came.set()
        return count


def screen(monkeypatch: pytest.MonkeyPatch, terminal: bool, patience: float) -> Screen:
    made = Screen(terminal)
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    return made


def test_silent_work_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen(monkeypatch, terminal=False, patience=0.01)
    with waiting("evaluate"):
        assert shown.came.wait(60)
    assert shown.getvalue().splitlines()[0] == "evaluate: 0 s"


def test_on_a_terminal_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen(monkeypatch, terminal=True, patience=0.01)
    with waiting("evaluate"):
        assert shown.came.wait(60)
    assert "\n" not in shown.getvalue()
    last = shown.getvalue().split("\r")[-2:]
    assert last[0].strip() == "" and len(last[0]) >= len("evaluate: 0 s") and last[1] == ""


@pytest.mark.parametrize("rank", ["0", "1"])
def test_quick_work_and_other_processes_say_nothing(rank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen(monkeypatch, terminal=True, patience=3600.0 if rank == "0" else 0.0)
    monkeypatch.setenv("LOCAL_RANK", rank)
    with waiting("evaluate"):
        assert any(thread.name == "waiting" for thread in threading.enumerate()) == (rank == "0")
    assert shown.getvalue() == ""


def test_an_error_goes_through_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen(monkeypatch, terminal=True, patience=3600.0)
    with pytest.raises(KeyboardInterrupt), waiting("evaluate"):
        raise KeyboardInterrupt
    assert not any(thread.name == "waiting" for thread in threading.enumerate())
