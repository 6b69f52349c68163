"""The moments that a header states: MJD, JD and dates under every usual key, with the scale of each."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from astropy.time import Time

from astrid_ml.days import is_observed, on_calendar
from astrid_ml.preprocessing.differencing.frame.header.comments import is_elsewhere, moment_of, scale_of
from astrid_ml.preprocessing.differencing.frame.header.dates import Clock, Date, clock_of, date_of
from astrid_ml.preprocessing.differencing.frame.header.said import ZEROS_OF_TIME, Said, as_number
from astrid_ml.preprocessing.surveys.survey import TimeConvention

MID = ("EXPMID", "MJD-AVG", "MJD-MID", "MJDMID", "MJD_MID", "MJDMEAN", "MID-MJD", "JD-MID", "JD_MID", "JDMID", "MIDJD")
# OBSMJD is the start in ZTF, as its alerts' jd (ztf-avro-alert schema: "at start of exposure").
START = ("MJD-OBS", "MJD-BEG", "EXPSTART", "OBSMJD", "MJD-STR", "MJDSTART", "MJD_START", "JD-BEG", "JDSTART",
         "JD_START")  # fmt: skip
# Keys that do not say which moment they mean: the survey's convention decides.
PLAIN = ("MJD_OBS", "MJDOBS", "MJD", "MJDATE", "JD-OBS", "JD_OBS", "OBSJD", "OBS-JD", "JD", "RJD", "TAI")
END = ("MJD-END", "EXPEND", "MJDEND", "MJD_END", "JD-END", "JDEND")
MID_DATES = ("DATE-AVG", "DATE-MID", "DATE_MID", "DATEMID")
START_DATES = ("DATE-OBS", "DATE-BEG", "DATE_OBS", "DATEOBS", "DATE-BEGIN", "OBS-DATE", "UT-DATE", "UT_DATE", "UTDATE",
               "UTC-DATE", "UTC_DATE", "OBSDATE", "DATE_BEG")  # fmt: skip
END_DATES = ("DATE-END", "DATE_END")
# Their names say which moment they mean, whatever a comment says beside.
_NAMED = re.compile("BEG|STA|STR|END|MID|AVG|MEAN")
# Where a date and its time stand apart; the first that holds a time counts.
HOURS = ("TIME-OBS", "TIME_OBS", "UTSTART", "UT-START", "UTC-OBS", "UTC_OBS", "UTCSTART", "UT-OBS", "UT_OBS", "UTOPEN",
         "OBSTIME", "OBS-TIME", "UT-TIME", "UTTIME", "TIME-BEG", "TIME", "UTC", "UT", "UTSHUT")  # fmt: skip
# Zeros of TSTART and TSTOP, whole or as days and a fraction, less what makes them MJD (FITS: Rots et al. 2015, A&A 574,
# A36, section 4; TESS and Kepler count from a barycentric Julian date).
ZEROS = tuple(zip(ZEROS_OF_TIME, (0.0, 2400000.5, 2400000.5), strict=True))
BARYCENTRIC = "BJDREF"
UNITS_OF_TIME = {"s": 86400.0, "min": 1440.0, "h": 24.0, "d": 1.0}  # of TIMEUNIT: how many make a day
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
    """

    mjd: float
    scale: str

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
    return usual if _NAMED.search(key) else moment_of(_comment(said, key)) or usual


def _comment(said: Said, key: str) -> str:
    """The comment of a key; of a date without a time also that of the time beside it."""
    date = date_of(str(said.header.get(key, ""))) if key in START_DATES else None
    clock = clock_of(date.clock) if date is not None and date.clock is not None else None
    alone = date is not None and (date.clock is None or (clock is not None and clock.midnight))
    beside = _hours_beside(said, "start") if alone else None
    return f"{said.comment(key)} {said.comment(beside[0])}" if beside is not None else said.comment(key)


def stated_moment(said: Said, which: str, scale: str, convention: TimeConvention) -> Moment | None:
    """The ``start``, ``middle`` or ``end`` as a header states it; None where it does not.

    Args:
        said: the header.
        which: of the three.
        scale: of times whose key and comment name none.
        convention: what keys mean that do not say which moment they are.
    """
    if "UTCFINIT" in said.header and which != "middle":
        found = _since(said, which, scale)
        if found is not None:
            return found
    plain = convention.reference
    ways: tuple[tuple[tuple[str, ...], str, Callable[..., Moment | None]], ...] = (
        (START, "start", from_days), (MID, "middle", from_days), (END, "end", from_days),
        (MID_DATES, "middle", from_dates), (END_DATES, "end", from_dates), (PLAIN, plain, from_days),
        (START_DATES, plain, from_dates),
    )  # fmt: skip
    for keys, usual, read in ways:
        mine = tuple(key for key in keys if key in said.header and meant(said, key, usual) == which)
        found = read(said, which, mine, scale) if mine else None
        if found is not None:
            return found
    return _since(said, which, scale) if which != "middle" else None


