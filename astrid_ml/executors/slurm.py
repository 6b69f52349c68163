"""What executors that submit SLURM jobs need: its programs, options that exist, words for a refusal."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest

ASKED = 10.0  # seconds between two questions to SLURM
ANSWER = 30.0  # seconds in which sacct and squeue must answer
SUBMITTED = 300.0  # seconds in which sbatch must
TOLD, LOST = 60.0, 900.0  # seconds without a word on a job after which that is said, and it is given up
LIVE = ("READY", "PENDING", "CONFIGURING", "RUNNING", "REQUEUED", "RESIZING", "COMPLETING", "PREEMPTED", "SUSPENDED")
T = TypeVar("T")
# What libraries say around the answer of sbatch.
_ANSWERED = re.compile(r"(?:sbatch output|submission command output is:)(.*?)(?:\(you may however.*)?$", re.I | re.S)
_NO_WORDS = re.compile(r"(?:exit code: *(\d+)).*?stdout:\s*stderr:\s*$", re.I | re.S)
_EMPTY = ("stdout:", "stderr:", "command:")


def need_programs(*names: str) -> None:
    """Refuse a machine without SLURM.

    Args:
        names: of the programs that are called.

    Raises:
        UserError: names those that are absent.
    """
    absent = [name for name in names if shutil.which(name) is None]
    if absent:
        raise UserError(
            f"the program{'s' if len(absent) > 1 else ''} {' and '.join(absent)} of SLURM for executor.cluster=slurm",
            "none on PATH",
            "type the command on a machine of the cluster, or choose executor.cluster=local",
        )


def need_options(given: Mapping[str, Any], known: Collection[str], needed: Sequence[str] = ()) -> None:
    """Refuse options that the library does not know, and those that it cannot do without.

    Args:
        given: what the user set.
        known: names that the library takes.
        needed: names that must be set.

    Raises:
        UserError: names the first that is wrong.
    """
    strange = sorted(set(given) - set(known))
    if strange:
        fix = nearest(strange[0], sorted(known)) or f"it takes {', '.join(sorted(known))}"
        raise UserError("names in executor.options that the library knows", strange[0], fix)
    absent = [name for name in needed if given.get(name) is None]
    if absent:
        what = " and ".join(f"executor.options.{name}" for name in absent)
        raise UserError(f"{what} with executor.cluster=slurm", "none", f"for instance +executor.options.{absent[0]}=4")


def refused(expected: str, error: Exception) -> UserError:
    """What to say where SLURM, or the library that speaks to it, refuses.

    Args:
        expected: in words.
        error: its own.
    """
    fix = "change executor.options: queue or partition, account, time, memory"
    text = str(error).strip()
    if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
        return UserError(
            expected, f"sbatch did not answer in {SUBMITTED:.0f} s", "try again when SLURM answers (sinfo)"
        )
    if isinstance(error, UnicodeDecodeError):
        return UserError(expected, "sbatch answered bytes that are no text", "try sbatch by hand on this machine")
    if answered := _ANSWERED.search(text):
        said = answered[1].strip().strip("\"'").strip()
        got = (
            f"sbatch answered {said.splitlines()[0][:100]!r}, which names no job" if said else "sbatch answered nothing"
        )
        return UserError(expected, got, "try sbatch by hand on this machine: it says Submitted batch job NUMBER")
    if silent := _NO_WORDS.search(text):
        return UserError(expected, f"sbatch ended with exit code {silent[1]} and no word", fix)
    lines = [line.strip() for line in text.splitlines() if line.strip() and line.strip().lower() not in _EMPTY]
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
    return UserError(expected, told[:300] or "sbatch ended with an error and no word", fix)


def in_time(call: Callable[[], T], seconds: float) -> T:
    """What a call gives that may never end: it is left alone then, in a thread that ends with the process.

    Args:
        call: of a library that waits for a program.
        seconds: that it may take.

    Raises:
        TimeoutError: it took longer.

    Example:
        >>> in_time(lambda: 7, 10.0)
        7
    """
    done: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer in {seconds:g} s")
    if raised:
        raise raised[0]
    return done[0]


class JobStates:
    """What SLURM says of jobs, asked now and then: sacct, and squeue where that knows nothing.

    Args:
        names: of the jobs, such as ``4242_0``.
        parse: of what sacct prints: job -> its columns.
    """

    def __init__(self, names: Sequence[str], parse: Callable[[str], Mapping[str, Mapping[str, str]]]) -> None:
        self.names, self.parse = names, parse
        self.states: dict[str, str] = {}
        self._heard, self._asked, self._told = time.monotonic(), time.monotonic(), False

    def heard(self) -> None:
        """A job gave a result: it lives, whatever SLURM says."""
        self._heard = time.monotonic()

    def ended(self, name: str) -> bool:
        """Whether a job has ended, as far as SLURM said."""
        return (self.states.get(name, "").split() or ["READY"])[0].upper().rstrip("+") not in LIVE

    def words(self) -> str:
        """The states of jobs that have ended; empty where SLURM says of none."""
        said = dict.fromkeys(f"{state} of job {name}" for name, state in self.states.items() if self.ended(name))
        return f"SLURM says {', '.join(list(said)[:3])}" if said else ""

    def look(self) -> None:
        """Ask, if it is time.

        Raises:
            UserError: SLURM has said nothing of a job for long.
        """
        now = time.monotonic()
        if now - self._asked < ASKED:
            return
        self._asked = now
        jobs = sorted({name.partition("_")[0] for name in self.names})
        text, why = answer_of("sacct", "-o", "JobID,State,NodeList", "--parsable2", *(f"-j{job}" for job in jobs))
        known: Mapping[str, Mapping[str, str]] = {}
        with suppress(Exception):  # whatever a parser thinks of an answer that is none
            known = self.parse(text)
        found = {name: state for name in self.names if (state := known.get(name, {}).get("State"))}
        if len(found) < len(self.names):
            queued, silent = answer_of("squeue", "-h", "-o", "%i", "-j", ",".join(jobs))
            gone = not silent or "invalid job id" in silent.lower()
            listed = {line.partition("_")[0].strip() for line in queued.splitlines()}
            found |= {n: "PENDING" for n in self.names if n not in found and n.partition("_")[0] in listed}
            if gone and now - self._heard > TOLD:
                found |= {name: "NOTHING" for name in self.names if name not in found and not self.ended(name)}
        self.states |= found
        unknown = [name for name in self.names if name not in found and not self.ended(name)]
        if not unknown:
            self._heard, self._told = now, False
            return
        self._wait(unknown[0], why or "sacct and squeue know nothing of it")

    def _wait(self, name: str, why: str) -> None:
        silent = time.monotonic() - self._heard
        if silent > LOST:
            fix = "look at sacct and squeue on this machine; finished pieces are kept: type the same command again"
            raise UserError("a SLURM that says what becomes of its jobs", f"nothing of job {name}: {why}", fix)
        if silent > TOLD and not self._told:
            self._told = True
            said = f"SLURM says nothing of job {name} ({why}); waiting {LOST / 60:.0f} minutes"
            print(said, file=sys.stderr, flush=True)


def answer_of(*words: str) -> tuple[str, str]:
    """(What a program of SLURM prints, why that is nothing): one of them is empty.

    Args:
        words: the program and its arguments.
    """
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=ANSWER)
    except subprocess.TimeoutExpired:
        return "", f"{words[0]} did not answer in {ANSWER:.0f} s"
    except OSError as error:
        return "", f"{words[0]}: {error.strerror}"
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return "", f"{words[0]}: {said[-1][:160] if said else f'exit code {done.returncode}'}"
    return done.stdout.decode("utf-8", "replace"), ""
