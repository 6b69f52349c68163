"""Columns of angles whose unit nobody says: told apart where one can, refused where one cannot; marks are nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.crossmatch.angles import SkyTable, degrees_of, on_the_sphere, refuse_other_units
from astrid_ml.errors import UserError
from astrid_ml.types import Floats

TABLE = SkyTable("cat.csv", "cat")


def sky(n: int, seed: int = 3) -> Floats:
    """Places all over the sphere, degrees."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))])


@pytest.mark.parametrize("n", [10, 40, 2000])
def test_hours_and_radians_of_the_whole_sky_are_refused_however_few(n: int) -> None:
    with pytest.raises(UserError, match=r"hours or degrees.*position_unit\.cat=hourangle"):
        refuse_other_units(TABLE, sky(n) / [15.0, 1.0], "ra")
    with pytest.raises(UserError, match=r"radians or degrees.*position_unit\.cat=rad"):
        refuse_other_units(TABLE, np.radians(sky(n)), "ra")
    wrapped = np.radians(sky(n)) - [np.pi, 0.0]  # -pi to pi
    with pytest.raises(UserError, match="radians or degrees"):
        refuse_other_units(TABLE, wrapped, "ra")
    refuse_other_units(TABLE, sky(n), "ra")


@pytest.mark.parametrize(
    "places",
    [
        [[1.0, -40.0], [20.0, 40.0]],  # two rows say nothing
        [[0.1, 0.2], [3.0, 0.4], [6.1, 0.1]],  # a narrow strip at the equator
        [[0.1, -10.0], [12.0, 3.0], [23.9, 20.0]],  # a field
        [[350.0, -60.0], [5.0, 60.0], [20.0, 0.0]],
        [[np.nan, np.nan]],
    ],
)
def test_fields_in_degrees_are_left_alone(places: list[list[float]]) -> None:
    refuse_other_units(TABLE, np.array(places), "ra")


def test_a_name_that_is_written_in_radians_too_must_say_which() -> None:
    field = np.radians([[53.1, -27.8], [53.2, -27.7]])
    refuse_other_units(TABLE, field, "ra")
    with pytest.raises(UserError, match=r"position_unit\.cat=rad"):
        refuse_other_units(TABLE, field, "coord_ra")
    refuse_other_units(TABLE, np.array([[53.1, -27.8]]), "coord_ra")


@pytest.mark.parametrize("mark", [-999.0, -9999.0, -99999999.0, -0.9999995e9, 1e30, np.inf])
def test_marks_of_nothing_have_no_place_and_hide_no_unit(mark: float) -> None:
    values = pd.Series([10.0, mark, 30.0], name="ra")
    for axis in ("ra", "dec"):
        found, said = degrees_of(TABLE, values, "", None, axis)
        assert np.isnan(found).tolist() == [False, True, False] and not said
    assert np.isnan(degrees_of(TABLE, values, "", "hourangle", "ra")[0]).tolist() == [False, True, False]
    texts = pd.Series(["10:00:00", repr(mark), "11:00:00"], name="ra")
    assert np.isnan(degrees_of(TABLE, texts, "deg", None, "ra")[0]).tolist() == [False, True, False]
    hours = sky(30) / [15.0, 1.0]
    hours[::7] = mark
    columns = [degrees_of(TABLE, pd.Series(hours[:, k]), "", None, axis)[0] for k, axis in enumerate(("ra", "dec"))]
    with pytest.raises(UserError, match="hours or degrees"):
        refuse_other_units(TABLE, np.column_stack(columns), "ra")


def test_numbers_that_can_be_places_are_none_of_these_marks() -> None:
    assert degrees_of(TABLE, pd.Series([-99.0, 99.0]), "", None, "ra")[0].tolist() == [-99.0, 99.0]
    assert np.isnan(degrees_of(TABLE, pd.Series([-99.0, 99.0]), "", None, "dec")[0]).all()
    assert degrees_of(TABLE, pd.Series([-999.0]), "arcsec", None, "dec")[0].tolist() == pytest.approx([-999 / 3600])
    found = on_the_sphere(TABLE, np.array([[-1.0, 5.0], [np.nan, 7.0]]), ("ra", "dec"))
    assert found[0].tolist() == [359.0, 5.0] and np.isnan(found[1]).all()
    with pytest.raises(UserError, match=r"row 2: dec is 124 degrees.*ra\.cat=COLUMN"):
        on_the_sphere(TABLE, np.array([[1.0, 5.0], [10.0, 124.0]]), ("ra", "dec"))


def test_minutes_with_decimals_are_not_minutes_and_seconds() -> None:
    found, _ = degrees_of(
        TABLE, pd.Series(["09 55.7025", "09h55.7025m", "09:55:42.15", "9h55m"], name="ra"), "h", None, "ra"
    )
    assert np.allclose(found, [148.925625, 148.925625, 148.925625, 148.75], rtol=0, atol=1e-9)
    with pytest.raises(UserError, match=r"09 55\.7 42"):
        degrees_of(TABLE, pd.Series(["09 55.7 42"], name="ra"), "h", None, "ra")
