"""An output folder belongs to one command: others are refused there, the same one is welcome."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from made.runs import small_run
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli import outputs
from astrid_ml.cli.main import run
from astrid_ml.cli.outputs import (
    RECORD,
    decides,
    folders_of_jobs,
    owned_output,
    refuse_others,
    settings_of,
    whole_places,
)
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.cli.verbs.keys import keys_of
from astrid_ml.errors import UserError
from astrid_ml.pipeline.lock import LockLostError

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
    for place, words in (("file", "an empty file at"), ("old", "report.json of which nobody knows the settings")):
        assert run(["convert", f"input={tmp_path}", f"output_dir={tmp_path / place}"]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "file" / "x").parent.write_text("still a file")


def block(folder: Path, error: BaseException | None = None, writes: str = "report.json", **settings: object) -> None:
    with owned_output(OmegaConf.create({"output_dir": str(folder), **settings}), VERBS["convert"], CONF):
        (folder / writes).parent.mkdir(exist_ok=True)
        (folder / writes).write_text("{}")
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


def test_an_equal_command_that_begins_in_between_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(outputs, "_read", lambda path: None)  # the look just before the other's record came to stand
    (out / RECORD).write_text("{}")
    refuse_others(out, VERBS["convert"], {}, {"objects.parquet"})
    (out / "objects.parquet").write_text("")
    with pytest.raises(UserError, match="nobody knows"):
        refuse_others(out, VERBS["convert"], {}, {"objects.parquet"})


def test_parts_of_one_whole_share_a_folder(tmp_path: Path) -> None:
    block(tmp_path / "out", simulate={"start_index": 0, "end_index": 3, "seed": 1})
    (tmp_path / "out" / ".lock").write_text("of another part, on its way")
    block(tmp_path / "out", simulate={"start_index": 4, "end_index": 9, "seed": 1})
    with pytest.raises(UserError, match=r"simulate\.seed: 1 -> 2"):
        block(tmp_path / "out", simulate={"start_index": 4, "end_index": 9, "seed": 2})


def test_a_refused_command_leaves_the_folder_to_the_one_that_filled_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    block(out, command={"space": {"low": 1}})
    before = (out / RECORD).read_bytes()
    with pytest.raises(UserError):
        block(out, UserError("values", "a mistake", "correct it"), command={"space": 7})  # no key in common
    assert (out / RECORD).read_bytes() == before
    block(out, command={"space": {"low": 1}})
    assert made_by(out) == ("convert", "done")


def test_who_works_and_where_it_lies_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    block(Path("out"), input="in", executor={"_target_": "a"}, trust=[], command={"output_dir": "out"})
    block(tmp_path / "out", input=str(tmp_path / "in"), executor=None, trust=["b"], command={"output_dir": "x"})
    assert made_by(tmp_path / "out") == ("convert", "done")
    with owned_output(OmegaConf.create({"output_dir": None}), VERBS["audit"], CONF):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]  # nothing to own


@pytest.mark.parametrize(
    "verb", ["convert", "difference", "recover", "score-ramps", "forced", "depth", "predict", "prepare"]
)
def test_no_key_of_who_works_is_a_setting_of_any_verb(verb: str) -> None:
    keys = keys_of(VERBS[verb].config, CONF)
    named = [name for name in keys.names if "executor" in name.split(".") or name.endswith(("workers", "limits"))]
    assert named and not [name for name in named if decides(name)]
    tree = {"executor": {"limits": {"retries": 1}}, "command": {"executor": {"workers": 2}, "shard": "1/2", "seed": 3}}
    assert settings_of(tree, keys) == {"command.seed": 3}


def test_acquisitions_go_on_with_other_settings_but_not_with_another_archive() -> None:
    """Images were downloaded: what a changed key decides is made again in the same folder."""
    names = [name for name in keys_of(VERBS["acquire"].config, CONF).names if decides(name)]
    assert not [name for name in names if name.startswith("acquisition.") and not name.startswith("acquisition.play")]
    assert decides("command.acquisition.play.seed") and decides("preprocessing.cutout.size")
    assert not decides("retry_absent") and not decides("command.acquisition.budget")


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


def test_files_of_a_user_stay_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fits").write_text("")
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "b.fits").write_text("")
    for words in (["output_dir=."], ["-m", "simulate.n=4,5", "output_dir=."]):
        assert simulate(*words[:-1], f"output_dir={tmp_path}") == 2
        assert "other files: 2 .fits" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"other files: 1 \.fits"):
        block(tmp_path / "night")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == ["a.fits", "night/b.fits"]
    block(tmp_path / "out")
    (tmp_path / "a.fits").unlink()
    (tmp_path / "night" / "b.fits").unlink()
    block(tmp_path)  # beside folders of results, and empty ones


def test_a_refusal_takes_back_what_was_written_and_no_pieces_that_are_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    mistake = UserError("labels", "none", "give some")
    with pytest.raises(UserError, match="labels"):
        block(out, mistake)
    assert not out.exists()
    out.mkdir()
    (out / "job.log").write_text("of the batch system")
    with pytest.raises(UserError, match="labels"):
        block(out, mistake)
    assert [path.name for path in out.iterdir()] == ["job.log"]
    for error in (LockLostError("a lock", "another owner", "run again"), OSError("no disk"), ValueError("broken")):
        with pytest.raises(type(error)):
            block(out, error)
        assert made_by(out) == ("convert", "failed")
    block(out)
    with pytest.raises(UserError, match="labels"):
        block(out, mistake)
    assert (out / "report.json").is_file()  # of the command before
    with pytest.raises(UserError, match="labels"):
        block(tmp_path / "more", mistake, writes=f"parts/{'0' * 24}.json")
    assert made_by(tmp_path / "more") == ("convert", "failed")


def test_jobs_of_a_sweep_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the same sweep again is welcome
        assert run("simulate -m what=triplets,lightcurves simulate.n=8 output_dir=both".split()) == 0
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["0", "1", "multirun.yaml"]
    assert len(list((tmp_path / "both" / "0").glob("*.npy"))) == 4
    assert made_by(tmp_path / "both" / "1") == ("simulate", "done")
    assert run("simulate what=triplets simulate.n=8 output_dir=both".split()) == 2
    assert run("simulate -m what=triplets simulate.n=4,5 output_dir=a,b".split()) == 0
    assert sorted(str(path) for path in Path().glob("[ab]/*")) == ["a/0", "a/2", "b/1", "b/3"]
    assert run("simulate -m what=triplets output_dir=c,d simulate.n=4".split()) == 0
    assert made_by(Path("c")) == made_by(Path("d")) == ("simulate", "done")


def test_a_sweep_over_parts_fills_one_folder_and_nothing_beside_them() -> None:
    words = ["-m", "shard=1/2,2/2", 'output_dir="out"', 'input="in"']
    assert folders_of_jobs(words, VERBS["predict"], CONF) == (False, [])
    with pytest.raises(UserError, match="a sweep over shard alone"):
        folders_of_jobs([*words, "device=cpu,auto"], VERBS["predict"], CONF)
    assert folders_of_jobs(["-m", "seed=1,2"], VERBS["train"], CONF) == (False, [])
    assert folders_of_jobs(["seed=1,2"], VERBS["predict"], CONF) == (False, [])
    assert folders_of_jobs(["-m", "runs=[a,b],[c,d]"], VERBS["compare"], CONF) == (
        True,
        ["hydra.sweep.dir=${output_dir}"],
    )
    assert folders_of_jobs(["-m", "export=a,b", "output_dir=o"], VERBS["prepare"], CONF) == (True, [])


def test_a_sweep_over_output_folders_is_refused_before_its_first_job_where_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("of the user's own")
    words = ["-m", f"output_dir='{tmp_path / 'new one'}','{tmp_path / 'mine'}'"]
    with pytest.raises(UserError, match=r"mine, which holds other files"):
        folders_of_jobs(words, VERBS["predict"], CONF)
    assert folders_of_jobs(["-m", f"output_dir='{tmp_path / 'new one'}',b"], VERBS["predict"], CONF) == (False, [])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_link_that_leads_to_itself_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert whole_places([str(tmp_path / "loop"), 3]) == [str(tmp_path / "loop"), 3]


def test_a_board_of_other_runs_is_made_in_its_own_folder(tmp_path: Path) -> None:
    """It is made anew each time: nothing of the runs before is lost."""
    for name in ("one", "other"):
        small_run(tmp_path / name / "run")
        assert run(["board", f"runs=[{tmp_path / name}]", f"output_dir={tmp_path / 'site'}"]) == 0
