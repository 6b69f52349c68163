"""Times of headers that are written oddly: read where they have one reading, else refused by what was found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from astrid_ml.preprocessing.differencing.frame.header.dates import clock_of, clock_of_number, date_of
from astrid_ml.preprocessing.differencing.frame.header.said import Said, as_number
from astrid_ml.preprocessing.differencing.frame.header.since import since, stated_interval
from astrid_ml.preprocessing.differencing.frame.headers import FrameCalibration, read_calibration
from astrid_ml.preprocessing.surveys.survey import TimeConvention

DAY, START = 61104, 61104 + 22028 / 86400  # 2026-03-05, 06:07:08
SECOND = 1 / 86400
DATE = {"DATE-OBS": "2026-03-05"}
TT = 69.184 / 86400
TESS: dict[str, Any] = {
    "TELESCOP": "TESS", "INSTRUME": "TESS Photometer", "TIMESYS": "TDB", "BJDREFI": 2457000, "BJDREFF": 0.0,
    "TIMEUNIT": "d", "TSTART": 1325.30, "TSTOP": 1325.32, "BARYCORR": 0.003, "EXPOSURE": 0.0165,
}  # fmt: skip
MIDDLE = 58324.80 + 0.01 - 0.003 - TT  # of TSTART and TSTOP, at the telescope, UTC

# name, cards, MJD; the words of its absence where it is not known
TIMES: list[tuple[str, dict[str, Any], float | str]] = [
    # the end of a day
    ("24 h", {"DATE-OBS": "2026-03-05T24:00:00"}, DAY + 1.0),
    ("24 h, apart", DATE | {"UT": "24:00:00.0"}, DAY + 1.0),
    ("past 24 h", DATE | {"UT": "24:10:00"}, "UT: 24:10:00 is no time of day"),
    # days of the year
    ("a day of the year", {"DATE-OBS": "2026-064T06:07:08"}, START),
    ("a day of the year, apart", {"DATE-OBS": "2026-064", "UT": "06:07:08"}, START),
    ("a day of the year, with colons", {"DATE-OBS": "2026:064:06:07:08"}, START),
    ("no day of that year", {"DATE-OBS": "2026-366T06:07:08"}, "DATE-OBS = 2026-366T06:07:08 is no date"),
    ("no month", {"DATE-OBS": "2026-13-05T06:07:08"}, "DATE-OBS = 2026-13-05T06:07:08 is no date"),
    ("no words for a date", {"DATE-OBS": "last night"}, "DATE-OBS = last night is no date"),
    ("no time in it", {"DATE-OBS": "2026-03-05 evening"}, "DATE-OBS = 2026-03-05 evening holds no time of day"),
    # numbers for a time of day
    ("seconds, by the comment", DATE | {"UT": (22028.0, "seconds of day")}, START),
    ("hours, by the comment", DATE | {"UT": (6 + 428 / 3600, "[h] start")}, START),
    ("a fraction of a day", DATE | {"UTSTART": (22028 / 86400, "[d]")}, START),
    ("hours", DATE | {"UT": 6.25}, DAY + 6.25 / 24),
    ("seconds that are no hhmmss", DATE | {"TIME-OBS": 22098.0}, DAY + 22098 * SECOND),
    ("hhmmss that are no seconds", DATE | {"UT": 180708}, DAY + 18 / 24 + 428 * SECOND),
    ("hhmmss with a zero", DATE | {"UT": "060708.0"}, START),
    ("hhmm with a zero", DATE | {"UT": "0607"}, START - 8 * SECOND),
    ("hhmm or seconds", DATE | {"UT": 1530}, "UT = 1530 may be seconds of the day or hhmm"),
    ("less than 1", DATE | {"UT": 0.5}, "UT = 0.5 may be hours or a fraction of a day"),
    # texts
    ("afternoon", {"DATE-OBS": "3/15/2026 6:07:08 PM"}, START + 10.5),
    ("ctime", {"DATE-OBS": "Thu Mar  5 06:07:08 2026"}, START),
    ("of a mail", {"DATE-OBS": "Thu, 05 Mar 2026 06:07:08 GMT"}, START),
    ("without separators", {"DATE-OBS": "20260305T060708"}, START),
    ("hyphens, as of files", {"DATE-OBS": "2026-03-05T06-07-08"}, START),
    ("milliseconds apart", {"DATE-OBS": "2026-03-05T06:07:08:000"}, START),
    ("a comma", {"DATE-OBS": "2026-03-05T06:07:08,000"}, START),
    ("digits behind the second", {"DATE-OBS": "2026-03-05T06:07:08.123456789"}, START + 0.123456789 * SECOND),
    ("a T without a time", {"DATE-OBS": "2026-03-05T", "UT": "06:07:08"}, START),
    ("seconds or hhmmss", DATE | {"UT": 12345.6}, "UT = 12345.6 may be seconds of the day or hhmmss"),
    ("more than a day", DATE | {"UT": (99999.0, "s")}, "UT = 99999.0 is no time of day"),
    ("a number where any may stand", DATE | {"TIME": 22098.0}, "DATE-OBS is a date without a time"),
    ("0 beside a time", DATE | {"UT": 0.0, "UTC": "06:07:08"}, START),
    # which key is the more exact
    ("Keck's start before its UTC", DATE | {"DATE_BEG": "2026-03-05T06:07:08", "UTC": "06:08:13"}, START),
    ("Subaru's start before its UT", DATE | {"UT": "06:07:38", "UT-STR": "06:07:08"}, START),
    ("an MJD of few digits", {"MJD-OBS": 61104.25, "DATE-OBS": "2026-03-05T06:07:08"}, START),
    ("a JD of few digits", {"JD": 2461104.755, "DATE-OBS": "2026-03-05T06:07:08"}, START),
    ("an MJD of enough digits", {"MJD-OBS": 61104.254954, "DATE-OBS": "2026-03-05T06:07"}, 61104.254954),
    ("minutes are no more than digits", {"MJD-OBS": 61104.25495, "DATE-OBS": "2026-03-05T06:07"}, 61104.25495),
    ("a start by its name", {"TELESCOP": "WISE", "DATE-BEG": "2026-03-05T06:07:08", "EXPTIME": 8}, START + 4 * SECOND),
    ("WISE's middle", {"TELESCOP": "WISE", "MIDOBS": "2026-03-05T06:07:08", "DATE-OBS": "2026-03-05"}, START),
    ("0 h of a middle beside its MJD", {"TELESCOP": "WISE", "MIDOBS": "2026-03-05T00:00:00", "MJD_OBS": START}, START),
    ("0 h of a middle", {"TELESCOP": "WISE", "MIDOBS": "2026-03-05T00:00:00"}, float(DAY)),
    # one clock
    ("TESS and a date", TESS | {"DATE-OBS": "2018-07-25T19:00:00Z"}, MIDDLE),
    ("TESS and two dates", TESS | {"DATE-OBS": "2018-07-25T19:10:50Z", "DATE-END": "2018-07-25T19:39:38Z"}, MIDDLE),
    (
        "a date and TSTOP",
        {"DATE-OBS": "2026-03-05T06:07:08", "EXPTIME": 20.0, "MJDREF": 61104.0, "TSTOP": 30000.0},
        START + 10 * SECOND,
    ),
    (
        "TSTART, TSTOP and a date",
        {"DATE-OBS": "2026-03-05T06:00:00", "MJDREF": 61104.0, "TSTART": 22028.0, "TSTOP": 22048.0},
        START + 10 * SECOND,
    ),
    # what stands in a key of days
    ("no number of days", {"EXPSTART": "unknown"}, "EXPSTART = unknown is no number"),
    ("neither of both", {"MJD-OBS": -1.0}, "MJD-OBS = -1 is neither an MJD nor a JD"),
]  # fmt: skip


def calibration(cards: dict[str, Any]) -> FrameCalibration:
    """What is made of a header with these cards; a value may have its comment."""
    header = fits.Header()
    for key, value in cards.items():
        header[f"HIERARCH {key}" if "_" in key else key] = value
    return read_calibration(header)


@pytest.mark.parametrize(("cards", "expected"), [line[1:] for line in TIMES], ids=[line[0] for line in TIMES])
def test_times(cards: dict[str, Any], expected: float | str) -> None:
    said = calibration(cards)
    if isinstance(expected, str):
        assert said.mjd is None and said.account.unknown["mjd"].endswith(expected), said.account
    else:
        assert said.mjd == pytest.approx(expected, abs=2e-7), said.account
        assert "mjd" not in said.account.unknown and not said.account.doubted


@pytest.mark.parametrize("form", ["%Y-%jT%H:%M:%S", "%Y%jT%H:%M:%S", "%Y:%j:%H:%M:%S", "%Y %j %H:%M:%S"])
def test_days_of_any_year(form: str) -> None:
    random = np.random.default_rng(len(form))
    for seconds in random.integers(1, 50 * 365 * 86400, 20):
        moment = datetime(1970, 1, 1) + timedelta(seconds=int(seconds))
        found = calibration({"DATE-OBS": f"{moment:{form}}"}).mjd
        assert found == pytest.approx(float(Time(moment, scale="utc").mjd), abs=1e-8), f"{moment:{form}}"


def test_numbers_are_times_of_day_in_one_way_or_in_none() -> None:
    """Of every number without a unit one reading is taken, or all of those that it has are named."""
    for number in np.random.default_rng(4).integers(0, 240_000, 300):
        clock, how = clock_of_number(str(number), None)
        text = f"{number:06d}"
        runs = int(text[:2]) < 24 and int(text[2:4]) < 60 and int(text[4:]) < 60 and number >= 10_000
        seconds = 24 <= number < 86_400
        minutes = 1000 <= number < 2400 and number % 100 < 60
        assert (clock is not None) == ((runs or minutes) != seconds or number < 24), (number, how)
        if clock is not None and number >= 24:
            expected = f"{text[:2]}:{text[2:4]}:{text[4:]}" if runs else str(timedelta(seconds=int(number)))
            assert clock.text == f"{expected.zfill(8)}.000", number
    assert clock_of("24:00:00") is not None and clock_of("25") is None and date_of("2024-366") is not None


@pytest.mark.parametrize(
    ("text", "number"),
    [("60,0", 60.0), ("1,5 s", 1.5), ("0,500", 0.5), ("12,3456", 12.3456), ("2,458,909.5", 2458909.5), ("1,500", None)],
)
def test_commas(text: str, number: float | None) -> None:
    assert as_number(text) == number
    said = calibration({"EXPTIME": text})
    assert said.exposure_time == number
    if number is None:
        why = "EXPTIME = 1,500 may be a decimal or thousands"
        assert said.account.unknown["exposure_time"] == why == said.account.doubted["exposure_time"]


def test_what_cannot_be_read_is_the_one_reason() -> None:
    account = calibration({"EXPTIME": "a minute", "GAIN": "n/a", "MAGZP": "none yet", "RDNOISE": "low"}).account
    for value, why in (("exposure_time", "EXPTIME = a minute"), ("gain", "GAIN = n/a"), ("zero_point", "MAGZP = none")):
        assert account.unknown[value].startswith(why) and account.unknown[value] == account.doubted[value]
    assert account.unknown["read_noise"] == "RDNOISE = low is no number"


def test_an_interval_is_of_one_clock() -> None:
    header = fits.Header({"MJDREF": 61104.0, "TSTOP": 22048.0, "DATE-OBS": "2026-03-05T06:07:08"})
    start, end = stated_interval(Said(header), "utc", TimeConvention())
    assert start is not None and start.mjd == pytest.approx(START) and end is None
    alone = Said(fits.Header({"MJDREF": 61104.0, "TSTOP": 22048.0}))
    assert since(alone, "end", "utc") is not None and stated_interval(alone, "utc", TimeConvention())[0] is None
