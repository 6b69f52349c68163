"""Positions of catalogues as people have them: names, units, sexagesimal, nothing guessed that cannot be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time

from astrid_ml.crossmatch.match import match_places
from astrid_ml.crossmatch.places import Given, SkyPlaces, moved, places_of
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.errors import UserError
from astrid_ml.types import Floats


def read(table: pd.DataFrame, given: Given | None = None, **said: str) -> SkyPlaces:
    meanings = {name: ColumnMeaning(unit) for name, unit in said.items()}
    names = [str(name) for name in table]
    return places_of("cat.csv", "cat", names, meanings, lambda wanted: table[list(wanted)], given or Given())


def frame(ra: Any, dec: Any, names: tuple[str, str] = ("ra", "dec")) -> pd.DataFrame:
    return pd.DataFrame({names[0]: ra, names[1]: dec})


@pytest.mark.parametrize(
    "names", [("ra", "dec"), ("RAJ2000", "DEJ2000"), ("raMean", "decMean"), ("Ra", "DEC"), ("RAdeg", "DEdeg")]
)
def test_names_that_surveys_give_are_known(names: tuple[str, str]) -> None:
    assert read(frame([10.0, -5.0], [1.0, 2.0], names)).sky.tolist() == [[10.0, 1.0], [355.0, 2.0]]


def test_a_ucd_names_the_columns_too_and_a_key_goes_first() -> None:
    table = pd.DataFrame({"a": [1.0], "d": [2.0], "x": [3.0], "y": [4.0]})
    ucds = {"a": ColumnMeaning("deg", "", "pos.eq.ra;meta.main"), "d": ColumnMeaning("deg", "", "pos.eq.dec;meta.main")}
    take = lambda wanted: table[list(wanted)]  # noqa: E731
    assert places_of("c", "c", [*map(str, table)], ucds, take, Given()).sky.tolist() == [[1.0, 2.0]]
    assert places_of("c", "c", [*map(str, table)], ucds, take, Given("x", "y")).sky.tolist() == [[3.0, 4.0]]


def test_a_catalogue_without_a_position_says_how_to_name_it() -> None:
    with pytest.raises(UserError, match=r"cat.csv with l, b.*ra\.cat=COLUMN dec\.cat=COLUMN"):
        read(frame([1.0], [2.0], ("l", "b")))
    with pytest.raises(UserError, match="did you mean right"):
        read(frame([1.0], [2.0], ("right", "dec")), Given("rigth", "dec"))
    with pytest.raises(UserError, match=r"no dec\.cat"):
        read(frame([1.0], [2.0]), Given("ra"))


@pytest.mark.parametrize(
    ("ra", "unit"), [("hourangle", "12:30:00"), ("h:m:s", "12 30 00"), ('"h:m:s"', "12:30:00.0"), ("", "12h30m00s")]
)
def test_sexagesimal_hours_are_read_where_the_table_says_so(ra: str, unit: str) -> None:
    assert read(frame([unit], ["-00:30:00"]), ra=ra).sky.tolist() == [[187.5, -0.5]]


def test_sexagesimal_positions_are_those_of_astropy() -> None:
    rng = np.random.default_rng(2)
    sky = SkyCoord(rng.uniform(0, 360, 300), rng.uniform(-90, 90, 300), unit="deg")
    ra = [Angle(value).to_string(unit="hourangle", sep=":", precision=4) for value in sky.ra]
    dec = [Angle(value).to_string(unit="deg", sep=" ", precision=3, alwayssign=True) for value in sky.dec]
    found = read(frame(ra, dec), ra="hourangle")
    np.testing.assert_allclose(found.sky[:, 0], [Angle(text, "hourangle").deg for text in ra], atol=1e-12)
    np.testing.assert_allclose(found.sky[:, 1], [Angle(text, "deg").deg for text in dec], atol=1e-12)


def test_hours_or_degrees_that_nobody_can_tell_are_refused() -> None:
    with pytest.raises(UserError, match=r"hours or degrees.*position_unit\.cat=hourangle"):
        read(frame(["12:30:00"], ["-00:30:00"]))
    assert read(frame(["12:30:00"], ["1:0:0"]), Given(unit="hourangle")).sky.tolist() == [[187.5, 1.0]]
    assert read(frame(["12:30:00"], ["1:0:0"]), Given(unit="deg")).sky.tolist() == [[12.5, 1.0]]
    hours, dec = np.linspace(0.1, 23.9, 200), np.linspace(-80, 80, 200)
    with pytest.raises(UserError, match=r"from 0\.1 to 23\.9, without a unit"):
        read(frame(hours, dec))
    assert read(frame(hours, dec), Given(unit="hourangle")).sky[-1, 0] == pytest.approx(358.5)
    assert read(frame(hours, dec), ra="deg").sky[-1, 0] == pytest.approx(23.9)
    assert read(frame(hours, dec / 4)).sky[-1, 0] == pytest.approx(23.9)  # a field, not the sky


@pytest.mark.parametrize(
    ("ra", "dec", "said"),
    [
        ([181.0], [100.0], "dec is 100 degrees"),
        ([1000.0], [1.0], "ra is 1000 degrees"),
        (["12:61:00"], ["1:0:0"], "minutes and seconds below 60"),
        (["1 2 3", "somewhere"], ["1:0:0", "2:0:0"], "row 2: ra is 'somewhere'"),
    ],
)
def test_what_is_no_position_is_named_with_its_row(ra: list[Any], dec: list[Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(frame(ra, dec), ra="hourangle" if isinstance(ra[0], str) else "")


def test_units_are_converted_and_strange_ones_refused() -> None:
    radians = read(frame([np.pi], [-np.pi / 4]), ra="rad", dec="rad")
    np.testing.assert_allclose(radians.sky, [[180.0, -45.0]])
    assert read(frame([12.0], [1.0]), ra="h").sky.tolist() == [[180.0, 1.0]]  # as CDS writes it
    assert read(frame([12.0], [1.0]), Given(unit="h")).sky.tolist() == [[180.0, 1.0]]
    with pytest.raises(UserError, match=r"the unit h.*position_unit\.cat"):
        read(frame([12.0], [1.0]), ra="deg", dec="h")
    with pytest.raises(UserError, match=r"the unit km.*position_unit\.cat"):
        read(frame([12.0], [1.0]), ra="km")
    assert read(frame([1.0], [2.0])).assumed == ("ra: deg", "dec: deg")


def test_what_is_not_known_has_no_place() -> None:
    assert np.isnan(read(frame([1.0, np.nan, 3.0], [np.nan, 2.0, 3.0])).sky).any(axis=1).tolist() == [True, True, False]
    assert np.isnan(read(frame(["1:0:0", None, ""], ["1:0:0"] * 3), ra="deg").sky[:, 0]).tolist() == [False, True, True]
    assert len(read(frame([], []))) == 0


def test_errors_and_motions_come_in_their_units() -> None:
    table = frame([1.0, 2.0], [1.0, 2.0]).assign(ra_error=100.0, dec_error=200.0, pmra=[1.0, np.nan], pmdec=2.0)
    found = read(table.assign(ref_epoch=2016.0), ra_error="mas", dec_error="mas", pmra="arcsec / yr")
    assert found.error is not None and found.error[0].tolist() == [0.1, 0.2]
    assert found.motion is not None and found.motion.round(9).tolist() == [[1000.0, 2.0], [0.0, 0.0]]
    assert found.epoch is not None and found.epoch.tolist() == [2016.0] * 2
    assert "pmdec: mas / yr" in found.assumed
    assert read(table, Given(error=0.5)).error.tolist() == [[0.5, 0.5]] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize("dec", [0.0, 60.0, -89.9])
def test_moved_places_are_those_of_astropy(dec: float) -> None:
    start = SkyPlaces(np.array([[359.9999, dec]]), None, np.array([[-3775.0, 10_300.0]]), np.array([2016.0]))
    mas = units.mas / units.yr
    far = {"distance": 10 * units.pc, "obstime": Time(2016.0, format="jyear")}  # without it astropy warns
    coord = SkyCoord(359.9999 * units.deg, dec * units.deg, pm_ra_cosdec=-3775 * mas, pm_dec=10_300 * mas, **far)
    then = coord.apply_space_motion(Time(2026.5, format="jyear"))
    here = SkyPlaces(np.array([[then.ra.deg, then.dec.deg]]), epoch=np.array([2026.5]))
    pairs = match_places(here, start, 1.0)
    assert pairs.distance.tolist() == pytest.approx([0.0], abs=2e-4)
    assert len(match_places(SkyPlaces(here.sky, epoch=np.array([2016.0])), start, 50.0).distance) == 0


def test_each_place_sees_the_catalogue_at_its_own_time() -> None:
    star = SkyPlaces(
        np.array([[0.0, 0.0], [10.0, 0.0]]), None, np.array([[-2000.0, 0.0], [0.0, 0.0]]), np.full(2, 2016.0)
    )
    years = np.array([2006.0, 2016.0, 2026.0, np.nan])
    sky = np.column_stack([np.array([20.0, 0.0, -20.0, 0.0]) / 3600 % 360, np.zeros(4)])
    pairs = match_places(SkyPlaces(sky, epoch=years), star, 1.0)
    assert pairs.first.tolist() == [0, 1, 2, 3] and pairs.second.tolist() == [0] * 4
    np.testing.assert_allclose(pairs.distance, 0, atol=1e-3)


def test_errors_decide_where_they_are_asked_for() -> None:
    here = SkyPlaces(np.array([[10.0, 0.0]]), np.array([[0.1, 0.1]]))
    sky: Floats = np.array([[10.0 + 0.5 / 3600, 0.0], [10.0 + 0.8 / 3600, 0.0], [10.0, 0.2 / 3600]])
    known = SkyPlaces(sky, np.array([[0.1, 0.1], [1.0, 1.0], [np.nan, 0.1]]))
    pairs = match_places(here, known, 2.0, sigma=5.0)
    assert pairs.second.tolist() == [1, 0] and pairs.sigma is not None
    assert pairs.sigma.tolist() == pytest.approx([0.8 / np.hypot(1, 0.1), 0.5 / np.hypot(0.1, 0.1)])
    assert match_places(here, known, 2.0).second.tolist() == [2, 0, 1]
    with pytest.raises(UserError, match=r"error\.NAME=ARCSEC"):
        match_places(SkyPlaces(here.sky), SkyPlaces(sky), 2.0, sigma=3.0)


def test_sigma_holds_as_many_as_it_should() -> None:
    rng = np.random.default_rng(4)
    sky = np.column_stack([np.arange(4000) * 0.05, np.full(4000, 70.0)])
    error = np.array([[0.3, 0.1]])
    off = rng.normal(0, 1, sky.shape) * np.array([0.3, 0.1]) / 3600 / np.array([np.cos(np.radians(70.0)), 1])
    known = SkyPlaces(sky, np.repeat(error, 4000, axis=0))
    within = match_places(SkyPlaces(sky + off), known, 5.0, sigma=2.0)
    assert len(within.first) / 4000 == pytest.approx(1 - np.exp(-2.0), abs=0.02)  # Rayleigh's


def test_a_turn_of_motion_is_along_a_great_circle() -> None:
    assert moved(SkyPlaces(np.array([[90.0, 0.0]])), [0], [2000.0]).round(9).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("epoch", [2016.0, 57388.5, 2457389.0, "J2016.0", "2016-01-01T12:00:00"])
def test_the_epoch_of_a_catalogue_is_told_however_it_is_written(epoch: Any) -> None:
    table = frame([1.0], [1.0]).assign(pmra=1000.0, pmdec=0.0, ref_epoch=[epoch])
    assert read(table).epoch == pytest.approx([2016.0], abs=1e-6)
    with pytest.raises(UserError, match=r"ref_epoch of cat.csv as a Julian year.*epoch\.cat=2016\.0"):
        read(table.assign(ref_epoch="soon"))


@pytest.mark.parametrize("names", [("ra_error", "dec_error"), ("e_RAJ2000", "e_DEJ2000"), ("e_RA_ICRS", "e_DE_ICRS")])
def test_errors_that_surveys_give_in_mas_or_arcsec_must_say_which(names: tuple[str, str]) -> None:
    table = frame([1.0, 2.0], [1.0, 2.0])
    table[names[0]], table[names[1]] = 300.0, [200.0, -999.0]
    with pytest.raises(UserError, match=rf"{names[0]} without it.*error_unit\.cat=mas.*error\.cat=0\.05"):
        read(table)
    assert read(table, Given(errors=False)).error is None  # nobody asks
    found = read(table, Given(error_unit="mas"))
    assert found.error is not None and found.error[0].tolist() == pytest.approx([0.3, 0.2])
    assert np.isnan(found.error[1]).tolist() == [False, True]
    said = read(table, None, **{names[0]: "mas", names[1]: "arcsec"}).error
    assert said is not None and said[0].tolist() == pytest.approx([0.3, 200.0])
    assert read(table, Given(error=0.5)).error.tolist() == [[0.5, 0.5]] * 2  # type: ignore[union-attr]


def test_errors_of_surveys_that_write_arcsec_are_read_without_a_word() -> None:
    table = frame([1.0, 2.0], [1.0, 2.0], ("raMean", "decMean")).assign(raMeanErr=[0.1, -999.0], decMeanErr=[-0.1, 0.2])
    found = read(table)
    assert found.error is not None and "raMeanErr: arcsec" in found.assumed
    assert found.error[0, 0] == 0.1 and np.isnan(found.error[[0, 1], [1, 0]]).all()


def test_a_unit_of_errors_that_counts_for_nothing_is_refused() -> None:
    table = frame([1.0], [1.0])
    with pytest.raises(UserError, match=r"leave out error_unit\.cat"):
        read(table, Given(error_unit="mas"))
    with pytest.raises(UserError, match=r"error\.cat beside it"):
        read(table.assign(ra_err=1.0, dec_err=1.0), Given(error=0.1, error_unit="mas"))
    with pytest.raises(UserError, match="the unit furlong"):
        read(table.assign(ra_err=1.0, dec_err=1.0), Given(error_unit="furlong"))


def test_motions_at_marks_are_not_known() -> None:
    table = frame([1.0, 2.0], [1.0, 2.0]).assign(pmra=[-9999.0, 5.0], pmdec=[-9999.0, 99.0])
    found = read(table)
    assert found.motion is not None and found.motion.tolist() == [[0.0, 0.0], [5.0, 99.0]]
