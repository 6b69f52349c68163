"""Clusters of SLURM jobs, on a stand-in for SLURM: dask-jobqueue, submitit, what it refuses."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_record
from astrid_ml.cli.main import run
from astrid_ml.errors import UserError
from astrid_ml.executors.batch import dask_slurm as with_dask
from astrid_ml.executors.batch import watch
from astrid_ml.executors.batch.slurm import need_options, need_programs, refused
from astrid_ml.executors.dask import Dask
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.submitit import Submitit

pytestmark = pytest.mark.filterwarnings("ignore")
SIZE = {"cores": 1, "memory": "1GB"}


def test_a_machine_without_slurm_and_options_that_are_none(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"walltme.*did you mean walltime"):
        Dask(cluster="slurm", workers=1, options=SIZE | {"walltme": "1"})
    with pytest.raises(UserError, match=r"executor\.options\.memory"):
        Dask(cluster="slurm", workers=1, options={"cores": 1})
    with pytest.raises(UserError, match=r"executor\.workers of 1 or more"):
        Dask(cluster="slurm", options=SIZE)
    with pytest.raises(UserError, match=r"partitin.*did you mean partition"):
        Submitit(cluster="slurm", options={"partitin": "long"})
    for made in (Dask, Submitit):
        with pytest.raises(UserError, match=r"executor\.cluster=slurm only"):
            made(options={"queue": "long"})
    monkeypatch.setenv("PATH", str(tmp_path))
    for made in (Dask, Submitit):
        with pytest.raises(UserError, match="the programs sbatch"):
            made(cluster="slurm")
    need_programs()
    need_options({}, ())
    assert refused("jobs", ValueError("")).got == "ValueError"


def test_what_sbatch_refuses_is_told_in_its_words(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir("."))
    closed = {"queue": "closed"} | SIZE
    for executor in (
        Dask(cluster="slurm", workers=2, options=closed),
        Submitit(cluster="slurm", jobs=2, options={"partition": "closed"}),
    ):
        with pytest.raises(UserError, match=r"jobs that sbatch takes.*invalid partition specified: closed"):
            list(executor.map(float, ["1", "2", "3"]))
    assert sorted(os.listdir(".")) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        gc.collect()  # a cluster that is not closed says so when it is forgotten


@pytest.mark.slow
def test_jobs_that_end_at_once_are_told_of(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(with_dask, "ASKED", 0.5)
    monkeypatch.setattr(watch, "ASKED", 0.5)
    limits = Limits(retries=1, backoff=0.0)
    with pytest.raises(UserError, match="the SLURM jobs have ended"):
        list(Dask(cluster="slurm", workers=1, options=SIZE | {"queue": "broken"}, limits=limits).map(float, ["1"] * 9))
    executor = Submitit(cluster="slurm", jobs=2, options={"partition": "broken"}, limits=limits)
    with pytest.raises(UserError, match="jobs that run until they have done something"):
        list(executor.map(float, ["1"] * 9))


@pytest.mark.slow
def test_pages_of_dask_are_served_to_this_machine_alone(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler itself asks for a certificate; its pages, and those of workers, do not."""
    monkeypatch.chdir(tmp_path)
    with with_dask.slurm_jobs(SIZE, 1, 0) as jobs:
        server = jobs.cluster.scheduler.http_server
        assert {address[0] for address in (bound.getsockname() for bound in server._sockets.values())} == {"127.0.0.1"}
        assert "--dashboard-address 127.0.0.1:0 --no-dashboard" in jobs.cluster.job_script()


@pytest.mark.slow
def test_a_manifest_of_pairs_is_prepared_by_both(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["simulate", "what=pairs", "output_dir=pairs", "simulate.n=24", "simulate.shape=[128,128]"]) == 0
    marks = set()
    for name, words in {
        "serial": [],
        "dask": ["executor=dask", "executor.cluster=slurm", "executor.workers=2", *_added(SIZE)],
        "submitit": ["executor=submitit", "executor.cluster=slurm"],
    }.items():
        command = ["prepare", "preprocessing=differencing", "paths.raw=pairs", f"paths.data={name}", *words]
        assert run(command) == 0
        (dataset,) = [path for path in Path(name).glob("run-*") if path.is_dir()]
        marks.add((dataset.name, (dataset / "dataset.json").read_bytes()))
    assert len(marks) == 1


def _added(options: dict[str, object]) -> list[str]:
    return [f"+executor.options.{name}={value}" for name, value in options.items()]


JOB = """#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --signal=USR1@120 --requeue
#SBATCH -o {log} -e {log}
srun "{python}" -m astrid_ml train {words}
"""


@pytest.mark.slow
def test_a_training_on_two_nodes_is_asked_to_leave_and_its_second_life_ends_as_if_nothing_had_been(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    words = (
        "experiment=realbogus_triplets simulate.n=240 channels.size=31 logger=none audit=warn trainer=slurm "
        "trainer.accelerator=cpu trainer.devices=1 trainer.num_nodes=2 trainer.max_epochs=6 paths.data=store "
        "trainer.precision=32-true callbacks.early_stopping=false trainer.enable_progress_bar=false"
    )
    digests = []
    for name in ("whole", "left"):
        script = tmp_path / f"{name}.sh"
        script.write_text(
            JOB.format(log=tmp_path / f"{name}.log", python=sys.executable, words=f"{words} paths.run_dir={name}")
        )
        job = subprocess.run(["sbatch", str(script)], check=True, capture_output=True, text=True).stdout.split()[-1]
        if name == "left":
            wait(lambda: Path("left/checkpoints/last.ckpt").exists())
            subprocess.run(["scancel", "--signal=USR1", job], check=True)
        wait(lambda job=job: (slurm / job / "state").read_text() in ("COMPLETED", "FAILED"))  # type: ignore[misc]
        said = (tmp_path / f"{name}.log").read_text()
        assert (slurm / job / "state").read_text() == "COMPLETED", said
        _, weights = read_record(Path(name) / "checkpoints" / "best.ckpt")
        digests.append(digest_of(dict(weights)))
    assert f"job {job} is queued again" in said
    assert digests[0] == digests[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not until() and time.monotonic() < end:
        time.sleep(0.1)
    assert until()
