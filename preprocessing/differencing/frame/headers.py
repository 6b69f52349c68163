"""What a FITS header says of a frame: mission, filter, exposure, gain, zero point and the time of mid-exposure."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

from astropy.io.fits import Header
from astropy.time import Time

_EXPOSURE = ("XPOSURE", "EXPTIME", "EXPOSURE", "EFFEXPTM")
_FILTER = ("FILTER", "FILTERS", "FILTNAM", "FILTER1", "FPA.FILTERID", "FPA.FILTER", "BAND")
_GAIN = ("GAIN", "EGAIN", "CCDGAIN", "CELL.GAIN")
_READ_NOISE = ("READNOI", "RDNOISE", "READNOIS", "RON", "CELL.READNOISE")
_ZERO_POINT = ("MAGZP", "ZPTMAG", "MAGZERO", "MAGZPT", "PHOTZP", "ZP")
_SATURATION = ("SATURATE", "SATURVAL", "SATLEVEL", "CELL.SATURATION")
_MID = ("EXPMID", "MJD-AVG", "MJD-MID", "MJDMID")
# OBSMJD is the start in ZTF, as its alerts' jd (ztf-avro-alert schema: "at start of exposure").
_START = ("MJD-OBS", "MJD-BEG", "EXPSTART", "OBSMJD")
# Zero points (AB, one count per second). GALEX: Morrissey et al. 2007. UVOT: Breeveld et al. 2011, as listed at
# swift.gsfc.nasa.gov/analysis/uvot_digest/zeropts.html.
RATE_ZERO_POINTS = {
    "galex": {"FUV": 18.82, "NUV": 20.08},
    "swift": {"V": 17.88, "B": 18.98, "U": 19.36, "UVW1": 18.95, "UVM2": 18.54, "UVW2": 19.11, "WHITE": 21.09},
}
# Bandpass zero points of Roman (galsim 2.8): AB = -2.5 log10(flux) + ZPTMAG + this; keyed by the filter's digits.
ROMAN_BANDPASS = {
    "062": 15.296832,
    "087": 14.964334,
    "106": 15.023547,
    "129": 15.039625,
    "158": 15.074165,
    "184": 14.621994,
    "213": 14.579316,
    "146": 16.270076,
}
MISSIONS = {
    "jwst": ("JWST", "NIRCAM", "NIRISS"),
    "hst": ("HST",),
    "roman": ("ROMAN", "WFI"),
    "swift": ("SWIFT", "UVOT"),
    "galex": ("GALEX",),
    "ps1": ("PS1", "GPC1", "PAN-STARRS"),
    "ztf": ("ZTF", "PALOMAR 48", "P48"),
    "rubin": ("RUBIN", "LSST", "SIMONYI"),
}
_NAMES = ("MISSION", "TELESCOP", "OBSERVAT", "INSTRUME", "FPA.TELESCOPE", "FPA.INSTRUMENT", "ORIGIN")
# Keys that only one mission's images have, for files that do not name it (OpenUniverse's Roman, GALEX tiles, PS1).
_TELLTALES = {"roman": ("SCA_NUM", "ZPTMAG"), "galex": ("MPSTYPE", "TILENUM"), "ps1": ("FPA.ZP",)}


@dataclass(frozen=True)
class FrameCalibration:
    """Header values of one frame; None where the header is silent.

    Args:
        mission: canonical name.
        filter: as in the per-mission table.
        gain: effective gain, e- per image unit: rates are multiplied by the exposure, means of N frames by N.
        read_noise: e- of one pixel of one read.
        zero_point: AB magnitude of one image unit.
        mjd: mid-exposure, UTC.
        time_ref: what the header held: a start, a middle, a time scale.
        exposure_time: s.
        saturation: image units.
        unit: of the pixels, as text.
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
        value = header.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def _text(header: Header, keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = str(header.get(key, "")).strip()
        if value:
            return value
    return None


def mission_of(header: Header) -> str | None:
    """Mission, in lower case, from the keys that name it, else from keys of its own; None where unknown."""
    said = " ".join(str(header.get(key, "")) for key in _NAMES).upper()
    named = next((name for name, words in MISSIONS.items() if any(word in said for word in words)), None)
    return named or next((name for name, keys in _TELLTALES.items() if all(key in header for key in keys)), None)


def filter_of(header: Header, mission: str | None = None, name: str = "") -> str | None:
    """Filter by its short name.

    ZTF_r, r.00000 (PS1) and r_57 (Rubin) are r; where a pupil wheel holds the real filter (JWST), that. GALEX tiles
    say it in the number BAND (1 NUV, 2 FUV) or in the file's name (-nd-, -fd-).
    """
    band, pupil = _text(header, _FILTER), _text(header, ("PUPIL",))
    if pupil and pupil.startswith("F") and pupil[1:4].isdigit():
        return pupil
    if mission == "galex" and (band is None or band.isdigit()):
        tile = {"-nd-": "NUV", "-fd-": "FUV"}
        return {"1": "NUV", "2": "FUV"}.get(band or "") or next((tile[key] for key in tile if key in name), None)
    if band is None:
        return None
    if mission == "ztf":
        return band.removeprefix("ZTF_").removeprefix("ztf_")
    if mission == "ps1":
        return band.split(".")[0]
    return band.split("_")[0] if mission == "rubin" else band


def _dated(header: Header, keys: tuple[str, ...], scale: str) -> float | None:
    date = _text(header, keys)
    if date is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(Time(date, scale=scale).mjd)
        except ValueError:
            return None


def _days(header: Header, keys: tuple[str, ...]) -> float | None:
    """An MJD; None for a time that is not in days, as GALEX's EXPSTART in seconds."""
    value = _number(header, keys)
    return value if value is not None and 10_000 < value < 200_000 else None


def _scale(header: Header, mission: str | None) -> str:
    """Time scale of the header. PS1's times are TAI though full skycells do not say so (STScI, PS1 DR2 caveats)."""
    scale = str(header.get("TIMESYS", "TAI" if mission == "ps1" else "UTC")).strip().lower()
    return scale if scale in ("tai", "tt", "tdb", "utc") else "utc"


def _galex_start(header: Header) -> float | None:
    day, hour = _text(header, ("OBS-DATE",)), _text(header, ("TIME-OBS",))
    return None if day is None else _dated(Header({"D": f"{day}T{hour or '00:00:00'}"}), ("D",), "utc")


def mid_exposure(header: Header, exposure: float | None, mission: str | None = None) -> tuple[float | None, str]:
    """MJD (UTC) of mid-exposure and what it was made from.

    A stated middle is believed only when it is not before the start and within a day plus the exposure of it:
    stamps cut from mosaics carry the middle of other frames. Swift sums snapshots: there the middle lies between
    start and end. Rubin states the middle as DATE-AVG (TAI; lsst.afw.image, "FITS metadata for Exposures").
    """
    scale = _scale(header, mission)
    start, middle = _days(header, _START), _days(header, _MID)
    start = _dated(header, ("DATE-OBS", "DATE-BEG"), scale) if start is None else start
    start = _galex_start(header) if start is None else start
    middle = _dated(header, ("DATE-AVG",), scale) if middle is None else middle
    end = _dated(header, ("DATE-END",), scale) if mission == "swift" else None
    half = (exposure or 0.0) / 172800
    if middle is not None and (start is None or 0 <= middle - start <= 1 + 2 * half):
        mjd, ref = middle, "mid-exposure"
    elif start is not None and end is not None and end - start >= 1.98 * half:
        mjd, ref = (start + end) / 2, "between start and end"
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
    zptmag = _number(header, ("ZPTMAG",))
    if mission == "roman" and zptmag is not None:
        bandpass = ROMAN_BANDPASS.get("".join(c for c in band or "" if c.isdigit()))
        return None if bandpass is None else zptmag + bandpass
    stated = _number(header, _ZERO_POINT)
    if stated is not None:
        return stated
    ps1 = _number(header, ("FPA.ZP",))
    if ps1 is not None:
        return ps1 + 2.5 * math.log10(exposure or 1.0)
    rate = RATE_ZERO_POINTS.get(mission or "", {}).get((band or "").upper())
    # GALEX intensity maps are rates whatever their unit says.
    return None if rate is None else rate + (0.0 if mission == "galex" else counts)


def _gain(header: Header, mission: str | None, exposure: float | None) -> float | None:
    gain, unit = _number(header, _GAIN), str(header.get("BUNIT", "")).strip().lower()
    if unit.startswith(("electron", "e-")) or mission in ("swift", "galex"):  # the UV cameras count photons
        gain = 1.0
    if gain is None or gain <= 0 or unit in ("njy", "mjy/sr"):  # a detector's gain says nothing of calibrated units
        return None
    rate = "/s" in unit or mission == "galex"
    return gain * (exposure or 1.0 if rate else 1.0) * max(1.0, _number(header, ("NCOMBINE",)) or 1.0)


def read_calibration(header: Header, name: str = "") -> FrameCalibration:
    """Everything that the header (primary and extension, merged) and the file's name say of the frame."""
    exposure, mission = _number(header, _EXPOSURE), mission_of(header)
    band = filter_of(header, mission, name)
    mjd, time_ref = mid_exposure(header, exposure, mission)
    values: dict[str, Any] = {
        "gain": _gain(header, mission, exposure),
        "read_noise": _number(header, _READ_NOISE),
        "zero_point": zero_point_of(header, mission, band, exposure),
        "saturation": _number(header, _SATURATION),
    }
    unit = str(header.get("BUNIT", "adu")).strip() or "adu"
    return FrameCalibration(
        mission=mission, filter=band, mjd=mjd, time_ref=time_ref, exposure_time=exposure, unit=unit, **values
    )
