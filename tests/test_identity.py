"""Permanent names: old targets resolve, kept checkpoints and stores of earlier layouts work as they did."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import torch

from astrid_ml.build import build, check_targets, registry
from astrid_ml.cli.main import run
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import canonical, fingerprint
from astrid_ml.identity import current, home_of, lasting, name_of
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
