"""Dates and times of day as headers spell them: ISO, day/month/year, names of months, six and eight digits, zones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date as calendar
from datetime import timedelta

_REST = r"(?:[T\s]+(.+))?"
_ISO = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_REST}")
_OLD = re.compile(rf"(\d{{1,2}})[/.-](\d{{1,2}})[/.-](\d{{4}}|\d{{2}}){_REST}")
_DAY_FIRST = re.compile(rf"(\d{{1,2}})[-/. ]?([A-Za-z]{{3,9}})[-/., ]*(\d{{4}}|\d{{2}}){_REST}")
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-/. ]?([A-Za-z]{{3,9}})[-/. ]?(\d{{1,2}}){_REST}")
_MONTH_FIRST = re.compile(rf"([A-Za-z]{{3,9}})[-/. ]*(\d{{1,2}})[, -/.]+(\d{{4}}){_REST}")
_ORDINAL = re.compile(r"(\d{4})[-/.: ]?(\d{3})(?:[T:\s]+(.+))?")  # year and day of the year
_DIGITS = re.compile(rf"(\d{{2}}|\d{{4}})(\d{{2}})(\d{{2}}){_REST}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(
    r"(\d{1,2})[: h](\d{1,2})(?:[: m](\d{1,2}(?:[.,]\d*|:\d{3})?))?s?(?:\s*([AP])\.?M\.?)?"
    r"\s*(Z|UTC|UT|GMT|TAI|TT|TDB)?\s*(?:([+-])(\d{2}):?(\d{2})?)?",
    re.IGNORECASE,
)
_ZONES = {"z": "utc", "utc": "utc", "ut": "utc", "gmt": "utc", "tai": "tai", "tt": "tt", "tdb": "tdb"}
# Of "Sun Mar  1 05:00:00 2026" and "Sun, 01 Mar 2026"; of "050000" and "05-00-00" behind a date.
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]?\s+", re.IGNORECASE)
_YEAR_LAST = re.compile(r"([A-Za-z]{3,9})\s+(\d{1,2})\s+(\d{1,2}:\S+)\s+(\d{4})")
_APART = re.compile(r"^(\d\d)(-?)(\d\d)\2(\d\d)(?=$|[^\d:-])")
_RUNS = re.compile(r"(\d\d?)(\d\d)(\d\d)(?:\.\d*)?")  # hhmmss
_DAY = 86400.0
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
        later: days after the date that it stands beside: 1 for 24:00:00.
        step: seconds of its last digit.
    """

    text: str
    scale: str | None = None
    ahead: float = 0.0
    later: int = 0
    step: float = 1.0

    @property
    def midnight(self) -> bool:
        """Whether it is 0 h, as of a date that somebody gave a time to."""
        return not self.later and not any(digit in self.text for digit in "123456789")


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
    >>> date_of("2020-061").day, date_of("2020:061:05:00:00").clock, date_of("2021-366")
    ('2020-03-01', '05:00:00', None)
    >>> date_of("Sun Mar  1 05:00:00 2026"), date_of("20260301T050000.5").clock
    (Date(day='2026-03-01', clock='05:00:00', why='', others=(), doubtful=False), '05:00:00.5')
    """
    text = re.sub(r"(?<=\d)T$", "", _WEEKDAY.sub("", text.strip(), count=1))
    text = _YEAR_LAST.sub(r"\1 \2 \4 \3", text)
    if found := _ORDINAL.fullmatch(text):
        day = calendar(int(found[1]) or 1, 1, 1) + timedelta(days=int(found[2]) - 1)
        return _date(day.year, day.month, day.day, found[3]) if day.year == int(found[1]) else None
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
        day_of = calendar(year, month, day)
    except ValueError:
        return None
    clock = clock and _APART.sub(r"\1:\3:\4", clock, count=1)
    return Date(day_of.isoformat(), clock, why)


def clock_of(text: str) -> Clock | None:
    """The time of day in a text, with what it says of its scale and zone; None where it holds none.

    >>> clock_of("6 7 8.5").text, clock_of("06:07:08Z").scale, round(clock_of("06h07m08s+02:00").ahead * 24, 6)
    ('06:07:08.5', 'utc', 2.0)
    >>> clock_of("00:00:00.0").midnight, clock_of("noon"), clock_of("24:00:00").later
    (True, None, 1)
    >>> clock_of("5:00:00 PM").text, clock_of("12:30 a.m.").text, clock_of("06:07:08,5").text, clock_of("13:00 PM")
    ('17:00:00', '00:30:00', '06:07:08.5', None)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, half = int(found[1]), (found[4] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    hour = hour % 12 + 12 * (half == "p") if half else hour
    whole, _, rest = re.sub("[,:]", ".", found[3] or "0").partition(".")
    if hour > 24 or int(found[2]) > 59 or int(whole) > 60:
        return None
    clock = f"{hour:02d}:{int(found[2]):02d}:{int(whole):02d}{'.' + rest if rest else ''}"
    scale = _ZONES[found[5].lower()] if found[5] else "utc" if found[6] else None
    ahead = (int(found[7]) + int(found[8] or 0) / 60) / 24 * (-1 if found[6] == "-" else 1) if found[6] else 0.0
    if hour == 24 and not any(digit in clock[2:] for digit in "123456789"):  # ISO 8601: the day's end
        return Clock("00" + clock[2:], scale, ahead, later=1)
    return Clock(clock, scale, ahead, step=10.0 ** -len(rest) if found[3] else 60.0)


def clock_of_number(text: str, unit: float | None) -> tuple[Clock | None, str]:
    """The time of day that a number without colons means, and what was assumed; None with the readings that it has.

    Args:
        text: the number.
        unit: seconds of its unit; None where nobody names one: hours below 24, else seconds or hhmmss.

    >>> clock_of_number("5.5", None)[0].text, clock_of_number("5.5", None)[1], clock_of_number("5.5", 1.0)[0].text
    ('05:30:00.000', 'hours', '00:00:05.500')
    >>> clock_of_number("18000.0", None)[0].text, clock_of_number("050000", None)[0].text
    ('05:00:00.000', '05:00:00.000')
    >>> clock_of_number("12345.6", None)
    (None, 'seconds of the day or hhmmss')
    """
    number, runs = float(text), _RUNS.fullmatch(text)
    if number == 0:
        return Clock("00:00:00", step=1e-3), ""
    ways = {} if unit is None else {"": number * unit}
    if unit is None and 1 <= number < 24 and runs is None:
        ways["hours"] = number * 3600
    elif unit is None and number < 1:
        return None, "hours or a fraction of a day"
    elif unit is None and 24 <= number < _DAY and not text.startswith("0"):
        ways["seconds of the day"] = number
    if unit is None and runs and int(runs[1]) < 24 and int(runs[2]) < 60 and int(runs[3]) < 60:
        ways["hhmmss"] = int(runs[1]) * 3600 + int(runs[2]) * 60 + int(runs[3]) + number % 1
    if unit is None and re.fullmatch(r"\d{4}", text) and int(text[:2]) < 24 and int(text[2:]) < 60:
        ways["hhmm"] = int(text[:2]) * 3600 + int(text[2:]) * 60
    inside = {name: seconds for name, seconds in ways.items() if 0 <= seconds < _DAY}
    if len(inside) != 1:
        return None, " or ".join(inside) or "no time of day"
    name, seconds = next(iter(inside.items()))
    whole = f"{int(seconds // 3600):02d}:{int(seconds % 3600 // 60):02d}:{seconds % 60:06.3f}"
    return Clock(whole, step=1e-3), name
