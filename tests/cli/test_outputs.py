"""An output folder belongs to one command: others are refused there, the same one is welcome."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli.main import run
from astrid_ml.cli.outputs import RECORD, owned_output
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.errors import UserError

CONF = conf_folder()
VERBS = all_verbs(CONF)


def simulate(*words: str) -> int:
    return run(["simulate", "what=triplets", "simulate.missions=[ZTF]", *words])


def archive(folder: Path, name: str) -> None:
    """A light curve in an archive of its own: a source for the conversion."""
    content = b"time,mag,magerr,band\n" + b"".join(b"%d,20.1,0.1,r\n" % (58000 + n) for n in range(5))
    entry = tarfile.TarInfo(f"{name}.csv")
    entry.size = len(content)
    with tarfile.open(folder / f"{name}.tar", "w") as tar:
        tar.addfile(entry, io.BytesIO(content))


def made_by(folder: Path) -> tuple[str, str]:
    record = json.loads((folder / RECORD).read_text())
    return record["verb"], record["status"]


def test_the_same_command_again_is_welcome_and_another_is_refused_with_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert simulate("simulate.n=4", f"output_dir={out}") == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert made_by(out) == ("simulate", "done")
    assert simulate("simulate.n=4", f"output_dir={out}") == 0
    capsys.readouterr()
    assert simulate("simulate.n=6", f"output_dir={out}") == 2
    said = capsys.readouterr().err
    assert "simulate.n: 4 -> 6" in said and "choose another output_dir" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert run(["convert", f"input={tmp_path}", f"output_dir={out}"]) == 2
    assert "results of astrid simulate" in capsys.readouterr().err


def test_a_mistake_binds_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["convert", f"input={tmp_path / 'no'}", f"output_dir={out}"]) == 2
    assert not out.exists()
    (tmp_path / "yes").mkdir()
    archive(tmp_path / "yes", "a")
    assert run(["convert", f"input={tmp_path / 'yes'}", f"output_dir={out}"]) == 0
    assert made_by(out) == ("convert", "done")


def test_a_file_and_a_folder_of_unknown_results_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "report.json").write_text("{}")
    for place, words in (("file", "a file at"), ("old", "report.json of which nobody knows the settings")):
        assert run(["convert", f"input={tmp_path}", f"output_dir={tmp_path / place}"]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "file" / "x").parent.write_text("still a file")


def block(folder: Path, error: BaseException | None = None, **settings: object) -> None:
    with owned_output(OmegaConf.create({"output_dir": str(folder), **settings}), VERBS["convert"], CONF):
        (folder / "report.json").write_text("{}")
        if error is not None:
            raise error


@pytest.mark.parametrize(
    "name", ["run.json", "config.yaml", "dataset.json", "latest.json", "sweep.parquet", "metrics.json"]
)
def test_runs_datasets_and_stores_are_no_output_folders(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match="an output folder of its own"):
        block(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_that_were_moved_with_their_results_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    block(tmp_path / "out", input=str(tmp_path / "a"))
    with pytest.raises(UserError, match=r"input: .*a -> .*b"):
        block(tmp_path / "out", input=str(tmp_path / "b"))
    (tmp_path / "a").rename(tmp_path / "c")
    block(tmp_path / "out", input=str(tmp_path / "c"))


def test_a_damaged_record_and_a_stopped_command_are_told_apart(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        block(out, KeyboardInterrupt(), n=1)
    assert made_by(out) == ("convert", "stopped")
    block(out, n=1)
    (out / RECORD).write_text("{")
    with pytest.raises(UserError, match="nobody knows"):
        block(out, n=1)


def test_parts_of_one_whole_share_a_folder(tmp_path: Path) -> None:
    block(tmp_path / "out", simulate={"start_index": 0, "end_index": 3, "seed": 1})
    (tmp_path / "out" / ".lock").write_text("of another part, on its way")
    block(tmp_path / "out", simulate={"start_index": 4, "end_index": 9, "seed": 1})
    with pytest.raises(UserError, match=r"simulate\.seed: 1 -> 2"):
        block(tmp_path / "out", simulate={"start_index": 4, "end_index": 9, "seed": 2})


def test_who_works_and_where_it_lies_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    block(Path("out"), input="in", executor={"_target_": "a"}, trust=[], command={"output_dir": "out"})
    block(tmp_path / "out", input=str(tmp_path / "in"), executor=None, trust=["b"], command={"output_dir": "x"})
    assert made_by(tmp_path / "out") == ("convert", "done")
    with owned_output(OmegaConf.create({"output_dir": None}), VERBS["audit"], CONF):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]  # nothing to own


def test_a_conversion_of_fewer_files_leaves_no_curves_of_those_before(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    archive(source, "a")
    archive(source, "b")
    words: Sequence[str] = ["convert", f"input={source}", f"output_dir={tmp_path / 'out'}"]
    assert run(words) == 0
    (source / "a.tar").unlink()
    assert run(words) == 0
    parts = sorted((tmp_path / "out" / "objects").iterdir())
    assert len(parts) == 1
    assert pd.read_parquet(parts[0])["object_id"].astype(str).str.contains("b").all()
