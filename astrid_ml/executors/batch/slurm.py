"""What executors that submit SLURM jobs need: programs and their answers, options that exist, words for a refusal."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

SUBMITTING, ASKING = 60.0, 10.0  # seconds in which sbatch, and a program that is asked for states, must answer
UP = "look whether SLURM answers you at all (sinfo)"


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
    told = _words(str(error).encode()) or type(error).__name__
    return UserError(expected, told, "change executor.options: queue or partition, account, time, memory")


class SilentError(RuntimeError):
    """A program of SLURM that gave no answer; the message says which, and how it ended."""


def answer_of(command: Sequence[str], seconds: float) -> str:
    """What a program of SLURM prints.

    Args:
        command: program and words.
        seconds: that it may take.

    Raises:
        SilentError: it does not end in time, cannot be started, or ends with an error.
    """
    program = command[0]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise SilentError(f"{program} gave no answer in {seconds:.0f} s") from None
    except OSError as error:
        raise SilentError(f"{program}: {error.strerror}") from error
    if done.returncode:
        said = _words(done.stderr) or _words(done.stdout) or "no word"
        raise SilentError(f"{program} ended with exit code {done.returncode}: {said}")
    return done.stdout.decode("utf-8", "replace")


def submit(command: Sequence[str]) -> str:
    """Submit a job; returns what sbatch prints, which names it.

    Args:
        command: sbatch and its words.

    Raises:
        UserError: sbatch refuses, does not answer, or names no job.
    """
    expected = "jobs that sbatch takes"
    try:
        said = answer_of(command, SUBMITTING)
    except SilentError as error:
        options = "change executor.options: queue or partition, account, time, memory; or " + UP
        raise UserError(expected, str(error), options if "exit code" in str(error) else UP) from error
    if not re.search(r"job \d+", said):
        raise UserError(expected, f"sbatch answered {_words(said.encode())!r}, which names no job", UP)
    return said


def states_of(jobs: Collection[str]) -> dict[str, str]:
    """Job -> its state: by accounting, else by the queue; a job that neither knows is absent.

    Args:
        jobs: numbers, of tasks of an array as ``4242_1``.

    Raises:
        SilentError: neither of both programs answers.
    """
    from submitit.slurm.slurm import SlurmInfoWatcher

    numbers = sorted({job.partition("_")[0] for job in jobs})
    asked = [part for number in numbers for part in ("-j", number)]
    found, silent = dict[str, str](), list[SilentError]()
    for command, head in (
        (["sacct", "-o", "JobID,State", "--parsable2", *asked], ""),
        (["squeue", "-h", "-o", "%i|%T", "-j", ",".join(numbers)], "JobID|State\n"),
    ):
        try:
            text = head + answer_of(command, ASKING)
        except SilentError as error:
            silent.append(error)
            continue
        if text.partition("\n")[0].startswith("JobID|State"):
            known = SlurmInfoWatcher().read_info(text)
            found |= {job: said["State"] for job, said in known.items() if job in jobs and said.get("State")}
        if len(found) == len(jobs):
            break
    if len(silent) == 2:
        raise silent[0]
    return found


def _words(content: bytes) -> str:
    """The line of a program's answer that says most: the one of an error, else the last one."""
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
    return shortened(printable(told), 200)
