"""Dialects of FITS headers: each line of the table is a header and what must be made of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.hdus import celestial_wcs
from astrid_ml.preprocessing.differencing.frame.header.filters import filter_of
from astrid_ml.preprocessing.differencing.frame.header.gains import detector_gain, is_rate
from astrid_ml.preprocessing.differencing.frame.header.moments import Moment
from astrid_ml.preprocessing.differencing.frame.header.said import Said, as_number
from astrid_ml.preprocessing.differencing.frame.header.sky_frame import in_icrs
from astrid_ml.preprocessing.differencing.frame.header.units import pixel_unit
from astrid_ml.preprocessing.differencing.frame.headers import read_calibration
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.surveys.registry import surveys_of
from astrid_ml.preprocessing.surveys.survey import FluxConvention

MJD = 61104.255127  # 2026-03-05 06:07:23: mid-exposure of 30 s that began at 06:07:08
START = {"DATE-OBS": "2026-03-05T06:07:08"}
HST = {"TELESCOP": "HST", "INSTRUME": "ACS", "EXPTIME": 100.0}
SINCE = {"MJDREFI": int(MJD), "MJDREFF": MJD % 1}
TESS = {"TELESCOP": "TESS", "INSTRUME": "TESS Photometer", "BJDREFI": 2457000, "BJDREFF": 0.0, "TIMEUNIT": "d"}
TESS |= {"TSTART": MJD - 56999.5, "TSTOP": MJD - 56999.5 + 0.01, "TIMESYS": "TDB"}
DIALECTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # numbers as text
    ("text with a Fortran exponent", START | {"EXPTIME": "3.0D+01"}, {"mjd": MJD, "exposure_time": 30.0}),
    ("text with its unit", START | {"EXPTIME": "30 s", "GAIN": "2.5 e-/ADU"}, {"exposure_time": 30.0, "gain": 2.5}),
    ("text that is no number", {"GAIN": "n/a", "EGAIN": 1.6}, {"gain": 1.6}),
    ("a gain of zero", {"GAIN": 0.0}, {"gain": None}),
    # times
    ("date and time apart, UT", {"DATE-OBS": "2026-03-05", "UT": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("date and time apart, UTSTART", {"DATE-OBS": "2026-03-05", "UTSTART": "6 7 8.0", "EXPTIME": 30}, {"mjd": MJD}),
    ("a date alone", {"DATE-OBS": "2026-03-05", "EXPTIME": 30.0}, {"mjd": None}),
    ("slashes", {"DATE-OBS": "2026/03/05", "TIME-OBS": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("day/month/year", {"DATE-OBS": "05/03/2026", "TIME-OBS": "06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("day/month/two digits", {"DATE-OBS": "25/12/96", "UT": "12:00:00"}, {"mjd": 50442.5}),
    ("month/day/year", {"DATE-OBS": "12/25/1996", "UT": "12:00:00"}, {"mjd": 50442.5}),
    ("a blank for the T", {"DATE-OBS": "2026-03-05 06:07:08", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("zulu", {"DATE-OBS": "2026-03-05T06:07:08Z", "TIMESYS": "TDB", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("TIMESYS TT", {"DATE-OBS": "2026-03-05T06:08:17.184", "TIMESYS": "TT", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("JD", {"JD": "2461104.7549537", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("JD under an MJD's key", {"MJD-OBS": 2461104.7549537, "EXPTIME": 30.0}, {"mjd": MJD}),
    ("MJD-MID", {"MJD-MID": MJD, "EXPTIME": 30.0}, {"mjd": MJD, "time_ref": "UTC mid-exposure"}),
    ("DATE-AVG", {"DATE-AVG": "2026-03-05T06:07:23", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("an end alone", {"MJD-END": MJD + 15 / 86400, "EXPTIME": 30.0}, {"mjd": MJD}),
    ("a middle before the start", {"MJD-OBS": MJD, "MJD-AVG": MJD - 90, "EXPTIME": 0.0}, {"mjd": MJD}),
    (
        "seconds of TAI (SDSS)",
        {"TELESCOP": "2.5m", "ORIGIN": "SDSS", "TAI": (MJD - 15 / 86400) * 86400 + 37, "EXPTIME": "30.0"},
        {"mjd": MJD, "mission": "sdss", "unit": "nanomaggy", "zero_point": 22.5, "gain": None},
    ),
    ("the middle, by the survey", {"TELESCOP": "WISE", "MJD_OBS": MJD, "EXPTIME": 8.8, "BAND": 2}, {"mjd": MJD}),
    ("GPS", {"DATE-OBS": "2026-03-05T06:07:26", "TIMESYS": "GPS", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("UTC of an institute", START | {"TIMESYS": "UTC(NIST)", "EXPTIME": 30.0}, {"mjd": MJD}),
    ("local time", START | {"TIMESYS": "LOCAL", "EXPTIME": 30.0}, {"mjd": None}),
    ("begin and end of a stack", {"MJD-BEG": MJD - 0.1, "MJD-END": MJD + 0.1, "EXPTIME": 30.0}, {"mjd": MJD}),
    ("begin and end alone", {"MJD-BEG": MJD - 0.1, "MJD-END": MJD + 0.1}, {"mjd": MJD, "exposure_time": None}),
    (
        "an end before the exposure ends",
        {"MJD-OBS": MJD, "MJD-END": MJD + 1e-5, "EXPTIME": 864.0},
        {"mjd": MJD + 0.005},
    ),
    ("seconds since a zero (FITS)", SINCE | {"TSTART": 10.0, "TSTOP": 40.0}, {"mjd": MJD + 25 / 86400}),
    ("days since a Julian date", {"JDREF": 2400000.5 + MJD, "TSTART": 0.5, "TIMEUNIT": "d"}, {"mjd": MJD + 0.5}),
    ("of an unknown unit", SINCE | {"TSTART": 10.0, "TIMEUNIT": "fortnight"}, {"mjd": None}),
    ("of an unknown zero", {"TSTART": 10.0, "TSTOP": 40.0}, {"mjd": None}),
    ("TESS", TESS, {"mjd": MJD + 5e-3 - 69.184 / 86400, "mission": "tess"}),
    ("TESS at the telescope", TESS | {"BARYCORR": 0.004}, {"mjd": MJD + 1e-3 - 69.184 / 86400}),
    ("the barycentre alone", {"BJD": 2459001.0}, {"mjd": None}),
    ("no exposure at all", {"MJD-OBS": MJD, "EXPTIME": -1.0}, {"mjd": MJD, "exposure_time": None}),
    ("milliseconds", START | {"EXPTIME": (30000.0, "[ms] open")}, {"mjd": MJD, "exposure_time": 30.0}),
    ("minutes", START | {"EXPTIME": (0.5, "[min]")}, {"exposure_time": 30.0}),
    ("a comment that is no unit of time", START | {"EXPTIME": (30.0, "[0-9] and more")}, {"exposure_time": 30.0}),
    ("amplifiers' keys absent", {"INSTRUME": "DECam", "SATURATE": 6e4, "GAIN": 4.0}, {"mission": "decam", "gain": 4.0}),
    ("a CMOS camera's setting", {"GAIN": 120, "EGAIN": 1.5}, {"gain": 1.5}),
    ("counts an electron", {"GAIN": (0.5, "[adu/electron]")}, {"gain": 2.0}),
    ("a zero point in Vega", {"MAGZP": 25.0, "MAGSYS": "Vega"}, {"zero_point": None}),
    # filters
    ("wheels of air and blanks", {"FILTER1": "air", "FILTER2": "0 Blank", "FILTER3": "B"}, {"filter": "B"}),
    ("nobody knows", {"FILTER": "N/A"}, {"filter": None}),
    ("without a filter", {"FILTER": "OPEN"}, {"filter": "OPEN"}),
    ("two wheels, the second full", HST | {"FILTER1": "CLEAR1L", "FILTER2": "F435W"}, {"filter": "F435W"}),
    ("two wheels, the first full", HST | {"FILTER1": "F606W", "FILTER2": "CLEAR2L"}, {"filter": "F606W"}),
    ("a wheel that is open", {"FILTER1": "Open", "FILTER2": "V"}, {"filter": "V"}),
    ("DECam's long name", {"INSTRUME": "DECam", "FILTER": "r DECam SDSS c0002 6415.0 1480.0"}, {"filter": "r"}),
    ("a number for a filter", {"TELESCOP": "WISE", "BAND": 3}, {"filter": "W3"}),
    ("a pupil before a filter", {"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "F470N"}, {"filter": "F470N"}),
    # units, gains, zero points
    ("counts a second", {"BUNIT": "ADU/sec", "GAIN": 2.0, "EXPTIME": 30.0}, {"gain": 60.0}),
    ("electrons", {"BUNIT": "e-", "GAIN": 7.0, "EXPTIME": 30.0}, {"gain": 1.0}),
    ("a rate of unknown exposure", {"BUNIT": "electron/s"}, {"gain": None}),
    ("mJy", {"BUNIT": "mJy"}, {"zero_point": 16.4}),
    ("megajansky in capitals", {"BUNIT": "MJY/SR", "PIXAR_SR": 1e-13}, {"zero_point": 8.9 + 17.5}),
    ("square arcseconds", {"BUNIT": "MJy/sr", "PIXAR_A2": 0.001}, {"zero_point": 27.9721}),
    ("FLUXMAG0", {"FLUXMAG0": 63095734448.02}, {"zero_point": 27.0}),
    (
        "PHOTFLAM of counts",
        HST | {"PHOTFLAM": 7e-20, "PHOTPLAM": 8045.0, "BUNIT": "ELECTRONS"},
        {"zero_point": 30.9518},
    ),
    ("PHOTFNU of a rate", {"PHOTFNU": 1e-7, "BUNIT": "ELECTRONS/S"}, {"zero_point": 26.4}),
    ("flux a wavelength", {"BUNIT": "erg/s/cm2/A", "PHOTPLAM": 5000.0}, {"zero_point": -2.408 - 5 * math.log10(5000)}),
    ("Vega of 2MASS", {"ORIGIN": "2MASS", "FILTER": "k", "MAGZP": 19.93}, {"filter": "Ks", "zero_point": 21.77}),
    ("Vega of an unknown filter", {"ORIGIN": "2MASS", "MAGZP": 19.93}, {"zero_point": None}),
    (
        "a zero point of one second",
        {"TELESCOP": "ML1", "PC-ZP": 23.0, "EXPTIME": 100.0, "BUNIT": "e-"},
        {"zero_point": 28.0},
    ),
    ("amplifiers", {"INSTRUME": "DECam", "GAINA": 4.0, "GAINB": 4.4, "SATURATA": 3e4, "SATURATB": 3e4}, {"gain": 4.2}),
]


@pytest.mark.parametrize(("cards", "expected"), [line[1:] for line in DIALECTS], ids=[line[0] for line in DIALECTS])
def test_dialects(cards: dict[str, Any], expected: dict[str, Any]) -> None:
    header = fits.Header()
    for key, value in cards.items():
        header[key] = value  # or a value with its comment
    said = read_calibration(header)
    for name, value in expected.items():
        found = getattr(said, name)
        wanted = pytest.approx(value, abs=2e-4 if name == "zero_point" else 1e-6) if isinstance(value, float) else value
        assert found == wanted, name
        listed = said.account.read.keys() | said.account.unknown.keys() | said.account.assumed.keys()
        assert name in ("time_ref",) or name in listed, f"{name} stands nowhere in the account"


def test_the_account_says_key_assumption_and_gap() -> None:
    said = read_calibration(fits.Header(START | {"EXPTIME": 30.0, "GAIN": 2.0, "NCOMBINE": 4}))
    account = said.account.record()
    assert account["read"]["exposure_time"] == "EXPTIME" and account["read"]["mjd"] == "DATE-OBS"
    assert account["read"]["gain"] == "GAIN x NCOMBINE"
    assert account["assumed"]["gain"] == "NCOMBINE exposures were averaged"
    assert account["assumed"]["unit"] == "adu" and account["assumed"]["time scale"] == "UTC, for TIMESYS is absent"
    assert account["unknown"]["mission"] == "no key that names a telescope" and "filter" in account["unknown"]
    empty = read_calibration(fits.Header({"BUNIT": "furlong"})).account.record()
    assert (
        empty["unknown"]["unit"] == "furlong is no unit of light" and empty["unknown"]["mjd"] == "no key holds a time"
    )
    tess = read_calibration(fits.Header(TESS)).account.record()
    assert tess["read"]["mjd"] == "TSTART and BJDREF and TSTOP and BJDREF"
    assert "at the barycentre" in tess["assumed"]["mjd"]
    both = read_calibration(
        fits.Header({"MJD-OBS": 60000.0, "EXPTIME": 30.0, "DATE-END": "2023-02-25"})
    ).account.record()
    assert both["read"]["mjd"] == "MJD-OBS" and "mjd" not in both.get("unknown", {})
    swift = {"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "EXPOSURE": 9.0}
    swift |= {"DATE-OBS": "2026-03-05T06:00:00", "DATE-END": "2026-03-05T06:10:00"}
    assert read_calibration(fits.Header(swift)).account.record()["read"]["mjd"] == "DATE-OBS and DATE-END"
    alone = read_calibration(fits.Header({"DATE-OBS": "2026-03-05"})).account.record()
    assert alone["unknown"]["mjd"] == "DATE-OBS is a date without a time"


def test_a_survey_that_is_given_or_named_by_the_mission() -> None:
    bare = fits.Header({"EXPOSURE": 0.02, "BUNIT": "electrons/s"})
    assert read_calibration(bare, surveys=surveys_of("tess")).exposure_time == pytest.approx(1728.0)
    assert read_calibration(bare).exposure_time == 0.02
    assert read_calibration(bare, mission="PS1").mission == "ps1"
    assert read_calibration(bare, mission="elsewhere").mission is None
    with pytest.raises(UserError, match="survey=JWST was given"):
        read_calibration(fits.Header({"TELESCOP": "HST"}), "a.fits", surveys_of("jwst"))


def test_parts_of_a_header() -> None:
    said = Said(fits.Header({"A": "x", "B": True, "GAINA": 1.0, "GAINB": 3.0}))
    assert said.number("a", ("A", "B", "C")) is None and said.text("a", ("C", "A")) == "x"
    assert said.numbers("gain", ("GAINA", "GAINB")) == 2.0 and said.account.read["gain"] == "GAINA, GAINB"
    assert as_number(" 2. ") == 2.0 and as_number("2 3") is None
    assert filter_of(Said(fits.Header({"FILTER1": "clear", "FILTER2": "open"})), None) == "clear"
    assert is_rate(pixel_unit("counts/s"), FluxConvention()) and is_rate(pixel_unit("DN"), FluxConvention(rates=True))
    assert Moment(58000.0, "tai").in_scale("utc") == pytest.approx(58000 - 37 / 86400, abs=1e-9)


@pytest.mark.parametrize("frame", ["FK5 1975", "FK4 1950", "GALACTIC", "ICRS"])
@pytest.mark.parametrize("projection", ["TAN", "SIN", "ZEA"])
def test_other_frames_become_icrs(frame: str, projection: str) -> None:
    wcs = WCS(naxis=2)
    stem = ("GLON-", "GLAT-") if frame == "GALACTIC" else ("RA---", "DEC--")
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = [f"{part}{projection}" for part in stem], [120.0, 35.0], [50.0, 60.0]
    wcs.wcs.cd = np.array([[-3e-4, 5e-5], [5e-5, 3e-4]])
    if frame != "GALACTIC":
        wcs.wcs.radesys = frame.split()[0]
        wcs.wcs.equinox = float(frame.split()[1]) if " " in frame else np.nan
    turned, name = in_icrs(wcs, "a.fits")
    x, y = np.array([0.0, 49.0, 400.0]), np.array([10.0, 59.0, 300.0])
    sky = wcs.pixel_to_world(x, y).icrs
    ra, dec = turned.all_pix2world(x, y, 0)
    # FK4's aberration terms are no rotation: 0.35 arcsec at most, and far less over one image.
    apart = np.hypot((ra - sky.ra.deg) * np.cos(np.radians(dec)), dec - sky.dec.deg) * 3600
    assert apart.max() < (2e-3 if frame.startswith("FK4") else 1e-6)
    assert name.startswith(frame.split()[0]) and turned.wcs.radesys in ("ICRS", "")


def test_a_frame_that_cannot_be_turned_is_refused() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["GLON-CAR", "GLAT-CAR"], [10.0, 0.0], [-0.1, 0.1]
    with pytest.raises(UserError, match="projection CAR"):
        in_icrs(wcs, "a.fits")


def test_coordinates_that_are_not_needed_refuse_nothing(tmp_path: Path) -> None:
    cards = {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRVAL1": 10.0, "CRVAL2": 0.0, "CDELT1": -0.1, "CDELT2": 0.1}
    data = np.random.default_rng(1).normal(100, 5, (64, 64)).astype(np.float32)
    fits.PrimaryHDU(data, fits.Header(cards)).writeto(tmp_path / "a.fits")
    image = LoadFits(need_wcs=False)(Frame(str(tmp_path / "a.fits")))
    assert image.wcs is None and "projection CAR" in image.header["unknown"]["coordinates"]
    with pytest.raises(UserError, match="projection CAR"):
        LoadFits()(Frame(str(tmp_path / "a.fits")))


def _file(path: Path, planes: dict[str, Any], cards: dict[str, Any] | None = None, **of: dict[str, Any]) -> str:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [30, 30]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    hdus: list[Any] = [fits.PrimaryHDU(header=fits.Header(cards or {}))]
    for name, data in planes.items():
        header = wcs.to_header()
        header.update(of.get(name, {}))
        hdus.append(fits.ImageHDU(data, header, name.split(",")[0], ver=int([*name.split(","), "1"][1])))
    fits.HDUList(hdus).writeto(path)
    return str(path)


def test_planes_of_dialects(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    sky, other = (random.normal(100, 5, (64, 64)).astype(np.float32) for _ in range(2))
    weight = np.ones((64, 64), np.float32)
    weight[5, 6] = 0
    planes: dict[str, Any] = {"SCI": sky, "SCI,2": other, "WHT": weight, "UNCERT": np.full((64, 64), 5.0, np.float32)}
    path = _file(tmp_path / "a.fits", planes, SCI={"BUNIT": "DN"})
    image = LoadFits()(Frame(path))
    assert image.mask.nonzero().tolist() == [[5, 6]] and float(image.variance[0, 0]) == 25.0
    assert image.variance_from == "UNCERT extension" and image.header["read"]["coordinates"] == "ICRS"
    second = LoadFits()(Frame(f"{path}[SCI,2]"))
    assert np.array_equal(second.data.numpy(), other) and second.hdu == 2
    planes = {"SCI": sky, "UNCERT": np.full((64, 64), 4.0, np.float32)}
    variance = _file(tmp_path / "b.fits", planes, UNCERT={"UTYPE": "VarianceUncertainty"})
    assert float(LoadFits()(Frame(variance)).variance[0, 0]) == 4.0
    stretched = {"BSOFTEN": 2.0, "BOFFSET": 1.0}
    planes = {"SCI": np.arcsinh((sky - 1.0) / 4.0) * 2.5 / math.log(10)}
    planes["VARIANCE"] = np.arcsinh((np.full((64, 64), 25.0) - 1.0) / 4.0) * 2.5 / math.log(10)
    ps1 = LoadFits()(Frame(_file(tmp_path / "c.fits", planes, SCI=stretched, VARIANCE=stretched)))
    np.testing.assert_allclose(ps1.data.numpy(), sky, rtol=1e-4)
    assert float(ps1.variance[0, 0]) == pytest.approx(25.0)
    beside = _file(tmp_path / "d.fits", {"VAR": planes["VARIANCE"]}, VAR=stretched)
    one = LoadFits()(Frame(_file(tmp_path / "e.fits", {"SCI": sky}), variance=f"{beside}[VAR]"))
    assert float(one.variance[0, 0]) == pytest.approx(25.0)


CASES: dict[str, dict[str, Any]] = {
    "date-time-apart": {"mjd": MJD},
    "mjd-key": {"mjd": MJD},
    "exptime-string": {"mjd": MJD, "exposure_time": 30.0},
    "gain-string": {"gain": 4.0},
    "nanomaggy": {"zero_point": 22.5},
    "ujy": {"zero_point": 23.9},
    "e-per-s": {"gain": 30.0},
    "wfi-eso": {"mission": None},
    "hst-acs-drz": {"filter": "F814W", "gain": 2028.0},
    "tess-ffi": {"gain": 1425.6, "variance_from": "CAMERA.CCD 1.1 UNCERT extension"},
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", CASES)
def test_cases_from_outside(real_data: Path, name: str) -> None:
    folder = real_data.parent / "cases" / "surveys" / "headers"
    if not folder.is_dir():
        pytest.skip("no cases beside the real files")
    path = folder / f"{name}.fits"
    image = LoadFits()(Frame(str(path)))
    for field, value in CASES[name].items():
        assert getattr(image, field) == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), field
    if name == "hst-acs-drz":
        with fits.open(path) as hdus:
            assert np.array_equal(image.mask.numpy(), hdus["WHT"].data == 0) and bool(image.mask.any())
    assert Time(MJD, format="mjd").isot.startswith("2026-03-05T06:07:2")


def test_a_second_filter_in_another_wheel_is_said() -> None:
    said = Said(fits.Header({"FILTER1": "g", "FILTER2": "Halpha"}))
    assert filter_of(said, None) == "g+Halpha"
    assert "FILTER2=Halpha" in said.account.assumed["filter"]


@pytest.mark.parametrize("matrix", ["CD", "PC"])
def test_axes_in_either_order_and_longitudes_below_zero(matrix: str) -> None:
    step = -0.0003 if matrix == "CD" else 1.0
    rows = {"1_1": step, "1_2": 0.2 * step, "2_1": -0.1 * step, "2_2": -step}
    scale = {} if matrix == "CD" else {"CDELT1": -3e-4, "CDELT2": -3e-4}
    pixel = {"CRPIX1": 50.5, "CRPIX2": 60.5}
    plain = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2}
    plain |= pixel | scale | {f"{matrix}{name}": value for name, value in rows.items()}
    swapped = {"CTYPE2": "RA---TAN", "CTYPE1": "DEC--TAN", "CRVAL2": 150.1 - 360, "CRVAL1": 2.2}
    swapped |= pixel | scale | {f"{matrix}{3 - int(name[0])}{name[1:]}": value for name, value in rows.items()}
    wanted = WCS(fits.Header(plain)).all_pix2world(12.0, 80.0, 0)
    for header in (plain, swapped, plain | {"CRVAL1": 150.1 - 360}):
        wcs = celestial_wcs(fits.Header(header), "a.fits", needed=True)
        assert wcs is not None
        np.testing.assert_allclose(wcs.all_pix2world(12.0, 80.0, 0), wanted, atol=1e-9)
    ecliptic = celestial_wcs(fits.Header(plain | {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}), "a.fits", needed=True)
    with pytest.raises(UserError, match="ELON"):
        in_icrs(ecliptic, "a.fits")


@pytest.mark.parametrize("value", [-999.0, 0.0, 99.0])
def test_a_zero_point_that_stands_for_none_is_none(value: float) -> None:
    said = read_calibration(fits.Header(START | {"MAGZP": value}))
    assert said.zero_point is None and "stands for none" in said.account.unknown["zero_point"]


def test_what_contradicts_itself_or_is_of_another_place_is_said() -> None:
    said = read_calibration(fits.Header(START | {"MJD-OBS": MJD - 1, "EXPTIME": 30.0})).account
    assert said.assumed["mjd"].startswith("MJD-OBS, which is -1.000 d from DATE-OBS")
    assert "mjd" not in read_calibration(fits.Header(START | {"MJD-OBS": MJD, "EXPTIME": 30.0})).account.assumed
    assert "barycentre" in read_calibration(fits.Header({"BJD": 2461104.75})).account.unknown["mjd"]


@pytest.mark.parametrize(
    ("cards", "doubted", "gain"),
    [
        ({"GAIN": "NaN"}, {"gain": "GAIN = NaN is no number"}, None),
        ({"GAIN": -2.0}, {"gain": "GAIN = -2"}, None),
        ({"EGAIN": "n/a", "GAIN": 1.5}, {"gain": "EGAIN = n/a is no number"}, 1.5),
        ({"GAIN": 1.5}, {}, 1.5),
    ],
)
def test_a_key_that_holds_no_value_is_warned_of(
    cards: dict[str, Any], doubted: dict[str, str], gain: float | None
) -> None:
    said = Said(fits.Header(cards))
    assert detector_gain(said, None, pixel_unit("")) == gain
    assert said.account.record().get("doubted", {}) == doubted
