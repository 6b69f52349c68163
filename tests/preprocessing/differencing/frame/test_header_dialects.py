"""More dialects of headers: times that are no times, cameras' settings, units in comments, wheels that nobody knows."""

from __future__ import annotations

import itertools
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.difference import check_alike
from astrid_ml.preprocessing.differencing.frame.header.comments import (
    is_in_counts,
    is_inverse,
    is_per_second,
    is_setting,
    moment_of,
    scale_of,
    seconds_of,
    system_of,
)
from astrid_ml.preprocessing.differencing.frame.header.dates import clock_of, date_of
from astrid_ml.preprocessing.differencing.frame.header.exposures import exposure_of
from astrid_ml.preprocessing.differencing.frame.header.fluxes import zero_point_of
from astrid_ml.preprocessing.differencing.frame.header.gains import detector_gain
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.units import pixel_unit
from astrid_ml.preprocessing.differencing.frame.headers import FrameCalibration, read_calibration
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.quality import doubts

MJD = 61104.255127  # 2026-03-05 06:07:23: mid-exposure of 30 s that began at 06:07:08
DAY, START = 61104, MJD - 15 / 86400
DATE = {"DATE-OBS": "2026-03-05T06:07:08"}
SPLIT = {"DATE-OBS": "2026-03-05", "EXPTIME": 30.0}
TT, TDB = 69.184 / 86400, 69.184 / 86400
HST = {"TELESCOP": "HST", "INSTRUME": "ACS"}
SWIFT = {"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "TIMESYS": "TT", "MJDREFI": 51910, "MJDREFF": 7.428703703703703e-4}
SWIFT |= {"TSTART": 700_000_000.0, "TSTOP": 700_000_100.0, "UTCFINIT": -26.5, "DATE-OBS": "2023-03-08T20:26:40"}
LCO = {"TELESCOP": "1m0-05", "INSTRUME": "fa15", "ORIGIN": "LCOGT", "SITEID": "lsc", "BUNIT": "electron"}
DIALECTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # midnights that are no times
    ("0 h beside UTSTART", {"DATE-OBS": "2026-03-05T00:00:00", "UTSTART": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("0 h beside TIME-OBS", {"DATE-OBS": "2026-03-05T00:00:00.0", "TIME-OBS": "6:07:08", "EXPTIME": 30}, {"mjd": MJD}),
    ("0 h beside UT", {"DATE-OBS": "2026-03-05 00:00", "UT": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a true midnight", {"DATE-OBS": "2026-03-05T00:00:00", "UT": "00:00:00"}, {"mjd": float(DAY)}),
    ("a day as MJD-OBS", DATE | {"MJD-OBS": float(DAY), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a day as MJD", {"MJD": DAY, "DATE-OBS": "2026-03-05", "TIME-OBS": "06:07:08", "EXPTIME": 30}, {"mjd": MJD}),
    ("a whole MJD alone", {"MJD-OBS": float(DAY), "EXPTIME": 0.0}, {"mjd": float(DAY)}),
    # dates
    ("2MASS", {"ORIGIN": "2MASS", "UT_DATE": "000315", "UT": "06:07:08.0"}, {"mjd": 51618.254954}),
    ("eight digits", {"DATE-OBS": "20260305", "UT": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a month's name", {"DATE-OBS": "05-Mar-2026", "UT": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a zone", {"DATE-OBS": "2026-03-05T08:07:08+02:00", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a zone in the west", {"DATE-OBS": "2026-03-04T23:07:08-0700", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a zone as TIMESYS", {"DATE-OBS": "2026-03-05T03:07:08", "TIMESYS": "UTC-3", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a half zone", {"DATE-OBS": "2026-03-05T11:37:08", "TIMESYS": "UTC+05:30", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a scale behind the time", {"DATE-OBS": "2026-03-05T06:08:17.184 TT", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("local by the comment", {"DATE-OBS": ("2026-03-05T06:07:08", "local time")}, {"mjd": None}),
    # comments
    ("the middle", {"DATE-OBS": ("2026-03-05T06:07:23", "UTC at mid-exposure"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("the middle as MJD", {"MJD-OBS": (MJD, "[d] midpoint of exposure"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("the end", {"MJD-OBS": (START + 30 / 86400, "MJD at end of exposure"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("neither of both", {"MJD-OBS": (START, "start (not middle) of exposure"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("TT", {"MJD-OBS": (START + TT, "[d] TT"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("TT, as it says", {"MJD-OBS": (START + TT, "[d] TT")}, {"time_ref": "TT start"}),
    ("TDB", {"DATE-OBS": ("2026-03-05T06:08:17.184", "TDB"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a receiver", {"MJD-OBS": (START, "from GPS"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("TIMESYS against it", {"MJD-OBS": (START, "TT"), "TIMESYS": "UTC", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("the middle of a time apart", {"DATE-OBS": "2026-03-05", "UT": ("06:07:23", "at midpoint")}, {"mjd": MJD}),
    ("a time apart in local time", {"DATE-OBS": "2026-03-05", "TIME-OBS": ("06:07:08", "local time")}, {"mjd": None}),
    # Julian dates
    ("JD-2400000", {"JD": (START + 0.5, "JD-2400000"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("JD-2,400,000 as MJD", {"MJD": (START + 0.5, "JD - 2400000"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("JD-2400000.5", {"JD": (START, "JD - 2400000.5"), "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a JD of five digits", {"JD": START, "EXPTIME": 30.0}, {"mjd": None}),
    ("a JD of five digits and a date", DATE | {"JD": START + 0.5, "EXPTIME": 30.0}, {"mjd": MJD}),
    # start and end
    ("EXPSTART, EXPEND", HST | {"EXPSTART": MJD - 0.1, "EXPEND": MJD + 0.1, "EXPTIME": 2000.0}, {"mjd": MJD}),
    ("MJD-BEG, MJD-END", HST | {"MJD-BEG": MJD - 0.1, "MJD-END": MJD + 0.1, "EXPTIME": 200.0}, {"mjd": MJD}),
    ("Swift's clock", SWIFT, {"mjd": 51910 + (700_000_050 - 26.5) / 86400, "time_ref": "UTC between start and end"}),
    ("a stamp of a mosaic", {"MJD-OBS": MJD, "MJD-BEG": MJD + 134, "MJD-END": MJD + 135}, {"mjd": MJD}),
    # exposures
    ("ms", DATE | {"EXPTIME": (30000.0, "exposure time in ms")}, {"exposure_time": 30.0, "mjd": MJD}),
    ("ms in brackets", {"EXPTIME": (30000.0, "Exposure (ms)")}, {"exposure_time": 30.0}),
    ("us", {"EXPOSURE": (3e7, "[us]")}, {"exposure_time": 30.0}),
    ("EXPOINUS", {"EXPOINUS": 30_000_000}, {"exposure_time": 30.0}),
    ("a text with its unit", {"EXPTIME": "0.5 min"}, {"exposure_time": 30.0}),
    ("milliseconds", {"EXPTIME": (30000.0, "Milliseconds, as requested")}, {"exposure_time": 30.0}),
    ("no unit", {"EXPTIME": (30.0, "min exposure of the stack")}, {"exposure_time": 30.0}),
    ("coadds of Keck", DATE | {"ITIME": 6.0, "COADDS": 5}, {"exposure_time": 30.0, "mjd": MJD}),
    ("a sum's gain", {"ITIME": 6.0, "COADDS": 5, "GAIN": 4.0}, {"gain": 4.0}),
    ("coadds summed", {"EXPTIME": (30.0, "Exposure (s) for sum of all coadds"), "COADDS": 5}, {"exposure_time": 30.0}),
    ("an open place named with the filter", {"FILTER1": "open + r", "FILTER2": "empty"}, {"filter": "r"}),
    ("two wheels in one word", {"FILTER": "CLEAR1L;F814W"}, {"filter": "F814W"}),
    ("no filter in brackets", {"FILTER": "<NO FILTER>", "FILTER2": "i-SDSS"}, {"filter": "i-SDSS"}),
    ("a clock that stands", {**SPLIT, "TIME-OBS": "00:00:00", "UTSTART": "06:07:08"}, {"mjd": MJD}),
    ("a precision", {"EXPTIME": (30.0, "seconds, with millisecond precision")}, {"exposure_time": 30.0}),
    ("kiloseconds", {"EXPTIME": (12.5, "[ks]")}, {"exposure_time": 12500.0}),
    ("coadds in the whole", {"EXPTIME": 30.0, "COADDEXP": 6.0, "COADDS": 5}, {"exposure_time": 30.0}),
    (
        "ESO's means",
        DATE | {"EXPTIME": 6.0, "ESO DET DIT": 6.0, "ESO DET NDIT": 5, "ESO DET OUT1 CONAD": 2.0}
        | {"MAGZP": (25.0, "of 1 ADU/s")},
        {"exposure_time": 30.0, "mjd": MJD, "gain": 10.0, "zero_point": 25 + 2.5 * math.log10(6)},
    ),
    # gain and noise
    ("a CMOS camera's setting", {"INSTRUME": "ZWO ASI2600MM Pro", "GAIN": 100}, {"gain": None}),
    ("beside its offset", {"GAIN": 26, "OFFSET": 50}, {"gain": None}),
    ("dB", {"GAIN": (12.0, "[dB]")}, {"gain": None}),
    ("a setting by its comment", {"GAIN": (3.0, "camera gain setting")}, {"gain": None}),
    ("more than any detector has", {"GAIN": 139}, {"gain": None}),
    ("a CMOS camera that says e-/ADU", {"GAIN": (2, "e-/ADU"), "OFFSET": 50}, {"gain": 2.0}),
    ("a CMOS camera's EGAIN", {"GAIN": 100, "EGAIN": 0.25, "OFFSET": 50}, {"gain": 0.25}),
    ("ADU an electron", {"GAIN": (0.5, "gain in ADU/e-")}, {"gain": 2.0}),
    ("ADU per electron", {"GAIN": (0.5, "ADU per electron")}, {"gain": 2.0}),
    ("e- an ADU", {"GAIN": (0.5, "electrons per ADU")}, {"gain": 0.5}),
    ("noise in ADU", {"GAIN": 2.0, "RDNOISE": (3.0, "read noise [ADU]")}, {"read_noise": 6.0}),
    ("noise in ADU, no gain", {"RDNOISE": "3.0 ADU"}, {"read_noise": None}),
    ("noise as text", {"GAIN": 2.0, "RDNOISE": "4.5 e- rms"}, {"read_noise": 4.5}),
    ("noise in e-", {"GAIN": 2.0, "RDNOISE": (4.5, "[electron] per ADU read")}, {"read_noise": 4.5}),
    ("a sum", {"GAIN": 2.0, "NCOMBINE": 4, "COMBINE": "SUM"}, {"gain": 2.0}),
    ("a mean", {"GAIN": 2.0, "NCOMBINE": 4, "COMBINE": "average"}, {"gain": 8.0}),
    ("a median", {"GAIN": 2.0, "NCOMBINE": 4, "COMBTYPE": "MEDIAN"}, {"gain": 2 / 0.298200}),
    # zero points
    ("of one second", {"MAGZP": (25.0, "mag for 1 ADU/s"), "EXPTIME": 100.0}, {"zero_point": 30.0}),
    ("of a second, of a rate", {"MAGZP": (25.0, "mag per second"), "BUNIT": "adu/s"}, {"zero_point": 25.0}),
    ("of a second, of no exposure", {"MAGZP": (25.0, "per second")}, {"zero_point": None}),
    ("-99, and another", {"MAGZP": -99.0, "ZPTMAG": 27.0}, {"zero_point": 27.0}),
    ("-99 alone", {"MAGZP": -99.0}, {"zero_point": None}),
    ("Vega in the comment", {"MAGZP": (25.0, "Vega mag")}, {"zero_point": None}),
    ("LCO's", LCO | {"L1ZP": 23.0, "EXPTIME": 100.0}, {"zero_point": 28.0, "mission": "lco"}),
    # scaled units
    *((text, {"BUNIT": text, "PHOTPLAM": 5000.0}, {"zero_point": 42.5 - 2.408 - 5 * math.log10(5000)}) for text in (
        "1e-17 erg/s/cm2/A", "1E-17 erg/s/cm^2/Ang", "10^-17 erg/cm2/s/Ang", "10**(-17) ergs/s/cm2/A",
        "10-17 erg s-1 cm-2 A-1", "(1.0E-17 erg s^-1 cm^-2 Angstrom^-1)", "1.e-17erg/(s cm2 Angstrom)",
        "1e-17 FLAM", "x 10^-17 erg/s/cm2/A",
    )),
    ("a scale beyond all numbers", {"BUNIT": "1e999 Jy"}, {"zero_point": None}),
    # filters
    ("open slots", {"FILTER1": "open_2", "FILTER2": "OpenSlot", "FILTER3": "V"}, {"filter": "V"}),
    ("neutral density", {"FILTER1": "ND1.0", "FILTER2": "r"}, {"filter": "r"}),
    ("two wheels full", {"FILTER1": "H", "FILTER2": "Br_gamma"}, {"filter": "H+Br_gamma"}),
    ("one filter twice", {"FILTER1": "V", "FILTER2": "v"}, {"filter": "V"}),
    ("ESO's wheel", {"ESO INS FILT1 NAME": "V_HIGH"}, {"filter": "V_HIGH"}),
    ("ESO's wheels", {"ESO INS FILT1 NAME": "OPEN", "ESO INS FILT2 NAME": "Ks"}, {"filter": "Ks"}),
    ("WFC of the INT", {"WFFBAND": "r"}, {"filter": "r"}),
    ("wheels with letters", {"FILTERA": "clear", "FILTERB": "I"}, {"filter": "I"}),
    ("airy names", {"FILTER1": "airglow", "FILTER2": "air"}, {"filter": "airglow"}),
]  # fmt: skip


def header_of(cards: dict[str, Any]) -> fits.Header:
    """A header; a value may have its comment."""
    header = fits.Header()
    for key, value in cards.items():
        header[f"HIERARCH {key}" if " " in key else key] = value
    return header


def calibration(cards: dict[str, Any]) -> FrameCalibration:
    """What is made of a header with these cards."""
    return read_calibration(header_of(cards))


@pytest.mark.parametrize(("cards", "expected"), [line[1:] for line in DIALECTS], ids=[line[0] for line in DIALECTS])
def test_dialects(cards: dict[str, Any], expected: dict[str, Any]) -> None:
    said = calibration(cards)
    for name, value in expected.items():
        found = getattr(said, name)
        wanted = pytest.approx(value, abs=2e-4 if name == "zero_point" else 1e-6) if isinstance(value, float) else value
        assert found == wanted, (name, said.account)
        parts = (said.account.read, said.account.unknown) if name != "time_ref" else ({name: ""},)
        assert any(name in part for part in parts), f"{name} stands nowhere in the account"
        assert (name in said.account.values) is (value is not None and name != "time_ref")


FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%Y%m%d",
    "%d-%b-%Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%Y-%b-%d",
    "%d.%m.%Y",
    "%d%b%Y",
)
CLOCKS = ("%H:%M:%S", "%Hh%Mm%Ss", "%H %M %S", "%H:%M:%SZ", "%H:%M:%S.0 UTC")


@pytest.mark.parametrize(("form", "clock"), list(itertools.product(FORMS, CLOCKS)))
def test_dates_in_every_form(form: str, clock: str) -> None:
    random = np.random.default_rng(FORMS.index(form) * len(CLOCKS) + CLOCKS.index(clock))
    for seconds in random.integers(1, 60 * 365 * 86400, 3):
        moment = datetime.fromtimestamp(int(seconds))
        expected = float(Time(moment, scale="utc").mjd)
        joined, apart = f"{moment:{form}}T{moment:{clock}}", {"DATE-OBS": f"{moment:{form}}", "UT": f"{moment:{clock}}"}
        for cards in ({"DATE-OBS": joined}, apart):
            assert calibration(cards).mjd == pytest.approx(expected, abs=1e-8), cards


def test_the_account_holds_keys_cards_and_values() -> None:
    cards = DATE | {
        "EXPTIME": ("30000", "in ms"),
        "GAIN": (0.5, "ADU/e-"),
        "MAGZP": 25.0,
        "FILTER": "r",
        "RDNOISE": 4.0,
    }
    account = calibration(cards).account.record()
    assert account["read"]["exposure_time"] == "EXPTIME, in ms" and account["cards"]["EXPTIME"] == "30000"
    assert account["values"]["exposure_time"] == "30 s" and account["values"]["gain"] == "2 e-/unit"
    assert account["cards"]["DATE-OBS"] == DATE["DATE-OBS"] and account["values"]["mjd"].startswith("61104.25512")
    assert account["values"]["zero_point"] == "25 mag (AB)" and "for nothing says" in account["assumed"]["zero_point"]
    assert account["values"]["filter"] == "r" and account["cards"]["FILTER"] == "r"
    stated = calibration({"MAGZP": 25.0, "MAGSYS": "AB"}).account
    assert "zero_point" not in stated.assumed


DOUBTS: list[tuple[str, dict[str, Any], str]] = [
    ("a date and an MJD apart", DATE | {"MJD-OBS": START + 3.0}, "MJD-OBS is +3.000 d from DATE-OBS"),
    ("two digits below 70", {"DATE-OBS": "05/03/26", "UT": "06:07:08"}, "is read as 1926-03-05"),
    ("an absurd exposure", {"EXPTIME": 3.0e7}, "more than a day"),
    ("longer than from start to end", DATE | {"EXPTIME": 3e4, "DATE-END": "2026-03-05T06:07:38"}, "there are 30 s"),
    ("magnitudes of another system", {"MAGZP": 25.0, "MAGSYS": "ST"}, "is taken as AB"),
]


@pytest.mark.parametrize(("cards", "words"), [line[1:] for line in DOUBTS], ids=[line[0] for line in DOUBTS])
def test_contradictions_are_warned_of(tmp_path: Path, cards: dict[str, Any], words: str) -> None:
    header = header_of(cards)
    data = np.random.default_rng(1).normal(100, 5, (64, 64)).astype(np.float32)
    fits.PrimaryHDU(data, header).writeto(tmp_path / "a.fits")
    image = LoadFits(need_wcs=False)(Frame(str(tmp_path / "a.fits")))
    assert any(words in line and line.startswith("a.fits: ") for line in doubts(image, image)), image.header
    assert not calibration({"DATE-OBS": "25/12/96", "UT": "12:00:00"}).account.doubted
    assert not calibration(DATE | {"MJD-OBS": START, "EXPTIME": 30.0}).account.doubted


def test_a_missing_gain_is_said(tmp_path: Path) -> None:
    """Without it the errors of bright sources are too small, and nobody was told."""
    data = np.random.default_rng(1).normal(100, 5, (64, 64)).astype(np.float32)
    header = header_of(DATE)
    header.pop("GAIN", None)
    fits.PrimaryHDU(data, header).writeto(tmp_path / "a.fits")
    [said] = doubts(LoadFits(need_wcs=False)(Frame(str(tmp_path / "a.fits"))))
    assert said.startswith("a.fits: no gain is known") and "e-/unit" in said
    assert not doubts(LoadFits(need_wcs=False)(Frame(str(tmp_path / "a.fits"), gain=1.6)))


def test_what_a_user_knows_better_is_not_doubted(tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(100, 5, (64, 64)).astype(np.float32)
    fits.PrimaryHDU(data, header_of(DATE | {"MJD-OBS": START + 3.0})).writeto(tmp_path / "a.fits")
    image = LoadFits(need_wcs=False)(Frame(str(tmp_path / "a.fits"), mjd=MJD, gain=1.6))
    assert not doubts(image) and image.header["values"]["mjd"] == str(MJD)


def test_two_unknown_wheels_are_two_filters(tmp_path: Path) -> None:
    images = []
    for name in ("Br_gamma", "Pa_beta", ""):
        header = header_of({"FILTER1": "H", "FILTER2": name})
        data = np.random.default_rng(1).normal(100, 5, (64, 64)).astype(np.float32)
        fits.PrimaryHDU(data, header).writeto(tmp_path / f"{name or 'none'}.fits")
        images.append(LoadFits(need_wcs=False)(Frame(str(tmp_path / f"{name or 'none'}.fits"))))
    for one, other in itertools.combinations(images, 2):
        with pytest.raises(Exception, match="two frames of one filter"):
            check_alike(one, other)


def test_a_date_alone_becomes_no_midnight_in_products(tmp_path: Path) -> None:
    from astrid_ml.preprocessing.differencing.commands.products import write_image

    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (
        ["RA---TAN", "DEC--TAN"],
        [150, 2],
        [30, 30],
        [-3e-4, 3e-4],
    )
    header = wcs.to_header() + header_of({"DATE-OBS": "2026-03-05", "TIME-OBS": "06:07:08", "EXPTIME": 30.0})
    data = np.random.default_rng(1).normal(100, 5, (64, 64)).astype(np.float32)
    fits.PrimaryHDU(data, header).writeto(tmp_path / "a.fits")
    image = LoadFits()(Frame(str(tmp_path / "a.fits")))
    assert image.mjd == pytest.approx(MJD, abs=1e-6)
    write_image(tmp_path / "b.fits", image)
    assert not {"MJD-OBS", "DATE-OBS"} & set(fits.getheader(tmp_path / "b.fits", "SCI"))


def test_words_of_comments() -> None:
    assert (
        seconds_of("usec") == (1e-6, "usec") and seconds_of("s") == (1.0, "s") and seconds_of("Exposure time") is None
    )
    assert moment_of("UT date of obs. at midnight") is None and moment_of("shutter open") == "start"
    assert scale_of("TT and UTC") is None and scale_of("Barycentric TDB") == "tdb" and scale_of("attitude") is None
    assert not is_inverse("e-/ADU") and is_setting("0.1 dB steps") and not is_setting("gain setting: 2 e-/ADU")
    assert is_in_counts("[ADU]") and not is_in_counts("e- (not ADU)") and not is_in_counts("")
    assert not is_per_second("zp + 2.5*log10(EXPTIME in s)") and is_per_second("mag in 1 s") and is_per_second("ADU/s")
    assert scale_of("UTC, not local time") == "utc" and system_of("[VEGAMAG] zero point") == "vega"
    assert is_per_second("for 1 s") and not is_per_second("of the sky per exposure")
    assert system_of("AB or Vega") is None and system_of("mag (AB)") == "ab" and system_of("ABLE") is None
    assert clock_of("25") is None and date_of("yesterday") is None and date_of("31-Foo-2026") is None
    assert exposure_of(Said(fits.Header({"EXPTIME": 0})), None).seconds is None
    assert detector_gain(Said(fits.Header({"GAIN": 0.0})), None, pixel_unit("adu")) is None
    assert zero_point_of(Said(fits.Header({"ZP": 25.0})), None, None, pixel_unit("adu"), None) == 25.0


def test_the_table_of_what_was_read() -> None:
    """``pytest -s -k table_of_what_was_read`` prints it: each dialect, what was made of it, and from which key."""
    assert len(DIALECTS) >= 35
    for name, cards, expected in DIALECTS:
        said = calibration(cards).account
        made = {key: said.values.get(key, said.unknown.get(key, "")) for key in expected if key != "time_ref"}
        assert made.keys() <= said.values.keys() | said.unknown.keys()
        print(f"{name:35} | {made} | { ({key: said.read[key] for key in made if key in said.read}) }")
