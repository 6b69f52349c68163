"""Two seeds of a simulation share no name, so that a model of one may be judged on the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from astrid_ml.identity import unmarked
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.ramps.pipeline import RampsPipeline
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.preprocessing.roman.simulate.command import SimulateRoman
from astrid_ml.preprocessing.roman.simulate.field import draw_field
from astrid_ml.preprocessing.seeded import EACH_ALONE, seeded, settings_mark
from astrid_ml.preprocessing.simulated_sky.command_pairs import SimulatePairs
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.groups import assign, order_key
from astrid_ml.splits.sealed import sealed_units

SIMULATORS: list[tuple[Any, str, tuple[str, ...]]] = [
    (SimulateTriplets(n=24), "*.parquet", ("id", "group_id")),
    (SimulatePairs(n=2, shape=(96, 96)), "manifest.csv", ("name",)),
    (SimulatePairs(n=2, shape=(128, 128)), "*_truth.csv", ("object_id",)),
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


SETTINGS: list[tuple[Any, Any, str, tuple[str, ...]]] = [
    (SimulateTriplets(n=24), SimulateTriplets(n=36), "*.parquet", ("id", "group_id")),
    (SimulateTriplets(n=24), SimulateTriplets(n=24, prevalence=0.3), "*.parquet", ("id", "group_id")),
    (SimulatePairs(n=2, shape=(96, 96)), SimulatePairs(n=2, shape=(96, 96), stars=9.0), "manifest.csv", ("name",)),
    (SimulatePairs(n=2, shape=(128, 128)), SimulatePairs(n=2, shape=(128, 144)), "*_truth.csv", ("object_id",)),
    (SimulateSky(n=1, shape=(128, 128)), SimulateSky(n=1, shape=(128, 144)), "*_truth.csv", ("object_id",)),
    (SimulateLightcurves(n=40, templates=3), SimulateLightcurves(n=40, templates=4), "truth.parquet", ("SNID",)),
]
SMALL: dict[str, Any] = {"gain_library": {"sca_1": 1.0}, "image_shape": (72, 72), "num_frames": 6}


@pytest.mark.parametrize(("simulator", "other", "pattern", "columns"), SETTINGS)
def test_no_name_of_some_settings_is_in_others(
    simulator: Any, other: Any, pattern: str, columns: Any, tmp_path: Path
) -> None:
    """Case: 4,000 and 1,500 triplets of one seed shared 1,500 ids of different stamps."""
    one, two = (
        names_of(made, tmp_path / str(number), pattern, columns, 1) for number, made in enumerate((simulator, other))
    )
    assert one and two and not one & two


@pytest.mark.parametrize("simulator", [SimulatePairs(n=3, shape=(160, 160)), SimulateSky(n=3, shape=(160, 160))])
def test_an_object_has_its_name_to_itself_over_all_pairs(simulator: Any, tmp_path: Path) -> None:
    """Case: objects of every pair were numbered from 0, so that a split by field found each in all folds."""
    simulator.run(tmp_path, 1)
    ids = [set(pd.read_csv(path)["object_id"].astype(str)) for path in sorted(tmp_path.glob("*_truth.csv"))]
    assert len(ids) == 3 and all(ids) and len(set.union(*ids)) == sum(map(len, ids))


def test_names_of_exposures_tell_seed_and_settings_but_not_how_many(tmp_path: Path) -> None:
    made = [
        (SimulateRamps(n=1, **SMALL), 1),
        (SimulateRamps(n=1, **SMALL), 2),
        (SimulateRamps(n=1, **SMALL, flux_range=(1.0, 2.0)), 1),
        (SimulateRamps(n=2, **SMALL), 1),
    ]
    found = []
    for number, (simulator, seed) in enumerate(made):
        simulator.run(tmp_path / str(number), seed)
        pipeline, writer = RampsPipeline(tile=32), MemoryUnitWriter()
        for unit in pipeline.plan([tmp_path / str(number)]):
            pipeline.process(unit, writer, 1)
        table = writer.table()
        found.append(set(table["id"]) | set(table["group_id"]))
    assert not found[0] & (found[1] | found[2]) and found[0] < found[3]
    assert {unmarked(name) for name in found[0]} == {unmarked(name) for name in found[1]}


def test_the_usual_settings_of_the_usual_seed_have_no_mark() -> None:
    for kind in (SimulateTriplets, SimulatePairs, SimulateSky, SimulateLightcurves, SimulateRoman):
        assert settings_mark(kind(), 1) == "" and settings_mark(replace(kind(), n=7), 1, EACH_ALONE) == ""
        assert len({settings_mark(replace(kind(), n=n), seed) for n in (5, 6) for seed in (1, 2)}) == 4


def test_chance_takes_no_notice_of_a_mark() -> None:
    plain = pd.Series([f"ztf-000-{number:05d}" for number in range(300)])
    marked = plain.str.replace("ztf", "ztf-x1a2b3c4d")
    strata, shares = pd.Series(["one"] * 300), (0.7, 0.1, 0.2)
    assert (assign(plain, strata, shares, 3) == assign(marked, strata, shares, 3)).all()
    assert (sealed_units(Coded.of(plain), 0.2) == sealed_units(Coded.of(marked), 0.2)).all()
    assert order_key("ztf-xylophone", 1) != order_key("ztf", 1)


@pytest.mark.parametrize(
    "simulator", [SimulatePairs(n=2, shape=(96, 96), stars=9.0), SimulateSky(n=2, shape=(128, 144))]
)
def test_a_pair_is_called_as_its_file_but_for_the_mark(simulator: Any, tmp_path: Path) -> None:
    """Case: the names of marked pairs lacked the end of their files' names, so that the demo tested other fields."""
    simulator.run(tmp_path, 1)
    pairs = find_pairs([tmp_path])
    assert [unmarked(pair.name) for pair in pairs] == [Path(pair.science["path"]).name.split(".")[0] for pair in pairs]
    assert not {pair.name for pair in pairs} & {Path(pair.science["path"]).name.split(".")[0] for pair in pairs}


def test_a_log_of_pointings_counts_by_what_is_in_it() -> None:
    simulator = SimulateLightcurves()
    one, two = (settings_mark(simulator, 1, ("pointings",), digest) for digest in ("", "ab"))
    assert (one, len(two)) == ("", 8)


def test_numbers_of_jobs_and_objects_tell_the_settings() -> None:
    one, two = (
        draw_field(3, (96, 96), (400.0, 900.0, 500.0), (61000.0, 61100.0), 1, mark) for mark in ("", "1a2b3c4d")
    )
    assert one.name != two.name and one.centre == two.centre
    assert not set(one.transients["object_id"]) & set(two.transients["object_id"])
    assert len(str(two.transients["object_id"].max())) <= 16  # the width of the index's column


def test_fields_of_another_seed_lie_elsewhere_under_other_names() -> None:
    one, two = (draw_field(3, (96, 96), (400.0, 900.0, 500.0), (61000.0, 61100.0), seed) for seed in (1, 2))
    assert one.name != two.name and one.centre != two.centre
    assert not set(one.transients["object_id"]) & set(two.transients["object_id"])


def test_names_of_seeds_are_not_mistaken_for_one_another() -> None:
    assert len({seeded("ztf", seed) for seed in range(200)}) == 200
