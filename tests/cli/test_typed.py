"""Words of a command line that cannot mean anything are refused before Hydra reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from astrid_ml.cli.overrides import option_of, rewrite
from astrid_ml.cli.typed import check_typed, overrides_of
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.errors import UserError

CONF = Path(__file__).resolve().parents[2] / "conf"
TRAIN = all_verbs(CONF)["train"]


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["--fast"], "write fast=VALUE if it is a key"),
        (["--max-epochs=3"], "write max_epochs=3"),
        (["--multirum"], "did you mean --multirun?"),
        (["-x"], "write x=VALUE if it is a key"),
        (["hello"], "write KEY=hello"),
        (["=3"], "write a key before the ="),
        (["learning rate=0.1"], "no blanks around the ="),
        (["seed =1"], "no blanks around the ="),
        (["~model"], "leave it, or give it another value"),
        (["~augment"], "write augment=none"),
        (["~seed"], "leave it, or give it another value"),
    ],
)
def test_a_word_without_meaning_is_refused_with_what_to_type(words: list[str], fix: str) -> None:
    with pytest.raises(UserError) as told:
        check_typed(words, TRAIN, CONF)
    assert told.value.fix.startswith(fix)


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=realbogus_sim", "-m", "seed=1,2", "paths.sweep_dir=s"],
        ["--cfg", "job", "seed=1"],
        ["--info", "defaults", "seed=1"],
        ["--info"],
        ["--config-dir", "my conf", "+experiment=mine"],
        ["--config-dir=my conf", "model=mine"],
        ["~optimizer.weight_decay"],
        ["paths.raw=a b=c", "seed=1"],
        ["dataset=null", "simulate.n=5"],
        ["dataset=d", "simulate=none", "optimizer.lr=0.1"],
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "logger@x=csv"],
    ],
)
def test_words_with_meaning_pass(words: list[str]) -> None:
    check_typed(words, TRAIN, CONF)


def test_values_of_flags_are_no_overrides() -> None:
    assert list(overrides_of(["--cfg", "job", "a=1", "-cd", "x", "--info", "searchpath", "b=2"])) == ["a=1", "b=2"]


@pytest.mark.parametrize("value", ["1", "-2", "0.5", "true", "False", "nan", "-inf", "1e3", "{a:1}", "(x)", "'x'"])
def test_what_is_no_name_is_no_option(value: str) -> None:
    with pytest.raises(UserError, match="calibration: one of beta, chosen, isotonic, none, temperature"):
        option_of("calibration", value, CONF)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("predict some/file.fits", "write input=some/file.fits;"),
        ("predict best.ckpt night", "write ckpt_path=best.ckpt input=night;"),
        ("predict a.fits b.fits", "write 'input=[a.fits,b.fits]';"),
        ("predict input=night best.ckpt", "write ckpt_path=best.ckpt;"),
        ("difference a.fits b.fits", "write science=a.fits reference=b.fits;"),
        ("difference science=a.fits b.fits", "write reference=b.fits;"),
        ("difference pairs.csv", "write input=pairs.csv;"),
        ("difference {fits}", "write input={fits};"),
        ("convert sim out", "write input=sim output_dir=out;"),
        ("forced out stars.csv", "write input=out positions=stars.csv;"),
        ("inject a.fits stars.csv", "write science=a.fits positions=stars.csv;"),
        ("compare ./run", "write 'runs=[./run]';"),
        ("compare ./run ./other", "write 'runs=[./run,./other]';"),
        ("evaluate {prepared} best.ckpt", "write dataset={prepared} ckpt_path=best.ckpt;"),
        ("audit {prepared}", "write dataset={prepared};"),
        ("baseline {run}", "write run_dir={run};"),
        ("fsck {run}", "write input={run};"),
        ("publish {store}", "write input={store};"),
        ("train {run}", "write paths.run_dir={run};"),
        ("train night/", "write paths.raw=night/;"),
        ("train realbogus_sim", "write experiment=realbogus_sim;"),
        ("train lr 0.1", "write lr=0.1;"),
        ("train hello", "write KEY=hello;"),
        ("doctor all", "write KEY=all;"),
    ],
)
def test_a_path_without_its_key_is_told_the_key(line: str, meant: str, tmp_path: Path) -> None:
    marks = {"prepared": "dataset.json", "run": "config.yaml", "store": "latest.json"}
    places = {name: str(tmp_path / name) for name in (*marks, "fits")}
    (tmp_path / "fits").mkdir()
    for name, mark in marks.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / mark).write_text("{}")
    verb, *words = line.format(**places).split()
    with pytest.raises(UserError) as caught:
        check_typed(words, all_verbs(CONF)[verb], CONF)
    assert caught.value.fix.startswith(meant.format(**places))


def test_a_path_with_blanks_is_shown_as_a_shell_reads_it() -> None:
    with pytest.raises(UserError, match=re.escape("write 'input=my file.fits';")):
        check_typed(["my file.fits"], all_verbs(CONF)["predict"], CONF)


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("preprocessing/selection=snr", "preprocessing.selection.rule=snr"),
        ("preprocessing/subtract=nope", r"preprocessing.subtract.KEY=VALUE"),
    ],
)
def test_an_option_of_a_slot_is_no_key_of_a_checkpoint(word: str, fix: str) -> None:
    with pytest.raises(UserError, match=f"keys of the checkpoint's own pipeline.*one by one.*{fix}"):
        rewrite([word], "predict", CONF)
    assert rewrite(["preprocessing=lightcurves", "preprocessing/selection=snr"], "train", CONF)[1].endswith("=snr")
