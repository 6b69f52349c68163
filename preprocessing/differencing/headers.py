"""What a FITS header says of a frame: mission, filter, exposure, gain, zero point and the time of mid-exposure."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

from astropy.io.fits import Header
from astropy.time import Time

_EXPOSURE = ("XPOSURE", "EXPTIME", "EXPOSURE", "EFFEXPTM")
_FILTER = ("FILTER", "FILTERS", "FILTNAM", "FILTER1", "HIERARCH FPA.FILTER", "BAND")
_GAIN = ("GAIN", "EGAIN", "CCDGAIN", "HIERARCH CELL.GAIN")
_READ_NOISE = ("READNOI", "RDNOISE", "READNOIS", "RON", "HIERARCH CELL.READNOISE")
_ZERO_POINT = ("MAGZP", "ZPTMAG", "MAGZERO", "MAGZPT", "PHOTZP", "ZP")
_MID = ("EXPMID", "MJD-AVG", "MJD-MID", "MJDMID")
_START = ("MJD-OBS", "MJD-BEG", "EXPSTART", "OBSMJD")
# Zero points (AB, one count per second). GALEX: Morrissey et al. 2007. UVOT: Breeveld et al. 2011.
_RATE_ZERO_POINTS = {
    "galex": {"FUV": 18.82, "NUV": 20.08},
    "swift": {"V": 17.88, "B": 18.98, "U": 19.36, "UVW1": 18.95, "UVM2": 18.54, "UVW2": 19.11},
}
_MISSIONS = {
    "jwst": ("JWST", "NIRCAM", "NIRISS"),
    "hst": ("HST",),
    "roman": ("ROMAN", "WFI"),
    "swift": ("SWIFT", "UVOT"),
    "galex": ("GALEX",),
    "ps1": ("PS1", "GPC1", "PAN-STARRS"),
    "ztf": ("ZTF", "PALOMAR 48", "P48"),
    "rubin": ("RUBIN", "LSST", "SIMONYI"),
}


@dataclass(frozen=True)
class Calibration:
    """Header values of one frame; None where the header is silent.

    Args:
        gain: effective gain, e- per image unit: rates are multiplied by the exposure, means of N frames by N.
        read_noise: e- of one pixel of one read.
        zero_point: AB magnitude of one image unit.
        mjd: mid-exposure, UTC; ``time_ref`` says what the header held.
        exposure_time: s.
        saturation: image units.
    """

    mission: str | None
    filter: str | None
    gain: float | None
    read_noise: float | None
    zero_point: float | None
    mjd: float | None
    time_ref: str
    exposure_time: float | None
    saturation: float | None
    unit: str


def _number(header: Header, keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = header.get(key.removeprefix("HIERARCH "))
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def _text(header: Header, keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = str(header.get(key.removeprefix("HIERARCH "), "")).strip()
        if value:
            return value
    return None


def mission_of(header: Header) -> str | None:
    """Mission named by TELESCOP, OBSERVAT, INSTRUME, ORIGIN or MISSION, in lower case; None where unknown."""
    said = " ".join(str(header.get(k, "")) for k in ("MISSION", "TELESCOP", "OBSERVAT", "INSTRUME", "ORIGIN")).upper()
    return next((name for name, words in _MISSIONS.items() if any(word in said for word in words)), None)


def filter_of(header: Header) -> str | None:
    """Filter; where a pupil wheel holds the real one (JWST), that."""
    name, pupil = _text(header, _FILTER), _text(header, ("PUPIL",))
    return pupil if pupil and pupil.startswith("F") and pupil[1:4].isdigit() else name


def mid_exposure(header: Header, exposure: float | None) -> tuple[float | None, str]:
    """MJD (UTC) of mid-exposure and what it was made from.

    A stated middle is believed only when it is not before the start and within a day plus the exposure of it:
    stamps cut from mosaics carry the middle of other frames.
    """
    scale = str(header.get("TIMESYS", "UTC")).strip().lower()
    scale = scale if scale in ("tai", "tt", "tdb", "utc") else "utc"
    start, middle = _number(header, _START), _number(header, _MID)
    date = _text(header, ("DATE-OBS", "DATE-BEG"))
    if start is None and date is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                start = float(Time(date, scale=scale).mjd)
            except ValueError:
                start = None
    half = (exposure or 0.0) / 172800
    if middle is not None and (start is None or 0 <= middle - start <= 1 + 2 * half):
        mjd, ref = middle, "mid-exposure"
    elif start is not None:
        mjd, ref = start + half, "start + half the exposure" if exposure else "start"
    else:
        return None, "absent"
    return float(Time(mjd, format="mjd", scale=scale).utc.mjd), f"{scale.upper()} {ref}"


def zero_point_of(header: Header, mission: str | None, band: str | None, exposure: float | None) -> float | None:
    """AB zero point of one image unit, from a key, a surface brightness unit, HST's PHOTFLAM, or a table."""
    unit = str(header.get("BUNIT", "")).strip().lower()
    area = _number(header, ("PIXAR_SR",))
    if unit == "mjy/sr" and area:
        return 8.9 - 2.5 * math.log10(1e6 * area)
    if unit == "njy":
        return 31.4
    flam, pivot = _number(header, ("PHOTFLAM",)), _number(header, ("PHOTPLAM",))
    counts = 0.0 if "/s" in unit else 2.5 * math.log10(exposure or 1.0)
    if flam and pivot:
        return -2.5 * math.log10(flam) - 5 * math.log10(pivot) - 2.408 + counts
    stated = _number(header, _ZERO_POINT)
    if stated is not None:
        return stated
    ps1 = _number(header, ("FPA.ZP",))
    if ps1 is not None:
        return ps1 + 2.5 * math.log10(exposure or 1.0)
    rate = _RATE_ZERO_POINTS.get(mission or "", {}).get((band or "").upper())
    # GALEX intensity maps are rates whatever their unit says.
    return None if rate is None else rate + (0.0 if mission == "galex" else counts)


def _gain(header: Header, exposure: float | None) -> float | None:
    gain, unit = _number(header, _GAIN), str(header.get("BUNIT", "")).strip().lower()
    if unit.startswith(("electron", "e-")):
        gain = 1.0
    if gain is None or gain <= 0:
        return None
    return gain * (exposure or 1.0 if "/s" in unit else 1.0) * max(1.0, _number(header, ("NCOMBINE",)) or 1.0)


def read_calibration(header: Header) -> Calibration:
    """Everything that the header (primary and extension, merged) says of the frame."""
    exposure, mission, band = _number(header, _EXPOSURE), mission_of(header), filter_of(header)
    mjd, time_ref = mid_exposure(header, exposure)
    values: dict[str, Any] = {
        "gain": _gain(header, exposure),
        "read_noise": _number(header, _READ_NOISE),
        "zero_point": zero_point_of(header, mission, band, exposure),
        "saturation": _number(header, ("SATURATE", "SATURVAL", "SATLEVEL")),
    }
    unit = str(header.get("BUNIT", "adu")).strip() or "adu"
    return Calibration(
        mission=mission, filter=band, mjd=mjd, time_ref=time_ref, exposure_time=exposure, unit=unit, **values
    )
