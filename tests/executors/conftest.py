"""A SLURM of this machine on PATH; the work of these tests and the toy pipelines, importable in every process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOYS = str(HERE.parent / "pipeline")
sys.path[:0] = [str(HERE), TOYS]
os.environ["PYTHONPATH"] = os.pathsep.join([TOYS, str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sacct")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of its jobs; what still runs is cancelled at the end."""
    jobs, programs = tmp_path / "slurm_jobs", tmp_path / "slurm_programs"
    jobs.mkdir()
    programs.mkdir()
    for name in PROGRAMS:
        script = f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "slurm" / "standin.py"}" {name} "$@"\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_SLURM", str(jobs))
    yield jobs
    left = [job.name for job in jobs.iterdir()]
    if left:
        subprocess.run(["scancel", *left], check=True)
    until = time.monotonic() + 10
    while list(jobs.glob("*/leader")) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(jobs.glob("*/leader"))
