"""Packages that announce options: found without running them, left out with a reason where they are broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from made.plugin import announce, forget, site

from astrid_ml.build import build, check_targets, registry, with_defaults
from astrid_ml.errors import UserError
from astrid_ml.installed import announced, broken, package_folder, shadowed, sound
from astrid_ml.run.versions import versions

__all__ = ["site"]

STEP = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Plain:
    level: float = 0.0
    later: int = 3
@dataclass(frozen=True)
class Unnamed:
    level: float = 0.0
from subprocess import run as hidden
"""
OPTION = "# A step.\n_target_: sky_steps.steps.Plain\nlevel: 1.0\n"
SOUND = {
    "__init__.py": "raise RuntimeError('imported')",
    "conf/split/own.yaml": OPTION,
    "conf/split/_base.yaml": "a: 1",
}


def test_it_is_found_with_its_options_and_version_and_not_imported(site: Path) -> None:
    announce(site, "sky_steps", SOUND)
    (plugin,) = sound()
    assert (plugin.name, plugin.distribution, plugin.version) == ("sky_steps", "sky_steps-options", "1.2")
    assert plugin.options == ["split/own"] and plugin.classes == {"sky_steps.steps.Plain"}
    assert versions()["sky_steps-options"] == "1.2" and "sky_steps" not in sys.modules


