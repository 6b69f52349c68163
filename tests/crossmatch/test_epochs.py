"""Epochs of all kinds against astropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.time import Time

from astrid_ml.crossmatch.epochs import epochs_of, julian_years, times_of
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.errors import UserError


def years(values: Any) -> list[float]:
    return [float(year) for year in epochs_of("cat.csv", "cat", pd.Series(values, name="ref_epoch"))]


def test_julian_years_are_those_of_astropy() -> None:
    mjd = np.array([40_000.0, 51_544.5, 60_000.25])
    np.testing.assert_allclose(julian_years(mjd), Time(mjd, format="mjd", scale="tt").jyear, atol=1e-12)


def test_numbers_tell_their_kind_by_their_size() -> None:
    mjd = np.array([15_020.0, 57_388.5, 60_000.25])
    expected = Time(mjd, format="mjd", scale="tt").jyear
    np.testing.assert_allclose(years(mjd), expected, atol=1e-9)
    np.testing.assert_allclose(years(mjd + 2_400_000.5), expected, atol=1e-9)
    np.testing.assert_allclose(years(expected), expected)
    np.testing.assert_allclose(years([f"{value:.10f}" for value in mjd]), expected, atol=1e-9)


def test_texts_and_dates_are_those_of_astropy() -> None:
    besselian = Time(["B1950.0", "B1855.5"], scale="tt").jyear
    np.testing.assert_allclose(years(["B1950.0", "b 1855.5"]), besselian, atol=1e-8)
    assert years(["J2015.5", "2016.0", "j2000"]) == [2015.5, 2016.0, 2000.0]
    dates = ["2016-01-01", "2024-02-29T06:00:00", "1999-12-31 23:00:00.5Z"]
    expected = Time(["2016-01-01T00:00:00", "2024-02-29T06:00:00", "1999-12-31T23:00:00.5"]).jyear
    np.testing.assert_allclose(years(dates), expected, atol=1e-5)  # UTC for TT: a minute
    np.testing.assert_allclose(years(pd.to_datetime(dates, format="ISO8601", utc=True)), expected, atol=1e-5)


def test_what_is_not_known_is_nothing_and_what_is_no_epoch_is_refused() -> None:
    assert np.isnan(years([2016.0, np.nan, -999.0, 3.0])).tolist() == [False, True, True, True]
    assert np.isnan(years(["J2016", None, "", "never"])).tolist() == [False, True, True, True]
    assert np.isnan(years([np.nan, -999.0])).all() and years([]) == []
    for wrong in ([16.0], ["J16"], ["2016-99-99"], [1e9], ["summer", None]):
        with pytest.raises(UserError, match=r"row 1.*epoch\.cat=2016\.0"):
            years(wrong)


MJD = 60_000.25
YEAR = 2000.0 + (MJD - 51_544.5) / 365.25


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("mjd", MJD), ("MJD", MJD), ("jd", MJD + 2_400_000.5), ("obsJD", MJD + 2_400_000.5), ("mjd_obs", str(MJD)),
        ("midpointMjdTai", MJD), ("DATE-OBS", "2023-02-25T06:00:00"), ("ref_epoch", YEAR), ("epoch", f"J{YEAR}"),
    ],
)  # fmt: skip
def test_the_time_of_each_row(column: str, value: Any) -> None:
    rows = pd.DataFrame({"ra": [1.0, 2.0], column: [value, None]})
    found, years = times_of("t.csv", "input", rows, {})
    assert found == column and years is not None
    np.testing.assert_allclose(years, [YEAR, np.nan], atol=1e-6)


def test_which_of_several_times_counts() -> None:
    rows = pd.DataFrame({"epoch": ["first", "second"], "mjd": [None, None], "jd": [MJD + 2_400_000.5] * 2, "t": MJD})
    assert times_of("t.csv", "input", rows, {})[0] == "jd"
    assert times_of("t.csv", "input", rows[["epoch"]], {}) == (None, None)  # no time, and it need not be one
    told = {"t": ColumnMeaning("d", "", "time.epoch")}
    assert times_of("t.csv", "input", rows[["epoch", "t"]], told)[0] == "t"
    assert times_of("t.csv", "input", rows[["t"]], {}) == (None, None)
    with pytest.raises(UserError, match=r"jd of t\.csv"):
        times_of("t.csv", "input", pd.DataFrame({"jd": ["noon"]}), {})
