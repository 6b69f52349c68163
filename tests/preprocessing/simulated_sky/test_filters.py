"""Which filters the pairs of a simulated sky are taken in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.simulated_sky.missions import MISSIONS


@pytest.mark.parametrize("filters", [1, 2, 9])
def test_each_mission_uses_so_many_in_turn(filters: int, tmp_path: Path) -> None:
    """Case: half of the demo's test set lay in filters that training had not seen."""
    names = ("ztf", "galex")
    SimulateSky(n=8, missions=names, shape=(128, 128), filters=filters).run(tmp_path, 1)
    pairs = pd.read_csv(tmp_path / "manifest.csv")
    for name in names:
        there = MISSIONS[name].filters[:filters]
        found = pairs.loc[pairs["mission"] == name, "filter"].tolist()
        assert found == [there[number % len(there)] for number in range(4)]
