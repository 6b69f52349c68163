"""One trial: a training in a process of its own, that ends with whoever asked for it."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.files import read_note
from astrid_ml.interrupts import end_with_parent

LOG, PRUNED = "trial.log", "pruned"  # beside the run: what it printed; a file that ends it
STOP = "stop"  # a file beside the trials: all trainings end, and are carried on by the next call
PAUSE = 0.2  # seconds between two looks at a training
GRACE = 60.0  # seconds in which a training that was told to end must be gone
INTERRUPTED = 130
_EPOCH = re.compile(r"^epoch +(\d+)  (.*)$")
_PAIR = re.compile(r"(\S+) (-?[\d.]+(?:e[-+]?\d+)?|nan|-?inf)(?:  |$)")


@dataclass(frozen=True)
class Wanted:
    """A trial that is to be done.

    Args:
        number: of the trial.
        words: of ``astrid train``, but for the run's folder.
        folder: of the trial, on a disk that all machines see: gets ``run/`` and ``trial.log``.
    """

    number: int
    words: tuple[str, ...]
    folder: str


def do_trial(wanted: Wanted) -> int:
    """Train, or carry on; returns the exit code of ``astrid train``.

    Args:
        wanted: the trial.
    """
    folder = Path(wanted.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    words = ["train", *wanted.words, f"paths.run_dir={folder / 'run'}", "trainer.enable_progress_bar=false"]
    command = [sys.executable, "-m", __name__, str(os.getpid()), *words]
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_environment()
        )
        try:
            while process.poll() is None:
                if (folder / PRUNED).is_file() or (folder.parent / STOP).is_file():
                    process.terminate()
                    return _gone(process)
                time.sleep(PAUSE)
            return process.returncode
        except BaseException:
            process.terminate()
            _gone(process)
            raise


def _environment() -> dict[str, str]:
    """Of this process; modules are found where this process finds them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}


def _gone(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def epochs_of(folder: Path) -> dict[int, dict[str, float]]:
    """Epoch -> metric -> value, as a training has printed them so far.

    Args:
        folder: of the trial.
    """
    found: dict[int, dict[str, float]] = {}
    with suppress(OSError):
        for line in (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
            if said := _EPOCH.match(line):
                found[int(said[1])] = {name: float(value) for name, value in _PAIR.findall(said[2])}
    return found


def outcome(folder: Path) -> Mapping[str, Any] | None:
    """Metrics of a finished training, with what it cost (``cost/...``); None where it is not finished.

    Args:
        folder: of the trial.
    """
    metrics, record = _note(folder / "run" / "metrics.json"), record_of(folder)
    if metrics is None or record is None or record.get("status") != "done":
        return None
    cost = record.get("cost")
    return {**metrics, **{f"cost/{name}": value for name, value in (cost if isinstance(cost, dict) else {}).items()}}


def record_of(folder: Path) -> dict[str, Any] | None:
    """``run.json`` of a trial; None where there is none.

    Args:
        folder: of the trial.
    """
    return _note(folder / "run" / "run.json")


def _note(path: Path) -> dict[str, Any] | None:
    try:
        content = read_note(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def last_words(folder: Path) -> str:
    """Why a training ended: the message that the command ends with, else its last line.

    Args:
        folder: of the trial.
    """
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "it left no word"
    at = text.rfind("astrid: expected ")
    lines = [line.strip() for line in (text[at:] if at >= 0 else text).splitlines() if line.strip()]
    return "; ".join(lines[:3]) if at >= 0 else (lines[-1] if lines else "it left no word")


if __name__ == "__main__":  # the process of a trial: its parent's number, then the words of the command
    end_with_parent(int(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    runpy.run_module("astrid_ml", run_name="__main__", alter_sys=True)
