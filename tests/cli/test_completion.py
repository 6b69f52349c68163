"""What the Tab key offers, and that real shells ask for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made.plugin import announce, site

from astrid_ml.cli.completion import SHELLS, completion, words
from astrid_ml.cli.main import run
from astrid_ml.errors import UserError

__all__ = ["site"]


def offered(*typed: str) -> list[str]:
    return [word for word, _ in words(typed)]


def test_verbs_shells_and_flags() -> None:
    assert offered("tr") == ["train"] and {"train", "completion", "--version"} <= set(offered(""))
    assert offered("completion", "") == sorted(SHELLS) and offered("nosuchverb", "a") == []
    assert "--config-dir=" in offered("train", "--")


def test_groups_options_and_slots_of_the_pipeline_in_use() -> None:
    assert offered("train", "experiment=realbogus_t") == ["experiment=realbogus_triplets"]
    assert offered("train", "spl") == ["split.", "split="]
    assert offered("train", "experiment=realbogus_sim", "preprocessing/sub") == ["preprocessing/subtract="]
    assert offered("train", "preprocessing/sub") == []  # triplets have no slots
    assert offered("difference", "preprocessing/subtract=g") == ["preprocessing/subtract=gaussian"]
    assert offered("train", "-m", "model=braai_wide,bra")[0] == "model=braai_wide,braai_vgg6"
    assert offered("simulate", "what=trip") == ["what=triplets"]
    assert not [word for word in offered("train", "model=") if word.startswith("model=_")]


def test_keys_one_dot_at_a_time_and_their_values() -> None:
    assert "trainer.max_epochs=" in offered("train", "trainer.")
    assert offered("train", "+trainer.max_e") == ["+trainer.max_epochs="]
    assert offered("train", "dry_run=") == ["dry_run=false", "dry_run=true"]
    assert offered("train", "trainer.max_epochs=") == []


def test_keys_of_the_chosen_options_alone() -> None:
    pairs, ramps = ([*offered("simulate", f"what={kind}", "simulate.")] for kind in ("pairs", "ramps_light"))
    assert "simulate.fwhm=" in pairs and "simulate.num_frames=" not in pairs
    assert "simulate.num_frames=" in ramps and "simulate.fwhm=" not in ramps
    assert {"simulate.fwhm=", "simulate.num_frames="} <= set(offered("simulate", "simulate."))
    assert {"simulate.fwhm=", "simulate.part="} <= set(offered("simulate", "-m", "what=pairs,triplets", "simulate."))
    assert "simulate.prevalence=" in offered("train", "experiment=realbogus_triplets", "simulate.")
    assert "loss.gamma=" in offered("train", "loss=focal", "loss.") and "loss.gamma=" not in offered("train", "loss.")
    kernel = offered("difference", "preprocessing/subtract=kernel", "preprocessing.subtract.")
    assert "preprocessing.subtract.degrees=" in kernel
    assert "preprocessing.subtract.degrees=" not in offered("difference", "preprocessing.subtract.")


def test_files_where_a_key_takes_files_and_folders_where_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "night 1").mkdir()
    (tmp_path / "night 1" / "a,b=1.fits").write_text("")
    (tmp_path / "note.txt").write_text("")
    assert offered("predict", "ckpt_path=n") == ["ckpt_path=night 1/", "ckpt_path=note.txt"]
    assert offered("predict", "output_dir=n") == ["output_dir=night 1/"]
    for typed in ("'night 1/", r"night\ 1/a", "~/'night 1'/"):
        (found,) = offered("difference", f"science={typed}")
        assert found.endswith("night 1/a,b=1.fits")
    assert offered("predict", "input=[note.txt,nig") == ["input=[note.txt,night 1/"]
    assert offered("train", "--config-dir=n") == ["--config-dir=night 1/"] == [
        f"--config-dir={word}" for word in offered("train", "--config-dir", "n")
    ]  # fmt: skip
    assert offered("predict", "ckpt_path=no/such/") == []


def test_options_of_plugins_and_of_a_given_folder(site: Path, tmp_path: Path) -> None:
    announce(
        site, "own_sky", {"conf/split/own_cells.yaml": "# Cells.\nside: 3\n", "conf/own_count.yaml": "command:\n  a: 1"}
    )
    (tmp_path / "given" / "split").mkdir(parents=True)
    (tmp_path / "given" / "split" / "own_plates.yaml").write_text("plates: 3\n")
    assert words(["train", "split=own"]) == [("split=own_cells", "Cells.")]
    assert offered("train", f"--config-dir={tmp_path}/given", "split=own") == ["split=own_cells", "split=own_plates"]
    assert offered("train", "split=own_cells", "split.si") == ["split.side="] and offered("train", "split.si") == []
    assert offered("own-c") == ["own-count"]
    assert offered("train", f"--config-dir={tmp_path}/no", "split=own") == ["split=own_cells"]


def test_a_shell_that_is_not_known_is_said_with_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="did you mean bash"):
        completion(["bsh"])
    assert run(["completion"]) == 2 and "bash, zsh or fish" in capfd.readouterr().err
    assert run(["complletion"]) == 2 and "did you mean completion?" in capfd.readouterr().err


def test_no_library_of_the_field_is_loaded_for_a_word() -> None:
    code = (
        "import sys; from astrid_ml.cli.main import run; run(['completion', 'words', '--', 'train', 'tra'])\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'hydra', 'omegaconf', 'astropy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["trainer.", "trainer=", "[]"]


BASH = r"""
source <(astrid completion bash)
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _astrid; printf '[%s]' "${COMPREPLY[@]}"; echo; }
ask astrid tra
ask astrid train experiment = realbogus_t
ask astrid train experiment=realbogus_t
ask astrid train experiment =
ask astrid predict ckpt_path = "'night 1/"
ask astrid predict ckpt_path=night\\\ 1/
complete -p astrid
"""
ZSH = r"""
compdef() { print -r -- "compdef $*" }
source <(astrid completion zsh)
compadd() { print -r -- "${(j:|:)@}" }
words=(astrid tra) CURRENT=2; _astrid
words=(astrid train experiment=realbogus_t) CURRENT=3; _astrid
words=(astrid train --config-dir) CURRENT=3; _astrid
words=(astrid predict "ckpt_path='night 1/") CURRENT=3; _astrid
"""
FISH = """
astrid completion fish | source
complete -C 'astrid tra'
complete -C 'astrid train experiment=realbogus_t'
complete -C "astrid predict ckpt_path=night\\ 1/"
"""


def in_shell(shell: str, script: str, folder: Path) -> str:
    """What a real shell says; ``astrid`` is this source, and there is ``night 1/a.ckpt``."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (folder / "bin").mkdir()
    program = folder / "bin" / "astrid"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m astrid_ml "$@"\n')
    program.chmod(0o755)
    (folder / "night 1").mkdir()
    (folder / "night 1" / "a.ckpt").write_text("")
    root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": root,
        "HOME": str(folder),
    }
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    command = [shell, *quiet, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_offers_what_stands_behind_its_own_breaks(tmp_path: Path) -> None:
    lines = in_shell("bash", BASH, tmp_path).splitlines()
    assert (
        lines[0] == "[train]" and lines[1] == "[realbogus_triplets]" and lines[2] == "[experiment=realbogus_triplets]"
    )
    assert "[realbogus_sim]" in lines[3] and lines[4] == "[night 1/a.ckpt]" and lines[5] == "[ckpt_path=night 1/a.ckpt]"
    assert lines[6].endswith("-F _astrid astrid")


def test_zsh_offers_whole_words(tmp_path: Path) -> None:
    lines = in_shell("zsh", ZSH, tmp_path).splitlines()
    assert lines == [
        "compdef _astrid astrid",
        "-d|shown_whole|--|train",
        "-d|shown_whole|--|experiment=realbogus_triplets",
        "-S||-d|shown_open|--|--config-dir=",
        "-d|shown_whole|--|ckpt_path=night 1/a.ckpt",
    ]


def test_fish_offers_words_with_what_they_are(tmp_path: Path) -> None:
    lines = in_shell("fish", FISH, tmp_path).splitlines()
    assert lines[0].startswith("train\t") and lines[1].startswith(
        "experiment=realbogus_triplets\tReal/bogus on triplets"
    )
    assert lines[2].startswith("ckpt_path=night 1/a.ckpt\t")


def test_help_says_what_to_do_with_what_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "--help"]) == 0
    assert "astrid completion bash|zsh|fish" in capfd.readouterr().out
