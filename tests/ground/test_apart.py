"""Looks by a process beside: what ends it is told, what it finds is raised here, and it serves the next look."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astrid_ml import apart
from astrid_ml.crossmatch.catalogue import open_catalogue
from astrid_ml.crossmatch.places import Given, SkyPlaces
from astrid_ml.errors import UserError
from astrid_ml.hdf5 import look_at_hdf5, open_hdf5
from astrid_ml.inflating import look_at_parquet, refuse_swollen_parquet
from astrid_ml.readable import reading_parquet
from astrid_ml.table_files import read_parquet
from astrid_ml.tables import read_table

HERE = "tests_of_apart"


@pytest.fixture(autouse=True)
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module of looks that the other process finds too, and no process from another test."""
    lines = [
        "import os, signal, time",
        "def crash(path): os.abort()",
        "def first_time(path): path.exists() and (path.unlink(), os.kill(os.getpid(), signal.SIGKILL))",
        "def hang(path): time.sleep(600)",
        "def say(path, *told): raise ValueError(f'{path.name} {told}')",
        "def take(path): bytearray(2**31)",
        "def note(path): path.write_text(str(os.getpid()))",
        "class Odd(Exception):\n    def __init__(self, a, b): super().__init__('odd words')",
        "def odd(path): raise Odd(1, 2)",
    ]
    (tmp_path / f"{HERE}.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    apart._end()
    yield
    apart._end()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("something")
    return tmp_path / "a"


def look(name: str, path: Path, *told: object) -> None:
    apart.look_apart(f"{HERE}:{name}", path, 2**30, *told)


def test_a_crash_is_words_and_the_next_look_is_served(place: Path) -> None:
    with pytest.raises(apart.EndedError, match=r"its bytes end whoever reads it \(SIGABRT\)"):
        look("crash", place)
    with pytest.raises(ValueError, match=r"a \(1, 'b'\)"):
        look("say", place, 1, "b")


def test_one_that_was_killed_once_is_asked_again(place: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look("first_time", place.with_name("none"))
    look("first_time", place)  # killed the first time only
    assert not place.exists()


def test_a_hang_ends(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS", 0.5)
    begun = time.monotonic()
    with pytest.raises(apart.EndedError, match="not looked through after"):
        look("hang", place)
    assert time.monotonic() - begun < 30 and not apart._LOOKERS


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system holds no bound on memory")
def test_memory_is_bounded_there_and_not_here(place: Path) -> None:
    with pytest.raises(MemoryError):
        look("take", place)
    look("note", place)


def test_an_exception_that_cannot_be_sent_comes_as_words(place: Path) -> None:
    with pytest.raises(ValueError, match="odd words"):
        look("odd", place)


def test_one_process_serves_all_looks_ends_when_idle_and_is_started_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look("note", place)
    first = int(place.read_text())
    look("note", place)
    assert int(place.read_text()) == first != os.getpid()
    os.kill(first, signal.SIGKILL)
    look("note", place)
    assert int(place.read_text()) != first


def test_a_watched_process_looks_itself(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(place)
    monkeypatch.setattr("astrid_ml.inflating.look_apart", lambda *_: pytest.fail("a further process"))
    apart.be_watched()
    try:
        refuse_swollen_parquet(place)
        assert apart.is_watched()
    finally:
        apart.be_watched(False)


@pytest.fixture
def fatal(tmp_path: Path) -> Path:
    """A table on which pyarrow 25 ends its process: a repetition type that there is not, of a column with counts."""
    path = tmp_path / "fatal.parquet"
    pd.DataFrame({"id": ["a", "b", "c"], "fold": ["train", "val", "test"], "ra": 1.0, "dec": 2.0}).to_parquet(path)
    content = path.read_bytes()
    assert content.count(b"\x25\x02\x18\x02id") == 1
    path.write_bytes(content.replace(b"\x25\x02\x18\x02id", b"\x25\x06\x18\x02id"))
    return path


def test_a_parquet_table_that_ends_its_reader_is_refused_by_each_of_a_commands_readers(fatal: Path) -> None:
    with pytest.raises(ValueError, match=r"its bytes end whoever reads it|damaged"):
        read_parquet(fatal)
    with pytest.raises(UserError, match=r"fatal\.parquet"):
        read_table(fatal, {"id": "text"})
    with pytest.raises(UserError, match=r"fatal\.parquet"), reading_parquet(fatal):
        pq.read_table(fatal)
    with pytest.raises(UserError, match=r"fatal\.parquet"):
        open_catalogue(fatal, "c", Given(), SkyPlaces(np.zeros((1, 2))), 1.0)


def test_a_sound_table_is_read_as_far_as_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"id": ["a", "b"], "x": [1.0, 2.0]}).to_parquet(path, row_group_size=1)
    read: list[tuple[int, object]] = []
    whole = pq.ParquetFile.read_row_group

    def noted(file: pq.ParquetFile, number: int, names: object) -> object:
        read.append((number, names))
        return whole(file, number)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    look_at_parquet(path, ())
    assert not read
    look_at_parquet(path, ("x", "none"))
    assert read == [(0, ["x"]), (1, ["x"])]
    read.clear()
    monkeypatch.setattr("astrid_ml.inflating.MOST_LOOKED", 10)
    look_at_parquet(path, None)
    assert read == [(0, None)]


def test_an_hdf5_file_is_looked_at_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["n"] = 3
        file["a/texts"] = np.array(["x", "yy"], dtype=object)
        file["numbers"], file["one"] = np.zeros((5, 3)), 7
        file["away"] = h5py.ExternalLink("other.h5", "/b")
    look_at_hdf5(path)
    with open_hdf5(path) as file:
        assert sorted(file) == ["a", "away", "numbers", "one"]
    (tmp_path / "b.h5").write_bytes(path.read_bytes()[:900])
    with pytest.raises(OSError, match="truncated"):  # of the reader, whose words say more
        open_hdf5(tmp_path / "b.h5")

    def ended(*_: object) -> None:
        raise apart.EndedError("its bytes end whoever reads it (SIGSEGV)")

    monkeypatch.setattr("astrid_ml.hdf5.look_apart", ended)
    (tmp_path / "c.h5").write_bytes(path.read_bytes())
    with pytest.raises(apart.EndedError):
        open_hdf5(tmp_path / "c.h5")


def test_what_pandas_noted_of_a_column_is_damage_of_the_file_too(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"mission": ["ztf"], "x": [1.0]}))
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_parquet(tmp_path / "a.parquet", ["mission"]).to_dict("list") == {"mission": ["ztf"]}
    noted = table.schema.metadata[b"pandas"].replace(
        b'"unicode", "numpy_type": "str"', b'"unicode", "numpy_type": "s8r"'
    )
    pq.write_table(table.replace_schema_metadata({b"pandas": noted}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="damaged parquet"):
        read_parquet(tmp_path / "b.parquet", ["mission"])
