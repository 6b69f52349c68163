"""Times of tables as MJD in UTC: Julian dates whole or cut short, days since a zero, dates, and other scales."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.days import is_observed
from astrid_ml.preprocessing.lightcurves.curves.ingest import FIRST_MJD, JD_ZERO, LAST_MJD, Account
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.readable import quiet
from astrid_ml.types import Floats

CUT = (2_450_000.0, 2_400_000.0)  # of Julian dates that are written without their first figures
_MISSIONS = {"btjd": 2_457_000.0, "bkjd": 2_454_833.0}
UNIX_ZERO = 40587.0  # MJD of 1970
SECONDS = 1e8  # of any time, beyond which it is no day of any count
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = r"(?:[t ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d*)?))?)?\s*(?:z|utc?)?$"
_YEAR_FIRST = r"^(?P<year>\d{4})[-/ .]+m?(?P<month>\d{1,2})[-/ .]+(?P<day>\d{1,2}(?:\.\d+)?)" + _CLOCK
_YEAR_LAST = r"^(?P<day>\d{1,2}(?:\.\d+)?)[-/ .]+m(?P<month>\d{1,2})[-/ .,]+(?P<year>\d{4})" + _CLOCK
_IN_A_DAY = {"day": 1, "hour": 24, "minute": 1440, "second": 86400}
_SINCE = re.compile(
    r"([bh]?)(m?)jd[\s_(]*(?:utc|tai|tt|tdb|tcb)?\)?\s*[-\u2013_ ]+\s*(24\d{5}(?:\.\d+)?)", re.IGNORECASE
)


def zero_in(words: str) -> float | None:
    """The Julian date from which a column's name or unit says that its days count; None where it says none.

    Example:
        >>> zero_in("BJD - 2457000, days"), zero_in("time (BTJD)"), zero_in("HJD-2450000"), zero_in("mjd")
        (2457000.0, 2457000.0, 2450000.0, None)
    """
    found = _SINCE.search(words)
    if found:
        return float(found[3])
    return next((zero for name, zero in _MISSIONS.items() if name in words.lower()), None)


def place_in(words: str) -> str:
    """Where the light arrives at a time that is called so: ``sun``, ``barycentre`` or ``earth``.

    Example:
        >>> place_in("HJD"), place_in("hmjd"), place_in("BJD_TDB"), place_in("mjd")
        ('sun', 'sun', 'barycentre', 'earth')
    """
    found = re.search(r"\b([bh])(?:m?jd|tjd|kjd)", words.lower().replace("_", " "))
    return {"h": "sun", "b": "barycentre"}[found[1]] if found else "earth"


def scale_in(words: str) -> str | None:
    """The scale that a time's name or unit says; None where it says none.

    Example:
        >>> scale_in("JD(TT)"), scale_in("BJD (TCB)"), scale_in("bjd_tdb"), scale_in("MJDTAI"), scale_in("mjd")
        ('tt', 'tcb', 'tdb', 'tai', None)
    """
    found = re.search(r"(?:\b|jd)(utc|tai|tt|tdb|tcb)\b", words.lower().replace("_", " "))
    return found[1] if found else None


def days_of(
    values: pd.Series, numbers: Floats, layout: TableLayout, about: Mapping[str, Any], account: Account
) -> Floats:
    """MJD (UTC) of a column of times, shape (n,); NaN where there is none.

    Args:
        values: as they stand in the table: texts of dates too.
        numbers: the same as numbers; NaN for what is none.
        layout: says what they are.
        about: keys of the header, for ``zero_keys``.
        account: counts times that were cut short, and those that are not the Earth's.

    Raises:
        ValueError: days since a zero that nobody tells, seconds that nobody calls so, texts that are no dates.
    """
    days = numbers
    if layout.time == "days":
        days = np.where(days < 1_000_000, days + (_zero(layout, about) - JD_ZERO), days - JD_ZERO)
    elif layout.time == "jd":
        whole = days > 1_000_000
        short = np.isfinite(days) & ~whole & (days > 0)
        zero = np.where(days < LAST_MJD / 4, CUT[0], CUT[1])
        days = np.where(whole, days - JD_ZERO, days + (zero - JD_ZERO))
        account.counts["rows_JD_without_its_first_figures"] += int(short.sum())
    elif layout.time == "unix":
        days = np.where(days > 1000 * SECONDS, days / 1000, days) / 86400 + UNIX_ZERO
    elif layout.time == "any" and len(known := days[np.isfinite(days)]) and known.min() > SECONDS:
        raise ValueError(f"a time of {known[0]:.10g}, which is no day: of seconds since 1970 say time: unix in a map")
    elif np.isnan(numbers).all() and values.notna().any():
        days = _of_dates(values)
    if layout.time_of != "earth":
        account.counts[f"rows_time_at_the_{layout.time_of}"] += int(np.isfinite(days).sum())
    return in_utc(days, layout.time_scale)


def _zero(layout: TableLayout, about: Mapping[str, Any]) -> float:
    said = {str(key).lower(): value for key, value in about.items()}
    parts = [said[key.lower()] for key in layout.zero_keys if isinstance(said.get(key.lower()), int | float)]
    zero = sum(map(float, parts)) if parts else layout.time_zero
    if zero is None:
        words = " or ".join(filter(None, [" + ".join(layout.zero_keys), "time_zero in a map"]))
        raise ValueError(f"{layout.name}: days since which zero? Neither {words} says it")
    return zero


def _of_dates(values: pd.Series) -> Floats:
    """MJD of dates; a text that is none has none.

    Raises:
        ValueError: none of them is a date that can be read: 05/06/2020 may be of May or of June.
    """
    texts = values.astype("string").str.strip()
    moments = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    if moments.notna().any():
        return _days_since(moments)
    # 2014-12-09.25, 2014 Dec 9.25, 9-Dec-2014 06:00: a day with its part, months by their names
    numbers = texts.str.lower().str.replace(r"([a-z]{3})[a-z]*(?=[-/ .,])", _number_of_month, regex=True)
    parts = numbers.str.extract(_YEAR_FIRST)
    last = numbers.str.extract(_YEAR_LAST)
    parts = parts.where(parts["year"].notna(), last)
    day = _days_since(
        pd.to_datetime(parts["year"] + "-" + parts["month"].str.zfill(2) + "-01", errors="coerce", utc=True)
    )
    each = {name: pd.to_numeric(parts[name], errors="coerce").fillna(0).to_numpy(float) for name in _IN_A_DAY}
    out: Floats = day + each["day"] - 1 + sum(each[name] / per for name, per in _IN_A_DAY.items() if name != "day")
    if np.isnan(out).all():
        first = str(texts.dropna().iloc[0])[:40]
        why = " (is the day or the month first?)" if re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}", first) else ""
        raise ValueError(f"times that cannot be read: {first}{why}; write them as 2020-05-31T06:00:00, MJD or JD")
    return out


def _days_since(moments: pd.Series) -> Floats:
    seconds = (moments - pd.Timestamp("1858-11-17", tz="UTC")).dt.total_seconds()
    return np.asarray(seconds.to_numpy(dtype=np.float64) / 86400)


def _number_of_month(found: re.Match[str]) -> str:
    return f"m{_MONTHS.index(found[1]) + 1}" if found[1] in _MONTHS else found[0]


def in_utc(days: Floats, scale: str) -> Floats:
    """MJD of another scale as UTC, with the leap seconds of their days.

    Example:
        >>> round(float((60000 - in_utc(np.array([60000.0]), "tai")[0]) * 86400), 3)
        37.0
    """
    if scale == "utc":
        return days
    from astropy.time import Time

    usable = np.isfinite(days) & (days > FIRST_MJD) & (days < LAST_MJD)
    if not usable.any() or not is_observed(float(days[usable][0])):
        return days
    out = days.copy()
    with quiet():  # leap seconds of years to come are not known
        out[usable] = Time(days[usable], format="mjd", scale=scale).utc.mjd
    return out
