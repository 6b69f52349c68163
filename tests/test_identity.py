"""Permanent names: old targets resolve, kept checkpoints and stores of earlier layouts work as they did."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.build import registry
from astrid_ml.identity import home_of, name_of
from astrid_ml.moved import MOVED

KEPT = Path(__file__).parent / "kept"
LAYOUTS = sorted(path for path in KEPT.glob("layout*/*.tar.xz"))


@pytest.mark.parametrize("name", sorted(MOVED))
def test_a_former_name_leads_to_a_registered_class(name: str) -> None:
    assert home_of(name) in registry()
    assert home_of(name_of(home_of(name))) == home_of(name)


def test_names_and_homes_are_one_to_one() -> None:
    homes = sorted(registry())
    assert len({name_of(home) for home in homes}) == len(homes)
    assert [home_of(name_of(home)) for home in homes] == homes
