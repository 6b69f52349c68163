"""Positions as people write them: sexagesimal, in hours, in radians."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.values.angles import degrees_of
from astrid_ml.preprocessing.lightcurves.readers.values.plain import plain_numbers, without_empty, words_of
from astrid_ml.tables import read_table

PLACES = SkyCoord(ra=[150.0, 0.25, 359.75], dec=[-0.5, 54.27375, -89.5], unit="deg")


def written(form: str) -> tuple[str, list[Any], list[Any]]:
    """Name of the column of right ascensions, and both columns."""
    if form in (":", " ", "hms"):
        ra = PLACES.ra.to_string("hour", sep="hms" if form == "hms" else form, precision=4)
        return "ra", list(ra), list(PLACES.dec.to_string("deg", sep="dms" if form == "hms" else form, precision=4))
    if form == "dms":
        return "RA", list(PLACES.ra.to_string("deg", sep="dms", precision=4)), list(PLACES.dec.deg)
    if form == "deg":
        return "RA [deg]", list(PLACES.ra.to_string("deg", sep=":", precision=4)), list(PLACES.dec.deg)
    if form == "rad":
        return "RA_rad", list(PLACES.ra.rad), list(PLACES.dec.deg)
    return form, list(PLACES.ra.hour), list(PLACES.dec.deg)


@pytest.mark.parametrize(
    "form", [":", " ", "hms", "dms", "deg", "rad", "ra (hours)", "RA [h]", "ra_hours", "RA(hourangle)"]
)
def test_positions_are_degrees_however_they_are_written(form: str, tmp_path: Path) -> None:
    name, ra, dec = written(form)
    rows = {"name": ["a", "b", "c"], "mjd": 59000.25, "filter": "g", "mag": 18.0, "mag_err": 0.05, name: ra, "dec": dec}
    pd.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    (source,) = find_curves([tmp_path / "x.csv"]).sources
    (table,) = source.read(Account())
    np.testing.assert_allclose(table.objects["RA"], PLACES.ra.deg, rtol=0, atol=1e-5)
    np.testing.assert_allclose(table.objects["DEC"], PLACES.dec.deg, rtol=0, atol=1e-5)


def test_sexagesimal_positions_beside_numbers_and_what_is_none_is_counted(tmp_path: Path) -> None:
    rows = {"name": list("abcd"), "mjd": 59000.25, "filter": "g", "mag": 18.0, "mag_err": 0.05,
            "ra": ["10:00:00", "150.0", "", "10:61:00"], "dec": ["-00:30:00", "-0.5", "--", "1"]}  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    (source,) = find_curves([tmp_path / "x.csv"]).sources
    account = Account()
    (table,) = source.read(account)
    np.testing.assert_allclose(table.objects["RA"], [150.0, 150.0, np.nan, np.nan])
    np.testing.assert_allclose(table.objects["DEC"], [-0.5, -0.5, np.nan, 1.0])
    assert account.counts["rows_position_that_is_no_angle"] == 1


def test_positions_of_the_open_supernova_catalog_are_read(tmp_path: Path) -> None:
    said = {name: [{"value": value}] for name, value in (("ra", "14:03:05.81"), ("dec", "+54:16:25.4"))}
    rows = [{"time": "55800.2", "band": "B", "magnitude": "10.5", "e_magnitude": "0.02", "system": "Vega"}]
    (tmp_path / "x.json").write_text(json.dumps({"SN2011fe": {"name": "SN2011fe", **said, "photometry": rows}}))
    (source,) = find_curves([tmp_path / "x.json"]).sources
    (table,) = source.read(Account())
    np.testing.assert_allclose(table.objects[["RA", "DEC"]], [[210.774208, 54.273722]], rtol=0, atol=1e-5)


def test_a_table_of_a_user_may_have_sexagesimal_positions(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("name,ra,dec\na,10:00:00,-00:30:00\nb,150.0,-0.5\nc,noon,1\n")
    read = read_table(tmp_path / "x.csv", {"name": "text", "ra": "deg", "dec": "deg"})
    np.testing.assert_allclose(read.rows[["ra", "dec"]], [[150.0, -0.5], [150.0, -0.5]])
    assert read.dropped == ((3, "ra is no number: 'noon'"),)


def test_values_of_a_column() -> None:
    values = pd.Series(["1.5", " NaN ", "--", "x", None])
    assert plain_numbers(values)[0] == 1.5 and np.isnan(plain_numbers(values)[1:]).all()
    assert without_empty(values).isna().tolist() == [False, True, True, False, True]
    assert words_of(pd.Series([" Yes", None])).tolist() == ["yes", pd.NA]
    assert degrees_of(pd.Series([6.0]), "dec", "hours", "dec")[0].tolist() == [6.0]
