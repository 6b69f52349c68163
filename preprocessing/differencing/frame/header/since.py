"""The start and end of an exposure as TSTART and TSTOP, which count from a zero of their own, and as other keys."""

from __future__ import annotations

from collections.abc import Callable

from astrid_ml.days import is_observed, on_calendar
from astrid_ml.preprocessing.differencing.frame.header.moments import (
    END,
    END_DATES,
    MID,
    MID_DATES,
    PLAIN,
    START,
    START_DATES,
    Moment,
    changed,
    from_dates,
    from_days,
    meant,
)
from astrid_ml.preprocessing.differencing.frame.header.said import ZEROS_OF_TIME, Said, as_number
from astrid_ml.preprocessing.surveys.survey import TimeConvention

# Zeros of TSTART and TSTOP, whole or as days and a fraction, less what makes them MJD (FITS: Rots et al. 2015, A&A 574,
# A36, section 4; TESS and Kepler count from a barycentric Julian date).
ZEROS = tuple(zip(ZEROS_OF_TIME, (0.0, 2400000.5, 2400000.5), strict=True))
BARYCENTRIC, CLOCK = "BJDREF", "UTCFINIT"
UNITS_OF_TIME = {"s": 86400.0, "min": 1440.0, "h": 24.0, "d": 1.0}  # of TIMEUNIT: how many make a day
Interval = tuple[Moment | None, Moment | None]


def stated_interval(said: Said, scale: str, convention: TimeConvention) -> Interval:
    """Start and end as a header states them, both by one clock; None for what it does not state.

    TSTART and TSTOP are one clock, all other keys another: a start of the one and an end of the other would be minutes
    apart that nobody exposed. The first counts where only it can be made that of the telescope (Swift's clock, TESS's
    barycentre, whose DATE-OBS is the same time as a date), else the one that states both, else the other keys.

    Args:
        said: the header.
        scale: of times whose key and comment name none.
        convention: what keys mean that do not say which moment they are.
    """
    counted, keyed = Said(said.header), Said(said.header)
    ways: list[tuple[Said, Interval]] = [
        (keyed, (stated_moment(keyed, "start", scale, convention), stated_moment(keyed, "end", scale, convention))),
        (counted, (since(counted, "start", scale), since(counted, "end", scale))),
    ]
    if CLOCK in said.header or any(f"{BARYCENTRIC}{part}" in said.header for part in ("", "I")):
        ways.reverse()
    first, other = ways
    chosen = other if None in first[1] and (None not in other[1] or first[1] == (None, None)) else first
    said.account.unknown.update((other if chosen is first else first)[0].account.unknown)
    said.merge(chosen[0])
    return chosen[1]


def stated_moment(said: Said, which: str, scale: str, convention: TimeConvention) -> Moment | None:
    """The ``start``, ``middle`` or ``end`` as a header's MJD, JD and dates state it; None where they do not."""
    plain = convention.reference
    ways: tuple[tuple[tuple[str, ...], str, Callable[..., Moment | None]], ...] = (
        (START, "start", from_days), (MID, "middle", from_days), (END, "end", from_days),
        (MID_DATES, "middle", from_dates), (END_DATES, "end", from_dates), (PLAIN, plain, from_days),
        (START_DATES, plain, from_dates),
    )  # fmt: skip
    found = None
    for keys, usual, read in ways:
        mine = tuple(key for key in keys if key in said.header and meant(said, key, usual) == which)
        aside = Said(said.header)
        stated = read(aside, which, mine, scale) if mine else None
        if found is None or (stated is not None and 0 < stated.in_scale(found.scale) - found.mjd < 1):
            said.merge(aside)
            if found is not None:
                said.assume("mjd", f"0 h is no time, for {said.account.read[f'mjd {which}']} has one")
            found = stated
        if found is not None and found.mjd % 1:
            return found
    return found


def since(said: Said, which: str, scale: str) -> Moment | None:
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
        clock = as_number(said.header.get(CLOCK))
        if clock is not None and not said.header.get("CLOCKAPP", False) and per_day == UNITS_OF_TIME["s"]:
            swift = changed(zero, scale, "utc") + (value + clock) / per_day
            if not is_observed(swift):
                continue
            said.account.read[f"mjd {which}"] = f"{key}, {name} and {CLOCK}"
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
