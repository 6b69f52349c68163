"""The keys of a verb, as its files declare them; values that are files or text reach Hydra as they were typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.cli.verbs.keys import FORMER, Keys
from astrid_ml.config import compose

CONF = conf_folder()
VERBS = sorted({verb.config for verb in all_verbs(CONF).values()})
PATH = "/data/a (1)=b,c [x] 'y'.fits"


def parsed(override: str) -> tuple[str, object]:
    found = OverridesParser.create().parse_override(override)
    value = found.value()
    return found.key_or_group, getattr(value, "text", value)


@pytest.mark.parametrize("verb", VERBS)
def test_every_file_folder_and_text_survives_in_every_verb(verb: str) -> None:
    keys = Keys(verb, CONF)
    chosen = [name for name in keys.names if keys.is_path(name) or keys.is_text(name)]
    for name in chosen:
        (override,) = rewrite([f"{name}={PATH}"], verb, CONF)
        key, value = parsed(override)
        assert (key, value) == (name, PATH)
    if verb not in ("doctor",):
        assert chosen


def test_a_verb_of_a_users_own_needs_no_edit_anywhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file argument is known by the type of the class's field alone."""
    (tmp_path / "own_hello.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Hello:\n    catalogue: str\n    n: int = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "hello.yaml").write_text(
        "catalogue: ???\nn: 3\ncommand:\n  _target_: own_hello.Hello\n  catalogue: ${catalogue}\n  n: ${n}\n"
    )
    typed = ["catalogue=SCRATCH/cat (1)=a,b.csv", "n=4"]
    written = rewrite(typed, "hello", conf)
    assert [parsed(word) for word in written] == [("catalogue", "SCRATCH/cat (1)=a,b.csv"), ("n", 4)]
    assert rewrite(["catalogue=2024"], "hello", conf) == ['catalogue="2024"']


def test_choices_can_be_swept_and_text_with_commas_is_text_outside_a_sweep() -> None:
    word = "preprocessing.noise.method=auto,measured"
    assert rewrite(["-m", "preprocessing=differencing", word], "train", CONF)[2] == word
    assert rewrite(["preprocessing.noise.method=measured"], "difference", CONF) == [word.replace("auto,", "")]
    assert rewrite(["name=a,b"], "train", CONF) == ["name=a,b"]


@pytest.mark.parametrize("former", FORMER)
def test_former_names_are_read(former: tuple[str, str]) -> None:
    verb, name = former
    assert FORMER[former] in Keys(verb, CONF).names and name not in Keys(verb, CONF).names
    (override,) = rewrite([f"{name}=x"], verb, CONF)
    assert parsed(override)[0] == FORMER[former]


def test_a_group_is_chosen_and_not_taken_for_a_file() -> None:
    assert rewrite(["label=table", "label.path=a (1).csv"], "train", CONF) == ["label=table", 'label.path="a (1).csv"']
    assert rewrite(["science=a (1).fits"], "difference", CONF) == ['science.path="a (1).fits"']


def test_a_node_that_takes_any_key_needs_no_plus() -> None:
    assert rewrite(["wavelengths.e=0.436"], "convert", CONF) == ["++wavelengths.e=0.436"]
    assert rewrite(["preprocessing.detect.threshold=4"], "predict", CONF) == ["++preprocessing.detect.threshold=4"]
    assert rewrite(["task=ramps", "preprocessing.load.unit=DN"], "predict", CONF)[1] == "preprocessing.load.unit=DN"


EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("[!_]*.yaml"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_key_of_every_experiment_is_known(experiment: str) -> None:
    cfg = compose("train", [f"experiment={experiment}", "paths.run_dir=r", "paths.sweep_dir=s"])
    tree = OmegaConf.to_container(cfg)
    assert dotted(tree) - set(Keys("train", CONF).names) == set()


def test_a_misspelt_key_is_answered_with_keys_of_the_same_verb() -> None:
    assert "task.preprocessing.load.unit" not in Keys("prepare", CONF).names
    assert "preprocessing.load.unit" in Keys("prepare", CONF).names
    assert "model.task.channels_last" not in Keys("score_ramps", CONF).names


def dotted(node: object, prefix: str = "") -> set[str]:
    names: set[str] = set()
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("_target_", "_partial_"):
                names |= {f"{prefix}{key}"} | dotted(value, f"{prefix}{key}.")
    return names


@pytest.mark.parametrize(
    ("verb", "key", "place"),
    [
        ("convert", "zero_point", False),  # "of fluxes in files that do not tell it"
        ("train", "hash_inputs", False),
        ("predict", "reader", False),
        ("convert", "input", True),
        ("difference", "truth", True),
        ("audit", "dataset", True),
    ],
)
def test_a_place_is_what_a_comment_begins_with(verb: str, key: str, place: bool) -> None:
    assert Keys(verb, CONF).is_path(key) is place
