"""Names of filters and what is known of their wavelengths."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.curves.bands import (
    PLASTICC,
    WAVELENGTHS,
    ZTF,
    short_name,
    wavelength_of,
    wavelengths_of,
)
from astrid_ml.preprocessing.surveys.registry import survey_named


@pytest.mark.parametrize(
    ("name", "filter_name"),
    [
        ("g", "g"),
        ("lsstg", "g"),
        (" r ", "r"),
        ("CSP-B/e", "B"),  # the filter stands before the slash: e is only SNANA's label
        ("Bessell-V/x", "V"),
        ("r1", "r"),  # one filter on several detectors
        ("V0", "V"),
        ("lsstY", "Y"),
    ],
)
def test_a_filter_is_found_behind_its_systems_name(name: str, filter_name: str) -> None:
    assert wavelength_of(name) == WAVELENGTHS[filter_name]


@pytest.mark.parametrize("name", ["", "-", "clear", "gr", "F999W", "1", "rp"])
def test_what_nothing_is_known_of_is_nan(name: str) -> None:
    assert np.isnan(wavelength_of(name))


@pytest.mark.parametrize(
    ("name", "mission", "band"),
    [
        ("H158", "roman", "H158"),  # not 2MASS's H on a 158th detector
        ("F158", "roman", "H158"),
        ("sdssg", "sdss", "g"),
        ("ztfr", "ztf", "r"),
        ("ZTF_g", "ztf", "g"),
        ("ps1::i", "ps1", "i"),
        ("desz", "decam", "z"),
        ("atlaso", "atlas", "o"),
        ("BP", "gaia", "BP"),
        ("TESS", "tess", "TESS"),
        ("bessellb", "lco", "B"),
        ("F814W", "hst", "F814W"),
    ],
)
def test_a_full_name_is_its_surveys(name: str, mission: str, band: str) -> None:
    assert wavelength_of(name) == survey_named(mission).bands[band].wavelength


def test_the_users_wavelengths_come_first() -> None:
    own = {"g": 0.5, "CSP-B/e": 0.44, "clear": 0.6}
    assert [wavelength_of(name, own) for name in ("g", "lsstg", "CSP-B/e", "CSP-B/f", "clear", "r")] == [
        0.5, 0.5, 0.44, WAVELENGTHS["B"], 0.6, WAVELENGTHS["r"],
    ]  # fmt: skip


def test_upper_and_lower_case_are_other_filters() -> None:
    assert wavelength_of("u") != wavelength_of("U")
    assert wavelength_of("R") != wavelength_of("r")
    assert wavelength_of("y") == wavelength_of("Y")


def test_several_names_become_one_array() -> None:
    found = wavelengths_of(["u", "g", "r", "i", "z", "y", "J", "H", "K"])
    assert found.dtype == np.float32
    assert (np.diff(found) > 0).all()
    assert wavelengths_of([]).shape == (0,)


def test_survey_numbers_are_filters_from_blue_to_red() -> None:
    for numbers in (PLASTICC, ZTF):
        assert (np.diff(wavelengths_of([numbers[k] for k in sorted(numbers)])) > 0).all()


@pytest.mark.parametrize(("name", "short"), [("lsstg", "g"), ("CSP-B/e", "e"), (" Y ", "Y"), ("LSST-u/u ", "u")])
def test_short_names_have_no_system(name: str, short: str) -> None:
    assert short_name(name) == short
