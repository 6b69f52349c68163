"""Headers that may be read in two ways: other cards decide where they can, else what was chosen is said and doubted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.differencing.frame.header.comments import is_elsewhere
from astrid_ml.preprocessing.differencing.frame.header.gains import variance_of_median
from astrid_ml.preprocessing.differencing.frame.header.moments import from_dates
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.since import stated_moment
from astrid_ml.preprocessing.differencing.frame.header.times import mid_exposure
from astrid_ml.preprocessing.differencing.frame.headers import FrameCalibration, read_calibration
from astrid_ml.preprocessing.surveys.registry import surveys_of
from astrid_ml.preprocessing.surveys.survey import TimeConvention

MJD, MAY = 61104.254954, 61163.254954  # 2026-03-05 and 2026-05-03, 06:07:08
UT = {"UT": "06:07:08"}
T = "2026-03-05T06:07:08"
ESO = {"ESO DET DIT": 10.0, "ESO DET NDIT": 6, "EXPTIME": 10.0, "GAIN": 4.0}
J2MASS = {"ORIGIN": "2MASS", "FILTER": "j", "MAGZP": 20.9}
MINE: dict[str, Any] = {
    "name": "Mine", "mission": "mine", "source": ["a handbook"], "recognise": {"observatories": ["Mine"]},
    "bands": {"J": {"vega_to_ab": 0.9, "zero_point": 24.0}, "g": {"system": "AB"}, "K": {}},
    "flux": {"system": "Vega", "zero_point": "count"},
}  # fmt: skip

# name, cards, what must be read, value whose doubt is expected or None
CHOICES: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    # days and months
    ("day or month", {"DATE-OBS": "05/03/2026"} | UT, {"mjd": MJD}, "date"),
    ("with dots the day is first", {"DATE-OBS": "05.03.2026"} | UT, {"mjd": MJD}, None),
    ("month first, by an end", {"DATE-OBS": "05/03/2026", "DATE-END": "2026-05-03T06:08:08"} | UT,
     {"mjd": MAY + 30 / 86400}, None),
    ("month first, by the file's date", {"DATE-OBS": "05-03-2026", "DATE": "2026-05-03"} | UT, {"mjd": MAY}, None),
    ("month first, by a JD", {"DATE-OBS": "05/03/2026", "MJD-OBS": MAY} | UT, {"mjd": MAY}, None),
    ("day first, by a JD", {"DATE-OBS": "05/03/2026", "JD": MJD + 2400000.5} | UT, {"mjd": MJD}, None),
    ("one reading", {"DATE-OBS": "05/05/2026"} | UT, {"mjd": 61165.254954}, None),
    # two digits
    ("two digits and a month's name", {"DATE-OBS": "05-Mar-12"} | UT, {"mjd": 55991.254954}, None),
    ("two digits of the last century", {"DATE-OBS": "05-Mar-96"} | UT, {"mjd": 50147.254954}, None),
    ("two digits with dots", {"DATE-OBS": "25.03.12"} | UT, {"mjd": 56011.254954}, None),
    ("as FITS had it", {"DATE-OBS": "25/03/96"} | UT, {"mjd": 50167.254954}, None),
    ("as FITS had it, too late", {"DATE-OBS": "25/03/12"} | UT, {"mjd": 19486.254954}, "date"),
    ("of this century, by another card", {"DATE-OBS": "05/03/26", "DATE": "2026-03-06"} | UT, {"mjd": MJD}, None),
    # 0 h
    ("a day beside its time", {"DATE-OBS": "2026-03-05T00:00:00", "MJD-OBS": MJD}, {"mjd": MJD}, None),
    ("a time beside its day", {"DATE-OBS": "2026-03-05T00:00:00", "DATE-BEG": T}, {"mjd": MJD}, None),
    ("another day", {"DATE-OBS": "2026-03-07T00:00:00", "MJD-OBS": MJD}, {"mjd": MJD}, "mjd"),
    ("two middles", {"MJD-MID": MJD, "DATE-AVG": "2026-03-05T09:07:08"}, {"mjd": MJD}, "mjd"),
    ("two middles by the survey", {"TELESCOP": "WISE", "MJD_OBS": MJD, "MIDOBS": "2026-03-05T09:07:08"},
     {"mjd": MJD + 0.125}, "mjd"),
    # comments
    ("the centre", {"DATE-OBS": (T, "centre of exposure"), "EXPTIME": 600.0}, {"mjd": MJD}, None),
    ("the centre of something else", {"DATE-OBS": (T, "data center")}, {"mjd": MJD}, None),
    ("the barycentre", {"MJD-OBS": (MJD, "[d] barycentric MJD, TDB")}, {"mjd": None}, None),
    ("the barycentre and the telescope", {"MJD-OBS": (MJD + 3e-3, "barycentric"), "DATE-OBS": T}, {"mjd": MJD}, None),
    ("no barycentre", {"MJD-OBS": (MJD, "no barycentric correction")}, {"mjd": MJD}, None),
    # start and end
    ("a read-out", {"DATE-OBS": T, "DATE-END": "2026-03-05T06:07:48", "EXPTIME": 30}, {"mjd": MJD + 15 / 86400}, None),
    (
        "two exposures",
        {"DATE-OBS": T, "DATE-END": "2026-03-05T06:07:48", "EXPTIME": 30.0, "NCOMBINE": 2},
        {"mjd": MJD + 20 / 86400},
        None,
    ),
    ("a stack", {"DATE-OBS": T, "DATE-END": "2026-03-05T06:17:08", "EXPTIME": 30.0}, {"mjd": MJD + 300 / 86400}, None),
    # integrations
    ("ESO's, of nobody's camera", ESO, {"exposure_time": 60.0, "gain": 24.0}, "gain"),
    ("a sum", ESO | {"TELESCOP": "ESO-VISTA", "INSTRUME": "VIRCAM"}, {"exposure_time": 60.0, "gain": 4.0}, None),
    ("COADDEXP alone", {"COADDEXP": 6.0}, {"exposure_time": 6.0}, "exposure_time"),
    ("COADDEXP and COADDS", {"COADDEXP": 6.0, "COADDS": 5}, {"exposure_time": 30.0}, None),
    # combined frames
    ("a word behind a logical", {"GAIN": 2.0, "NCOMBINE": 4, "COMBINE": True, "COMBTYPE": "SUM"}, {"gain": 2.0}, None),
    ("a median of two", {"GAIN": 2.0, "NCOMBINE": 2, "COMBINE": "median"}, {"gain": 4.0}, None),
    ("a median of three", {"GAIN": 2.0, "NCOMBINE": 3, "COMBINE": "median"}, {"gain": 2 / 0.448671}, None),
    # cameras
    ("a CCD with an offset", {"GAIN": 2, "OFFSET": 20, "INSTRUME": "Apogee U16M"}, {"gain": 2.0}, "gain"),
    ("a fraction beside an offset", {"GAIN": 2.3, "OFFSET": 20}, {"gain": 2.3}, None),
    ("ASI without a number", {"GAIN": 5, "INSTRUME": "ASI Camera (1)"}, {"gain": None}, None),
    ("Seestar", {"GAIN": 80, "TELESCOP": "Seestar S50"}, {"gain": None}, None),
    ("Seestar by its program", {"GAIN": 8, "CREATOR": "ZWO Seestar S30"}, {"gain": None}, None),
    ("Asiago is no ASI", {"GAIN": 2, "TELESCOP": "Asiago 1.82m"}, {"gain": 2.0}, None),
    # wheels
    (
        "WFPC2",
        {"TELESCOP": "HST", "INSTRUME": "WFPC2", "FILTER1": 47, "FILTER2": 0, "FILTNAM1": "F702W", "FILTNAM2": ""},
        {"filter": "F702W"},
        None,
    ),
    ("names and numbers", {"FILTER1": 3, "FILTER2": 0, "FILTNAM1": "Halpha"}, {"filter": "Halpha"}, None),
    # magnitudes
    ("Vega, described", J2MASS, {"zero_point": 21.794}, None),
    ("AB against Vega", J2MASS | {"MAGSYS": "AB"}, {"zero_point": 20.9}, "zero_point"),
    ("UVOT in Vega", {"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "FILTER": "UVW1", "MAGZP": 17.44, "MAGSYS": "VEGAMAG"},
     {"zero_point": 18.95}, "zero_point"),
]  # fmt: skip


def calibration(cards: dict[str, Any], described: Any = None) -> FrameCalibration:
    """What is made of a header with these cards; a value may have its comment."""
    header = fits.Header()
    for key, value in cards.items():
        header[f"HIERARCH {key}" if " " in key else key] = value
    return read_calibration(header, surveys=surveys_of(described))


@pytest.mark.parametrize(("cards", "expected", "doubt"), [line[1:] for line in CHOICES], ids=[x[0] for x in CHOICES])
def test_what_is_chosen_and_what_is_said(cards: dict[str, Any], expected: dict[str, Any], doubt: str | None) -> None:
    said = calibration(cards)
    for name, value in expected.items():
        wanted = pytest.approx(value, abs=2e-6 if name == "mjd" else 1e-4) if isinstance(value, float) else value
        assert getattr(said, name) == wanted, (name, said.account)
    assert list(said.account.doubted) == ([doubt] if doubt else []), said.account


def test_the_system_of_each_zero_point_is_said() -> None:
    for header, words in (
        ({"TELESCOP": "P48", "INSTRUME": "ZTF", "MAGZP": 26.0}, "AB, as the description of ZTF says"),
        ({"TELESCOP": "ATLAS", "MAGZP": 26.0}, "neither the header nor the description of ATLAS says"),
        (J2MASS, "Vega, as the description of 2MASS says; given here as AB"),
        ({"MAGZP": 26.0}, "nothing says of which system it is"),
        ({"TELESCOP": "GALEX", "BAND": 1}, "that of NUV in AB, as the description of GALEX says"),
    ):
        account = calibration(header).account
        assert words in account.assumed["zero_point"] and account.values["zero_point"].endswith("(AB)")
    stated = calibration({"MAGZP": (26.0, "AB magnitude")}).account
    assert stated.read["magnitudes"] == "the comment of MAGZP" and "zero_point" not in stated.assumed


def test_a_described_zero_point_in_vega_is_converted_or_given_up() -> None:
    points = {band: calibration({"TELESCOP": "Mine", "FILTER": band, "MAGZP": 24.0}, MINE).zero_point for band in "JgK"}
    assert points == {"J": pytest.approx(24.9), "g": 24.0, "K": None}
    assert calibration({"TELESCOP": "Mine", "FILTER": "J"}, MINE).zero_point == pytest.approx(24.9)


@pytest.mark.parametrize("frames", [3, 5, 8, 11, 16])
def test_a_median_of_few_has_its_own_variance(frames: int) -> None:
    values = np.median(np.random.default_rng(frames).normal(size=(60_000, frames)), axis=1)
    assert variance_of_median(frames) == pytest.approx(values.var(), rel=4 * math.sqrt(2 / 60_000))


@pytest.mark.parametrize("order", ["%d/%m/%Y", "%m/%d/%Y"])
def test_another_card_tells_the_order_of_any_day(order: str) -> None:
    from astropy.time import Time

    for mjd in np.random.default_rng(7).integers(55_000, 62_000, 40):
        moment = Time(float(mjd) + 0.25, format="mjd")
        cards = {"DATE-OBS": f"{moment.datetime:{order}}", "TIME-OBS": "06:00:00", "DATE": moment.isot}
        said = calibration(cards)
        assert said.mjd == pytest.approx(mjd + 0.25, abs=1e-9) and "date" not in said.account.doubted


def test_a_stated_moment_has_its_own_scale() -> None:
    header = fits.Header({"DATE-OBS": "2026-03-05T06:07:08"})
    moment = stated_moment(Said(header), "start", "tt", TimeConvention())
    assert moment is not None and moment.scale == "tt" and moment.mjd == pytest.approx(MJD, abs=1e-6)
    assert mid_exposure(Said(header), 600.0, TimeConvention("tt"))[1] == "TT start + half the exposure"
    assert from_dates(Said(header), "end", ("DATE-END",), "utc") is None and not is_elsewhere("at the telescope")


def test_what_a_stranger_found_without_a_word_is_said() -> None:
    """Sidereal clocks, frames that Siril stacked, and a read noise that nobody states."""
    header = fits.Header()
    header["DATE-OBS"], header["TIME-OBS"] = "2020-03-01", ("05:00:00", "LST")
    found = read_calibration(header, "a.fits")
    assert found.mjd is None and found.account.unknown["mjd"] == "DATE-OBS is in sidereal time"
    assert found.account.unknown["read_noise"] == "no key holds it; it is taken as 0"
    for card in ("STACKCNT", "NCOMBINE"):
        header = fits.Header({"DATE-OBS": "2020-03-01T05:00:00", "EXPTIME": 60.0, "GAIN": 1.5, "RDNOISE": 5.0})
        header[card] = 20
        found = read_calibration(header, "a.fits")
        assert found.gain == 30.0 and "no key says when the last of" in found.account.assumed["mjd"]
        header["DATE-END"] = "2020-03-01T05:40:00"
        found = read_calibration(header, "a.fits")
        assert found.mjd == pytest.approx(58909 + 5.3333333 / 24, abs=1e-5) and "mjd" not in found.account.assumed
