"""The time of mid-exposure: MJD, JD and dates under every usual key, in whatever time scale, made one MJD in UTC."""

from __future__ import annotations

import re

from astrid_ml.days import is_observed
from astrid_ml.preprocessing.differencing.frame.header.moments import (
    MID,
    MID_DATES,
    PLAIN,
    SCALES,
    START,
    START_DATES,
    Moment,
    changed,
    from_dates,
    from_days,
    meant,
)
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.since import stated_interval, stated_moment
from astrid_ml.preprocessing.surveys.survey import TimeConvention

ELSEWHERE = ("BJD", "BJD_TDB", "BJD-TDB", "BJD-OBS", "HJD", "HJD-OBS", "BTJD", "BJDREFI")
APART = 1 / 24  # d between two statements of one moment that is said
_LONGER = 2.0  # times what lies between start and end: no exposure is
READOUT = 60.0  # s; a camera's longest: by so much the end may lie behind that of the exposure
SEVERAL = ("NCOMBINE", "STACKCNT", "NFRAMES", "NDRIZIM", "COADDS", "NCOADDS", "ESO DET NDIT")  # exposures in one frame
_LETTERS = re.compile(r"[a-z0-9]+")  # of "UTC(NIST)" the scale
_ZONE = re.compile(r"(?:utc|ut|gmt)\s*([+-]\d{1,2})(?::?(\d\d))?\s*h?")


def mid_exposure(
    said: Said, exposure: float | None, convention: TimeConvention | None = None
) -> tuple[float | None, str]:
    """MJD (UTC) of mid-exposure and what it was made from.

    A stated middle is believed only when it is not before the start and within a day plus the exposure of it:
    stamps cut from mosaics carry the middle of other frames. Where start and end are further apart than the exposure
    and a read-out (stacks, snapshots, drizzled frames), or the frame is of several exposures, the middle lies between
    them, unless the description says that it does not.
    Rubin states the middle as DATE-AVG (TAI; lsst.afw.image, "FITS metadata for Exposures").
    """
    known = convention or TimeConvention()
    scale, ahead = _scale(said, convention)
    if scale is None:
        return None, "absent"
    middle = stated_moment(said, "middle", scale, known)
    start, end = stated_interval(said, scale, known)
    alone = _contradicted(said, "start", start, scale, known.reference)
    half = (exposure or 0.0) / 172800
    at, until = start.in_scale(scale) if start else None, end.in_scale(scale) if end else None
    centre = middle.in_scale(scale) if middle else None
    if at is not None and until is not None and at < until and 2 * half > _LONGER * (until - at) and not alone:
        span = (until - at) * 86400
        said.doubt("exposure_time", f"{exposure:g} s, and from start to end there are {span:.6g} s: another unit?")
    if centre is not None and (at is None or 0 <= centre - at <= 1 + 2 * half):
        mjd, ref = centre, "mid-exposure"
        _contradicted(said, "middle", middle, scale, known.reference)
    elif known.between and not alone and at is not None and until is not None and _is_stack(said, until - at, exposure):
        mjd, ref = (at + until) / 2, "between start and end"
    elif at is not None:
        mjd, ref = at + half, "start + half the exposure" if exposure else "start"
        many = next((key for key in SEVERAL[:2] if (said.number("", (key,)) or 1) > 1), None)
        if many is not None and until is None and known.between:
            said.assume("mjd", f"half of one exposure after the start, for no key says when the last of {many} ended")
    elif until is not None and exposure:
        mjd, ref = until - half, "end - half the exposure"
    else:
        other = next((key for key in ELSEWHERE if key in said.header), None)
        why = (
            f"{other} is a time at the barycentre or the Sun, not at the telescope" if other else "no key holds a time"
        )
        said.account.unknown.setdefault("mjd", why)
        return None, "absent"
    if not is_observed(mjd):
        said.account.unknown["mjd"] = f"{ref} is MJD {mjd:g}, on which nobody took an image"
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
    return changed(mjd, scale, "utc") - ahead, f"{stated.scale.upper()} {ref}"


def _is_stack(said: Said, days: float, exposure: float | None) -> bool:
    """Whether what lies between start and end is more than one exposure and its read-out."""
    seconds, exposure = days * 86400, exposure or 0.0
    if not seconds > 0.99 * exposure:
        return False
    if not exposure or seconds > exposure + READOUT or any((said.number("", (key,)) or 1) > 1 for key in SEVERAL):
        return seconds > 0
    if seconds > 1.01 * exposure:
        said.assume("mjd", f"from start to end there are {seconds:.6g} s: the exposure, and its read-out")
    return False


def _contradicted(said: Said, which: str, stated: Moment | None, scale: str, plain: str) -> bool:
    """Whether another key states a start, or a middle, far from the one that counts, which is then warned of.

    The header is of several frames then, as of stamps cut from mosaics, and its end may belong to another one.
    """
    key = said.account.read.get(f"mjd {which}", "").partition(" ")[0]
    if stated is None:
        return False
    days = START if which == "start" else (*MID, *PLAIN)
    for other in (*days, *(START_DATES if which == plain else ()), *(MID_DATES if which == "middle" else ())):
        usual = plain if other in (*PLAIN, *START_DATES) else which
        if other == key or other not in said.header or meant(said, other, usual) != which:
            continue
        aside = Said(said.header)
        again = (from_days if other in days else from_dates)(aside, which, (other,), scale)
        if again is None or (again.mjd % 1 == 0 and 0 < stated.in_scale(again.scale) - again.mjd < 1):
            continue  # a day whose time was left at 0 h
        if abs(again.in_scale(scale) - stated.in_scale(scale)) > APART:
            apart = stated.in_scale(scale) - again.in_scale(scale)
            said.assume("mjd", f"{key}, which is {apart:+.3f} d from {aside.account.read[f'mjd {which}']}")
            said.doubt("mjd", f"{key} is {apart:+.3f} d from {aside.account.read[f'mjd {which}']}")
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
