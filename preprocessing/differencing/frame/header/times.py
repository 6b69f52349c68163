"""The time of mid-exposure: MJD, JD and dates under every usual key, in whatever time scale, made one MJD in UTC."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from astropy.time import Time

from astrid_ml.preprocessing.differencing.frame.header.comments import moment_of, scale_of
from astrid_ml.preprocessing.differencing.frame.header.dates import OLD_PLATES, Clock, clock_of, date_of
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
ELSEWHERE = ("BJD", "BJD_TDB", "BJD-TDB", "BJD-OBS", "HJD", "HJD-OBS", "BTJD", "BJDREFI")
APART = 1 / 24  # d between two statements of one moment that is said
_LONGER = 2.0  # times what lies between start and end: no exposure is
GPS, GPS_AFTER_TAI = "gps", -19 / 86400  # d; fixed, by definition
SCALES = {"utc": "utc", "ut": "utc", "ut1": "utc", "gmt": "utc", "tai": "tai", "tt": "tt", "tdt": "tt", "et": "tt",
          "tdb": "tdb", "gps": GPS}  # fmt: skip
_LETTERS = re.compile(r"[a-z0-9]+")  # of "UTC(NIST)" the scale
_ZONE = re.compile(r"(?:utc|ut|gmt)\s*([+-]\d{1,2})(?::?(\d\d))?\s*h?")
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
        return self.mjd if scale == self.scale else _changed(self.mjd, self.scale, scale)


def _changed(mjd: float, scale: str, to: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of leap seconds that a future may bring
        if scale == GPS:
            mjd, scale = mjd - GPS_AFTER_TAI, "tai"
        if to == GPS:
            return _changed(mjd, scale, "tai") + GPS_AFTER_TAI
        return float(getattr(Time(mjd, format="mjd", scale=scale), to).mjd)


def mid_exposure(
    said: Said, exposure: float | None, convention: TimeConvention | None = None
) -> tuple[float | None, str]:
    """MJD (UTC) of mid-exposure and what it was made from.

    A stated middle is believed only when it is not before the start and within a day plus the exposure of it:
    stamps cut from mosaics carry the middle of other frames. Where start and end are further apart than the exposure
    (stacks, snapshots, drizzled frames) the middle lies between them, unless the description says that it does not.
    Rubin states the middle as DATE-AVG (TAI; lsst.afw.image, "FITS metadata for Exposures").
    """
    known = convention or TimeConvention()
    scale, ahead = _scale(said, convention)
    if scale is None:
        return None, "absent"
    start, middle, end = (_moment(said, which, scale, known) for which in ("start", "middle", "end"))
    alone = _contradicted(said, start, scale)
    half = (exposure or 0.0) / 172800
    at, until = start.in_scale(scale) if start else None, end.in_scale(scale) if end else None
    centre = middle.in_scale(scale) if middle else None
    if at is not None and until is not None and at < until and 2 * half > _LONGER * (until - at) and not alone:
        span = (until - at) * 86400
        said.doubt("exposure_time", f"{exposure:g} s, and from start to end there are {span:.6g} s: another unit?")
    if centre is not None and (at is None or 0 <= centre - at <= 1 + 2 * half):
        mjd, ref = centre, "mid-exposure"
    elif known.between and not alone and at is not None and until is not None and until > at + 1.98 * half:
        mjd, ref = (at + until) / 2, "between start and end"
    elif at is not None:
        mjd, ref = at + half, "start + half the exposure" if exposure else "start"
    elif until is not None and exposure:
        mjd, ref = until - half, "end - half the exposure"
    else:
        other = next((key for key in ELSEWHERE if key in said.header), None)
        why = (
            f"{other} is a time at the barycentre or the Sun, not at the telescope" if other else "no key holds a time"
        )
        said.account.unknown.setdefault("mjd", why)
        return None, "absent"
    used = _used(ref)
    said.account.read["mjd"] = " and ".join(said.account.read[f"mjd {which}"] for which in used)
    stated = {"start": start, "middle": middle, "end": end}[used[0]]
    assert stated is not None  # the middle was made from it
    said.account.unknown.pop("mjd", None)
    for name in ("mjd start", "mjd middle", "mjd end"):
        said.account.read.pop(name, None)
    if not exposure and ref == "start":
        said.assume("mjd", "the start, for no key holds the exposure time")
    return _changed(mjd, scale, "utc") - ahead, f"{stated.scale.upper()} {ref}"


def _contradicted(said: Said, start: Moment | None, scale: str) -> bool:
    """Whether another key states a start far from the one that counts, which is then warned of.

    The header is of several frames then, as of stamps cut from mosaics, and its end may belong to another one.
    """
    key = said.account.read.get("mjd start", "").partition(" ")[0]
    if start is None:
        return False
    for other in (*START, *START_DATES):
        if other == key or other not in said.header or _meant(said, other, "start") != "start":
            continue
        aside = Said(said.header)
        stated = (_days if other in START else _dated)(aside, "start", (other,), scale)
        if stated is not None and abs(stated.in_scale(scale) - start.in_scale(scale)) > APART:
            days = start.in_scale(scale) - stated.in_scale(scale)
            said.assume("mjd", f"{key}, which is {days:+.3f} d from {aside.account.read['mjd start']}")
            said.doubt("mjd", f"{key} is {days:+.3f} d from {aside.account.read['mjd start']}")
            return True
    return False


def _used(ref: str) -> tuple[str, ...]:
    """Which stated moments the middle was made from."""
    if ref == "between start and end":
        return ("start", "end")
    return ("middle",) if ref == "mid-exposure" else ("end",) if ref.startswith("end") else ("start",)


def _scale(said: Said, convention: TimeConvention | None) -> tuple[str | None, float]:
    """TIMESYS, else the survey's: PS1's times are TAI though full skycells do not say so (STScI, PS1 DR2 caveats).

    None where the header names a scale that is none here, as local time. With it the days that the header's zone is
    ahead of UTC.
    """
    stated = str(said.header.get("TIMESYS", "")).strip().lower()
    zone = _ZONE.fullmatch(stated)
    if zone:
        said.account.read["time scale"] = "TIMESYS"
        hours = int(zone[1]) + int(zone[2] or 0) / 60 * (-1 if zone[1].startswith("-") else 1)
        return "utc", hours / 24
    found = _LETTERS.match(stated)
    stated = found[0] if found else ""
    if stated in SCALES:
        said.account.read["time scale"] = "TIMESYS"
        return SCALES[stated], 0.0
    if convention is None and stated:
        said.give_up("mjd", f"TIMESYS is {stated}, which is no time scale known here")
        return None, 0.0
    if convention is None:
        said.assume("time scale", "UTC, for TIMESYS is absent")
        return "utc", 0.0
    said.assume("time scale", f"{convention.scale.upper()}, as the survey's description says")
    return convention.scale, 0.0


def _own_scale(said: Said, key: str, scale: str) -> str | None:
    """The scale of one key: its comment's where nothing but a UTC that was assumed speaks against it; None for local.

    A description that names another scale is believed against a comment: PS1's headers say UTC and mean TAI.
    """
    named = scale_of(_comment(said, key))
    if named == "local":
        said.account.unknown["mjd"] = f"{key} is in local time"
        return None
    if named is None or SCALES[named] == scale or "TIMESYS" in said.header or scale != "utc":
        return scale
    said.assume("time scale", f"{named.upper()}, as the comment of {key} says")
    return SCALES[named]


def _meant(said: Said, key: str, usual: str) -> str:
    """Which moment a key states: what its comment says, where its name leaves that open."""
    return usual if _NAMED.search(key) else moment_of(_comment(said, key)) or usual


def _comment(said: Said, key: str) -> str:
    """The comment of a key; of a date without a time also that of the time beside it."""
    date = date_of(str(said.header.get(key, ""))) if key in START_DATES else None
    clock = clock_of(date.clock) if date is not None and date.clock is not None else None
    alone = date is not None and (date.clock is None or (clock is not None and clock.midnight))
    beside = _hours_beside(said, "start") if alone else None
    return f"{said.comment(key)} {said.comment(beside[0])}" if beside is not None else said.comment(key)


def _moment(said: Said, which: str, scale: str, convention: TimeConvention) -> Moment | None:
    if "UTCFINIT" in said.header and which != "middle":
        found = _since(said, which, scale)
        if found is not None:
            return found
    plain = convention.reference
    ways: tuple[tuple[tuple[str, ...], str, Callable[..., Moment | None]], ...] = (
        (START, "start", _days), (MID, "middle", _days), (END, "end", _days), (MID_DATES, "middle", _dated),
        (END_DATES, "end", _dated), (PLAIN, plain, _days), (START_DATES, plain, _dated),
    )  # fmt: skip
    for keys, usual, read in ways:
        mine = tuple(key for key in keys if key in said.header and _meant(said, key, usual) == which)
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
        clock = as_number(said.header.get("UTCFINIT"))
        if clock is not None and not said.header.get("CLOCKAPP", False) and per_day == UNITS_OF_TIME["s"]:
            said.account.read[f"mjd {which}"] = f"{key}, {name} and UTCFINIT"
            return Moment(_changed(zero, scale, "utc") + (value + clock) / per_day, "utc")
        mjd = zero + value / per_day
        if name == BARYCENTRIC:
            mjd -= _barycentric(said, key)
        if 10_000 < mjd < 200_000:
            said.account.read[f"mjd {which}"] = f"{key} and {name}"
            return Moment(mjd, scale)
    return None


def _barycentric(said: Said, key: str) -> float:
    """Days by which a time at the barycentre is ahead of the telescope's: as the header says, else 0, which is said."""
    correction = as_number(said.header.get("BARYCORR"))
    if correction is None:
        said.assume("mjd", f"{key} is a time at the barycentre, up to 8.3 minutes from the telescope's")
    return correction or 0.0


