"""Docstrings tell every field and parameter, and show the public classes at work."""

from __future__ import annotations

import checks
import pytest
from house import ROOT, House

from astrid_ml import api, plugins


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def test_args_are_the_fields_or_the_parameters(house: House) -> None:
    found = checks.args_that_differ(house)
    assert not found, "\n".join(found)


def test_every_public_class_tells_its_fields(house: House) -> None:
    found = checks.classes_without_args(house)
    assert not found, "\n".join(found)


def public_classes() -> set[type]:
    """Of the plug-ins' place, of the notebook's, and those that the pages' code imports."""
    named = [getattr(place, name) for place in (plugins, api) for name in place.__all__]
    found = {item for item in named if isinstance(item, type)}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        found |= checks.classes_in_code(page.read_text(encoding="utf-8"))
    return found


def test_every_public_class_has_an_example() -> None:
    classes = public_classes()
    assert {"PreparedDataset", "Task", "ResultVisualizer"} <= {kind.__name__ for kind in classes}
    assert checks.without_example(classes) == []
