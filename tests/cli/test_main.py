"""The command line: help at once, clear mistakes, exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from astrid_ml import __version__
from astrid_ml.__main__ import main as entry  # type: ignore[attr-defined]
from astrid_ml.cli.main import run

HEAVY = "{'torch', 'pytorch_lightning', 'pandas', 'astropy', 'scipy', 'matplotlib', 'photutils', 'mlcroissant'}"


def test_what_every_verb_imports_first_is_light() -> None:
    code = "import sys, astrid_ml.cli.compose, astrid_ml.cli.verbs.domain, astrid_ml.cli.verbs.train; "
    code += f"import astrid_ml.cli.verbs.predict; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from astrid_ml.cli.main import run; run(['--help']); run(['train', '--help']);"
        "print('HEAVY', sorted({'torch', 'hydra', 'numpy', 'pandas', 'astropy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert "experiment=" in done.stdout


def test_a_misspelt_command_gets_the_right_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "optimizer=adamx"], "adam"),
        (["train", "tariner.max_epochs=3"], "trainer.max_epochs"),
        (["train", "experiment=realbogus_sin"], "realbogus_sim"),
        (["predict", "input=.", "output_dir=y"], "ckpt_path"),
        (["predict", "ckpt_path=nothing.ckpt", "input=x", "output_dir=y"], "nothing.ckpt"),
        (["simulate", "what=triplets"], "output_dir"),
    ],
)
def test_a_mistake_is_explained(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run([*arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "Traceback" not in message


@pytest.mark.parametrize("name", ["conf", "models", "preprocessing", "datamodules"])
def test_a_package_of_the_users_hides_nothing_of_ours(name: str, tmp_path: Path, repository: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(repository)!r}]; import {name}; "
    code += "from astrid_ml.cli.main import main; main(['train', 'experiment=realbogus_sim', '--cfg', 'job'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "_target_: astrid_ml." in done.stdout


@pytest.mark.parametrize("name", ["conf", "models", "preprocessing", "datamodules"])
def test_a_folder_at_the_top_is_no_second_name(name: str, repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, cwd=repository, check=False
    )
    assert f"write import astrid_ml.{name}" in done.stderr


def test_the_package_itself_is_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        entry(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == __version__
    done = subprocess.run(
        [sys.executable, "-m", "astrid_ml", "trian"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert "did you mean train?" in done.stderr
