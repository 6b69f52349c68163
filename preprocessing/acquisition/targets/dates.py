"""Dates of discovery as catalogues write them, as MJD; row by row, each that is none with its reason."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.types import Floats

DAY_ZERO = date(1858, 11, 17).toordinal()  # of MJD 0; the civil calendar, also before 1582
# 2014-01-21, 2014/1/21, 20140121T03:04:05Z, 1987-02-24.23 2014 01 21.5 (fractions of the day)
DATE = re.compile(
    r"(\d{1,4})([-/. ]?)(\d{1,2})\2(\d{1,2})"
    r"(?:(\.\d+)|[T ]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d*)?))?)?\s*(?:Z|UTC?|\+00:?00)?",
    re.IGNORECASE,
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NAMED = re.compile(rf"(?<=\d[-/. ])({'|'.join(MONTHS)})[a-z]*\.?(?=[-/. ]\d)", re.IGNORECASE)  # 2024-Jan-01 of JPL
COARSE = re.compile(r"(\d{4})(?:[-/]\d{1,2})?")  # a year or a month: no epoch can be told to lie before it
MJDS, JDS = (10_000.0, 110_000.0), (2_400_000.5, 2_510_000.5)


def dates_of(values: pd.Series[Any], what: str = "discovery date") -> tuple[Floats, list[str]]:
    """Dates as MJD, and why a row has none.

    Args:
        values: ISO dates with any of ``-``, ``/``, ``.``, with times of day or fractions of a day; MJD and JD; or
            what pandas reads as dates. Months may be names (``2024-Jan-01``).
        what: they are, for the reasons.

    Returns:
        (n,) MJD, UTC, NaN where there is none; for each row a reason, empty where there is a date.

    Example:
        >>> mjd, why = dates_of(pd.Series(["2014-01-21", "1987/02/24.5", "2014-02-30", "", "56678.25", "2014"]))
        >>> mjd.tolist()
        [56678.0, 46850.5, nan, nan, 56678.25, nan]
        >>> why[2:4], why[5]
        (["the discovery date is no day: '2014-02-30'", 'no discovery date'], 'the discovery date says no day')
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        texts = pd.to_datetime(values, utc=True).dt.strftime("%Y-%m-%d %H:%M:%S.%f").astype("string")
    else:
        texts = values.astype("string")
    cells = [str(text).strip() for text in texts.fillna("")]
    known: dict[str, tuple[float, str]] = {}
    for cell in cells:
        if cell not in known:
            known[cell] = _date(cell, what)
    return np.asarray([known[cell][0] for cell in cells], dtype=float), [known[cell][1] for cell in cells]


def _date(text: str, what: str) -> tuple[float, str]:
    if text.casefold() in ("", "nan", "nat", "none", "null", "--", "0000-00-00"):
        return np.nan, f"no {what}"
    wrong = f"the {what} is no day: {text[:40]!r}"
    text = NAMED.sub(lambda name: f"{MONTHS.index(name[1].casefold()) + 1:02d}", text)
    found = DATE.fullmatch(text)
    if found is not None and (found[2] or len(found[1] + found[3] + found[4]) == 8):
        year, month, day = int(found[1]), int(found[3]), int(found[4])
        if len(found[1]) < 3:  # 01/02/14 is one of three days, 14-01-21 of any century
            return np.nan, f"the year of the {what} has not four digits: {text[:40]!r}"
        fraction = float(found[5] or 0)
        hour, minute, second = int(found[6] or 0), int(found[7] or 0), float(found[8] or 0)
        try:
            ordinal = date(year, month, day).toordinal()
        except ValueError:
            return np.nan, wrong
        if hour > 23 or minute > 59 or second >= 61:
            return np.nan, wrong
        return ordinal - DAY_ZERO + fraction + (hour + minute / 60 + second / 3600) / 24, ""
    if COARSE.fullmatch(text):
        return np.nan, f"the {what} says no day"
    try:
        number = float(text)
    except ValueError:
        return np.nan, wrong
    if JDS[0] <= number <= JDS[1]:
        return number - JDS[0], ""
    return (number, "") if MJDS[0] <= number <= MJDS[1] else (np.nan, wrong)


def years_of(mjd: Floats) -> Floats:
    """Calendar years of MJDs; NaN stays NaN.

    >>> years_of(np.array([56657.999, 56658.0, np.nan])).tolist()
    [2013.0, 2014.0, nan]
    """
    days = np.floor(np.where(np.isfinite(mjd), mjd, 0)).astype("int64")
    years = (np.datetime64("1858-11-17") + days).astype("datetime64[Y]").astype("int64") + 1970
    return np.where(np.isfinite(mjd), years.astype(float), np.nan)
