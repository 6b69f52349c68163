"""Files appear whole or not at all, whatever happens on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.files import (
    finite,
    link,
    read_array,
    read_arrays,
    whole,
    whole_folder,
    write_array,
    write_bytes,
    write_json,
    write_text,
)
from astrid_ml.guards import ask_guards, guarded
from astrid_ml.table_files import TableWriter, write_table
from astrid_ml.temporaries import temporaries, this_host
from astrid_ml.walk import walk


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a (1),b=c.tar.gz"
    write_text(path, "old")

    def fail() -> None:
        with whole(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.npy", "a.fits.gz", "noending", ".hidden", "é 1.parquet", "a.b.c"])
def test_the_temporary_keeps_the_endings_and_is_found(name: str, tmp_path: Path) -> None:
    with whole(tmp_path / name) as part:
        part.write_text("x")
        head, _, tail = name.lstrip(".").partition(".")
        assert part.name.startswith(f".{head}.part-{this_host()}-{os.getpid()}-")
        assert part.name.endswith(tail)
        assert list(temporaries(tmp_path)) == [(part, this_host(), os.getpid())]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert list(temporaries(tmp_path)) == []


def test_json_has_no_nan(tmp_path: Path) -> None:
    content = {"a": float("nan"), "b": [np.float32("inf"), np.arange(2)], "c": {"d": np.int64(3)}, "e": Path("x")}
    write_json(tmp_path / "a.json", content)
    read = json.loads((tmp_path / "a.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read == {"a": None, "b": [None, [0, 1]], "c": {"d": 3}, "e": "x"}
    assert finite((1.0, float("-inf"))) == [1.0, None]


def test_of_two_that_make_a_folder_the_first_wins(tmp_path: Path) -> None:
    target = tmp_path / "unit"
    with whole_folder(target, "done") as slow:
        (slow / "done").write_text("slow")
        with whole_folder(target, "done") as fast:
            (fast / "done").write_text("fast")
    assert (target / "done").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_without_its_mark_is_dropped(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "unit", "done") as work:
        (work / "half").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_renamed_says_so(tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "foreign").write_text("x")

    def make() -> None:
        with whole_folder(tmp_path / "unit", "done") as work:
            (work / "done").write_text("x")

    with pytest.raises(OSError, match="not empty"):
        make()
    assert [path.name for path in tmp_path.iterdir()] == ["unit"]


def test_tables_grow_and_appear_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with TableWriter(path) as writer:
        writer.write(pd.DataFrame({"a": [1], "mission": [None]}))
        assert not path.exists()
        writer.write(pd.DataFrame({"a": [2], "mission": ["x"], "extra": [0]}))
    read = pd.read_parquet(path)
    assert (read["a"].tolist(), read["mission"].isna().tolist(), list(read)) == (
        [1, 2],
        [True, False],
        ["a", "mission"],
    )
    assert read["mission"][1] == "x"
    with TableWriter(tmp_path / "none.parquet"):
        pass
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "deep" / "er" / "t.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "t.parquet"]


def test_a_table_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with TableWriter(tmp_path / "t.parquet") as writer:
            writer.write(pd.DataFrame({"a": [1]}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_bytes_arrays_and_links(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\x00\x01")
    write_array(tmp_path / "b.npy", np.arange(3))
    link(tmp_path / "b.npy", tmp_path / "c.npy")
    assert (tmp_path / "a").read_bytes() == b"\x00\x01"
    assert np.load(tmp_path / "c.npy").tolist() == [0, 1, 2]
    assert (tmp_path / "b.npy").stat().st_ino == (tmp_path / "c.npy").stat().st_ino


def test_a_walk_takes_named_files_and_accepted_ones_of_folders_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name in ("a/2.fits", "a/deep/1.fits", "a/notes.txt", "named.txt"):
        (tmp_path / name).write_text("")
    found = walk([tmp_path / "a", str(tmp_path / "named.txt"), tmp_path / "a" / "2.fits"], is_fits)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/2.fits", "a/deep/1.fits", "named.txt"]


def test_a_walk_follows_links_to_folders_and_ends_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "disk" / "night").mkdir(parents=True)
    (tmp_path / "disk" / "night" / "1.fits").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "night" / "back").symlink_to(tmp_path / "mine")
    found = walk(tmp_path / "mine", is_fits)
    assert found == [tmp_path / "mine" / "data" / "night" / "1.fits"]


def test_a_walk_names_all_absent_places(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing at .*a\.fits, .*b\.fits"):
        walk([tmp_path / "a.fits", tmp_path / "b.fits"])


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "text": lambda whole: b"no array " * 20,
    "half an archive": lambda whole: b"PK\x03\x04" + whole,
    "cut short": lambda whole: whole[:-9],
    "half a header": lambda whole: whole[:50],
    "a broken header": lambda whole: whole.replace(b"}", b"("),
    "a negative shape": lambda whole: whole.replace(b"(30,)", b"(-9,)"),
}


@pytest.mark.parametrize("mode", [None, "r"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_array_is_named_and_nobody_is_told_to_load_it_unsafely(
    damage: str, mode: Literal["r"] | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(30.0))
    np.testing.assert_array_equal(read_array(path, mode), np.arange(30.0))
    assert isinstance(read_array(path, mode), np.memmap) == (mode == "r")
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(UserError, match=r"damaged \.npy: .*a\.npy") as caught:
        read_array(path, mode)
    assert "pickle" not in str(caught.value)


def test_what_is_no_array_is_named_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name, said in (
        ("a.npy", r"damaged \.npy: .*a\.npy"),
        ("objects.npy", r"objects\.npy, whose array holds Python"),
    ):
        with pytest.raises(UserError, match=said):
            read_array(tmp_path / name)
    with pytest.raises(UserError, match=r"absent\.npy: No such file"):
        read_array(tmp_path / "absent.npy")


def test_arrays_of_an_archive_are_read_by_name_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(300), y=np.arange(2.0))
    assert {name: array.tolist() for name, array in read_arrays(path, ("y",)).items()} == {"y": [0.0, 1.0]}
    with pytest.raises(UserError, match=r"a\.npz without z, w"):
        read_arrays(path, ("x", "z", "w"))
    whole_file = path.read_bytes()
    spoilt = whole_file[:60] + b"\xff" * 30 + whole_file[90:]
    for content in (b"", b"no archive", whole_file[:-20], spoilt):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged \.npz: .*a\.npz"):
            read_arrays(path, ("x",))


def is_fits(path: Path) -> bool:
    return path.suffix == ".fits"


def test_a_guard_is_asked_before_anything_gets_its_name_below_its_folder(tmp_path: Path) -> None:
    def refuse() -> None:
        raise PermissionError("not ours")

    (tmp_path / "a").mkdir()
    with guarded(tmp_path / "a", refuse):
        with pytest.raises(PermissionError):
            write_text(tmp_path / "a" / "x.txt", "x")
        write_text(tmp_path / "x.txt", "x")
        ask_guards(tmp_path / "ab")
    write_text(tmp_path / "a" / "x.txt", "x")


def test_an_array_of_objects_is_whole_and_refused_for_what_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{1: 2}], dtype=object))
    np.savez(tmp_path / "o.npz", a=np.array([{1: 2}], dtype=object))
    for read in (lambda: read_array(tmp_path / "o.npy"), lambda: read_array(tmp_path / "o.npy", "r"),
                 lambda: read_arrays(tmp_path / "o.npz", ["a"])):  # fmt: skip
        with pytest.raises(UserError, match="holds Python objects"):
            read()
