"""A command that is refused leaves no folder that it made; what was there before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.cli.main import run
from astrid_ml.errors import UserError
from astrid_ml.footprint import footprint, inner_folder, pass_on_mark
from astrid_ml.found import SIMULATED, is_simulated


def test_what_was_there_or_holds_something_stays(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    with footprint() as made:
        (tmp_path / "before").mkdir(exist_ok=True)
        (tmp_path / "a" / "b" / "c").mkdir(parents=True)
        (tmp_path / "d" / "e").mkdir(parents=True)
        (tmp_path / "d" / "file").write_text("x")
        (tmp_path / "gone").mkdir()
        (tmp_path / "gone").rmdir()
    (tmp_path / "later").mkdir()
    made.remove_empty()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "before",
        "d",
        "d/file",
        "later",
    ]


def test_two_that_listen_hear_each_their_own(tmp_path: Path) -> None:
    with footprint() as outer:
        with footprint() as inner:
            (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
    assert [Path(path).name for path in inner.folders] == ["a"]
    assert [Path(path).name for path in outer.folders] == ["a", "b"]


REFUSED = [
    "train experiment=realbogus_triplets simulate.n=0 paths.run_dir=new/run paths.data=new/store",
    "train experiment=realbogus_triplets split=leave_one_mission_out split.held_out=hubble",
    "train experiment=realbogus_triplets paths.raw=nothing paths.run_dir=new/run paths.data=new/store",
    "train experiment=realbogus_triplets paths.raw=here paths.run_dir=new/run paths.data=new/store",
    "prepare experiment=realbogus_triplets paths.raw=here paths.data=new/store",
    "predict ckpt_path=no.ckpt input=here output_dir=new/out",
    "evaluate ckpt_path=no.ckpt dataset=here output_dir=new/out",
    "simulate what=sky simulate.missions=[hubble] output_dir=new/out",
    "convert input=here output_dir=new/out",
    "difference science=no.fits reference=no2.fits output_dir=new/out",
    "score-ramps input=here output_dir=new/out",
    "recover input=here output_dir=new/out",
]


@pytest.mark.parametrize("words", REFUSED)
def test_nothing_is_left_of_a_command_that_was_refused(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "notes.txt").write_text("a night\n")
    assert run(words.split()) == 2
    assert capsys.readouterr().err.count("astrid: expected") == 1
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["here", "here/notes.txt"]


def test_an_empty_folder_of_the_users_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert run(["train", "experiment=realbogus_triplets", "simulate.n=0", "paths.run_dir=mine"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("way", ["file", "link", "dangling"])
def test_a_commands_own_folder_is_no_link_and_no_file(way: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "parts"
    path.write_text("x") if way == "file" else path.symlink_to("../elsewhere" if way == "link" else "../nowhere")
    with pytest.raises(UserError, match=f"parts in the folder of the results.*To fix it: remove {path}"):
        inner_folder(tmp_path / "out", "parts")
    assert inner_folder(tmp_path / "new", "parts").is_dir() and not (tmp_path / "nowhere").exists()


def test_what_is_made_of_simulated_files_alone_has_their_mark(tmp_path: Path) -> None:
    """Case: a simulation that was converted passed for the sky, and a model of it for one of real curves."""
    simulated, real, out = tmp_path / "sim", tmp_path / "real", tmp_path / "out"
    for folder in (simulated, real, out):
        folder.mkdir()
    (simulated / SIMULATED).touch()
    for inputs, marked in (([simulated], True), ([simulated, real], False), ([simulated], True), ([], False)):
        pass_on_mark(inputs, out)
        assert is_simulated(out / "objects" / "part-00000.parquet") == marked
