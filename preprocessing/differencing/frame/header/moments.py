"""The moments that a header states: MJD, JD and dates under every usual key, with the scale of each."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from astropy.time import Time

from astrid_ml.days import is_observed
from astrid_ml.preprocessing.differencing.frame.header.comments import (
    is_elsewhere,
    moment_of,
    scale_of,
    seconds_of,
)
from astrid_ml.preprocessing.differencing.frame.header.dates import (
    Clock,
    Date,
    clock_of,
    clock_of_number,
    date_of,
)
from astrid_ml.preprocessing.differencing.frame.header.said import Said, as_number
from astrid_ml.printable import printable

MID = ("EXPMID", "MJD-AVG", "MJD-MID", "MJDMID", "MJD_MID", "MJDMEAN", "MID-MJD", "JD-MID", "JD_MID", "JDMID", "MIDJD")
# OBSMJD is the start in ZTF, as its alerts' jd (ztf-avro-alert schema: "at start of exposure").
START = ("MJD-OBS", "MJD-BEG", "EXPSTART", "OBSMJD", "MJD-STR", "MJDSTART", "MJD_START", "JD-BEG", "JDSTART",
         "JD_START")  # fmt: skip
# Keys that do not say which moment they mean: the survey's convention decides.
PLAIN = ("MJD_OBS", "MJDOBS", "MJD", "MJDATE", "JD-OBS", "JD_OBS", "OBSJD", "OBS-JD", "JD", "RJD", "TAI")
END = ("MJD-END", "EXPEND", "MJDEND", "MJD_END", "JD-END", "JDEND")
MID_DATES = ("DATE-AVG", "DATE-MID", "DATE_MID", "DATEMID", "MIDOBS")
START_DATES = ("DATE-OBS", "DATE-BEG", "DATE_OBS", "DATEOBS", "DATE-BEGIN", "OBS-DATE", "UT-DATE", "UT_DATE", "UTDATE",
               "UTC-DATE", "UTC_DATE", "OBSDATE", "DATE_BEG")  # fmt: skip
END_DATES = ("DATE-END", "DATE_END")
# Their names say which moment they mean, whatever a comment says beside.
_NAMED = re.compile("BEG|STA|STR|END|MID|AVG|MEAN")
_NAMES = {"BEG": "start", "STA": "start", "STR": "start", "END": "end"}
# Where a date and its time stand apart; the first that holds a time counts: first those that say which moment they are.
HOURS = ("TIME-BEG", "UTSTART", "UT-START", "UT_START", "UTCSTART", "UT-STR", "UTC-STR", "UTOPEN", "EXPSTART",
         "TIME-OBS", "TIME_OBS", "TIMEOBS", "UTC-OBS", "UTC_OBS", "UT-OBS", "UT_OBS", "OBSTIME", "OBS-TIME",
         "UT-TIME", "UTTIME", "TIME", "UTC", "UT", "UTSHUT")  # fmt: skip
_NUMBERED = re.compile(r"UT.*|TIME[-_](?:OBS|BEG)")  # where a number is a time of day too, not an MJD
_SECOND = 1.05e-5  # d: fewer digits than these state less than a second
NOON = Clock("12:00:00")
_SAME_NIGHT = 1.5  # d between another card and the noon of the day that it decides for
GPS, GPS_AFTER_TAI = "gps", -19 / 86400  # d; fixed, by definition
SCALES = {"utc": "utc", "ut": "utc", "ut1": "utc", "gmt": "utc", "tai": "tai", "tt": "tt", "tdt": "tt", "et": "tt",
          "tdb": "tdb", "gps": GPS}  # fmt: skip
_DROPPED = re.compile(r"2,?400,?000(?!,?\.?5)(?!\d)")  # JD-2400000: no MJD, which has the half day too


@dataclass(frozen=True)
class Moment:
    """A time that a header states.

    Args:
        mjd: in ``scale``.
        scale: of time.
        step: days of the last digit that states it.
    """

    mjd: float
    scale: str
    step: float = 0.0

    def in_scale(self, scale: str) -> float:
        """The MJD in another scale."""
        return self.mjd if scale == self.scale else changed(self.mjd, self.scale, scale)


def changed(mjd: float, scale: str, to: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of leap seconds that a future may bring
        if scale == GPS:
            mjd, scale = mjd - GPS_AFTER_TAI, "tai"
        if to == GPS:
            return changed(mjd, scale, "tai") + GPS_AFTER_TAI
        return float(getattr(Time(mjd, format="mjd", scale=scale), to).mjd)


def _own_scale(said: Said, key: str, scale: str) -> str | None:
    """The scale of one key: its comment's where nothing but a UTC that was assumed speaks against it; None for local.

    A description that names another scale is believed against a comment: PS1's headers say UTC and mean TAI.
    """
    named = scale_of(_comment(said, key))
    if is_elsewhere(_comment(said, key)):
        said.account.unknown["mjd"] = f"{key} is a time at the barycentre or the Sun, not at the telescope"
        return None
    if named in ("local", "sidereal"):
        said.account.unknown["mjd"] = f"{key} is in {named} time"
        return None
    if named is None or SCALES[named] == scale or "TIMESYS" in said.header or scale != "utc":
        return scale
    said.assume("time scale", f"{named.upper()}, as the comment of {key} says")
    return SCALES[named]


def meant(said: Said, key: str, usual: str) -> str:
    """Which moment a key states: what its comment says, where its name leaves that open."""
    named = _NAMED.search(key)
    return _NAMES.get(named[0], "middle") if named else moment_of(_comment(said, key)) or usual


def _comment(said: Said, key: str) -> str:
    """The comment of a key; of a date without a time also that of the time beside it."""
    date = date_of(str(said.header.get(key, ""))) if key in START_DATES else None
    clock = clock_of(date.clock) if date is not None and date.clock is not None else None
    alone = date is not None and (date.clock is None or (clock is not None and clock.midnight))
    beside = _hours_beside(said, "start") if alone else None
    return f"{said.comment(key)} {said.comment(beside[0])}" if beside is not None else said.comment(key)


def from_days(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
    """An MJD or a JD; None for a time that is in neither, as GALEX's EXPSTART in seconds.

    One of few digits gives way to a date with a time that it may be rounded from: a whole MJD is what software writes
    that reads DATE-OBS and no TIME-OBS.
    """
    for key in keys:
        value = as_number(said.header.get(key))
        own = None if value is None else _own_scale(said, key, scale)
        if value is None and str(said.header.get(key, "")).strip():
            said.account.unknown["mjd"] = printable(f"{key} = {said.header[key]} is no number")
        if value is None or own is None:
            continue
        moment = _of_days(said, key, value, own)
        if moment is None:
            said.account.unknown.setdefault("mjd", f"{key} = {value:g} is neither an MJD nor a JD")
            continue
        dates = {"start": START_DATES, "middle": MID_DATES, "end": END_DATES}[which]
        aside = Said(said.header)
        dated = from_dates(aside, which, dates, scale) if moment.step > _SECOND else None
        if dated is not None and _rounded(moment, dated, own):
            name = aside.account.read[f"mjd {which}"]
            whole = f"{key} is a day without a time, which {name} has"
            said.assume("mjd", whole if moment.step == 1 else f"{key} has few digits, and {name} within them has more")
            continue
        said.account.read[f"mjd {which}"] = key
        return moment
    return None


def _rounded(days: Moment, dated: Moment, scale: str) -> bool:
    """Whether a number of days may be what is left of a date with its time."""
    apart = dated.in_scale(scale) - days.mjd
    if days.step == 1:
        return 0 < apart < 1
    return dated.step < days.step and abs(apart) <= days.step


def _step(value: Any) -> float:
    """The unit of the last digit of a number, at most 1; of a whole one 1."""
    rest = repr(value).strip("'\" ").replace(",", ".").partition(".")[2]
    return 10.0 ** -len(rest.rstrip()) if rest not in ("", "0") and "e" not in rest.lower() else 1.0


def _of_days(said: Said, key: str, value: float, scale: str) -> Moment | None:
    step = _step(said.header[key])
    if key == "TAI" and 4e9 < value < 1e10:  # seconds of MJD (SDSS)
        return Moment(value / 86400, "tai")
    if 2_410_000 < value < 2_600_000:
        return Moment(value - 2400000.5, scale, step if value % 1 != 0.5 else 1.0)
    if not is_observed(value):
        return None
    comment = said.comment(key)
    if _DROPPED.search(comment) or key == "RJD":
        said.assume("mjd", f"{key} is JD-2400000")
        return Moment(value - 0.5, scale, step)
    if "JD" in key.replace("MJD", "") and "MJD" not in comment.upper() and "2400000.5" not in comment:
        said.account.unknown["mjd"] = f"{key} is {value:g}: JD-2400000 or an MJD, half a day apart"
        return None
    return Moment(value, scale, step)


def from_dates(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
    """A date with its time, together or apart; a date alone is no time, nor is midnight beside another time.

    A key that holds both goes before one whose time stands apart.
    """
    held = {key: date for key in keys if (date := date_of(str(said.header.get(key, "")))) is not None}
    for key in keys:
        if key not in held and (text := str(said.header.get(key, "")).strip()):
            said.account.unknown.setdefault("mjd", printable(f"{key} = {text[:40]} is no date"))
    whole = [key for key, date in held.items() if (clock := clock_of(date.clock or "")) and not clock.midnight]
    for key in (*whole, *(key for key in held if key not in whole)):
        own = _own_scale(said, key, scale)
        stated = None if own is None else _with_clock(said, which, key, held[key])
        if own is None or stated is None:
            continue
        clock, name = stated
        own = clock.scale or own
        moment = _at(_day(said, key, held[key]), clock, own)
        if moment is None:
            said.account.unknown["mjd"] = printable(f"{name}: {held[key].clock or clock.text} is no time of day")
            continue
        if not is_observed(moment.mjd):
            said.account.unknown["mjd"] = f"{key} is {held[key].day}, on which nobody took an image"
            continue
        said.account.unknown.pop("mjd", None)
        said.account.read[f"mjd {which}"] = name
        return moment
    return None


def _at(day: str, clock: Clock, scale: str) -> Moment | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            moment = Time(f"{day}T{clock.text}", scale="tai" if scale == GPS else scale)
        except ValueError:
            return None
    return Moment(float(moment.mjd) - clock.ahead + clock.later, scale, clock.step / 86400)


def _with_clock(said: Said, which: str, key: str, date: Date) -> tuple[Clock, str] | None:
    """The time of a date, in its own text or beside it, and what holds the two; None where it has none."""
    clock = None if date.clock is None else clock_of(date.clock)
    if date.clock is not None and clock is None:
        said.account.unknown["mjd"] = printable(f"{key} = {said.header[key]} holds no time of day")
        return None
    beside = _hours_beside(said, which) if clock is None or clock.midnight else None
    if clock is None and beside is None:
        said.account.unknown.setdefault("mjd", f"{key} is a date without a time")
        return None
    if beside is None or (clock is not None and beside[1].midnight):
        assert clock is not None  # one of the two
        return clock, key
    if clock is not None:
        said.assume("mjd", f"0 h of {key} is no time, for {beside[0]} has one")
    return beside[1], f"{key} and {beside[0]}"


def _day(said: Said, key: str, date: Date) -> str:
    """The day that a date means: of several readings that of another card, else the first, which is said."""
    if not date.why:
        return date.day
    for other, mjd in _days_of_others(said, key):
        noons = {day: _at(day, NOON, "utc") for day in (date.day, *date.others)}
        near = [day for day, noon in noons.items() if noon is not None and abs(noon.mjd - mjd) <= _SAME_NIGHT]
        if len(near) == 1:
            said.assume("date", f"{key} = {said.header[key]} is {near[0]}, as {other} says")
            return near[0]
    said.assume("date", f"{key} is {date.day}: {date.why}")
    if date.doubtful:
        others = " or ".join(date.others)
        said.doubt("date", f"{key} = {said.header[key]} is read as {date.day}, and may be {others}")
    return date.day


def _days_of_others(said: Said, key: str) -> Iterator[tuple[str, float]]:
    """MJD of other cards that leave no choice: numbers, and dates of one reading."""
    for other in (*START, *MID, *END, *PLAIN):
        value = as_number(said.header.get(other))
        if value is not None and (is_observed(value) or 2_410_000 < value < 2_600_000):
            yield other, value - 2400000.5 if value > 200_000 else value
    for other in (*START_DATES, *MID_DATES, *END_DATES, "DATE"):
        date = date_of(str(said.header.get(other, ""))) if other != key else None
        if date is not None and not date.why:
            moment = _at(date.day, clock_of(date.clock or "") or NOON, "utc")
            if moment is not None:
                yield other, moment.mjd


def _hours_beside(said: Said, which: str) -> tuple[str, Clock] | None:
    keys = ("TIME-END", "UTEND", "UTC-END", "UT-END", "EXPSTOP") if which == "end" else HOURS
    clocks = [(key, clock) for key in keys if key in said.header and (clock := _clock(said, key)) is not None]
    # a clock that stands at 0 h beside one that does not is empty
    return next((found for found in clocks if found[1].text.strip("0:.")), clocks[0] if clocks else None)


def _clock(said: Said, key: str) -> Clock | None:
    """The time of day under a key: a text with colons, or a number whose unit its comment or its size tells."""
    text = str(said.header[key]).strip()
    found = clock_of(text)
    if found is not None or not _NUMBERED.fullmatch(key) or not re.fullmatch(r"\d+(?:\.\d*)?", text):
        return found
    unit = seconds_of(said.comment(key))
    found, how = clock_of_number(text, unit[0] if unit else None)
    if found is None:
        said.account.unknown["mjd"] = f"{key} = {text} may be {how}" if " or " in how else f"{key} = {text} is {how}"
    elif how and unit is None:
        said.assume("time of day", f"{key} = {text} is in {how}")
    return found
