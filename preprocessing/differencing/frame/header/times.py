"""The time of mid-exposure: MJD, JD and dates under every usual key, in whatever time scale, made one MJD in UTC."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from astropy.time import Time

from astrid_ml.preprocessing.differencing.frame.header.said import Said, as_number
from astrid_ml.preprocessing.surveys.survey import TimeConvention

MID = ("EXPMID", "MJD-AVG", "MJD-MID", "MJDMID", "MJD_MID", "MJDMEAN", "MID-MJD", "JD-MID", "JD_MID", "JDMID", "MIDJD")
# OBSMJD is the start in ZTF, as its alerts' jd (ztf-avro-alert schema: "at start of exposure").
START = (
    "MJD-OBS",
    "MJD-BEG",
    "EXPSTART",
    "OBSMJD",
    "MJD-STR",
    "MJDSTART",
    "MJD_START",
    "JD-BEG",
    "JDSTART",
    "JD_START",
)
# Keys that do not say which moment they mean: the survey's convention decides.
PLAIN = ("MJD_OBS", "MJDOBS", "MJD", "MJDATE", "JD-OBS", "JD_OBS", "OBSJD", "OBS-JD", "JD", "TAI")
END = ("MJD-END", "EXPEND", "MJDEND", "MJD_END", "JD-END", "JDEND")
MID_DATES = ("DATE-AVG", "DATE-MID", "DATE_MID", "DATEMID")
START_DATES = ("DATE-OBS", "DATE-BEG", "DATE_OBS", "DATEOBS", "DATE-BEGIN", "OBS-DATE", "UT-DATE", "UTDATE", "UTC-DATE",
               "UTC_DATE", "OBSDATE", "DATE_BEG")  # fmt: skip
END_DATES = ("DATE-END", "DATE_END")
# Where a date and its time stand apart; the first that holds a time counts.
HOURS = ("TIME-OBS", "TIME_OBS", "UTSTART", "UT-START", "UTC-OBS", "UTC_OBS", "UTCSTART", "UT-OBS", "UT_OBS", "UTOPEN",
         "OBSTIME", "OBS-TIME", "UT-TIME", "UTTIME", "TIME-BEG", "TIME", "UTC", "UT", "UTSHUT")  # fmt: skip
# Zeros of TSTART and TSTOP, whole or as days and a fraction, less what makes them MJD (FITS: Rots et al. 2015, A&A 574,
# A36, section 4; TESS and Kepler count from a barycentric Julian date).
ZEROS = (("MJDREF", 0.0), ("JDREF", 2400000.5), ("BJDREF", 2400000.5))
BARYCENTRIC = "BJDREF"
UNITS_OF_TIME = {"s": 86400.0, "min": 1440.0, "h": 24.0, "d": 1.0}  # of TIMEUNIT: how many make a day
ELSEWHERE = ("BJD", "BJD_TDB", "BJD-TDB", "BJD-OBS", "HJD", "HJD-OBS", "BTJD", "BJDREFI")
APART = 1 / 24  # d between two statements of one moment that is said
GPS, GPS_AFTER_TAI = "gps", -19 / 86400  # d; fixed, by definition
SCALES = {"utc": "utc", "ut": "utc", "ut1": "utc", "gmt": "utc", "tai": "tai", "tt": "tt", "tdt": "tt", "et": "tt",
          "tdb": "tdb", "gps": GPS}  # fmt: skip
_LETTERS = re.compile(r"[a-z0-9]+")  # of "UTC(NIST)" the scale
_CLOCK = re.compile(r"(\d{1,2})[: h](\d{1,2})(?:[: m](\d{1,2}(?:\.\d*)?))?s?Z?", re.IGNORECASE)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T\s]+(.+))?")
_OLD = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{2}|\d{4})(?:[T\s]+(.+))?")


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
    stamps cut from mosaics carry the middle of other frames. Where a survey sums snapshots the middle lies between
    start and end. Rubin states the middle as DATE-AVG (TAI; lsst.afw.image, "FITS metadata for Exposures").
    """
    known = convention or TimeConvention()
    scale = _scale(said, convention)
    if scale is None:
        return None, "absent"
    start, middle, end = (_moment(said, which, scale, known) for which in ("start", "middle", "end"))
    _say_contradiction(said, start, scale)
    half = (exposure or 0.0) / 172800
    at, until = start.in_scale(scale) if start else None, end.in_scale(scale) if end else None
    centre = middle.in_scale(scale) if middle else None
    if centre is not None and (at is None or 0 <= centre - at <= 1 + 2 * half):
        mjd, ref = centre, "mid-exposure"
    elif (known.between or convention is None) and at is not None and until is not None and until > at + 1.98 * half:
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
    used = [f"mjd {which}" for which in _used(ref)]
    said.account.read["mjd"] = " and ".join(said.account.read[name] for name in used)
    said.account.unknown.pop("mjd", None)
    for name in ("mjd start", "mjd middle", "mjd end"):
        said.account.read.pop(name, None)
    if not exposure and ref == "start":
        said.assume("mjd", "the start, for no key holds the exposure time")
    return _changed(mjd, scale, "utc"), f"{scale.upper()} {ref}"


def _say_contradiction(said: Said, start: Moment | None, scale: str) -> None:
    """Say that a date and an MJD of one moment lie far apart."""
    key = said.account.read.get("mjd start", "")
    if start is None or key.partition(" ")[0] in START_DATES:
        return
    aside = Said(said.header)
    dated = _dated(aside, "start", START_DATES, scale)
    if dated is not None and abs(dated.in_scale(scale) - start.in_scale(scale)) > APART:
        days = start.in_scale(scale) - dated.in_scale(scale)
        said.assume("mjd", f"{key}, which is {days:+.3f} d from {aside.account.read['mjd start']}")


