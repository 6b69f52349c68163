"""Units, descriptions and UCDs are ones that astropy and the VO know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from astropy import units
from astropy.io.votable.ucd import check_ucd

import astrid_ml.described
from astrid_ml.described.columns import FLUXCAL_UNIT, ColumnMeaning, TableMeaning
from astrid_ml.preprocessing.alerts.samples import FLOATS, TEXTS

CONTENT: dict[str, Any] = yaml.safe_load(
    (Path(astrid_ml.described.__file__).parent / "columns.yaml").read_text("utf-8")
)
ALL = [("every", name) for name in CONTENT["every"]] + [
    (kind, name) for kind, table in CONTENT["tables"].items() for name in table
]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_column_has_a_unit_that_astropy_reads_a_ucd_of_the_vo_and_a_line_of_ascii(kind: str, name: str) -> None:
    column = TableMeaning(kind, "adu").column(name)
    units.Unit(column.unit)
    if column.ucd:
        assert check_ucd(column.ucd, check_controlled_vocabulary=True), column.ucd
    assert column.description.isascii() and "\n" not in column.description and column.description


def test_fluxes_of_light_curves_are_what_their_zero_point_says() -> None:
    one = (1 * units.Unit(FLUXCAL_UNIT)).to(units.ABmag)
    assert one.value == pytest.approx(27.5, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ("DN", "adu"),
        ("ADU", "adu"),
        ("e-/s", "electron / s"),
        ("counts", "ct"),
        ("nJy", "nJy"),
        ("furlong", ""),
        (None, ""),
    ],
)
def test_the_unit_of_an_image_is_what_its_header_calls_it(given: str | None, unit: str) -> None:
    column = TableMeaning("candidates", given, 25.0).column("flux")
    assert column.unit == unit
    assert "AB zero point 25" in column.description
    assert given is None or given in column.description


def test_a_kind_of_table_says_more_than_what_holds_for_all() -> None:
    assert TableMeaning("jumps").column("x").description != TableMeaning("candidates").column("x").description
    assert TableMeaning("predictions").column("p_SNIa").ucd == "stat.probability"
    own = TableMeaning("candidates", own={"ra": ColumnMeaning("hourangle", "of a user")})
    assert own.column("ra").unit == "hourangle"
    assert own.column("dec").unit == "deg"


def test_every_number_of_a_packet_is_described() -> None:
    meanings = {name: TableMeaning("predictions").column(name) for name in (*FLOATS, *TEXTS, "pixel_scale", "n_nan")}
    assert [name for name, meaning in meanings.items() if not (meaning.description and meaning.ucd)] == []
    units = {name: meaning.unit for name, meaning in meanings.items() if meaning.unit}
    assert units == {
        "mjd": "d", "ra": "deg", "dec": "deg", "magpsf": "mag", "sigmapsf": "mag", "magzpsci": "mag", "fwhm": "pix",
        "distnr": "pix", "distpsnr1": "arcsec", "ssdistnr": "arcsec", "pixel_scale": "arcsec / pix",
    }  # fmt: skip
