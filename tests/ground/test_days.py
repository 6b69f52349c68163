"""Which numbers are days."""

from __future__ import annotations

import math

import pytest
from astropy.time import Time

from astrid_ml.days import FIRST, LAST, is_observed, on_calendar


@pytest.mark.parametrize("mjd", [math.nan, math.inf, -math.inf, 1e300, -1e300, 1e9, -1e9, FIRST - 1, LAST])
def test_what_no_calendar_has_is_none(mjd: float) -> None:
    assert not on_calendar(mjd) and not is_observed(mjd)


@pytest.mark.filterwarnings("ignore:ERFA")
@pytest.mark.parametrize("mjd", [FIRST, 0.0, 60000.25, LAST - 1e-6])
def test_what_a_calendar_has_can_be_written(mjd: float) -> None:
    assert on_calendar(mjd) and len(Time(mjd, format="mjd").isot.split("-")) == 3


def test_an_image_was_taken_between_1886_and_2406() -> None:
    assert is_observed(50_000) and not is_observed(-999) and not is_observed(2_460_000.5)
