"""Dates that no calendar has: a header with one says no time, and never ends in a traceback."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.crossmatch.epochs import epochs_of
from astrid_ml.days import is_observed
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.alerts.fields.times import UNKNOWN_DAY, mjd_of
from astrid_ml.preprocessing.differencing.commands.products import _iso
from astrid_ml.preprocessing.differencing.frame.header.dates import clock_of, date_of
from astrid_ml.preprocessing.differencing.frame.header.exposures import exposure_of
from astrid_ml.preprocessing.differencing.frame.header.moments import END, MID, PLAIN, START, START_DATES
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.times import mid_exposure
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import read_manifest
from astrid_ml.values import fields_of
from astrid_ml.values import fits as fits_type

KEYS = (*START[:4], *MID[:3], *PLAIN[:5], *END[:3], "EXPTIME", "XPOSURE", "NCOADDS", "COADDEXP", "ESO DET DIT",
        "ESO DET NDIT", "TSTART", "TSTOP", "MJDREF", "MJDREFI", "MJDREFF", "JDREF", "UTCFINIT", "BJDREFI", "BARYCORR",
        "NCOMBINE")  # fmt: skip
NUMBERS = (-1, 0, 1e9, 1e12, 1e300, -1e9, 9223372036854775807, -9223372036854775807, 55197.5, 2455198.0, 30.0, 4.9e9,
           "nan", "inf", "", "1e400")  # fmt: skip
TEXTS = ("2026-02-31T01:02:03", "0000-00-00", "0001-01-01T00:00:00", "9999-12-31T23:59:60", "31/02/12", "2026-01-01",
         "2026-01-01T24:00:00", "2026-01-01T25:61:61", "99991231", "2015-06-30T23:59:60+14:00",
         "30/02/99T12:00:00")  # fmt: skip
CLOCKS = ("99:99:99", "23:59:60", "24:00:00", "0:0", "12:61", "")
SYSTEMS = ("UTC", "TAI", "GPS", "TDB", "UTC+14", "LOCAL")


@pytest.mark.parametrize("seed", range(400))
def test_a_header_of_wild_numbers_has_a_time_of_the_sky_or_none(seed: int) -> None:
    dice = random.Random(seed)
    header = fits.Header()
    for key in dice.sample(KEYS, dice.randint(1, 6)):
        header[f"HIERARCH {key}" if " " in key else key] = dice.choice(NUMBERS)
    if dice.random() < 0.5:
        for key in dice.sample((*START_DATES[:4], "DATE-AVG", "DATE-END", "DATE"), 2):
            header[key] = dice.choice(TEXTS)
        header["TIME-OBS"] = dice.choice(CLOCKS)
    if dice.random() < 0.3:
        header["TIMESYS"] = dice.choice(SYSTEMS)
    said = Said(header)
    mjd, ref = mid_exposure(said, exposure_of(said, None).seconds)
    assert (mjd is None) == (ref == "absent")
    assert mjd is None or (is_observed(mjd) and _iso(mjd) is not None)
    assert mjd is not None or "mjd" in said.account.unknown


@pytest.mark.parametrize(
    "cards", [{"EXPTIME": 1e12}, {"EXPTIME": 9223372036854775807}, {"EXPTIME": 2e8, "NCOADDS": 1e9}]
)
def test_an_exposure_longer_than_anybody_took_is_not_known(cards: dict[str, float]) -> None:
    said = Said(fits.Header({"MJD-OBS": 59000.5, **cards}))
    seconds = exposure_of(said, None).seconds
    assert mid_exposure(said, seconds)[0] is not None
    if "NCOADDS" not in cards:
        assert seconds is None and "longer than anybody exposed" in said.account.unknown["exposure_time"]


def test_days_and_clocks_that_there_are_not_are_none() -> None:
    assert [date_of(text) for text in ("2026-02-29", "2025-04-31", "0000-01-01", "31/02/2012")] == [None] * 4
    assert date_of("2024-02-29") is not None and date_of("29/02/12") is not None  # of 1912 and 2012
    assert [clock_of(text) for text in ("25:00:00", "12:60", "23:59:61")] == [None] * 3
    assert clock_of("23:59:60.9") is not None


@pytest.mark.parametrize("mjd", [None, float("nan"), float("inf"), 1e300, -1e9, 3e6])
def test_a_product_is_written_without_such_a_date(mjd: float | None) -> None:
    assert _iso(mjd) is None


def test_a_date_that_is_given_is_one_of_the_sky() -> None:
    kind = fields_of(Frame)["mjd"]
    assert fits_type(59000.5, kind, None) and fits_type(None, kind, None)
    assert not any(fits_type(value, kind, None) for value in (1e300, 2_460_000.5, float("nan"), -5.0))


def test_a_manifest_names_each_row_whose_number_is_none_that_it_can_be(tmp_path: Path) -> None:
    rows = {"science": list("abcdef"), "reference": list("ghijkl")}
    rows |= {
        "science_mjd": ["59000.5", "1e300", "2460000.5", "-5", "inf", ""],
        "reference_gain": ["1", *["2"] * 4, "-1"],
    }
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(UserError) as told:
        read_manifest(tmp_path / "m.csv")
    for row, value in ((2, "science_mjd is 1e\\+300"), (3, "science_mjd is 2460000.5"), (4, "science_mjd is -5"),
                       (5, "science_mjd is no number: 'inf'"), (6, "reference_gain is -1")):  # fmt: skip
        assert re.search(f"row {row}: {value}", str(told.value)), told.value
    assert "row 1:" not in str(told.value) and "a number from 0 to 200000 in d" in str(told.value)
    pd.DataFrame(rows).iloc[:1].to_csv(tmp_path / "m.csv", index=False)
    assert read_manifest(tmp_path / "m.csv")[0].science["mjd"] == 59000.5


@pytest.mark.parametrize("value", [10**400, -(10**400)])
@pytest.mark.parametrize("kind", ["jd", "mjd", "days", "iso"])
def test_a_packets_number_of_hundreds_of_digits_is_no_time(value: int, kind: str) -> None:
    assert mjd_of(value, kind, 2457000.0) == (UNKNOWN_DAY, False)


def test_a_catalogues_dates_of_no_human_year_are_no_epochs() -> None:
    dates = pd.Series(pd.DatetimeIndex(["2016-01-01", "2016-01-01", None]).as_unit("s").to_numpy(), name="t")
    dates[1] = dates[1].replace(year=1)
    years = epochs_of("c", "c", dates)
    assert years[0] == pytest.approx(2015.9986, abs=1e-3) and pd.isna(years[1:]).all()
    with pytest.raises(UserError, match="as a Julian year"):
        epochs_of("c", "c", dates[1:2])
    assert pd.isna(epochs_of("c", "c", pd.Series([2016.0, 10**400], name="t"))[1])
