"""Complaints of Hydra and OmegaConf about a user's input are said as messages of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf.errors import OmegaConfBaseException

from astrid_ml.build import conf_folder, plain
from astrid_ml.cli.explain import explain, missing_key
from astrid_ml.cli.main import run
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.config import compose

CONF = conf_folder()
VERBS = all_verbs(CONF)


def test_a_mandatory_value_is_asked_for_by_its_key() -> None:
    with pytest.raises(OmegaConfBaseException) as caught:
        plain(compose("evaluate", ["ckpt_path=a", "output_dir=b"]))
    said = explain(caught.value, CONF, VERBS["evaluate"])
    assert said is not None
    assert (said.expected, said.got) == ("dataset=FOLDER", "nothing")


def test_a_nested_one_is_asked_for_by_its_whole_key() -> None:
    with pytest.raises(OmegaConfBaseException) as caught:
        plain(compose("train", ["label=table", "paths.run_dir=r", "paths.sweep_dir=s"]))
    said = explain(caught.value, CONF, VERBS["train"])
    assert said is not None
    assert said.expected == "label.path=FILE"


def test_a_reference_to_nothing_is_not_taken_for_a_missing_value() -> None:
    with pytest.raises(OmegaConfBaseException) as caught:
        plain(compose("train", ["trainer.max_epochs=${nothing}", "paths.run_dir=r", "paths.sweep_dir=s"]))
    said = explain(caught.value, CONF, VERBS["train"])
    assert said is not None
    assert "None" not in said.expected
    assert "nothing" in said.got


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer=adamx", "did you mean adam?"),
        ("trainer.max_epoch=3", "did you mean trainer.max_epochs?"),
        ("seed=(1", "for instance seed=1"),
        ("seed=1,2", "astrid train -m seed=1,2"),
        ("hydra/launcher=bassic", "did you mean basic?"),
        ("experiment=realbogus", "did you mean realbogus_sim?"),
    ],
)
def test_hydras_complaint_becomes_one_that_helps(override: str, words: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        compose("train", [override])
    said = explain(caught.value, CONF, VERBS["train"])
    assert said is not None
    assert words in said.fix


def test_an_error_that_is_not_about_the_input_is_not_explained_away() -> None:
    assert explain(ZeroDivisionError("division by zero"), CONF, VERBS["train"]) is None


# Words of the command line without what must be given, and how that is typed.
MISSING = [
    ("inject output_dir=o", "science=FILE"),
    ("train experiment=realbogus_triplets label=column", "label.column=VALUE"),
    ("train experiment=realbogus_triplets label=table", "label.path=FILE"),
    ("compare", "runs='[FOLDER,FOLDER]'"),
    ("predict ckpt_path=a output_dir=o", "input=FILE_OR_FOLDER"),
    ("predict ckpt_path=a input=a", "output_dir=FOLDER"),
    ("simulate what=sky", "output_dir=FOLDER"),
    ("evaluate dataset=a output_dir=o", "ckpt_path=FILE"),
    ("baseline", "run_dir=FOLDER"),
    ("import-weights ckpt_path=a input=b", "variant=VALUE"),
]


@pytest.mark.parametrize(("words", "typed"), MISSING)
def test_what_is_missing_is_named_as_it_is_typed(words: str, typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words.split()) == 2
    assert capsys.readouterr().err.startswith(f"astrid: expected {typed}\n        got nothing\n        add {typed};")


@pytest.mark.parametrize(("words", "typed"), [MISSING[0], MISSING[2], MISSING[3], MISSING[7], MISSING[9]])
def test_following_the_fix_is_accepted(
    words: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run([*words.split(), typed.replace("'", "")])
    said = capsys.readouterr().err
    assert "a key of astrid" not in said and f"expected {typed}\n" not in said


def test_a_key_that_nobody_declares_is_named_as_it_is() -> None:
    assert missing_key("mine.own", CONF, VERBS["train"]).expected == "mine.own=VALUE"


def test_an_experiment_that_takes_itself_in_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - /experiment: round\nname: e\n"
    (tmp_path / "mine" / "experiment" / "round.yaml").write_text(text)
    assert run(["train", "--config-dir=mine", "experiment=round"]) == 2
    assert "a file that takes itself in" in capsys.readouterr().err
