"""Words that would change nothing beside the others are refused, with the one to leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.cli.effects import check_effects, refuse_twice
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.errors import UserError

CONF = Path(__file__).resolve().parents[2] / "conf"
VERBS = all_verbs(CONF)


def looked_at(verb: str, words: list[str]) -> None:
    check_effects(words, VERBS[verb], CONF)
    refuse_twice(words, rewrite(words, VERBS[verb].config, CONF))


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["-m", "seed=1,2", "paths.run_dir=x"], "write paths.sweep_dir=FOLDER"),
        (["-m", "seed=1,2", "paths.run_dir=sw/${hydra:job.num}"], "write paths.sweep_dir=FOLDER"),
        (["--multirun", "+paths.run_dir=x"], "write paths.sweep_dir=FOLDER"),
        (["paths.sweep_dir=x"], "write paths.run_dir=FOLDER"),
        (["dataset=d", "paths.raw=r"], "leave out paths.raw"),
        (["dataset=d", "simulate.n=5", "data.seed=3"], "leave out simulate.n and data.seed"),
        (["paths.raw=r", "simulate.n=5"], "leave out simulate.n"),
        (["seed=1", "seed=1"], "leave out one of them"),
    ],
)
def test_a_word_without_effect_is_refused_with_what_to_type(words: list[str], fix: str) -> None:
    with pytest.raises(UserError) as told:
        looked_at("train", words)
    assert told.value.fix.startswith(fix)


@pytest.mark.parametrize(
    ("verb", "words", "named"),
    [
        ("simulate", ["what=pairs", "simulate=sky"], "what= and simulate="),
        ("difference", ["science=a.fits", "science.path=b.fits"], "science= and science.path="),
        ("audit", ["checks.radius=1", "audit.radius=2"], "checks.radius= and audit.radius="),
        ("train", ["++seed=1", "seed=2"], "seed= once"),
    ],
)
def test_two_words_for_one_key_are_refused(verb: str, words: list[str], named: str) -> None:
    with pytest.raises(UserError) as told:
        looked_at(verb, words)
    assert named in told.value.expected


@pytest.mark.parametrize(
    "words",
    [
        ["seed=1", "data.seed=1"],
        ["hydra.run.dir=a", "hydra.run.dir=a"],
        ["logger@a=csv", "logger@b=csv"],
        ["hydra.job.name=train_ddp_process_1"],
    ],
)
def test_words_that_all_have_an_effect_pass(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    looked_at("train", words)


def test_keys_that_do_nothing_for_a_verb_are_refused() -> None:
    verbs = all_verbs(CONF)
    with pytest.raises(UserError, match=r"write astrid prepare \.\.\. dry_run=true"):
        check_effects(["dry_run=true"], verbs["train"], CONF)
    with pytest.raises(UserError, match="output_dir= beside export="):
        check_effects(["output_dir=o"], verbs["prepare"], CONF)
    check_effects(["dry_run=true"], verbs["prepare"], CONF)
    check_effects(["output_dir=o", "export=zscale"], verbs["prepare"], CONF)
