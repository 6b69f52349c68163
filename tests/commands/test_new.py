"""``astrid new``: each skeleton passes its own test and is chosen on the command line, as a stranger would do it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from astrid_ml.cli.main import run
from astrid_ml.cli.typed import named
from astrid_ml.commands.new import NewCommand, class_name, kinds, pages
from astrid_ml.errors import UserError

KINDS = ("dataset", "step", "model", "split", "executor", "experiment")
SMALL = ["simulate.n=240", "simulate.part=60", "simulate.prevalence=0.3", "channels.size=31"]
QUICK = ["trainer.fast_dev_run=true", "logger=none", "evaluation.evaluation.bootstrap.replicates=10"]


def made(what: str, folder: Path, name: str = "my_own") -> Path:
    assert "next" in NewCommand(what, name, str(folder)).run()
    return folder / name


def started(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A process of the user's, who has put the package on the path and stands in its folder."""
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=package, env=environment, capture_output=True, text=True)


def test_every_kind_can_be_written_and_says_what_it_is() -> None:
    assert tuple(kinds()) == KINDS


@pytest.mark.parametrize("what", KINDS)
def test_a_skeleton_holds_what_its_readme_and_its_option_name(what: str, tmp_path: Path) -> None:
    package = made(what, tmp_path)
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["astrid_ml.plugins"] == {"my_own": "my_own"}
    readme = (package / "README.md").read_text()
    skeleton = kinds()[what]
    assert all((package / file.replace("NAME", "my_own")).is_file() for file in skeleton.files)
    option = package / "my_own" / "conf" / skeleton.group / "my_own.yaml"
    text = option.read_text()
    for path in package.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    assert "NAME" not in "".join(path.read_text() for path in package.rglob("*") if path.is_file())
    assert "{{" not in "".join(path.read_text() for path in package.rglob("*") if path.is_file())
    if skeleton.module:
        target = f"my_own.{skeleton.module}.{class_name('my_own', skeleton.ending)}"
        assert f"_target_: {target}" in text
        assert f"trust=[{target}]" in readme
    assert yaml.safe_load(text)
    assert "--config-dir=my_own/conf" in readme and "pip install -e ." in readme


def test_words_need_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["new", "split", "mine"]) == 0
    assert run(["new", "model", "other", "output_dir=."]) == 0
    assert run(["new", "name=third", "what=model", "output_dir=deep/er"]) == 0
    assert (tmp_path / "deep" / "er" / "third" / "third" / "network.py").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "mine", "other"]  # and nothing of ours beside
    assert run(["new", "split", "a", "b"]) == 2
    assert run(["new", "modle", "mine2"]) == 2
    assert run(["new", "split"]) == 2
    told = capsys.readouterr().err
    assert "give other values as key=value" in told
    assert "did you mean model?" in told


def test_words_stay_where_a_verb_takes_none() -> None:
    assert named(["a", "b=c"], ()) == ["a", "b=c"]
    assert named(["--config-dir", "d", "split", "mine"], ("what", "name")) == [
        "--config-dir",
        "d",
        "what=split",
        "name=mine",
    ]
    assert named(["what=split", "mine"], ("what", "name")) == ["what=split", "name=mine"]


@pytest.mark.parametrize(
    ("what", "name", "told"),
    [
        ("model", "My-Net", "small letters"),
        ("model", "_mine", "small letters"),
        ("model", "mine_", "small letters"),
        ("model", "1st", "small letters"),
        ("model", "../mine", "small letters"),
        ("model", "", "small letters"),
        ("model", "é", "small letters"),
        ("model", "class", "Python and YAML"),
        ("model", "match", "Python and YAML"),
        ("model", "none", "Python and YAML"),
        ("model", "tests", "a name of its own"),
        ("model", "astrid_ml", "a name of its own"),
        ("model", "numpy", "Python imports already"),
        ("split", "json", "Python imports already"),
        ("model", "braai_wide", "model= knows"),
        ("split", "sky", "split= knows"),
        ("dataset", "triplets", "preprocessing= knows"),
        ("dataset", "realbogus_sim", "experiment= knows"),
        ("step", "sep", "background= knows"),
    ],
)
def test_a_name_that_cannot_be_one_or_is_taken(what: str, name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        made(what, tmp_path, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    if there == "folder":
        target.mkdir()
    elif there == "file":
        target.write_text("kept")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="it is there already"):
        made("split", tmp_path, "mine")
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="output_dir that can be written"):
        NewCommand("split", "mine", str(tmp_path / "file")).run()


def test_lines_of_code_are_as_short_as_ours() -> None:
    for what in KINDS:
        for place, text in pages(what, "my_own_part"):
            if place.endswith(".py"):
                assert max(map(len, text.splitlines())) <= 120, place
                assert text.endswith("\n") and not text.endswith("\n\n"), place


@pytest.mark.slow
@pytest.mark.parametrize("what", KINDS)
def test_a_skeleton_passes_its_own_test(what: str, tmp_path: Path) -> None:
    done = started(made(what, tmp_path), "-m", "pytest", "-q", "-W", "error")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def chosen(what: str, package: Path) -> list[str]:
    """The words of its README that choose it."""
    skeleton = kinds()[what]
    words = skeleton.command.replace("NAME", "my_own").split()[1:]
    if skeleton.module:
        words.append(f"trust=[my_own.{skeleton.module}.{class_name('my_own', skeleton.ending)}]")
    return words


@pytest.mark.slow
@pytest.mark.parametrize("what", ["dataset", "model", "split", "experiment"])
def test_it_trains_without_being_installed_as_its_readme_says(what: str, tmp_path: Path) -> None:
    package = made(what, tmp_path)
    words = chosen(what, package)
    assert f"astrid {' '.join(words[:2])}" in (package / "README.md").read_text()
    if what == "dataset":
        code = "import sys, pathlib; sys.path.insert(0, 'tests'); import test_my_own as t"
        written = started(package, "-c", f"{code}; t.write_raw(pathlib.Path('raw'), 4, 40)")
        assert written.returncode == 0, written.stderr
        words = [word.replace("FOLDER", "raw") for word in words]
    small = [] if what == "dataset" else SMALL
    places = ["paths.run_dir=run", "paths.data=store", "--config-dir=my_own/conf"]
    done = started(package, "-m", "astrid_ml", *words, *small, *QUICK, *places)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (package / "run" / "report.html").is_file()
    assert (package / "run" / "checkpoints" / "best.ckpt").is_file()


def test_the_step_fills_its_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = made("step", tmp_path, "my_sky_step")
    monkeypatch.syspath_prepend(str(package))
    from astrid_ml.build import build

    option = package / "my_sky_step" / "conf" / "preprocessing" / "differencing" / "background" / "my_sky_step.yaml"
    node = yaml.safe_load(option.read_text())
    pipeline = build({"_target_": f"{PIPELINE}", "background": node}, trust=[node["_target_"]])
    assert type(pipeline.background).__module__ == "my_sky_step.step"


PIPELINE = "astrid_ml.preprocessing.differencing.pipeline.DifferencingPipeline"
