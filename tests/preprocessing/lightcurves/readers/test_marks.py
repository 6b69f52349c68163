"""Marks of limits and times of day that stand in columns of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.light_curve_tables import MADE, MJD, N, as_csv, table_of

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.light import band_of
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.values.marks import are_marks, limits_in, signs_in


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
        True: [["<", None], ["", " > "], ["detection", "Upper Limit"], ["UL", ""], ["non-detection", "det"]],
        False: [
            ["", None],
            [">19"],
            [1.0, np.nan],
            ["<", "g"],
            [np.nan, np.nan],
            ["SN Ia", "upper limit"],
            [True, False],
        ],
    }
    for expected, cases in columns.items():
        assert all(are_marks(pd.Series(case)) == expected for case in cases)
    known = MADE["light curves of ZTF's data releases"]
    assert [band_of(value, known) for value in ("zg", 1, None, "zq")] == ["g", "g", None, None]


@pytest.mark.parametrize("name", ["type", "status", "flag", "upperlimit"])
@pytest.mark.parametrize("word", ["upper limit", "Upper_Limit", "non-detection", "UL"])
def test_a_column_of_words_that_calls_rows_limits(name: str, word: str, tmp_path: Path) -> None:
    (table,), _ = read(rows_of(mag=[18.0, 19.0, 18.5], mag_err=0.05, **{name: ["detection", word, ""]}), tmp_path)
    assert table.phot_flag.tolist() == [4096, 0, 4096] and table.flux[1] == 0
    assert limits_in(pd.Series([word, "detection"])).tolist() == [True, False]


def test_a_sign_that_the_table_tells_is_heeded(tmp_path: Path) -> None:
    (table,), _ = read(rows_of(mag=18.0, mag_err=0.05, sign=["-", "+", "negative"]), tmp_path)
    np.testing.assert_allclose(table.flux / np.abs(table.flux), [-1, 1, -1])
    (other,), _ = read(rows_of(mag=18.0, mag_err=0.05, sign="Leo"), tmp_path)
    assert (other.flux > 0).all() and np.isnan(signs_in(pd.Series(["Leo"])))[0]
    rows = table_of(MADE["ANTARES' light curves"]).assign(ztf_isdiffpos=["t", "f"] * (N // 2))
    (signed,), _ = read(rows, tmp_path)
    assert (np.sign(signed.flux) == [1, -1] * (N // 2)).all()
    assert signed.objects["flux_kind"].tolist() == ["difference"]


def test_rows_of_models_and_hosts_are_no_measurements(tmp_path: Path) -> None:
    row = {"time": "55800.2", "band": "B", "magnitude": "10.5", "e_magnitude": "0.02", "system": "Vega"}
    marks: list[dict[str, Any]] = [{}, {"model": "MOSFiT", "realization": "1"}, {"host": True}, {"synthetic": True}]
    rows = [
        {**row, "time": str(55800 + day), **mark} for day, mark in enumerate([*marks, {"host": False}, {"model": ""}])
    ]
    (tmp_path / "x.json").write_text(json.dumps({"SN1": {"name": "SN1", "photometry": rows}}))
    (source,) = find_curves([tmp_path / "x.json"]).sources
    account = Account()
    (table,) = source.read(account)
    assert table.mjd.tolist() == [55800.0, 55804.0, 55805.0]
    assert account.counts["rows_that_the_service_calls_bad"] == 3


@pytest.mark.parametrize("none", [0.0, -99.0, -999.0, 99.0, np.nan])
def test_a_zero_point_that_stands_for_none_is_no_zero_point(none: float, tmp_path: Path) -> None:
    (table,), account = read(rows_of(flux=100.0, fluxerr=1.0, zp=[25.0, none, 25.0]), tmp_path)
    np.testing.assert_allclose(table.flux, 1000.0, rtol=1e-5)
    assert len(table.flux) == 2 and account.counts["rows_flux_not_finite"] == 1
    (maggies,), _ = read(rows_of(flux=1e-9, fluxerr=1e-11, zp=0.0), tmp_path)
    np.testing.assert_allclose(maggies.flux, 10 ** (0.4 * 27.5) * 1e-9, rtol=1e-5)


@pytest.mark.parametrize(
    ("unit", "middle", "refused"),
    [(None, 1.0, True), ("", 1.0, True), ("ppm", 1e4, True), ("e-/s", 1.0, False), (None, 1e4, False)],
)
def test_fluxes_of_tess_that_were_divided_by_their_middle_are_refused(
    unit: str | None, middle: float, refused: bool, tmp_path: Path
) -> None:
    from astropy.io import fits

    values = {"TIME": [1325.5, 1325.6], "PDCSAP_FLUX": [middle, middle], "PDCSAP_FLUX_ERR": [0.01, 0.01]}
    columns = [fits.Column(name, "D", unit=unit if "FLUX" in name else "d", array=a) for name, a in values.items()]
    table = fits.BinTableHDU.from_columns(columns)
    table.header.update({"TELESCOP": "TESS", "OBJECT": "TIC 1", "BJDREFI": 2457000, "BJDREFF": 0.0})
    table.writeto(tmp_path / "x.fits")
    account = Account()
    (source,) = find_curves([tmp_path / "x.fits"]).sources
    tables = list(source.read(account))
    assert (not tables) == refused
    assert not refused or "it was divided by its middle" in account.dropped[0]["reason"]


@pytest.mark.parametrize(
    ("name", "scale"),
    [("JD(TT)", "tt"), ("jd_tt", "tt"), ("MJD (TAI)", "tai"), ("BJD (TCB)", "tcb"), ("bjd_tdb", "tdb"), ("BJD", "tdb"),
     ("BJD_UTC", "utc"), ("mjd_tai", "tai"), ("HJD (TDB)", "tdb"), ("BJD_TCB - 2457000", "tcb"), ("JD", "utc")],
)  # fmt: skip
def test_the_scale_that_a_time_is_called_by_is_heeded(name: str, scale: str, tmp_path: Path) -> None:
    from astropy.time import Time

    days = getattr(Time(MJD[:3], format="mjd", scale="utc"), scale).mjd
    zero = 2400000.5 - (2457000 if "2457000" in name else 0) if "MJD" not in name.upper() else 0.0
    rows = rows_of(mag=18.0, mag_err=0.05).drop(columns="mjd").assign(**{name: days + zero})
    (table,), _ = read(rows, tmp_path)
    np.testing.assert_allclose(table.mjd, MJD[:3], rtol=0, atol=1e-6)


def test_forced_photometry_has_no_flag_of_detection(tmp_path: Path) -> None:
    (table,), _ = read(rows_of(mag=18.0, mag_err=0.05, forced=["True", "False", ""]), tmp_path)
    assert table.phot_flag.tolist() == [0, 4096, 4096] and (table.flux > 0).all()
    row = {"oid": "ZTF20a", "fid": 1, "mag": 18.0, "e_mag": 0.05, "isdiffpos": 1}
    for more in ({}, {"procstatus": "0"}):
        lists = {"detections": [{**row, "mjd": 59000.25}], "forced_photometry": [{**row, "mjd": 59001.25, **more}]}
        (tmp_path / "x.json").write_text(json.dumps(lists))
        (source,) = find_curves([tmp_path / "x.json"]).sources
        (found,) = source.read(Account())
        assert found.phot_flag.tolist() == [4096, 0]
