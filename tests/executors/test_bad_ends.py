"""A cluster that is gone, an address that is none, a unit over its limits each time: words, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from own_cluster import own_cluster

from astrid_ml.cli.main import run
from astrid_ml.errors import UserError
from astrid_ml.executors import child
from astrid_ml.executors import dask as with_dask
from astrid_ml.executors.contract import OverLimitError
from astrid_ml.executors.dask import Dask
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Serial
from astrid_ml.pipeline.parts import Part, do_parts, in_short

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
MODULE = """
import time
from pathlib import Path

def work(item):
    name, seconds = item
    with open("tried", "a") as file:
        file.write(name)
    time.sleep(seconds)
    Path("out", name).write_text(name)
    return {"name": name}, [Path("out", name)]
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Work of a module that is imported at once; it writes down each time that it is tried."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "quick_work.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    import quick_work  # type: ignore[import-not-found]

    yield quick_work.work
    del sys.modules["quick_work"]


def done(work: Any, executor: Any, seconds: float, names: str = "abc") -> Any:
    parts = [Part(name, (name, seconds if name == "b" else 0.0)) for name in names]
    return do_parts(work, parts, Path("out"), settings=1, executor=executor)


def test_limits_of_any_size_are_limits() -> None:
    endless = Limits(memory=1e300, backoff=1e300, retries=10**9)
    assert endless.bytes() == 10**18 and endless.pause(0) == endless.pause(10**9) == 3600.0
    assert [Limits(backoff=0.5).pause(attempt) for attempt in range(3)] == [0.5, 1.0, 2.0]


def test_a_unit_over_its_limit_each_time_is_named_and_the_others_are_done(
    work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute passes whenever the slow piece has begun, and none else: however loaded the machine is."""
    tried = Path("tried")
    clock = SimpleNamespace(monotonic=lambda: 60.0 * (tried.read_text().count("b") if tried.is_file() else 0))
    monkeypatch.setattr(child, "time", clock)
    first, second, third = done(work, Serial(Limits(seconds=1.0, retries=2, backoff=0.0)), 3600.0)
    assert (first, third) == ({"name": "a"}, {"name": "c"})
    assert isinstance(second, OverLimitError) and "executor.limits.seconds" in in_short(second)
    assert sorted(Path("tried").read_text()) == ["a", "b", "b", "b", "c"]
    assert [result["name"] for result in done(work, Serial(), 0.0)] == ["a", "b", "c"]
    assert sorted(Path("tried").read_text()) == ["a", "b", "b", "b", "b", "c"]


def test_an_address_where_nobody_is_ends_the_command_in_three_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(with_dask, "ANSWER", 0.5)
    (tmp_path / "raw.csv").write_text("SNID,MJD,BAND,FLUXCAL,FLUXCALERR\n1,6e4,g,1,1\n")
    words = ["executor=dask", "executor.address=tcp://127.0.0.1:9"]
    assert run(["convert", "input=raw.csv", "output_dir=out", *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-3:]
    assert said[0].startswith("astrid: expected executor.address of a dask scheduler that answers")
    assert "tcp://127.0.0.1:9" in said[1] and "dask scheduler" in said[2]


def test_a_cluster_without_workers_says_so_and_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(with_dask, "TOLD", 0.2)
    monkeypatch.setattr(with_dask, "ALONE", 1.0)
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty:
        address = empty.scheduler_address
        with pytest.raises(UserError, match="had no worker for 1 s, when 0 of 2 pieces were done") as refused:
            list(Dask(address=address).map(float, ["1", "2"]))
    assert f"start workers (dask worker {address}), and type the same command again" in refused.value.fix
    assert capsys.readouterr().err.count(f"the cluster at {address} has no worker: start workers (dask worker") == 1


@pytest.mark.slow
def test_a_scheduler_that_is_killed_costs_nothing_that_was_done(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_dask, "ANSWER", 3.0)
    with own_cluster("--no-nanny") as (address, scheduler):
        monkeypatch.setattr(Dask, "map", killing(Dask.map, scheduler))
        with pytest.raises(UserError, match="a cluster that stays") as refused:
            done(work, Dask(address=address, limits=Limits(backoff=0.1)), 20.0)
        assert "type the same command again" in refused.value.fix
    assert Path("tried").read_text().startswith("a")
    assert [result["name"] for result in done(work, Serial(), 0.0)] == ["a", "b", "c"]
    assert Path("tried").read_text().count("a") == 1


def killing(real: Any, scheduler: subprocess.Popen[bytes]) -> Any:
    """``map``, during which the scheduler is killed once there is a result."""

    def mapped(self: Dask, *given: Any) -> Any:
        end = time.monotonic() + 60
        for number, result in enumerate(real(self, *given)):
            if number == 0:
                scheduler.kill()
            assert time.monotonic() < end
            yield result

    return mapped


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such process")
def test_what_removes_semaphores_of_a_killed_command_says_nothing(tmp_path: Path) -> None:
    code = """
import multiprocessing, os, signal
from astrid_ml.executors.dask import _start_tracker
_start_tracker()
kept = [multiprocessing.get_context("spawn").Semaphore() for _ in range(5)]
assert "PYTHONWARNINGS" not in os.environ
os.kill(os.getpid(), signal.SIGKILL)
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    with (tmp_path / "said").open("wb") as said:  # also of the process that lives on
        done = subprocess.run([sys.executable, "-c", code], stderr=said, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and not (tmp_path / "said").read_text():
        time.sleep(0.25)
    assert (tmp_path / "said").read_text() == ""
