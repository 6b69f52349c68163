"""Keys of amplifiers, of zero points at an airmass, of wheels, and names of telescopes as real products have them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from astropy.io import fits

from astrid_ml.preprocessing.differencing.frame.header.fluxes import AT_AIRMASS
from astrid_ml.preprocessing.differencing.frame.headers import FrameCalibration, read_calibration

DES = {"TELESCOP": "CTIO 4.0-m telescope", "INSTRUME": "DECam"}
CFHT = {"EXPTIME": 100.0, "PHOT_C": 26.477, "PHOT_K": -0.15, "AIRMASS": 1.351}
PTF = {"EXPTIME": 60.0, "IMAGEZPT": 22.8, "EXTINCT": -0.1, "AIRMASS": 1.5}
VISTA = {"TELESCOP": "ESO-VISTA", "INSTRUME": "VIRCAM", "FILTER": "Ks", "MAGZPT": 23.0, "EXPTIME": 100.0}
ALFOSC = {"ALFLTNM": "Open", "FAFLTNM": "Open", "FBFLTNM": "Open"}

# name, cards, what must be read, value -> words of what was assumed of it
KEYS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # amplifiers
    (
        "two amplifiers of CFHT",
        {"GAINA": 1.6, "GAINB": 1.8, "RDNOISEA": 4.0, "RDNOISEB": 6.0},
        {"gain": 1.7, "read_noise": 5.0},
        {"gain": "the mean of its amplifiers", "read_noise": "the mean of its amplifiers"},
    ),
    ("the whole before its parts", {"GAIN": 1.67, "GAINA": 1.6, "GAINB": 1.8}, {"gain": 1.67}, {}),
    ("four amplifiers of HSC", {f"T_GAIN{n}": 2.0 + n for n in (1, 2, 3, 4)}, {"gain": 4.5}, {"gain": "the mean"}),
    ("one amplifier of HSC", {"T_GAIN1": 3.0}, {"gain": 3.0}, {}),
    ("numbered amplifiers", {"GAIN1": 2.0, "GAIN2": 2.2, "RDNOISE1": 4.0, "RDNOISE2": 4.0}, {"gain": 2.1}, {}),
    ("four outputs of ESO", {f"ESO DET OUT{n} CONAD": 2.0 + n for n in (1, 2)} | {"ESO DET OUT1 RON": 3.0},
     {"gain": 3.5, "read_noise": 3.0}, {"gain": "the mean"}),
    ("amplifiers of Suprime-Cam", {f"S_GAIN{n}": 3.0 for n in (1, 2, 3, 4)}, {"gain": 3.0}, {}),
    ("MOSFIRE", {"TRUITIME": 14.5, "COADDS": 4, "SYSGAIN": 2.15}, {"gain": 2.15, "exposure_time": 58.0}, {}),
    (
        "what either amplifier holds",
        DES | {"SATURATA": 150_000, "SATURATB": 140_000},
        {"saturation": 140_000.0},
        {"saturation": "the lowest of its amplifiers"},
    ),
    ("either amplifier of nobody", {"SATURATA": 6e4, "SATURATB": 5e4}, {"saturation": 5e4}, {}),
    # zero points
    ("CFHT", CFHT, {"zero_point": 26.477 - 0.15 * 0.351 + 5.0}, {"zero_point": "nothing says of which system"}),
    ("CFHT without its airmass", {**CFHT, "AIRMASS": 0.0}, {"zero_point": 31.477}, {"zero_point": "of airmass 1, for"}),
    ("CFHT's nominal", {"PHOT_C0": 26.0, "PHOT_K": -0.1, "AIRMASS": 2.0, "EXPTIME": 10.0}, {"zero_point": 28.4},
     {"zero_point": "PHOT_C0 is nominal"}),
    ("CASU", {"MAGZPT": 24.5, "EXPTIME": 100.0, "EXTINCT": 0.1, "AIRMASS": 1.5, "NUMBRMS": 9},
     {"zero_point": 29.45}, {}),
    ("VISTA", VISTA, {"zero_point": 23.0 + 1.827 + 5.0}, {"zero_point": "Vega", "description": "flux.per_second"}),
    ("DECam a second", DES | {"MAGZPT": 25.0, "EXPTIME": 100.0}, {"zero_point": 30.0}, {}),
    ("DECam in all", DES | {"MAGZPT": 25.0, "MAGZERO": 30.1, "EXPTIME": 100.0}, {"zero_point": 30.1}, {}),
    ("a fake", {**CFHT, "PHOT_C": (30.0, "Fake Elixir zero point"), "PHOT_C0": 26.0}, {"zero_point": 31 - 0.05265}, {}),
    ("PTF", PTF, {"zero_point": 22.8 - 0.15 + 2.5 * math.log10(60)}, {"zero_point": "nothing says"}),
    ("PTF without extinction", {**PTF, "EXTINCT": "none"}, {"zero_point": 22.8 + 2.5 * math.log10(60)},
     {"zero_point": "for no key holds EXTINCT"}),
    ("SkyMapper", {"EXPTIME": 100.0, "ZPAPPROX": 28.7}, {"zero_point": 28.7}, {"zero_point": "is approximate"}),
    ("of no exposure", {"PHOT_C": 26.0}, {"zero_point": None}, {}),
    ("two zero points", {"ZP": 25.1, "MAGZPT": 24.9}, {"zero_point": 24.9}, {"zero_point": "MAGZPT, and not ZP = 25"}),
    # units with a factor
    ("thousands", {"BUNIT": "kADU", "GAIN": 1.5}, {"gain": 1500.0}, {}),
    ("thousands and a zero point", {"BUNIT": "1000 ADU", "EXPTIME": 10.0, "MAGZP": 25.0, "PHOT_C": 25.0},
     {"zero_point": 25.0}, {}),
    ("of a second, in thousands", {"BUNIT": "kADU", "EXPTIME": 10.0, "PHOT_C": 25.0}, {"zero_point": 20.0}, {}),
    ("a minute", {"BUNIT": "ADU/min", "GAIN": 2.0, "EXPTIME": 30.0, "PHOT_C": 25.0},
     {"gain": 1.0, "zero_point": 25 + 2.5 * math.log10(60)}, {}),
    # filters
    ("the only filter", {"TELESCOP": "TESS"}, {"filter": "TESS"}, {"filter": "the only one of TESS"}),
    *(
        (f"DECam's {word}", DES | {"FILTER": word}, {"filter": band}, {})
        for word, band in (
            ("g DECam SDSS c0001 4720.0 1520.0", "g"), ("i DECam SDSS", "i"), ("Y DECam c0005 10095.0 1130.0", "Y"),
            ("VR DECam c0007 6300.0 2600.0", "VR"), ("z", "z"),
        )
    ),
    ("DECam's unknown", DES | {"FILTER": "N964 DECam c0008 9645.0 94.0"}, {"filter": "N964"}, {"filter": "as it"}),
    ("NOT", ALFOSC | {"ALFLTNM": "r_SDSS 625_140"}, {"filter": "r_SDSS 625_140"}, {}),
    ("NOT's second wheel", ALFOSC | {"FAFLTNM": "B_Bes 440_100"}, {"filter": "B_Bes 440_100"}, {}),
    ("a diaphragm", {"FILTER1": "dia", "FILTER2": "v"}, {"filter": "v"}, {}),
    ("TNG", {"FLT_ID": "R_John"}, {"filter": "R_John"}, {}),
    ("Calar Alto", {"INSFLNAM": "R"}, {"filter": "R"}, {}),
    # telescopes
    ("2MASS", {"TELESCOP": "2MASS North", "ORIGIN": "2MASS", "FILTER": "k"}, {"mission": "2mass", "filter": "Ks"}, {}),
    ("2MASS of nobody", {"TELESCOP": "2MASS North"}, {"mission": None}, {}),
    *((f"{name}", {"TELESCOP": name}, {"mission": "atlas"}, {}) for name in ("ATLAS 02", "ATLAS-HKO", "atlas-04")),
    ("an observatory of ATLAS", {"OBSERVAT": "ATLAS-MLO"}, {"mission": "atlas"}, {}),
    ("another ATLAS", {"TELESCOP": "ESO-VST", "SURVEY": "ATLAS"}, {"mission": None}, {}),
    ("a survey alone", {"SURVEY": "ATLAS"}, {"mission": "atlas"}, {}),
    ("a survey and its telescope", {"SURVEY": "SDSS", "TELESCOP": "2.5m"}, {"mission": "sdss"}, {}),
    *((f"{name}", {"TELESCOP": name, "INSTRUME": "UT3"}, {"mission": "goto"}, {}) for name in ("GOTO-1", "GOTO-S")),
    ("no part of a name", {"TELESCOP": "GOTO-9"}, {"mission": None}, {}),
    ("DECam's older telescope", DES | {"TELESCOP": "CTIO 4.0 meter telescope"}, {"mission": "decam"}, {}),
    ("the camera before it", {"TELESCOP": "CTIO 4.0 meter telescope", "INSTRUME": "Mosaic2"}, {"mission": None}, {}),
    # what a description assumes
    (
        "UVOT's white",
        {"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "FILTER": "WHITE", "EXPOSURE": 100.0},
        {"zero_point": 26.09},
        {"description": "bands.WHITE.zero_point, bands.WHITE.vega_to_ab, which the description of Swift marks"},
    ),
]  # fmt: skip


def calibration(cards: dict[str, Any]) -> FrameCalibration:
    """What is made of a header with these cards."""
    header = fits.Header()
    for key, value in cards.items():
        header[f"HIERARCH {key}" if "_" in key or " " in key else key] = value
    return read_calibration(header)


@pytest.mark.parametrize(("cards", "expected", "words"), [line[1:] for line in KEYS], ids=[line[0] for line in KEYS])
def test_keys(cards: dict[str, Any], expected: dict[str, Any], words: dict[str, str]) -> None:
    said = calibration(cards)
    for name, value in expected.items():
        wanted = pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
        assert getattr(said, name) == wanted, (name, said.account)
    for name, what in words.items():
        assert what in said.account.assumed[name], said.account.assumed


@pytest.mark.parametrize("key", AT_AIRMASS)
def test_a_zero_point_at_an_airmass_falls_with_it(key: str) -> None:
    """Through more air less light arrives: CASU's coefficient is positive, the others' are negative."""
    name, _, sign = AT_AIRMASS[key]
    cards = {key: 26.0, name: -0.1 * sign, "EXPTIME": 1.0, "NUMBRMS": 100}
    points = [calibration(cards | {"AIRMASS": mass}).zero_point for mass in (1.0, 1.5, 2.5)]
    assert None not in points and points == sorted(points, key=lambda point: -(point or 0.0))
    assert "x AIRMASS" in calibration(cards | {"AIRMASS": 1.5}).account.read["zero_point"]


def test_a_zero_point_that_may_be_of_a_second_is_doubted() -> None:
    assert "of one count a second" in calibration({"MAGZPT": 25.0, "EXPTIME": 30.0}).account.doubted["zero_point"]
    for cards in ({"EXPTIME": 1.0}, {"EXPTIME": 30.0, "BUNIT": "adu/s"}, {"EXPTIME": 30.0, "MAGZERO": 29.0}):
        assert "zero_point" not in calibration({"MAGZPT": 25.0, **cards}).account.doubted


def test_what_is_of_no_known_unit_is_doubted() -> None:
    said = calibration({"BUNIT": "furlong", "GAIN": 2.0})
    assert said.gain == 2.0 and "taken as counts" in said.account.doubted["gain"]
    flux = calibration({"BUNIT": "erg/s/cm2/A", "EXPTIME": 10.0})
    assert "PHOTPLAM does not say" in flux.account.unknown["zero_point"] and flux.zero_point is None


def test_a_description_of_what_is_certain_assumes_nothing() -> None:
    said = calibration({"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "FILTER": "UVW1", "EXPOSURE": 100.0})
    assert "description" not in said.account.assumed and said.zero_point == pytest.approx(23.95)
