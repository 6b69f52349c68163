"""Real logs of pointings: their columns, their places, and objects that are seen only when the log says so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.exchange import read_epochs
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.lightcurves.simulate.pointings import PointingLog
from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named

WIDE, ZTF = cadence_named("lsst_wide"), cadence_named("ztf")


def log(n: int = 3000) -> pd.DataFrame:
    """Fields two degrees apart along a strip, seen at random."""
    random = np.random.default_rng(0)
    field = random.integers(0, 10, n)
    return pd.DataFrame(
        {
            "observationStartMJD": np.sort(61000 + random.uniform(0, 400, n)),
            "fieldRA": 359.0 + 4.0 * field - 360.0 * (359.0 + 4.0 * field >= 360),
            "fieldDec": -30.0,
            "filter": random.choice(list("ugrizy"), n),
            "fiveSigmaDepth": random.normal(24, 0.2, n),
        }
    )


def test_tables_and_databases_of_a_log_are_read_alike(tmp_path: Path) -> None:
    table = log()
    table.to_csv(tmp_path / "log.csv", index=False)
    table.to_parquet(tmp_path / "log.parquet", index=False)
    with closing(sqlite3.connect(tmp_path / "log.db")) as base:
        table.to_sql("observations", base, index=False)
    one, *others = (PointingLog.read(tmp_path / f"log.{end}", WIDE) for end in ("csv", "parquet", "db"))
    assert len(one.mjd) == len(table) and np.bincount(one.band).min() > 300
    for other in others:
        assert (other.band == one.band).all()
        np.testing.assert_allclose(other.depth, one.depth)


def test_an_object_sees_the_pointings_within_the_field_and_no_other(tmp_path: Path) -> None:
    table = log()
    table.to_csv(tmp_path / "log.csv", index=False)
    read = PointingLog.read(tmp_path / "log.csv", WIDE)
    visits, place = read.visits(200, 1.75, np.random.default_rng(1), WIDE)
    assert place["DEC"].between(-32, -28).all() and place["RA"].between(0, 360).all()
    seen = visits.there.sum(axis=1)
    # Fields are 4 deg of right ascension apart, 3.5 deg on the sky: their circles only touch.
    assert seen.mean() == pytest.approx(300, rel=0.15)
    of_one = table.groupby("fieldRA").size()
    assert seen.max() <= of_one.nlargest(2).sum()
    depth = visits.depth[visits.there]
    assert (depth.mean(), depth.std()) == pytest.approx((24, 0.2), abs=0.02)


def test_simulated_epochs_are_those_of_the_log(tmp_path: Path) -> None:
    table = log().rename(columns={"observationStartMJD": "jd", "filter": "filtercode"})
    table = table[table["filtercode"].isin(["g", "r", "i"])].drop(columns=["fiveSigmaDepth", "fieldRA", "fieldDec"])
    table["filtercode"] = "z" + table["filtercode"]
    table["jd"] += 2400000.5
    table.to_csv(tmp_path / "log.csv", index=False)
    settings = SimulateLightcurves(n=60, templates=3, surveys=("ztf",), pointings=str(tmp_path / "log.csv"))
    settings.run(tmp_path / "out", 1)
    epochs = read_epochs(next((tmp_path / "out").rglob("train-RRL.parquet")))
    assert set(np.round(epochs["mjd"], 6)) == set(np.round(table["jd"] - 2400000.5, 6))
    assert set(epochs["band"]) == {"g", "r", "i"}


def test_another_log_under_the_same_name_is_another_simulation(tmp_path: Path) -> None:
    from astrid_ml.fingerprint import fingerprint

    path = tmp_path / "log.csv"
    marks = set()
    for n in (50, 60):
        log(n).to_csv(path, index=False)
        marks.add(fingerprint(SimulateLightcurves(surveys=("lsst_wide",), pointings=str(path))))
    assert len(marks) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [("night,band\n1,g\n", "mjd"), ("mjd,band\n61000.1,H158\n", "visits in the bands"), ("mjd,band\n?,g\n", "bands")],
)
def test_what_a_log_lacks_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        PointingLog.read(path, ZTF)


def test_a_log_that_is_not_there_or_is_of_no_one_survey_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a log of pointings"):
        PointingLog.read(tmp_path / "none.csv", ZTF)
    (tmp_path / "x.db").write_bytes(b"SQLite format 3\0 and nothing else")
    with pytest.raises(UserError, match="observations"):
        PointingLog.read(tmp_path / "x.db", ZTF)
    with pytest.raises(UserError, match="with one survey"):
        SimulateLightcurves(pointings="log.csv")
