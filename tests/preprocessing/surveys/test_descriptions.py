"""Descriptions of surveys: the packaged ones are whole, wrong ones are refused with the field that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