def _used(ref: str) -> tuple[str, ...]:
    """Which stated moments the middle was made from."""
    if ref == "between start and end":
        return ("start", "end")
    return ("middle",) if ref == "mid-exposure" else ("end",) if ref.startswith("end") else ("start",)


def _scale(said: Said, convention: TimeConvention | None) -> str | None:
    """TIMESYS, else the survey's: PS1's times are TAI though full skycells do not say so (STScI, PS1 DR2 caveats).

    None where the header names a scale that is none here, as local time.
    """
    stated = str(said.header.get("TIMESYS", "")).strip().lower()
    found = _LETTERS.match(stated)
    stated = found[0] if found else ""
    if stated in SCALES:
        said.account.read["time scale"] = "TIMESYS"
        return SCALES[stated]
    if convention is None and stated:
        said.give_up("mjd", f"TIMESYS is {stated}, which is no time scale known here")
        return None
    if convention is None:
        said.assume("time scale", "UTC, for TIMESYS is absent")
        return "utc"
    said.assume("time scale", f"{convention.scale.upper()}, as the survey's description says")
    return convention.scale


def _moment(said: Said, which: str, scale: str, convention: TimeConvention) -> Moment | None:
    days, dates = {"start": (START, ()), "middle": (MID, MID_DATES), "end": (END, END_DATES)}[which]
    plain = convention.reference == which
    found = _days(said, which, days, scale)
    if found is None and dates:
        found = _dated(said, which, dates, scale)
    if found is None and plain:
        found = _days(said, which, PLAIN, scale)
    if found is None and plain:
        found = _dated(said, which, START_DATES, scale)
    return _since(said, which, scale) if found is None and which != "middle" else found


def _since(said: Said, which: str, scale: str) -> Moment | None:
    """TSTART or TSTOP, which count from a zero of their own; None where the header does not name it, or their unit."""
    key = "TSTART" if which == "start" else "TSTOP"
    value = as_number(said.header.get(key))
    per_day = UNITS_OF_TIME.get(str(said.header.get("TIMEUNIT", "s")).strip())
    for name, less in ZEROS:
        parts = [as_number(said.header.get(f"{name}{part}")) for part in ("", "I", "F")]
        whole = parts[0] if parts[0] is not None else parts[1]
        if value is None or per_day is None or whole is None:
            continue
        mjd = whole - less + (parts[2] or 0.0) * (parts[0] is None) + value / per_day
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
    """An MJD or a JD; None for a time that is in neither, as GALEX's EXPSTART in seconds."""
    for key in keys:
        value = as_number(said.header.get(key))
        if value is None:
            continue
        if key == "TAI" and 4e9 < value < 1e10:  # seconds of MJD (SDSS)
            said.account.read[f"mjd {which}"] = key
            return Moment(value / 86400, "tai")
        value = value - 2400000.5 if 2_410_000 < value < 2_600_000 else value
        if 10_000 < value < 200_000:
            said.account.read[f"mjd {which}"] = key
            return Moment(value, scale)
    return None


def _dated(said: Said, which: str, keys: tuple[str, ...], scale: str) -> Moment | None:
    """A date with its time, together or apart; a date alone is no time."""
    for key in keys:
        date = str(said.header.get(key, "")).strip()
        parts = _date_parts(date)
        if parts is None:
            continue
        day, clock, century = parts
        name = key
        if clock is None:
            beside = _hours_beside(said, which)
            if beside is None:
                said.account.unknown["mjd"] = f"{key} is a date without a time"
                continue
            name, clock = f"{key} and {beside[0]}", beside[1]
        utc = clock.upper().endswith("Z")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                moment = Time(f"{day}T{_clock(clock)}", scale="utc" if utc else "tai" if scale == GPS else scale)
            except ValueError:
                continue
        said.account.unknown.pop("mjd", None)
        said.account.read[f"mjd {which}"] = name
        if century:
            said.assume("date", f"{key} is {day}: day/month/year, of the 20th century as FITS says")
        return Moment(float(moment.mjd), "utc" if utc else scale)
    return None


def _hours_beside(said: Said, which: str) -> tuple[str, str] | None:
    keys = ("TIME-END", "UTEND", "UTC-END") if which == "end" else HOURS
    for key in keys:
        value = str(said.header.get(key, "")).strip()
        if _CLOCK.fullmatch(value):
            return key, value
    return None


def _date_parts(text: str) -> tuple[str, str | None, bool] | None:
    """(date as ISO, time of day or None, whether the century was assumed); None where it is no date."""
    iso = _ISO.fullmatch(text)
    if iso:
        return f"{int(iso[1]):04d}-{int(iso[2]):02d}-{int(iso[3]):02d}", iso[4], False
    old = _OLD.fullmatch(text)
    if old is None:
        return None
    day, month, year = int(old[1]), int(old[2]), int(old[3])
    if month > 12 >= day:  # only month/day/year can be meant
        day, month = month, day
    return f"{year + 1900 if year < 100 else year:04d}-{month:02d}-{day:02d}", old[4], year < 100


def _clock(text: str) -> str:
    """``06:07:08`` from 6:7:8, 06 07 08, 06h07m08s or 06:07; a text of another form as it is."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return text.rstrip("Zz")
    seconds = found[3] or "0"
    whole, _, rest = seconds.partition(".")
    return f"{int(found[1]):02d}:{int(found[2]):02d}:{int(whole):02d}{'.' + rest if rest else ''}"