def _since(said: Said, which: str, scale: str) -> Moment | None:
    """TSTART or TSTOP, which count from a zero of their own; None where the header does not name it, or their unit.

    With UTCFINIT they count the seconds of Swift's own clock: that many make them seconds of UTC since the zero (Swift
    time guide), leap seconds and all.
    """
    key = "TSTART" if which == "start" else "TSTOP"
    value = as_number(said.header.get(key))
    per_day = UNITS_OF_TIME.get(str(said.header.get("TIMEUNIT", "s")).strip())
    for name, less in ZEROS:
        parts = [as_number(said.header.get(f"{name}{part}")) for part in ("", "I", "F")]
        whole = parts[0] if parts[0] is not None else parts[1]
        if value is None or per_day is None or whole is None:
            continue
        zero = whole - less + (parts[2] or 0.0) * (parts[0] is None)
        if not on_calendar(zero):
            continue
        clock = as_number(said.header.get("UTCFINIT"))
        if clock is not None and not said.header.get("CLOCKAPP", False) and per_day == UNITS_OF_TIME["s"]:
            swift = changed(zero, scale, "utc") + (value + clock) / per_day
            if not is_observed(swift):
                continue
            said.account.read[f"mjd {which}"] = f"{key}, {name} and UTCFINIT"
            return Moment(swift, "utc")
        mjd = zero + value / per_day
        if name == BARYCENTRIC:
            mjd -= _barycentric(said, key)
        if is_observed(mjd):
            said.account.read[f"mjd {which}"] = f"{key} and {name}"
            return Moment(mjd, scale)
    return None


def _barycentric(said: Said, key: str) -> float:
    """Days by which a time at the barycentre is ahead of the telescope's: as the header says, else 0, which is said."""
    correction = as_number(said.header.get("BARYCORR"))
    if correction is None:
        said.assume("mjd", f"{key} is a time at the barycentre, up to 8.3 minutes from the telescope's")
    return correction or 0.0


def from_days(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
    """An MJD or a JD; None for a time that is in neither, as GALEX's EXPSTART in seconds.

    A whole MJD beside a date with a time is the date alone, as software writes it that reads DATE-OBS and no TIME-OBS.
    """
    for key in keys:
        value = as_number(said.header.get(key))
        own = None if value is None else _own_scale(said, key, scale)
        if value is None or own is None:
            continue
        moment = _of_days(said, key, value, own)
        if moment is None:
            continue
        aside = Said(said.header)
        dated = from_dates(aside, which, START_DATES, scale) if moment.mjd % 1 == 0 and which == "start" else None
        if dated is not None and 0 < dated.in_scale(own) - moment.mjd < 1:
            said.assume("mjd", f"{key} is a day without a time, which {aside.account.read['mjd start']} has")
            continue
        said.account.read[f"mjd {which}"] = key
        return moment
    return None


def _of_days(said: Said, key: str, value: float, scale: str) -> Moment | None:
    if key == "TAI" and 4e9 < value < 1e10:  # seconds of MJD (SDSS)
        return Moment(value / 86400, "tai")
    if 2_410_000 < value < 2_600_000:
        return Moment(value - 2400000.5, scale)
    if not is_observed(value):
        return None
    comment = said.comment(key)
    if _DROPPED.search(comment) or key == "RJD":
        said.assume("mjd", f"{key} is JD-2400000")
        return Moment(value - 0.5, scale)
    if "JD" in key.replace("MJD", "") and "MJD" not in comment.upper() and "2400000.5" not in comment:
        said.account.unknown["mjd"] = f"{key} is {value:g}: JD-2400000 or an MJD, half a day apart"
        return None
    return Moment(value, scale)


def from_dates(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
    """A date with its time, together or apart; a date alone is no time, nor is midnight beside another time."""
    for key in keys:
        date = date_of(str(said.header.get(key, "")))
        own = None if date is None else _own_scale(said, key, scale)
        if date is None or own is None:
            continue
        name, clock = key, None if date.clock is None else clock_of(date.clock)
        if date.clock is not None and clock is None:
            continue
        beside = _hours_beside(said, which) if clock is None or clock.midnight else None
        if clock is None and beside is None:
            said.account.unknown["mjd"] = f"{key} is a date without a time"
            continue
        if beside is not None and (clock is None or not beside[1].midnight):
            name = f"{key} and {beside[0]}"
            if clock is not None:
                said.assume("mjd", f"0 h of {key} is no time, for {beside[0]} has one")
            clock = beside[1]
        assert clock is not None  # one of the two
        own = clock.scale or own
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                moment = Time(f"{_day(said, key, date)}T{clock.text}", scale="tai" if own == GPS else own)
            except ValueError:
                continue
        found = Moment(float(moment.mjd) - clock.ahead, own)
        if not is_observed(found.mjd):
            said.account.unknown["mjd"] = f"{key} is {date.day}, on which nobody took an image"
            continue
        rest = keys[keys.index(key) + 1 :]
        later = (
            from_dates(aside := Said(said.header), which, rest, scale) if beside is None and clock.midnight else None
        )
        if later is not None and 0 < later.in_scale(own) - found.mjd < 1:
            found, name = later, aside.account.read[f"mjd {which}"]
            said.assume("mjd", f"0 h of {key} is no time, for {name} has one")
        said.account.unknown.pop("mjd", None)
        said.account.read[f"mjd {which}"] = name
        return found
    return None


def _day(said: Said, key: str, date: Date) -> str:
    """The day that a date means: of several readings that of another card, else the first, which is said."""
    if not date.why:
        return date.day
    for other, mjd in _days_of_others(said, key):
        near = [day for day in (date.day, *date.others) if abs(Time(day, scale="utc").mjd + 0.5 - mjd) <= _SAME_NIGHT]
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
            clock = clock_of(date.clock) if date.clock else None
            yield other, float(Time(f"{date.day}T{clock.text if clock else '12:00:00'}", scale="utc").mjd)


def _hours_beside(said: Said, which: str) -> tuple[str, Clock] | None:
    keys = ("TIME-END", "UTEND", "UTC-END") if which == "end" else HOURS
    clocks = [(key, clock) for key in keys if (clock := clock_of(str(said.header.get(key, "")))) is not None]
    # a clock that stands at 0 h beside one that does not is empty
    return next((found for found in clocks if found[1].text.strip("0:.")), clocks[0] if clocks else None)