FAULTS: dict[str, tuple[dict[str, str], str | None, str]] = {
    "no_package": ({}, "nowhere_at_all", "there is no package nowhere_at_all"),
    "no_conf": ({"__init__.py": ""}, None, "no folder conf/"),
    "empty_conf": ({"conf/readme.txt": ""}, None, "no .yaml file"),
    "a_class": ({"conf/a/b.yaml": ""}, "a_class.steps:Plain", "not a package"),
    "a_path": ({"conf/a/b.yaml": ""}, "../a_path", "not a package"),
    "ours": ({}, "astrid_ml", "keeps for itself"),
    "former": ({}, "models", "keeps for itself"),
    "no_yaml": ({"conf/a/b.yaml": "a: [1"}, None, "conf/a/b.yaml: no YAML"),
    "no_keys": ({"conf/a/b.yaml": "- a\n- b\n"}, None, "conf/a/b.yaml: keys and values"),
    "two_documents": ({"conf/a/b.yaml": "a: 1\n---\nb: 1\n"}, None, "no YAML"),
    "an_option_of_ours": (
        {"conf/split/group.yaml": "a: 1"},
        None,
        "conf/split/group.yaml has the name of one of astrid_ml",
    ),
    "a_base_of_ours": ({"conf/model/_realbogus.yaml": "a: 1"}, None, "one of astrid_ml"),
    "a_verb_of_ours": ({"conf/train.yaml": "command:\n  a: 1\n"}, None, "one of astrid_ml"),
    "a_kept_verb": ({"conf/completion.yaml": "command:\n  a: 1\n"}, None, "keeps that name"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_one_is_left_out_with_its_name_and_reason_and_the_others_stay(site: Path, name: str) -> None:
    files, value, reason = FAULTS[name]
    announce(site, name, files, value)
    announce(site, "sky_steps", SOUND)
    assert [plugin.name for plugin in sound()] == ["sky_steps"]
    (plugin,) = broken()
    said = plugin.said()
    assert reason in said and f"plugin {name} ({name}-options 1.2)" in said and "\n" not in said


def test_a_file_that_is_no_text_is_a_fault_too(site: Path) -> None:
    folder = announce(site, "latin", {"conf/a/b.yaml": ""})
    (folder / "conf" / "a" / "b.yaml").write_bytes(b"a: \xe9\n")
    (plugin,) = broken()
    assert "UTF-8" in plugin.said()


def test_of_two_with_one_name_the_first_stays(site: Path) -> None:
    for name in ("b_second", "a_first"):
        announce(site, name, {"conf/split/own.yaml": "a: 1"})
    assert [plugin.name for plugin in sound()] == ["a_first"]
    assert [plugin.said() for plugin in broken()] == [
        "the plugin b_second (b_second-options 1.2) is left out: "
        "conf/split/own.yaml has the name of one of a_first: give it a name of its own"
    ]


def test_a_package_inside_a_package_is_found_without_running_it(site: Path) -> None:
    announce(site, "outer", {"__init__.py": "1/0", "inner/conf/split/own.yaml": "a: 1"}, "outer.inner")
    assert [plugin.options for plugin in announced()] == [["split/own"]]
    with pytest.raises(ValueError, match="no package"):
        package_folder("outer.other")


def test_only_classes_that_its_files_name_may_be_built(site: Path) -> None:
    files = {**SOUND, "__init__.py": "", "steps.py": STEP}
    files["conf/split/more.yaml"] = (
        "# _target_: sky_steps.steps.Unnamed\n"
        "parts: [{_target_: subprocess.run}, {_target_: torch.optim.lbfgs.LBFGS}, {_target_: sky_steps.steps.hidden}]\n"
    )
    announce(site, "sky_steps", files)
    announce(site, "sky_steps_2", {"conf/split/other.yaml": "_target_: sky_steps.steps.Unnamed\n"})
    assert build({"_target_": "sky_steps.steps.Plain", "level": 2.0}).level == 2.0
    for name in (
        "sky_steps.steps.Unnamed",
        "subprocess.run",
        "torch.optim.lbfgs.LBFGS",
        "sky_steps.steps",
        "sky_steps.x.Plain",
    ):
        assert name not in registry()
        with pytest.raises(UserError, match=r"trust|Python's own"):
            check_targets({"a": [{"_target_": name}]})
    with pytest.raises(UserError, match="true home"):  # named by its own file, and another package's function
        check_targets({"_target_": "sky_steps.steps.hidden"})
    assert with_defaults({"_target_": "sky_steps.steps.Plain"}) == {
        "_target_": "sky_steps.steps.Plain", "level": 0.0, "later": 3
    }  # fmt: skip


@pytest.mark.parametrize("code", ["import nowhere_at_all", "1/0", "raise SystemExit(3)", "def f(:", "x = 1"])
def test_a_module_that_cannot_be_imported_is_told_where_it_is_chosen(site: Path, code: str) -> None:
    announce(site, "sky_steps", {**SOUND, "__init__.py": "", "steps.py": code})
    assert len(sound()) == 1
    with pytest.raises(UserError, match=r"sky_steps\.steps"):
        build({"_target_": "sky_steps.steps.Plain"})


def test_without_plugins_there_is_nothing(site: Path) -> None:
    forget()
    assert not [plugin for plugin in announced() if str(plugin.conf).startswith(str(site))]


def test_a_file_that_is_the_same_word_for_word_shadows_nothing(tmp_path: Path) -> None:
    for folder, text in (("a", "x: 1"), ("b", "x: 1"), ("c", "x: 2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "o.yaml").write_text(text)
    a, b, c = (tmp_path / name for name in "abc")
    assert list(shadowed(a, [b, c])) == [(a / "o.yaml", c / "o.yaml")]


def test_a_record_that_cannot_be_read_is_named_and_the_others_are_found(site: Path) -> None:
    announce(site, "sky_steps", SOUND)
    announce(site, "worse", SOUND)
    (site / "worse_options-1.2.dist-info" / "METADATA").write_bytes(b"Metadata-Version: 2.1\nName: \xff\xfe\n")
    announce(site, "worst", SOUND)
    (site / "worst_options-1.2.dist-info" / "entry_points.txt").write_bytes(b"[astrid_ml.plugins]\nx = \xff\n")
    assert [plugin.name for plugin in sound()] == ["sky_steps"]
    assert {plugin.distribution for plugin in broken()} >= {"worst_options-1.2.dist-info"}
