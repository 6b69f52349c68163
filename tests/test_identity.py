"""Permanent names: old targets resolve, kept checkpoints and stores of earlier layouts work as they did."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from astrid_ml.build import build, conf_folder, registry, targets
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import canonical, fingerprint
from astrid_ml.identity import current, first_fields, home_of, lasting, name_of
from astrid_ml.moved import MOVED


@pytest.mark.parametrize("name", sorted(MOVED))
def test_a_former_name_leads_to_a_registered_class(name: str) -> None:
    assert home_of(name) in registry()
    assert home_of(name_of(home_of(name))) == home_of(name)


def test_names_and_homes_are_one_to_one() -> None:
    homes = sorted(registry())
    assert len({name_of(home) for home in homes}) == len(homes)
    assert [home_of(name_of(home)) for home in homes] == homes


def made_with(**fields: tuple[Any, Any]) -> Any:
    """A step of a stranger's package: name -> (value, default); the same class, as it was or with fields added."""
    items = [(name, type(default), dataclasses.field(default=default)) for name, (_, default) in fields.items()]
    kind = dataclasses.make_dataclass("Step", items, frozen=True, namespace={"__module__": "mypkg.steps"})
    return kind(**{name: value for name, (value, _) in fields.items()})


def test_a_field_that_is_added_with_a_default_leaves_the_fingerprint() -> None:
    before = made_with(threshold=(4.0, 5.0))
    after = made_with(threshold=(4.0, 5.0), margin=(3, 3))
    used = made_with(threshold=(4.0, 5.0), margin=(2, 3))
    assert fingerprint(before) == fingerprint(after) != fingerprint(used)


def test_a_class_of_the_first_layout_lists_the_fields_it_had() -> None:
    name = "preprocessing.differencing.cutouts.Cutout"
    assert first_fields(name) == frozenset({"size", "significance"})
    assert first_fields("mypkg.steps.Step") is None
    module, _, kind = home_of(name).rpartition(".")
    step = getattr(importlib.import_module(module), kind)()
    assert set(canonical(step)["fields"]) == {"size", "significance"}
    assert canonical(step)["class"] == name


def test_what_a_stranger_prepared_before_is_found_by_the_complete_form() -> None:
    step = made_with(threshold=(5.0, 5.0))
    assert canonical(step)["fields"] == {}
    assert canonical(step, complete=True)["fields"] == {"threshold": 5.0}


def test_trees_are_kept_under_permanent_names_and_read_at_their_homes() -> None:
    for name in MOVED:
        tree = {"a": [{"_target_": home_of(name), "b": "${x}"}], "_target_": home_of(name)}
        kept = lasting(tree)
        assert kept["_target_"] == kept["a"][0]["_target_"] == name_of(home_of(name))
        assert current(kept) == tree


def test_a_class_that_moved_without_a_line_in_the_table_is_named_where_it_stands() -> None:
    for lost in ("models.old.network.BraaiWide", "astrid_ml.models.old.network.BraaiWide"):
        with pytest.raises(UserError) as caught:
            build({"_target_": lost})
        assert "astrid_ml.models.braai.network.BraaiWide" in caught.value.got
        assert f'"{lost}": "astrid_ml.models.braai.network.BraaiWide" to astrid_ml/moved.py' in caught.value.fix


def test_a_class_of_the_users_is_left_alone() -> None:
    tree = {"_target_": "models.mine.Net"}
    assert current(tree, registered={"astrid_ml.models.mine.Net"}, trust=["models.mine.Net"]) == tree
    assert current(tree, registered={"astrid_ml.models.mine.Net"}) == {"_target_": "astrid_ml.models.mine.Net"}
    assert current(tree) == tree


def test_a_class_of_the_users_may_not_take_a_permanent_name() -> None:
    taken = "models.braai.network.BraaiWide"
    with pytest.raises(UserError, match="permanent name"):
        build({"_target_": taken}, trust=[taken])


def test_configuration_files_of_the_former_layout_still_build() -> None:
    network = build({"_target_": "models.braai.network.BraaiWide", "size": 21, "widths": [2, 2], "hidden": 4})
    assert type(network).__module__ == "astrid_ml.models.braai.network"


def test_every_class_that_configuration_names_is_in_the_configuration_at_its_home() -> None:
    for path in sorted(conf_folder().rglob("*.yaml")):
        for target in targets(yaml.safe_load(Path(path).read_text(encoding="utf-8"))):
            assert not target.startswith("astrid_ml") or target in registry()
            assert target not in MOVED, f"{path.name} names {target}, which moved to {home_of(target)}"
