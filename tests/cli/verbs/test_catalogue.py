"""Verbs: the framework's own, and those that a file of configuration adds."""

from __future__ import annotations

import importlib
from pathlib import Path

from astrid_ml.build import conf_folder
from astrid_ml.cli.verbs.catalogue import BUILT_IN, Verb, all_verbs, domain_verbs


def test_a_file_with_a_command_is_a_verb_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "look_up.yaml").write_text("# names of stars\n# astrid look-up input=DIR radius=2\ncommand:\n  a: 1\n")
    (tmp_path / "bare.yaml").write_text("command:\n  a: 1\n")
    (tmp_path / "part.yaml").write_text("# no verb\nother:\n  command: 1\n")
    assert domain_verbs(tmp_path) == (
        Verb("bare", "verbs.domain", "bare", "", ""),
        Verb("look-up", "verbs.domain", "look_up", "names of stars", "input=DIR radius=2"),
    )
    assert list(all_verbs(tmp_path)) == [*(verb.name for verb in BUILT_IN), "bare", "look-up"]


def test_every_verb_has_its_configuration_its_command_and_its_words() -> None:
    verbs = all_verbs(conf_folder())
    assert len(verbs) > len(BUILT_IN)
    for name, verb in verbs.items():
        assert name == verb.name
        assert (conf_folder() / f"{verb.config}.yaml").is_file(), name
        assert callable(importlib.import_module(f"astrid_ml.cli.{verb.module}").command), name
        assert verb.summary, name
        assert verb.example or name == "doctor", name
