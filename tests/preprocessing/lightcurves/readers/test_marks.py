"""Marks of limits and times of day that stand in columns of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.light_curve_tables import MADE, MJD, N, as_csv, table_of

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import are_marks
from astrid_ml.preprocessing.lightcurves.readers.layouts.light import band_of
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves


def read(rows: pd.DataFrame, folder: Path) -> tuple[list[CurveTable], Account]:
    account = Account()
    (source,) = find_curves([as_csv(rows, folder)]).sources
    return list(source.read(account)), account


def rows_of(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"name": "x", "mjd": MJD[:3], "filter": "g", **columns})


@pytest.mark.parametrize("mark", ["l_mag", "l_Mag", "sign of mag", "flag1"])
def test_a_magnitude_beside_a_mark_is_a_limit(mark: str, tmp_path: Path) -> None:
    rows = rows_of(mag=[18.0, 19.0, 18.5], mag_err=0.05, **{mark: ["", ">", None]})
    (table,), _ = read(rows, tmp_path)
    assert table.phot_flag.tolist() == [4096, 0, 4096] and table.flux[1] == 0
    np.testing.assert_allclose(table.flux_err[1], 10 ** (-0.4 * (19.0 - 27.5)) / 5, rtol=1e-5)


def test_a_flux_below_a_mark_is_the_limit_itself(tmp_path: Path) -> None:
    rows = rows_of(**{"flux (uJy)": [100.0, 50.0, 70.0], "e_flux": 5.0, "l_flux": ["", "<", ">"]})
    (table,), account = read(rows, tmp_path)
    factor = 10 ** (0.4 * 3.6)
    np.testing.assert_allclose(table.flux, [100.0 * factor, 0.0], rtol=1e-5)
    np.testing.assert_allclose(table.flux_err, [5.0 * factor, 10.0 * factor], rtol=1e-5)
    assert account.counts["rows_flux_not_finite"] == 1


@pytest.mark.parametrize("name", ["l_mag", "upper"])
def test_marks_in_the_file_of_one_object_are_never_passed_over(name: str, tmp_path: Path) -> None:
    rows = rows_of(mag=[18.0, 19.0, 18.5], magerr=0.05).drop(columns="name").assign(**{name: ["", ">", ""]})
    tables, account = read(rows, tmp_path)
    limits = [table.phot_flag.tolist() for table in tables]
    assert limits == [[4096, 0, 4096]] or f"the column {name} marks limits" in account.dropped[0]["reason"]


@pytest.mark.parametrize(
    ("days", "of_day", "values"),
    [("date", "time", "06:00:00"), ("date", "UT", "06:00"), ("obs_date", "obs_time", "6:00:00.5 UT"),
     ("date", "when", "18:00:00"), ("mjd", "frac_mjd", 0.25), ("date", "hours", 6.0)],
)  # fmt: skip
def test_a_time_of_day_that_is_not_used_is_told(days: str, of_day: str, values: Any, tmp_path: Path) -> None:
    day = [58000, 58001, 58002] if days == "mjd" else ["2017-09-04", "2017-09-05", "2017-09-06"]
    rows = rows_of(mag=18.0, mag_err=0.05).drop(columns="mjd").assign(**{days: day, of_day: values})
    with pytest.raises(UserError, match=f"{days} tells days alone, and {of_day} with the time of day is not used"):
        read(rows, tmp_path)
    (table,), _ = read(rows.drop(columns=of_day), tmp_path)
    assert table.mjd.tolist() == [58000.0, 58001.0, 58002.0]


@pytest.mark.parametrize("magnitude", ["limit", "blank", "marked"])
def test_what_asassn_does_not_detect_has_no_flag(magnitude: str, tmp_path: Path) -> None:
    rows = table_of(MADE["ASAS-SN's Sky Patrol v2"]).assign(quality="G", limit=17.1)
    said = {"limit": "17.1", "blank": "", "marked": ">17.1"}[magnitude]
    rows = rows.assign(mag=["15.5"] * (N - 1) + [said], mag_err=[0.02] * (N - 1) + [99.99])
    (table,), _ = read(rows, tmp_path)
    assert table.phot_flag.tolist() == [4096] * (N - 1) + [0]


def test_what_are_marks_and_what_are_filters() -> None:
    columns: dict[bool, list[list[Any]]] = {
        True: [["<", None], ["", " > "]],
        False: [["", None], [">19"], [1.0, np.nan], ["<", "g"], [np.nan, np.nan]],
    }
    for expected, cases in columns.items():
        assert all(are_marks(pd.Series(case)) == expected for case in cases)
    known = MADE["light curves of ZTF's data releases"]
    assert [band_of(value, known) for value in ("zg", 1, None, "zq")] == ["g", "g", None, None]
