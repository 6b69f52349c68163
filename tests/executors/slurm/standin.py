"""``standin.py PROGRAM WORDS``: as much of SLURM as two libraries and a training ask for, by processes of this machine.

A job is a folder below ``STANDIN_SLURM``: ``script``, ``env.json``, ``state``, and while it runs ``leader`` (its
process group) and ``tasks`` (what srun started). A process of its own, ``standin.py keep``, runs it, and runs it
again where it is requeued. The partition ``closed`` takes no jobs; ``broken`` ends each before it does anything.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(os.environ["STANDIN_SLURM"])
LIVE = ("PENDING", "RUNNING")


def options(words: list[str], known: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Options that are known (short or long name -> name), and what follows them; others are taken as they come."""
    found: dict[str, str] = {}
    left = list(words)
    while left and left[0].startswith("-"):
        name, equals, value = left.pop(0).partition("=")
        if name in known and not equals:
            value = left.pop(0)
        found[known.get(name, name.lstrip("-"))] = value
    return found, left


SBATCH = {
    "-J": "job-name",
    "-e": "error",
    "-o": "output",
    "-p": "partition",
    "-n": "ntasks",
    "-t": "time",
    "-A": "account",
}


def sbatch(words: list[str]) -> int:
    given, left = options(words, SBATCH)
    text = Path(left[0]).read_text()
    for line in re.findall(r"^#SBATCH (.*)$", text, re.M):
        given = options(shlex.split(line), SBATCH)[0] | given
    if given.get("partition") == "closed":
        print("sbatch: error: invalid partition specified: closed", file=sys.stderr)
        return 1
    number = next(n for n in range(1, 10**6) if taken(ROOT / str(n)))
    array = re.match(r"(\d+)-(\d+)", given.get("array", ""))
    places = [str(k) for k in range(int(array[1]), int(array[2]) + 1)] if array else [""]
    for place in places:
        name = f"{number}_{place}" if place else str(number)
        job = ROOT / name
        job.mkdir(exist_ok=True)
        (job / "script").write_text(text)
        nodes, each = int(given.get("nodes", 1)), int(given.get("ntasks-per-node", 1))
        env = {
            "SLURM_JOB_ID": str(number), "SLURM_JOB_NAME": given.get("job-name", "batch"), "SLURM_NNODES": str(nodes),
            "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_NTASKS": str(nodes * each), "SLURM_JOB_NODELIST": "localhost",
            "SLURM_NODELIST": "localhost", "SLURM_NTASKS_PER_NODE": str(each), "STANDIN_JOB": str(job),
        }  # fmt: skip
        if place:
            env |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": place}
        logs = {kind: named(given[kind], name, place) for kind in ("output", "error") if kind in given}
        broken = given.get("partition") == "broken"
        (job / "env.json").write_text(json.dumps({"env": env, "logs": logs, "broken": broken, "cwd": os.getcwd()}))
        (job / "state").write_text("PENDING")
        subprocess.Popen(
            [sys.executable, __file__, "keep", str(job)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    print(f"Submitted batch job {number}")
    return 0


def taken(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def named(pattern: str, job: str, place: str) -> str:
    number = job.partition("_")[0]
    for sign, value in {"%A": number, "%a": place, "%j": number, "%J": number, "%t": "0"}.items():
        pattern = pattern.replace(sign, value)
    return pattern


def keep(words: list[str]) -> int:
    """Run a job until it has ended and nobody wants it again."""
    job = Path(words[0])
    told = json.loads((job / "env.json").read_text())
    for life in range(20):
        (job / "wish").unlink(missing_ok=True)
        (job / "state").write_text("RUNNING")
        env = {**os.environ, **told["env"], "SLURM_RESTART_COUNT": str(life)}
        streams = {"stdout": told["logs"].get("output", "/dev/null"), "stderr": told["logs"].get("error", "/dev/null")}
        for stream in streams.values():  # whoever submits may make its folder a moment later than the job begins here
            Path(stream).parent.mkdir(parents=True, exist_ok=True)
        with open(streams["stdout"], "ab") as out, open(streams["stderr"], "ab") as err:
            command = ["false"] if told["broken"] else ["bash", str(job / "script")]
            process = subprocess.Popen(
                command, env=env, cwd=told["cwd"], stdout=out, stderr=err, start_new_session=True
            )
            (job / "leader").write_text(str(process.pid))
            code = process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        (job / "leader").unlink()
        (job / "tasks").unlink(missing_ok=True)
        wish = (job / "wish").read_text() if (job / "wish").exists() else ""
        if wish != "requeue":
            (job / "state").write_text("CANCELLED" if wish else "COMPLETED" if code == 0 else "FAILED")
            return 0
    return 1


def srun(words: list[str]) -> int:
    """Each task as a process; where one fails the others go on, as SLURM has it unless it is told otherwise."""
    given, command = options(
        words, {"-o": "output", "-e": "error", "-n": "ntasks", "--output": "output", "--error": "error"}
    )
    job = Path(os.environ["STANDIN_JOB"])
    each, nodes = int(os.environ["SLURM_NTASKS_PER_NODE"]), int(os.environ["SLURM_NNODES"])
    place, tasks = os.environ.get("SLURM_ARRAY_TASK_ID", ""), []
    for rank in range(each * nodes):
        env = {
            **os.environ,
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank % each),
            "SLURM_NODEID": str(rank // each),
        }
        logs = [given[kind].replace("%t", str(rank)) for kind in ("output", "error") if kind in given]
        names = [named(log, job.name, place) for log in logs]
        streams: list[Any] = [os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in names] or [None]
        tasks.append(subprocess.Popen(command, env=env, stdout=streams[0], stderr=streams[-1]))
    (job / "tasks").write_text(" ".join(str(task.pid) for task in tasks))
    return max(abs(task.wait()) for task in tasks)


def jobs(names: list[str]) -> list[Path]:
    """Folders of jobs, of all tasks where an array is named."""
    wanted = [part for name in names for part in name.split(",")]
    folders = [job for job in sorted(ROOT.iterdir()) if (job / "state").exists()]
    return [job for job in folders if job.name in wanted or job.name.partition("_")[0] in wanted]


def end(job: Path, wish: str) -> None:
    """End the life that a job has now: a next one may begin before anybody looks again, and is left alone."""
    (job / "wish").write_text(wish)
    leader = _leader(job)
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 3
        while leader and _leader(job) == leader and time.monotonic() < until:
            with suppress(ProcessLookupError):
                os.killpg(leader, number)
            time.sleep(0.05)


def _leader(job: Path) -> int:
    """The process that leads a job's life; 0 between two lives."""
    with suppress(FileNotFoundError, ValueError):
        return int((job / "leader").read_text())
    return 0


def scancel(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", "-s")
    parser.add_argument("jobs", nargs="+")
    given = parser.parse_args(words)
    for job in jobs(given.jobs):
        if given.signal:
            for process in (job / "tasks").read_text().split():
                os.kill(int(process), signal.Signals["SIG" + given.signal.removeprefix("SIG")])
        elif (job / "state").read_text() in LIVE:
            end(job, "cancel")
    return 0


def scontrol(words: list[str]) -> int:
    if words[0] != "requeue":
        return 1
    for job in jobs(words[1:]):
        # As the daemon would: whoever asks is among those that are ended.
        if os.fork() == 0:
            os.setsid()
            end(job, "requeue")
            os._exit(0)
    return 0


def squeue(words: list[str]) -> int:
    given, _ = options(words, {"-j": "jobs", "-o": "format"})
    for job in jobs([given["jobs"]]):
        if (job / "state").read_text() in LIVE:
            print(given.get("format", "%T").replace("%i", job.name).replace("%T", (job / "state").read_text()))
    return 0


def sacct(words: list[str]) -> int:
    names = [words[place + 1] for place, word in enumerate(words) if word == "-j"]
    print("JobID|State|NodeList")
    for job in jobs(names):
        print(f"{job.name}|{(job / 'state').read_text()}|localhost")
    return 0


PROGRAMS = {each.__name__: each for each in (sbatch, keep, srun, scancel, scontrol, squeue, sacct)}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]](sys.argv[2:]))
