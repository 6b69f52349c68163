"""Files of configuration from outside take nothing upon themselves and cannot keep a command busy."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.option_files import ALIASES, DEEPEST, LARGEST, MOST, content_of, fault_of, yaml_files


def fault(folder: Path, text: str, name: str = "experiment/own.yaml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return fault_of(path, folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\nb: [1, 2]",
        "# @package preprocessing.subtract\n_target_: my.Own\ntrust: ${trust}",
        "# @package _global_\ndefaults:\n  - realbogus_sim\n  - override /hydra/launcher: joblib\ntrust: []",
        "base: &b {x: 1}\na: *b",
    ],
)
def test_ordinary_options_pass(text: str, tmp_path: Path) -> None:
    assert fault(tmp_path, text) == ""


def test_what_loggers_write_of_a_run_trusts_nobody(tmp_path: Path) -> None:
    assert not fault(tmp_path, "trust: '[]'\na: 1\n") and not fault(tmp_path, "trust: []\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hydra: {callbacks: {x: {_target_: evil.run}}}", "sets keys of hydra"),
        ("# @package _global_\nhydra:\n  job: {env_set: {PYTHONPATH: x}}", "sets keys of hydra"),
        ("# @package hydra.job\nenv_set: {A: b}", "sets keys of hydra"),
        ("# @package _global_.hydra\nmode: MULTIRUN", "sets keys of hydra"),
        ("defaults:\n  - /model@hydra.callbacks.x: own", "sets keys of hydra"),
        ("defaults:\n  - /model@_global_.hydra.run: own", "sets keys of hydra"),
        ("defaults:\n  - override /hydra/job_logging: own", "chooses an option of hydra"),
        ("defaults:\n  - override hydra/launcher: own", "chooses an option of hydra"),
        ("defaults:\n  - optional hydra/sweeper: own", "chooses an option of hydra"),
        ("trust: [runpy.run_path]", "trusts classes"),
        ("command: {trust: [os.system]}", "trusts classes"),
        ("a: [{trust: os.system}]", "trusts classes"),
        ("a: [1", "no YAML"),
        ("- a", "keys and values"),
        ("a: " + "[" * 5000, f"nested more than {DEEPEST} deep"),
        ("\n".join(" " * depth + "a:" for depth in range(DEEPEST + 5)), f"nested more than {DEEPEST} deep"),
        ("a: &a 1\nb: [" + ", ".join(["*a"] * (ALIASES + 1)) + "]", f"more than {ALIASES} aliases"),
        ("a: " + "x" * LARGEST, f"larger than {LARGEST} bytes"),
    ],
    ids=lambda part: part[:30],
)
def test_what_a_file_may_not_do_is_named(text: str, said: str, tmp_path: Path) -> None:
    assert said in fault(tmp_path, text)


@pytest.mark.parametrize("name", ["$(touch x)", "a;b", "a b", "-rf", "a`id`", "ä", ".hidden"])
def test_names_that_a_shell_reads_as_more_are_refused(name: str, tmp_path: Path) -> None:
    assert "letters, digits" in fault(tmp_path, "a: 1", f"model/{name}.yaml")


def test_a_file_under_hydra_is_refused(tmp_path: Path) -> None:
    assert "sets keys of hydra" in fault(tmp_path, "a: 1", "hydra/job_logging/own.yaml")


def test_a_bomb_of_aliases_is_not_unfolded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "aliases" in fault(tmp_path, "\n".join(lines))


def test_a_folder_that_is_no_folder_of_options_is_not_walked_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astrid_ml.option_files.MOST", 30)
    for number in range(40):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(ValueError, match="more than 30 files"):
        yaml_files(tmp_path)
    assert MOST > 10_000


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    assert content_of(tmp_path / "a.yaml") == {}


def test_an_option_of_a_slot_stands_where_the_others_stand(tmp_path: Path) -> None:
    ours, name = tmp_path / "ours", "preprocessing/differencing/subtract/mine.yaml"
    (ours / name).parent.mkdir(parents=True)
    for sibling in ("zogy", "direct"):
        (ours / name).with_name(f"{sibling}.yaml").write_text("# @package preprocessing.subtract\na: 1")
    for text, right in (("a: 1", False), ("# @package preprocessing.subtract\na: 1", True), ("# @package x\n", False)):
        fault(tmp_path / "own", text, name)
        said = fault_of(tmp_path / "own" / name, tmp_path / "own", ours)
        assert (said == "") == right
        assert right or "'# @package preprocessing.subtract'" in said
