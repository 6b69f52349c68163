"""Units on a dask cluster and in jobs of submitit: the bytes of serial, whatever is killed; refusals in three parts."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toy_units import ToyUnits

from astrid_ml.errors import UserError
from astrid_ml.executors import dask as with_dask
from astrid_ml.executors import dask_answers, remote
from astrid_ml.executors.child import environment
from astrid_ml.executors.contract import Executor, OverLimitError, WorkerDiedError
from astrid_ml.executors.dask import Dask
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Serial
from astrid_ml.executors.remote import Chunk, Spread, chunk_of, do_chunk
from astrid_ml.executors.submitit import Submitit
from astrid_ml.pipeline.engine import prepare_dataset

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
QUICK = Limits(seconds=20, backoff=0.1)


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.txt").write_text(str(number))
    monkeypatch.chdir(tmp_path)
    return folder


def contents(raw: Path, executor: Executor, store: str) -> dict[str, bytes]:
    """All files of the dataset but the report of times and hosts; relative paths, as users type them."""
    pipeline, place = ToyUnits(slow=0.01), Path(store)
    outcome = prepare_dataset(pipeline, [Path(raw.name)], place, name="toy", executor=executor, progress=False)
    files = [path for path in sorted(outcome.path.rglob("*")) if path.is_file() and path.name != "report.json"]
    assert outcome.units_done == 12 and not outcome.units_failed
    return {str(path.relative_to(outcome.path)): path.read_bytes() for path in files}


@pytest.mark.parametrize("executor", [Dask(workers=1, limits=QUICK), Submitit(jobs=2, limits=QUICK)])
def test_units_elsewhere_are_to_the_byte_those_of_serial_and_nothing_is_left(executor: Executor, raw: Path) -> None:
    before = dict(os.environ)  # dask leaves one thread for all that the process starts later
    assert contents(raw, executor, "elsewhere") == contents(raw, Serial(), "here")
    assert sorted(os.listdir(".")) == ["elsewhere", "here", "raw"]
    assert dict(os.environ) == before


def test_the_environment_is_as_it_was_whatever_was_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    before = dict(os.environ)
    with environment({"KEPT": "2", "NEW": "3"}):
        assert (os.environ["KEPT"], os.environ["NEW"]) == ("2", "3")
        os.environ["OTHERS"] = "4"
        del os.environ["KEPT"]
    assert dict(os.environ) == before


def kill_once(item: tuple[str, int]) -> int:
    """Kill, the first time, the process that has started this one: the worker itself."""
    mark, number = item
    if number == 3:
        try:
            Path(mark).touch(exist_ok=False)
        except FileExistsError:
            return number
        time.sleep(0.2)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(20)
    return number


def stop_once(item: tuple[str, int]) -> int:
    """Stop, the first time, the worker that has started this process: it keeps its connections and says nothing."""
    mark, number = item
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(40)
    return number


def kill_always(item: int) -> int:
    if item == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(20)
    return item


def hang(item: int) -> int:
    time.sleep(60 if item == 1 else 0)
    return item


EXECUTORS: dict[str, Callable[[Limits], Executor]] = {
    "dask": lambda limits: Dask(workers=1, limits=limits),
    "submitit": lambda limits: Submitit(jobs=2, limits=limits),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXECUTORS)
def test_a_worker_that_is_killed_costs_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = [(str(tmp_path / "mark"), number) for number in range(6)]
    done = dict(EXECUTORS[name](QUICK).map(kill_once, items))
    assert done == {number: number for number in range(6)} and (tmp_path / "mark").exists()


@pytest.mark.slow
def test_a_worker_that_is_stopped_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dask_answers, "UNSEEN", 4.0)
    items = [(str(tmp_path / "mark"), number) for number in range(6)]
    began = time.monotonic()
    done = dict(Dask(workers=1, limits=Limits(seconds=60, backoff=0.1)).map(stop_once, items))
    assert done == {number: number for number in range(6)} and (tmp_path / "mark").exists()
    assert time.monotonic() - began < 40  # not when the work's own time is over


@pytest.mark.slow
@pytest.mark.parametrize("name", EXECUTORS)
def test_what_kills_every_worker_or_goes_over_its_limit_is_named_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    limits = Limits(seconds=3, retries=1, backoff=0.0)
    done = dict(EXECUTORS[name](limits).map(kill_always, [0, 1, 2, 3]))
    assert isinstance(done.pop(1), WorkerDiedError) and done == {0: 0, 2: 2, 3: 3}
    done = dict(EXECUTORS[name](limits).map(hang, [0, 1, 2]))
    assert isinstance(done.pop(1), OverLimitError) and done == {0: 0, 2: 2}


def test_an_address_where_nobody_is_and_one_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_dask, "ANSWER", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        unanswered = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    for address in (unanswered, "not an address", "tcp://", "ftp://somewhere:1"):
        with pytest.raises(UserError, match=r"executor\.address of a dask scheduler that answers"):
            list(Dask(address=address).map(float, ["1"]))


@pytest.mark.slow
def test_a_cluster_that_somebody_else_runs_and_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(with_dask, "ANSWER", 3.0)
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    results = Dask(address=cluster.scheduler_address, limits=QUICK).map(hang, [0, 2, 1])
    assert next(iter(results)) == (0, 0)
    cluster.close()
    with pytest.raises(UserError, match="a cluster that stays") as caught:
        list(results)
    assert "of 3 pieces were done" in caught.value.got and "finished pieces are kept" in caught.value.fix


def test_a_worker_with_other_versions_is_refused_by_name(tmp_path: Path) -> None:
    chunk = chunk_of(float, ["1"], Limits())
    other = Chunk(chunk.versions | {"astrid_ml": "0.0.1", "numpy": "1.0"}, *(vars(chunk)[n] for n in PARTS))
    with pytest.raises(UserError, match=r"workers with astrid_ml 0\.0\.1, numpy 1\.0"):
        list(do_chunk(other))
    lost = Chunk(chunk.versions, str(tmp_path / "nowhere"), *(vars(chunk)[n] for n in PARTS[1:]))
    with pytest.raises(UserError, match="workers that see the folder"):
        list(do_chunk(lost))
    foreign = Chunk(chunk.versions, chunk.folder, (), b"cno_such_module\nnothing\n.", chunk.limits)
    with pytest.raises(UserError, match="workers that can import the work"):
        list(do_chunk(foreign))


PARTS = ("folder", "places", "content", "limits")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXECUTORS)
def test_workers_of_another_version_end_the_command(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote, "versions_here", lambda: {"astrid_ml": "9.9"})
    with pytest.raises(UserError, match=r"workers with astrid_ml 9\.9"):
        list(EXECUTORS[name](QUICK).map(float, ["1", "2"]))


@pytest.mark.parametrize(("module", "made"), [("distributed", Dask), ("submitit", Submitit)])
def test_a_package_that_is_absent_is_told_with_what_to_install(
    module: str, made: Callable[[], Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"package {module}.*astrid-ml\[scale\]"):
        made()


@dataclass
class Paper:
    """A pool that only keeps what it is sent; each item takes a second."""

    workers: int
    sizes: list[int]
    lost: int = 0

    def slots(self) -> int:
        return self.workers

    def send(self, chunk: Chunk) -> int:
        self.waiting = [*getattr(self, "waiting", []), chunk]
        return len(self.sizes) + len(self.waiting) - 1

    def heard(self) -> Iterator[tuple[int, Any]]:
        import pickle

        out: list[tuple[int, Any]] = []
        for chunk in self.waiting:
            _, items = pickle.loads(chunk.content)
            number = len(self.sizes)
            self.sizes.append(len(items))
            fault = WorkerDiedError("lost") if number < self.lost else None
            out.append((number, fault or [(place, 1.0, item) for place, item in enumerate(items)]))
        self.waiting = []
        return out  # type: ignore[return-value]


def spread(pool: Any, items: Sequence[int], seconds: float) -> dict[int, Any]:
    return dict(Spread(pool, Limits(retries=2, backoff=0.0), seconds).run(abs, items))


def test_chunks_begin_small_grow_to_what_is_worth_sending_and_end_small() -> None:
    pool = Paper(4, [])
    assert spread(pool, range(1000), 30.0) == dict(enumerate(range(1000)))
    assert pool.sizes[:4] == [1] * 4 and max(pool.sizes) == 30 and pool.sizes[-1] == 1
    assert sum(size == 30 for size in pool.sizes) > len(pool.sizes) / 3


def test_a_lost_item_is_tried_again_alone_and_not_for_ever() -> None:
    pool = Paper(1, [], lost=2)
    assert spread(pool, range(3), 30.0) == {0: 0, 1: 1, 2: 2}
    pool = Paper(1, [], lost=10**6)
    assert all(isinstance(value, WorkerDiedError) for value in spread(pool, range(3), 30.0).values())
    assert pool.sizes == [1] * 9
