"""Dates and times of day as headers spell them: ISO, day/month/year, names of months, six and eight digits, zones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_REST = r"(?:[T\s]+(.+))?"
_ISO = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_REST}")
_OLD = re.compile(rf"(\d{{1,2}})[/.-](\d{{1,2}})[/.-](\d{{4}}|\d{{2}}){_REST}")
_DAY_FIRST = re.compile(rf"(\d{{1,2}})[-/. ]?([A-Za-z]{{3,9}})[-/., ]*(\d{{4}}|\d{{2}}){_REST}")
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-/. ]?([A-Za-z]{{3,9}})[-/. ]?(\d{{1,2}}){_REST}")
_MONTH_FIRST = re.compile(rf"([A-Za-z]{{3,9}})[-/. ]*(\d{{1,2}})[, -/.]+(\d{{4}}){_REST}")
_DIGITS = re.compile(rf"(\d{{2}}|\d{{4}})(\d{{2}})(\d{{2}}){_REST}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(
    r"(\d{1,2})[: h](\d{1,2})(?:[: m](\d{1,2}(?:\.\d*)?))?s?"
    r"\s*(Z|UTC|UT|GMT|TAI|TT|TDB)?\s*(?:([+-])(\d{2}):?(\d{2})?)?",
    re.IGNORECASE,
)
_ZONES = {"z": "utc", "utc": "utc", "ut": "utc", "gmt": "utc", "tai": "tai", "tt": "tt", "tdb": "tdb"}
PIVOT = 70  # two digits below it are a year of this century, unless FITS says otherwise


@dataclass(frozen=True)
class Date:
    """A date of a header.

    Args:
        day: as ISO.
        clock: what stands behind it; None for a date alone.
        why: the text means this day, where it may mean another one; empty else.
        others: days that the text may mean too, as ISO.
        doubtful: none of them is more likely than the other, unless other cards tell.
    """

    day: str
    clock: str | None
    why: str = ""
    others: tuple[str, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class Clock:
    """A time of day.

    Args:
        text: hours, minutes and seconds.
        scale: that it names, in small letters; None for none.
        ahead: days that its zone is ahead of UTC.
    """

    text: str
    scale: str | None = None
    ahead: float = 0.0

    @property
    def midnight(self) -> bool:
        """Whether it is 0 h, as of a date that somebody gave a time to."""
        return not any(digit in self.text for digit in "123456789")


def date_of(text: str) -> Date | None:
    """The date in a text; None where it holds none.

    ``dd/mm/yy`` is of the 20th century (FITS standard 4.0, 9.5: as files were written before 1999); two digits in any
    other form are of the years 1970 to 2069. Six digits are year, month, day (2MASS, 1997 to 2001). Of two numbers
    that may both be a month the first is the day, and the other reading is kept; with dots it is always so.

    >>> date_of("2026/3/5 06:07").clock, date_of("5-Mar-2026").day, date_of("Mar 5, 2026").day, date_of("20260305").day
    ('06:07', '2026-03-05', '2026-03-05', '2026-03-05')
    >>> date_of("25/12/96").day, date_of("12/25/1996").day, date_of("000315").day, date_of("2026-13-05")
    ('1996-12-25', '1996-12-25', '2000-03-15', None)
    >>> date_of("05-Mar-12").day, date_of("05/03/2026").others, date_of("05.03.2026").others, date_of("05/03/12").day
    ('2012-03-05', ('2026-05-03',), (), '1912-03-05')
    """
    text = text.strip()
    if found := _ISO.fullmatch(text):
        return _date(int(found[1]), int(found[2]), int(found[3]), found[4])
    if found := _OLD.fullmatch(text):
        return _of_numbers(found, text[found.end(1)])
    for form, order in ((_DAY_FIRST, (3, 2, 1)), (_YEAR_FIRST, (1, 2, 3)), (_MONTH_FIRST, (3, 1, 2))):
        if found := form.fullmatch(text):
            year, name, number = (found[place] for place in order)
            month = _MONTHS.index(name[:3].lower()) + 1 if name[:3].lower() in _MONTHS else 0
            return _of_year(year, month, int(number), found[4])
    if found := _DIGITS.fullmatch(text):
        if len(found[1]) == 4:
            return _date(int(found[1]), int(found[2]), int(found[3]), found[4])
        return _date(_in_century(int(found[1])), int(found[2]), int(found[3]), found[4], "six digits, year first")
    return None


def _in_century(two_digits: int) -> int:
    return two_digits + (2000 if two_digits < PIVOT else 1900)


def _of_numbers(found: re.Match[str], between: str) -> Date | None:
    """Of two numbers and a year: which is the month, and of which century the year."""
    first, second, year, clock = int(found[1]), int(found[2]), found[3], found[4]
    fits = between == "/" and len(year) == 2  # a form that FITS had, of the 20th century
    years = [int(year)] if len(year) == 4 else [1900 + int(year), 2000 + int(year)]
    if len(year) == 2 and not fits and int(year) < PIVOT:
        years.reverse()
    order = [(second, first)] if between == "." or first == second else [(second, first), (first, second)]
    days = [one for number in years for month, day in order if (one := _date(number, month, day, clock)) is not None]
    if not days:
        return None
    why = "the day stands before the month" if sum(one.day[:4] == days[0].day[:4] for one in days) > 1 else ""
    if len(year) == 2:
        century = "day/month/year, of the 20th century as FITS says" if fits else f"two digits, {PIVOT} is 19{PIVOT}"
        why = ", ".join(filter(None, (century, why)))
    doubtful = int(year) < PIVOT if fits else "the day" in why
    return Date(days[0].day, clock, why, tuple(one.day for one in days[1:]), doubtful)


def _of_year(year: str, month: int, day: int, clock: str | None) -> Date | None:
    if len(year) == 4:
        return _date(int(year), month, day, clock)
    return _date(_in_century(int(year)), month, day, clock, f"two digits, {PIVOT} is 19{PIVOT}")


def _date(year: int, month: int, day: int, clock: str | None, why: str = "") -> Date | None:
    try:
        return Date(date(year, month, day).isoformat(), clock, why)
    except ValueError:
        return None


def clock_of(text: str) -> Clock | None:
    """The time of day in a text, with what it says of its scale and zone; None where it holds none.

    >>> clock_of("6 7 8.5"), clock_of("06:07:08Z").scale, round(clock_of("06h07m08s+02:00").ahead * 24, 6)
    (Clock(text='06:07:08.5', scale=None, ahead=0.0), 'utc', 2.0)
    >>> clock_of("00:00:00.0").midnight, clock_of("noon")
    (True, None)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59 or float(found[3] or 0) >= 61:
        return None
    whole, _, rest = (found[3] or "0").partition(".")
    clock = f"{int(found[1]):02d}:{int(found[2]):02d}:{int(whole):02d}{'.' + rest if rest else ''}"
    scale = _ZONES[found[4].lower()] if found[4] else "utc" if found[5] else None
    ahead = (int(found[6]) + int(found[7] or 0) / 60) / 24 * (-1 if found[5] == "-" else 1) if found[5] else 0.0
    return Clock(clock, scale, ahead)
