"""Stops a command at a random moment, types it again, and compares what it left with an undisturbed run's."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from products import litter, products
from scenarios import Scenario

PATIENCE = 300.0  # seconds until a command counts as hanging
START_UP = 0.4  # seconds in which the interpreter itself still starts
LINE = "astrid: interrupted"


@dataclass
class Trial:
    """One disturbed command.

    Args:
        scenario: its name.
        signal: ``KILL``, ``TERM`` or ``INT``.
        moments: seconds after the start at which it was sent.
        faults: what was not as it should be.
    """

    scenario: str
    signal: str
    moments: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def undisturbed(scenario: Scenario, inputs: Path, out: Path) -> tuple[dict[str, str], float]:
    """The products of a run that nobody stops, and its seconds."""
    begun = time.monotonic()
    code, text = finished(started(scenario, inputs, out))
    if code != 0:
        raise RuntimeError(f"{scenario.name} fails undisturbed, exit code {code}:\n{text}")
    return products(out), time.monotonic() - begun


def disturbed(
    scenario: Scenario, inputs: Path, out: Path, kind: str, seconds: float, right: dict[str, str], luck: random.Random
) -> Trial:
    """Stop the command (at times its resumption too), type it until it ends, compare.

    Args:
        scenario: what to run.
        inputs: that all scenarios share.
        out: an empty folder for the results.
        kind: of the signal.
        seconds: that an undisturbed run takes.
        right: the undisturbed run's products.
        luck: when to stop, whom, and how often.
    """
    trial = Trial(scenario.name, kind)
    for _ in range(2 if luck.random() < 0.3 else 1):
        process = started(scenario, inputs, out)
        trial.moments.append(round(luck.uniform(START_UP, seconds), 2))
        time.sleep(trial.moments[-1])
        sent = send(process, kind, everyone=luck.random() < 0.5)
        code, text = finished(process)
        trial.faults += wrong_end(kind, code, text) if sent else []
        trial.faults += orphans(process.pid)
    code, text = finished(started(scenario, inputs, out))
    if code != 0:
        trial.faults.append(f"typed again: exit code {code}: {text[-600:]}")
        return trial
    found = products(out)
    trial.faults += [f"{name}: {difference(name, right, found)}" for name in sorted(right.keys() | found.keys())
                     if right.get(name) != found.get(name)]  # fmt: skip
    trial.faults += [f"litter: {name}" for name in litter(out)]
    code, text = finished(process_of([sys.executable, "-m", "astrid_ml", "fsck", "input=."], out))
    trial.faults += [] if code == 0 else [f"fsck, exit code {code}: {text[-600:]}"]
    if not trial.faults:
        shutil.rmtree(out)
    return trial


def started(scenario: Scenario, inputs: Path, out: Path) -> subprocess.Popen[str]:
    """The command in a session of its own, so that it can be stopped with all its children."""
    out.mkdir(parents=True, exist_ok=True)
    return process_of(scenario.command(inputs, out), out)


def process_of(command: Sequence[str], out: Path) -> subprocess.Popen[str]:
    """A command on one thread, in a session of its own."""
    return subprocess.Popen(
        command,
        cwd=out,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def send(process: subprocess.Popen[str], kind: str, everyone: bool) -> bool:
    """Send the signal to the command, or to it and its children; False where it has ended already."""
    if process.poll() is not None:
        return False
    number = getattr(signal, f"SIG{kind}")
    if everyone:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    return True


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output, at the latest after ``PATIENCE``."""
    try:
        text, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        return 124, f"no end within {PATIENCE:.0f} s\n{text}"
    return process.returncode, text


def wrong_end(kind: str, code: int, text: str) -> list[str]:
    """What is wrong with the end of a command that got a signal; it may have been done before it."""
    if kind == "KILL" or code == 0:
        return [] if code in (0, -signal.SIGKILL) else [f"after {kind}: exit code {code}"]
    faults = [] if code == 130 else [f"after {kind}: exit code {code}, not 130"]
    if text.count(LINE) != 1:
        faults.append(f"after {kind}: {text.count(LINE)} lines say that it was interrupted")
    if "Traceback" in text:
        faults.append(f"after {kind}: a traceback: {text[-600:]}")
    return faults


def orphans(session: int, patience: float = 30.0) -> list[str]:
    """Processes of a command's session that outlive it; they are ended."""
    until = time.monotonic() + patience
    while alive(session) and time.monotonic() < until:
        time.sleep(0.1)
    if not alive(session):
        return []
    os.killpg(session, signal.SIGKILL)
    return [f"processes of the stopped command still ran after {patience:.0f} s"]


def alive(session: int) -> bool:
    """Whether a process of this group runs."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


def difference(name: str, right: dict[str, str], found: dict[str, str]) -> str:
    """How a product is other than it should be."""
    if name not in found:
        return "not there"
    return "other content" if name in right else "should not be there"
