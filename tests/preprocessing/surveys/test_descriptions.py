"""Descriptions of surveys: the packaged ones are whole, wrong ones are refused with the field that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from astrid_ml.errors import UserError
from astrid_ml.missions import canonical
from astrid_ml.preprocessing.surveys.describe import read_survey, survey_of
from astrid_ml.preprocessing.surveys.registry import packaged, settled, surveys_of
from astrid_ml.preprocessing.surveys.survey import MaskBits

LEAST: dict[str, Any] = {"name": "MyScope", "mission": "myscope", "source": ["our own handbook"]}
PACKETS: dict[str, Any] = {
    "stamp": {"size": 30, "pixel_scale": 0.5},
    "packet": {"keys": {"id": ["candid"], "time": ["mjd"], "ra": ["ra"], "dec": ["dec"]}, "time_format": "mjd"},
}
WANTED = (
    "ztf rubin decam gattini winter ls4 atlas goto blackgem meerlicht ps1 swift galex hst jwst tess roman "
    "sdss 2mass lco gaia wise vista"
)


def test_the_surveys_that_are_packaged() -> None:
    assert set(packaged()) == set(WANTED.split())
    for mission, survey in packaged().items():
        assert canonical(survey.name) == mission and survey.source and survey.bands
        for name, band in survey.bands.items():
            assert survey.band_of(name) == name
            assert all(survey.band_of(alias) == name for alias in band.aliases)
            assert band.code is None or survey.band_of(band.code) == name
            assert band.wavelength is None or 0.1 < band.wavelength < 30


# AB minus Vega, mag, of Vega's spectrum (alpha_lyr_stis_011) through the profiles that astro-sedpy 0.4.1 carries; of
# UVOT's V, B and U, which it has not, through boxes of the published centre and width.
SYNTHETIC: dict[str, dict[str, tuple[float, float]]] = {
    "vista": {"Z": (0.512, 0.015), "Y": (0.600, 0.01), "J": (0.916, 0.01), "H": (1.360, 0.01), "Ks": (1.822, 0.01)},
    "2mass": {"J": (0.889, 0.015), "H": (1.364, 0.015), "Ks": (1.834, 0.015)},
    "wise": {"W1": (2.666, 0.04), "W2": (3.305, 0.04), "W3": (5.139, 0.04), "W4": (6.615, 0.04)},
    "swift": {"UVW1": (1.510, 0.01), "UVM2": (1.687, 0.01), "UVW2": (1.734, 0.01)}
    | {"V": (-0.002, 0.02), "B": (-0.140, 0.02), "U": (1.009, 0.02)},
}
PIVOT = {"F300W": 0.29943, "F439W": 0.43116, "F450W": 0.45556}  # of WFPC2's profiles in pyphot 2.1.1, micrometres


def test_offsets_and_wavelengths_agree_with_profiles_of_the_filters() -> None:
    """Those that do not are among what the description marks as assumed."""
    for mission, bands in SYNTHETIC.items():
        survey = packaged()[mission]
        known = {name for name, band in survey.bands.items() if band.vega_to_ab is not None}
        assert {f"bands.{name}.vega_to_ab" for name in known - set(bands)} <= set(survey.assumed)
        for name, (value, within) in bands.items():
            assert survey.bands[name].vega_to_ab == pytest.approx(value, abs=within), (mission, name)
    hst = packaged()["hst"]
    for name, value in PIVOT.items():
        assert hst.bands[name].wavelength == pytest.approx(value, rel=5e-4), name
    assert hst.assumed_of("F702W") == ["bands.F702W.wavelength"] and not hst.assumed_of("F814W")
    for flux, offset in ((1594.0, "J"), (1024.0, "H"), (666.7, "Ks")):  # zero fluxes of Cohen et al. 2003, Jy
        assert packaged()["2mass"].bands[offset].vega_to_ab == pytest.approx(8.9 - 2.5 * np.log10(flux), abs=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mision": "x"}, "did you mean mission"),
        ({"mission": None}, "mission: a text"),
        ({"mission": "My Scope"}, "small letters"),
        ({"source": []}, "at least one"),
        ({"bands": {"g": {"wavelenght": 0.5}}}, r"bands.g.*did you mean wavelength|did you mean wavelength"),
        ({"bands": {"g": {"wavelength": -0.5}}}, "above 0"),
        ({"bands": {"g": {"aliases": ["r"]}, "r": {}}}, "r for g and for r"),
        ({"bands": {"g": {"code": 1}, "r": {"code": 1}}}, "1 for g and for r"),
        ({"assumed": ["bands.g.zero_point"]}, "name fields as bands.g.zero_point"),
        ({"time": {"scale": "gps"}}, "utc or tai or tt or tdb"),
        ({"sky": "removed"}, "kept or subtracted"),
        ({"recognise": {"signature": ["MAGZP"]}}, "one key alone proves nothing"),
        ({"recognise": {"object_ids": ["("]}}, "regular expressions"),
        ({"recognise": ["ZTF"]}, "keys and values"),
        ({"stamp": {"size": 30}}, "pixel_scale in .*stamp"),
        ({**PACKETS, "stamp": None}, "stamp in"),
        ({**PACKETS, "packet": {"keys": {"id": ["candid"]}}}, "no time, ra, dec"),
        ({**PACKETS, "packet": {"keys": {**PACKETS["packet"]["keys"], "mjd": ["x"]}}}, "among id, object"),
        ({**PACKETS, "packet": {**PACKETS["packet"], "only_filter": "J"}}, "among the bands none"),
    ],
)
def test_a_wrong_description_names_its_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        survey_of(LEAST | change, "mine.yaml")


def test_a_field_that_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mission, source in mine"):
        survey_of({"name": "x"}, "mine")
    path = tmp_path / "mine.yaml"
    for text, words in (("- 1", "holds list"), ("a: [", "in YAML"), ("a: " + "[" * 80, "nested")):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            read_survey(path)
    with pytest.raises(UserError, match="No such file"):
        read_survey(tmp_path / "absent.yaml")


HEADERS: list[tuple[dict[str, Any], str | None]] = [
    ({"TELESCOP": "Palomar 48-inch", "INSTRUME": "ZTF/MOSAIC"}, "ztf"),
    ({"TELESCOP": "P48", "INSTRUME": "CFH12K"}, None),  # the same telescope, another camera
    ({"ORIGIN": "Zwicky Transient Facility"}, "ztf"),
    ({"TELESCOP": "  jwst ", "INSTRUME": "NIRCAM"}, "jwst"),
    ({"INSTRUME": "NIRCAM"}, "jwst"),
    ({"TELESCOP": "Romano Observatory"}, None),
    ({"TELESCOP": "MPI-2.2", "INSTRUME": "WFI"}, None),
    ({"INSTRUME": "WFI"}, None),
    ({"TELESCOP": "ROMAN", "INSTRUME": "WFI"}, "roman"),
    ({"SCA_NUM": 3, "ZPTMAG": 17.6}, "roman"),
    ({"SCA_NUM": 3, "MAGZP": 17.6}, None),
    ({"SCA_NUM": 3, "ZPTMAG": 17.6, "TELESCOP": "elsewhere"}, None),
    ({"TELESCOP": "CTIO 4.0-m telescope", "INSTRUME": "DECam"}, "decam"),
    ({"TELESCOP": "CTIO 4.0-m telescope", "INSTRUME": "Mosaic II"}, None),
    ({"TELESCOP": "2.5m", "ORIGIN": "SDSS"}, "sdss"),
    ({"TELESCOP": "2.5m", "ORIGIN": "ING La Palma"}, None),
    ({"TELESCOP": "1m0-05", "ORIGIN": "LCOGT", "INSTRUME": "fa15"}, "lco"),
    ({"TELESCOP": "SWIFT", "INSTRUME": "UVOTA"}, "swift"),
    ({"TELESCOP": "SWIFT", "INSTRUME": "XRT"}, None),
    ({"TELESCOP": "HST", "MISSION": "JWST"}, None),  # two claim it
    ({"FPA.TELESCOPE": "PS1", "FPA.INSTRUMENT": "GPC1"}, "ps1"),
    ({"FPA.ZP": 24.0, "FPA.FILTERID": "r.00000"}, "ps1"),
    ({"FPA.ZP": 24.0}, None),
    ({"OBJECT": "M31"}, None),
]


@pytest.mark.parametrize(("header", "mission"), HEADERS, ids=lambda value: str(value)[:60])
def test_headers_are_recognised_by_whole_names(header: dict[str, Any], mission: str | None) -> None:
    found = surveys_of().of_header(header)
    assert (found.survey.mission if found.survey else None) == mission
    assert found.by


def test_packets_are_recognised_by_publisher_object_or_fields() -> None:
    def whose(packet: dict[str, Any], *names: str) -> str | None:
        found = surveys_of().of_packet(packet, names)
        return found.survey.mission if found.survey else None

    assert whose({"publisher": "DESIRT"}, "c4d_260101_000000_xxx_g_1-1") == "decam"
    assert whose({"publisher": "Fink"}, "ZTF18abadigg") == "ztf"
    assert whose({}, "WNTR24awati") == "winter"
    assert whose({}, "ZTFish") is None and whose({"publisher": "not ZTF at all"}) is None
    assert whose({"diaSource": {"midpointMjdTai": 1.0, "band": "r"}}) == "rubin"
    assert whose({"diaSource": {"midpointMjd": 1.0, "band": "F106", "hp9": 7, "field": 1}}) == "roman"
    assert whose({"diaSource": {"midPointTai": 1.0}}) is None
    assert whose({}, "ZTF18abadigg", "WNTR24awati") is None


def test_values_of_survey(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(LEAST | {"recognise": {"observatories": ["My Scope"]}}))
    said = settled(str(path))
    assert isinstance(said, dict) and surveys_of(said).chosen == surveys_of(str(path)).chosen
    assert settled("ZTF") == "ZTF" and settled(None) is None
    assert surveys_of("panstarrs").chosen is packaged()["ps1"]
    beside = settled(None, [tmp_path])
    assert surveys_of(beside).of_header({"TELESCOP": "my scope"}).survey is not None
    assert surveys_of(beside).of_header({"TELESCOP": "JWST"}).survey is packaged()["jwst"]
    assert settled("myscope", [tmp_path]) == said
    with pytest.raises(UserError, match="did you mean ztf"):
        settled("zft")
    with pytest.raises(UserError, match="No such file"):
        settled(str(tmp_path / "none.yaml"))


def test_a_survey_that_was_given_is_not_put_on_anothers_file() -> None:
    given = surveys_of("jwst")
    assert given.of_header({"OBJECT": "M31"}).survey is packaged()["jwst"]
    found = given.of_header({"TELESCOP": "HST"})
    assert found.survey is None and "survey=JWST" in found.by and "HST" in found.by
    packet = {"publisher": "ZTF", "objectId": "ZTF18abadigg"}
    assert surveys_of("winter").of_packet(packet, ["ZTF18abadigg"]).survey is None
    assert surveys_of("ztf").of_packet(packet, ["ZTF18abadigg"]).survey is packaged()["ztf"]
    assert surveys_of("decam").of_packet({"publisher": "someone"}, []).survey is packaged()["decam"]


def test_bits_of_a_mask_as_one_number() -> None:
    assert MaskBits(bits={"dead": 0, "hot": 3, "cosmic ray": 4}, bad=("dead", "hot")).value == 9
    assert MaskBits(bits={"dead": 0}).value is None


@pytest.mark.parametrize(("said", "words"), [
    ({"bands": {"w": {"wavelength": 600}}}, "bands.w.wavelength in mine from 0.05 to 30 um.*600 nm are 0.6"),
    ({"bands": {"w": {"wavelength": 6000.0}}}, "6000 Angstrom 0.6"),
    ({"bands": {"w": {"wavelength": 6e-7}}}, "from 0.05 to 30 um"),
    ({"pixel_scale": 1.9e-4}, "pixel_scale in mine from 0.005 to 120 arcsec.*0.00019 deg are 0.684"),
    ({"stamp": {"size": 9, "pixel_scale": 400.0}}, "stamp.pixel_scale in mine.*400 mas 0.4"),
])  # fmt: skip
def test_values_in_another_unit_are_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match="(?s)" + words):
        survey_of(LEAST | said, "mine")


@pytest.mark.parametrize(("said", "words"), [
    ({"mission": "ztf"}, "ztf of MyScope and of ZTF"),
    ({"aliases": ["ZTF"]}, "ztf of MyScope and of ZTF"),
    ({"aliases": ["P48"]}, "p48 of MyScope and of ZTF"),
    ({"name": "Pan-STARRS", "aliases": ["panstarrs"]}, "panstarrs of Pan-STARRS and of"),
])  # fmt: skip
def test_a_name_of_another_survey_is_refused(said: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(LEAST | said))
    for ask in (lambda: surveys_of(str(path)), lambda: settled(None, [tmp_path]), lambda: settled("ztf", [tmp_path])):
        with pytest.raises(UserError, match=words):
            ask()


def test_two_files_of_one_mission_and_one_that_takes_the_place_of_a_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(LEAST | {"name": "ZTF", "mission": "ztf", "pixel_scale": 2.0}))
    assert surveys_of(settled(None, [tmp_path])).named("ztf").pixel_scale == 2.0
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(LEAST | {"name": "ZTF", "mission": "ztf"}))
    with pytest.raises(UserError, match=r"ztf in a.yaml and in b.yaml"):
        settled(None, [tmp_path])


def test_a_publisher_of_two_surveys_is_that_of_the_one_that_was_named(tmp_path: Path) -> None:
    deep = LEAST | PACKETS | {"recognise": {"publishers": ["ztf"]}}
    packet = {"publisher": "ZTF"}
    found = surveys_of([deep]).of_packet(packet, [])
    assert found.survey is None and found.by == "ZTF and MyScope both claim it"
    assert surveys_of(deep).of_packet(packet, []).survey == survey_of(deep, "deep")
