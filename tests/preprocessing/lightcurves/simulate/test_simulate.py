"""The simulator's files, and the whole way from them to predictions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.select.selection import Selection
from astrid_ml.preprocessing.lightcurves.select.sky_flags import ENGINEERED_FEATURES
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves, apportion
from astrid_ml.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sim")
    SimulateLightcurves(n=300, templates=20).run(folder, 5)
    return folder


@pytest.mark.parametrize("total", [38, 60, 100, 7000])
def test_numbers_of_the_classes_add_up_where_two_of_each_are_enough(total: int) -> None:
    shares = np.array([0.5, *[0.5 / 18] * 9, *[0.001] * 9])
    numbers = apportion(shares, total)
    assert numbers.sum() == total and numbers.min() >= 2
    assert apportion(shares, 20).sum() == 38


def test_another_number_than_the_wanted_one_is_said(tmp_path: Path) -> None:
    summary = SimulateLightcurves(n=20, templates=3).run(tmp_path, 5)
    assert summary["objects"] > 20
    assert summary["note"] == "not simulate.n=20: each part has at least 2 objects of each of 19 classes"


def test_files_are_right_snana_files_of_every_leaf(simulated: Path) -> None:
    account = Account()
    tables = [table for source in find_curves([simulated]).sources for table in source.read(account)]
    assert sum(map(len, tables)) == len(pd.read_parquet(simulated / "truth.parquet")) >= 300
    assert not account.dropped
    assert not account.repaired  # the pointers hold
    labels = {str(label) for table in tables for label in table.objects["label"]}
    tree = load_taxonomy("elasticc2")
    assert {tree.nodes[k] for k in tree.encode(sorted(labels))} == set(tree.leaves)
    for table in tables:
        detected = (table.phot_flag & 4096) != 0
        assert (np.bincount(table.owner[detected], minlength=len(table)) >= 2).all()
        assert (np.bincount(table.owner[(table.phot_flag & 2048) != 0], minlength=len(table)) == 1).all()
    phot = Table.read(next(simulated.rglob("*TRAIN*EB_PHOT*")), hdu=1)
    assert (np.asarray(phot["FLUXCAL"])[np.asarray(phot["MJD"]) == -777.0] == -777.0).all()


def test_the_same_seed_gives_the_same_bytes(simulated: Path, tmp_path: Path) -> None:
    SimulateLightcurves(n=300, templates=20).run(tmp_path, 5)
    for path in sorted(simulated.rglob("*EB*.gz")):
        assert path.read_bytes() == (tmp_path / path.relative_to(simulated)).read_bytes()
    other = SimulateLightcurves(n=40, templates=20).run(tmp_path / "other", 6)
    assert set(other["parts"]) == {"train", "test"}


def test_the_pipeline_keeps_truth_out_of_the_inputs_and_names_what_it_drops(simulated: Path) -> None:
    pipeline = LightcurvesPipeline()
    units = pipeline.plan([simulated])
    assert len(units) == 38
    writer = MemoryUnitWriter(pipeline.describe())
    for unit in units[:3]:
        pipeline.process(unit, writer, 0)
    made = writer.source()
    assert {"id", "group_id", "label", "part", "mjd", "MWEBV", *ENGINEERED_FEATURES} <= set(made.index.columns)
    assert made.index[list(ENGINEERED_FEATURES)].isin([0, 1]).all(axis=None)
    values, offsets = made.ragged("epochs", np.arange(len(made.index)))
    assert values.shape[1] == 5
    first_detection = [values[a:b][values[a:b, 3] > 0, 0].min() for a, b in pairwise(offsets)]
    assert np.allclose(first_detection, 0)
    assert (np.add.reduceat(values[:, 0] < 0, offsets[:-1]) <= 1).all()  # one non-detection before the trigger
    strict = LightcurvesPipeline(selection=Selection(rule="snr", snr=1e6))
    nothing = MemoryUnitWriter()
    strict.process(units[0], nothing, 0)
    assert {drop.reason for drop in nothing.drops} == {"no epoch above the S/N threshold"}
    twice, drops = pipeline.finalise(pd.concat([made.index, made.index[:2]], ignore_index=True))
    assert len(twice) == len(made.index)
    assert len(drops) == 2
