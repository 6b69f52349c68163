"""Help is what the folder of configurations says: summaries, keys with their comments, options, experiments."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.build import conf_folder
from astrid_ml.cli.help import of_verb, overview
from astrid_ml.cli.main import run
from astrid_ml.cli.verbs.catalogue import BUILT_IN, Verb, all_verbs

FILES = {
    "_run.yaml": "defaults:\n  - optimizer: adam\n  - override hydra/job_logging: none\nseed: 1   # of the weights\n"
    "data:\n  seed: 2   # of the sky\nhydra:\n  run:\n    dir: .\n",
    "train.yaml": "# astrid train\ndefaults:\n  - _run\n  - _self_\n",
    "measure.yaml": "# how wide a star is\n# astrid measure input=DIR\ninput: ???   # a folder\n"
    "command:\n  _target_: x.Y\n  inner: 3\n",
    "optimizer/adam.yaml": "lr: 1\n",
    "optimizer/sgd.yaml": "lr: 1\n",
    "experiment/night.yaml": "# @package _global_\n# One night of stars.\n# astrid train experiment=night\nname: n\n",
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_overview_has_every_verb_and_experiment_with_its_words(conf: Path) -> None:
    lines = [" ".join(line.split()) for line in overview(conf).splitlines()]
    for verb in BUILT_IN:
        assert f"{verb.name} {verb.summary}" in lines
    assert "measure how wide a star is" in lines
    assert "night One night of stars." in lines


def test_a_verb_that_runs_shows_the_shared_keys_options_and_experiments(conf: Path) -> None:
    shown = of_verb(Verb("train", "train", "train", "trains"), conf)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    keys = lines[lines.index("Keys:") + 1 : lines.index("Choices (group=option):") - 1]
    assert keys == ["seed: 1 # of the weights", "data.seed: 2 # of the sky"]
    assert "optimizer adam sgd" in lines
    assert "night One night of stars." in lines
    assert not any("hydra/" in line or "_target_" in line for line in lines)


def test_another_verb_shows_its_own_keys_alone(conf: Path) -> None:
    shown = of_verb(Verb("measure", "domain", "measure", "how wide", "input=DIR"), conf)
    assert "  astrid measure input=DIR" in shown
    assert "  input: ???   # a folder" in shown
    assert "inner" not in shown
    assert "experiment" not in shown.lower()


def test_the_keys_of_a_chosen_option_are_listed() -> None:
    verbs, conf = all_verbs(conf_folder()), conf_folder()
    text = of_verb(verbs["simulate"], conf, ["what=pairs", "--help", "output_dir=o"])
    assert "Keys of what=pairs:" in text and "simulate.fwhm: [3.4, 2.6]" in text
    assert "Keys of" not in of_verb(verbs["simulate"], conf, ["what=nothing", "simulate.n=3"])
    slot = of_verb(verbs["difference"], conf, ["preprocessing/differencing/subtract=kernel"])
    assert "  preprocessing.subtract.degrees:" in slot


def test_help_verb_is_the_help_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "prepare"]) == 0
    asked = capsys.readouterr().out
    assert run(["prepare", "--help"]) == 0
    assert capsys.readouterr().out == asked and asked.startswith("astrid prepare key=value")
    assert run(["help", "prepar"]) == 2
    assert "did you mean prepare?" in capsys.readouterr().err
