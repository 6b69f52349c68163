"""A batch system or a scheduler that answers nonsense, or nothing: words after a bound, never a wait without end."""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from own_cluster import own_cluster

from astrid_ml.errors import UserError
from astrid_ml.executors import dask as with_dask
from astrid_ml.executors import dask_answers
from astrid_ml.executors.batch import dask_slurm, slurm, watch
from astrid_ml.executors.batch.gone import GoneError
from astrid_ml.executors.batch.slurm import SilentError, answer_of, states_of
from astrid_ml.executors.contract import WorkerDiedError
from astrid_ml.executors.dask import Dask
from astrid_ml.executors.dask_answers import Scheduler
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.submitit import Submitit

pytestmark = pytest.mark.filterwarnings("ignore")
TAKES = 'echo "Submitted batch job 4242"'


class Programs:
    """Programs of SLURM, each a few lines of a shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "srun", "sacct", "scancel", "squeue"):
            self.set(name, "exit 0")

    def set(self, name: str, script: str) -> None:
        """Have a program do this."""
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """On PATH; the bounds are short."""
    monkeypatch.chdir(tmp_path)
    made = Programs(tmp_path / "programs")
    monkeypatch.setenv("PATH", str(made.folder), prepend=":")
    for module, values in {
        slurm: {"SUBMITTING": 1.0, "ASKING": 0.5},
        watch: {"ASKED": 0.2, "TOLD": 0.4, "LOST": 1.0, "PAUSE": 0.05},
        dask_slurm: {"SUBMITTING": 1.0, "ASKING": 0.5, "ASKED": 0.2},
    }.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    return made


def submitted(count: int = 2, retries: int = 1) -> list[tuple[int, Any]]:
    """What comes of some numbers in two jobs."""
    executor = Submitit(cluster="slurm", jobs=2, limits=Limits(retries=retries, backoff=0.0))
    return list(executor.map(float, ["1"] * count))


@pytest.mark.parametrize(
    ("script", "got"),
    [
        ("echo hello world", "sbatch answered 'hello world', which names no job"),
        ("exit 0", "sbatch answered '', which names no job"),
        ("exit 3", "sbatch ended with exit code 3: no word"),
        (r"printf '\376\033[31m\nJob 12'", r"sbatch answered 'Job 12', which names no job"),
        ("echo up >&2; echo 'sbatch: error: Invalid account' >&2; exit 1", "sbatch: error: Invalid account"),
        ("exec sleep 60", "sbatch gave no answer in 1 s"),
        ("sleep 60", "sbatch gave no answer in 1 s"),  # its child holds the pipes when it is killed
    ],
)
def test_an_sbatch_that_takes_no_job_is_told_of_in_its_words(programs: Programs, script: str, got: str) -> None:
    programs.set("sbatch", script)
    begun = time.monotonic()
    with pytest.raises(UserError, match="jobs that sbatch takes") as refused:
        submitted()
    assert got in refused.value.got and "submitit" not in str(refused.value)
    assert time.monotonic() - begun < 30
    assert not list(Path.cwd().glob("jobs*"))


def test_an_sbatch_that_never_answers_ends_a_cluster_of_dask_too(programs: Programs) -> None:
    programs.set("sbatch", "echo $$ > number; exec sleep 60")
    with pytest.raises(UserError, match=r"jobs that sbatch takes.*no answer in 1 s"):
        list(Dask(cluster="slurm", workers=1, options={"cores": 1, "memory": "1GB"}).map(float, ["1"]))
    os.kill(int(Path("number").read_text()), signal.SIGKILL)
    time.sleep(0.2)
    gc.collect()  # what dask had begun is forgotten here, not in another test


@pytest.mark.parametrize(
    ("sacct", "said"),
    [
        ('echo "JobID|State|NodeList"; echo "4242_0|NODE_FAIL|n"; echo "4242_1|CANCELLED by 0|n"', "NODE_FAIL"),
        ('echo "JobID|State|NodeList"; echo "4242_[0-1%2]|FAILED|n"', "SLURM says FAILED"),
        ('echo "JobID|State"; echo "4242_0|COMPLETED"; echo "4242_1|COMPLETED"', "SLURM says COMPLETED"),
        ("exit 0", "SLURM knows nothing of them"),
        ("echo '@@@'; echo '|||'", "SLURM knows nothing of them"),
        ("echo 'accounting storage is disabled' >&2; exit 1", "SLURM knows nothing of them"),
    ],
)
def test_jobs_that_are_lost_before_they_did_anything_are_no_fault_of_the_files(
    programs: Programs, sacct: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    programs.set("sbatch", TAKES)
    programs.set("sacct", sacct)
    with pytest.raises(UserError, match="jobs that run until they have done something") as refused:
        submitted()
    assert said in refused.value.got and "2 jobs, 2 times" in refused.value.got
    out, err = capfd.readouterr()
    assert "Bypassing" not in out + err
    assert ("SLURM says nothing of jobs that were submitted" in err) is ("knows nothing" in said)


def test_an_end_that_the_work_may_have_brought_is_the_items(programs: Programs) -> None:
    programs.set("sbatch", TAKES)
    programs.set("sacct", 'echo "JobID|State"; echo "4242_0|OUT_OF_MEMORY"; echo "4242_1|TIMEOUT"')
    lost = dict(submitted())
    assert sorted(lost) == [0, 1] and all(isinstance(value, WorkerDiedError) for value in lost.values())
    assert {str(value) for value in lost.values()} == {
        "the job that did it was lost (SLURM says OUT_OF_MEMORY)",
        "the job that did it was lost (SLURM says TIMEOUT)",
    }


@pytest.mark.parametrize("sacct", ["exec sleep 60", "exit 1"])
def test_where_no_program_knows_a_state_it_is_said_why(
    programs: Programs, sacct: str, capfd: pytest.CaptureFixture[str]
) -> None:
    programs.set("sbatch", TAKES)
    for name in ("sacct", "squeue"):
        programs.set(name, sacct)
    with pytest.raises(UserError, match=r"sacct (gave no answer|ended with exit code 1)"):
        submitted(retries=0)
    assert "waiting 1 s for their results" in capfd.readouterr().err


def test_the_queue_is_asked_where_accounting_knows_nothing(programs: Programs) -> None:
    programs.set("sacct", "exit 1")
    programs.set("squeue", 'echo "4242_0|RUNNING"; echo "4242_[1-2]|PENDING"; echo "7|RUNNING"')
    known = {"4242_0": "RUNNING", "4242_1": "PENDING", "4242_2": "PENDING"}
    assert states_of(["4242_0", "4242_1", "4242_2", "4242_3"]) == known
    with pytest.raises(SilentError, match="no-such-program: No such file"):
        answer_of(["no-such-program"], 1.0)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)  # the system takes the connection; nobody reads it
        yield listening.getsockname()[1]


def test_an_address_where_somebody_listens_and_says_nothing_is_refused(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_dask, "ANSWER", 1.0)
    with pytest.raises(UserError, match=r"executor\.address of a dask scheduler that answers.*nothing came in"):
        list(Dask(address=f"tcp://127.0.0.1:{silent}").map(float, ["1"]))


def test_a_scheduler_is_given_up_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(dask_answers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    questions: list[Future[int]] = [Future(), Future()]
    asked = iter(questions)
    monkeypatch.setattr(Scheduler, "_ask", lambda _: next(asked))
    scheduler = Scheduler(None, "the cluster")
    for now[0] in (11.0, 30.0):
        scheduler.look()
    questions[0].set_result(3)
    for now[0] in (31.0, 90.0):
        scheduler.look()
    assert scheduler.threads == 3
    now[0] = 92.0
    with pytest.raises(GoneError, match="the cluster has not answered for 60 s"):
        scheduler.look()
    said = capsys.readouterr().err
    assert said.count("does not answer") == 2 and said.count("answers again") == 1


def test_workers_that_cannot_start_are_begun_anew_and_then_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    begun = []

    def failing(**given: Any) -> Any:
        begun.append(given["n_workers"])
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", failing)
    with pytest.raises(UserError, match=r"2 worker processes of dask that start on this machine.*Nanny failed"):
        list(Dask(workers=2).map(float, ["1", "2"]))
    assert begun == [2, 2]


@pytest.mark.slow
def test_a_scheduler_that_is_stopped_is_told_of_and_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"EVERY": 0.5, "TOLD": 1.0, "SILENCE": 3.0}.items():
        monkeypatch.setattr(dask_answers, name, value)
    with own_cluster("--no-nanny") as (address, scheduler):
        monkeypatch.setattr(with_dask, "ANSWER", 30.0)  # both are starting
        results = Dask(address=address, limits=Limits(backoff=0.1)).map(slow, range(200))
        assert next(results) == (0, 0)
        scheduler.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(with_dask, "ANSWER", 2.0)
        with pytest.raises(UserError, match=r"a cluster that stays until the work is done.*has not answered for 3 s"):
            list(results)
    assert f"the cluster at {address} does not answer; waiting 3 s" in capfd.readouterr().err


def test_workers_without_the_package_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "older" / "astrid_ml"
    older.mkdir(parents=True)
    (older / "__init__.py").write_text('__version__ = "0.0.1"\n')
    monkeypatch.setattr(with_dask, "ANSWER", 30.0)
    path = {**os.environ, "PYTHONPATH": str(older.parent)}
    said = r"workers that have astrid_ml.*none, or an older one, on tcp://127.0.0.1"
    with own_cluster(cwd=tmp_path, env=path) as (address, _), pytest.raises(UserError, match=said):
        list(Dask(address=address).map(slow, range(3)))


def slow(item: int) -> int:
    """An item of work."""
    time.sleep(0.2)
    return item
