"""Days as Modified Julian Dates: which of them a calendar has, and on which of them somebody looked at the sky.

A user's number may be anything (1e300, NaN, -999), and libraries end on a date that no calendar has: whoever makes a
date of a number that came from outside asks here first.
"""

from __future__ import annotations

FIRST, LAST = -678_575.0, 2_973_483.0  # the years 1 to 9999, without the last day, which roundings lead over
OBSERVED = (10_000.0, 200_000.0)  # 1886 to 2406


def on_calendar(mjd: float) -> bool:
    """Whether a calendar has this day: a finite number, of the years 1 to 9999.

    Args:
        mjd: any number.

    Example:
        >>> [on_calendar(day) for day in (60000.5, -678575.0, 1e9, float("nan"))]
        [True, True, False, False]
    """
    return FIRST <= mjd < LAST


def is_observed(mjd: float) -> bool:
    """Whether a camera may have taken something on this day.

    Args:
        mjd: any number.

    Example:
        >>> [is_observed(day) for day in (60000.5, 0.0, 2460000.5, float("inf"))]
        [True, False, False, False]
    """
    return OBSERVED[0] < mjd < OBSERVED[1]