def _days(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
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
        dated = _dated(aside, which, START_DATES, scale) if moment.mjd % 1 == 0 and which == "start" else None
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
    if not 10_000 < value < 200_000:
        return None
    comment = said.comment(key)
    if _DROPPED.search(comment) or key == "RJD":
        said.assume("mjd", f"{key} is JD-2400000")
        return Moment(value - 0.5, scale)
    if "JD" in key.replace("MJD", "") and "MJD" not in comment.upper() and "2400000.5" not in comment:
        said.account.unknown["mjd"] = f"{key} is {value:g}: JD-2400000 or an MJD, half a day apart"
        return None
    return Moment(value, scale)


def _dated(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
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
                moment = Time(f"{date.day}T{clock.text}", scale="tai" if own == GPS else own)
            except ValueError:
                continue
        said.account.unknown.pop("mjd", None)
        said.account.read[f"mjd {which}"] = name
        if date.century:
            said.assume("date", f"{key} is {date.day}: {date.century}")
        if date.two_digits is not None and date.two_digits < OLD_PLATES:
            said.doubt("date", f"{key} is {said.header[key]}, which FITS reads as {date.day}")
        return Moment(float(moment.mjd) - clock.ahead, own)
    return None


def _hours_beside(said: Said, which: str) -> tuple[str, Clock] | None:
    keys = ("TIME-END", "UTEND", "UTC-END") if which == "end" else HOURS
    clocks = [(key, clock) for key in keys if (clock := clock_of(str(said.header.get(key, "")))) is not None]
    # a clock that stands at 0 h beside one that does not is empty
    return next((found for found in clocks if found[1].text.strip("0:.")), clocks[0] if clocks else None)
