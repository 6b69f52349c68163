"""Two seeds of a simulation share no name, so that a model of one may be judged on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.roman.simulate.field import draw_field
from astrid_ml.preprocessing.seeded import seeded
from astrid_ml.preprocessing.simulated_sky.command_pairs import SimulatePairs
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets

SIMULATORS: list[tuple[Any, str, tuple[str, ...]]] = [
    (SimulateTriplets(n=24), "*.parquet", ("id", "group_id")),
    (SimulatePairs(n=2, shape=(96, 96)), "manifest.csv", ("name",)),
    (SimulateSky(n=1, shape=(128, 128)), "*_truth.csv", ("object_id",)),
    (SimulateLightcurves(n=40, templates=3), "truth.parquet", ("SNID",)),
]


def names_of(simulator: Any, folder: Path, pattern: str, columns: tuple[str, ...], seed: int) -> set[str]:
    """Identifiers in the tables; pairs are called as their files where the manifest does not say it."""
    folder.mkdir()
    simulator.run(folder, seed)
    tables = [pd.read_csv(p) if p.suffix == ".csv" else pd.read_parquet(p) for p in folder.glob(pattern)]
    named = {str(name) for table in tables for column in columns if column in table for name in table[column]}
    return named | ({pair.name for pair in find_pairs([folder])} if pattern.endswith(".csv") else set())


@pytest.mark.parametrize(("simulator", "pattern", "columns"), SIMULATORS)
def test_no_name_of_one_seed_is_in_another(simulator: Any, pattern: str, columns: Any, tmp_path: Path) -> None:
    one, two, again = (
        names_of(simulator, tmp_path / str(number), pattern, columns, seed) for number, seed in enumerate((1, 2, 2))
    )
    assert one and not one & two and two == again
    assert not any("-s1" in name for name in one)


def test_fields_of_another_seed_lie_elsewhere_under_other_names() -> None:
    one, two = (draw_field(3, (96, 96), (400.0, 900.0, 500.0), (61000.0, 61100.0), seed) for seed in (1, 2))
    assert one.name != two.name and one.centre != two.centre
    assert not set(one.transients["object_id"]) & set(two.transients["object_id"])


def test_names_of_seeds_are_not_mistaken_for_one_another() -> None:
    assert len({seeded("ztf", seed) for seed in range(200)}) == 200
