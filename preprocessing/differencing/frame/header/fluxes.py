"""Exposure, effective gain and zero point: what a count of an image stands for."""

from __future__ import annotations

import math
import re
import warnings

from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.units import AB_JANSKY, PixelUnit
from astrid_ml.preprocessing.surveys.survey import FluxConvention, HeaderKeys, Survey
from astrid_ml.types import Range

EXPOSURE = ("XPOSURE", "EXPTIME", "EXPOSURE", "EFFEXPTM", "TEXPTIME", "EXP_TIME", "EXP-TIME", "EXPT", "ITIME",
            "INTTIME", "TOTEXPT")  # fmt: skip
# EGAIN is e-/ADU by its definition; GAIN beside it may be the setting of a CMOS camera.
GAIN = ("EGAIN", "GAIN", "CCDGAIN", "CELL.GAIN", "GAINEFF", "DETGAIN", "GAIN1", "ESO DET OUT1 CONAD")
READ_NOISE = ("READNOI", "RDNOISE", "READNOIS", "RON", "CELL.READNOISE", "ENOISE", "READNSE", "RDNOISE1")
ZERO_POINT = ("MAGZP", "ZPTMAG", "MAGZERO", "MAGZPT", "PHOTZP", "ZP", "ZEROPNT", "ZEROPOIN", "ZPAB", "MAG_ZP",
              "ABMAGZP", "MAGZEROP", "ZEROPT", "ZPMAG")  # fmt: skip
MAGNITUDES = ("MAGSYS", "ZPSYS", "PHOTSYS", "MAG_SYS")
_INVERSE = re.compile(r"(adu|dn|counts?)\s*(/|per)\s*(e-?|electrons?)", re.IGNORECASE)
SATURATION = ("SATURATE", "SATURVAL", "SATLEVEL", "CELL.SATURATION", "SATUR_LV", "SATLEV")


def exposure_of(said: Said, survey: Survey | None) -> float | None:
    """Seconds."""
    keys = survey.header if survey else HeaderKeys()
    found = said.number("exposure_time", (*keys.exposure, *(() if keys.exposure_unit == "d" else EXPOSURE)))
    if found is None:
        said.give_up("exposure_time", "no key holds it")
        return None
    if found <= 0:
        said.give_up("exposure_time", f"it is {found:g}, not positive")
        return None
    unit = "d" if keys.exposure_unit == "d" else said.unit_beside("exposure_time")
    factor = _seconds(unit)
    if factor != 1:
        said.account.read["exposure_time"] += f", in {'days' if unit == 'd' else unit}"
    return found * factor


def _seconds(unit: str | None) -> float:
    """In a unit of time; 1 where it is none."""
    from astropy import units

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(units.Unit(unit or "s").to(units.s))
        except (ValueError, TypeError, units.UnitConversionError):
            return 1.0


def is_rate(unit: PixelUnit, flux: FluxConvention) -> bool:
    """Whether pixels are per second."""
    return unit.rate or flux.rates


def gain_of(said: Said, survey: Survey | None, unit: PixelUnit, exposure: float | None) -> float | None:
    """Effective gain, e- per image unit: rates are multiplied by the exposure, means of N frames by N.

    None where it is not known: no key, a calibrated unit, or a rate of unknown exposure.
    """
    flux = survey.flux if survey else FluxConvention()
    if unit.calibrated:  # a detector's gain says nothing of calibrated units
        said.give_up("gain", "the unit is calibrated")
        return None
    if unit.kind == "electrons" or flux.photons:
        gain: float | None = 1.0
        said.account.read["gain"] = "BUNIT" if unit.kind == "electrons" else "a camera that counts photons"
    else:
        gain = said.numbers("gain", (*survey.header.gain, *GAIN) if survey else GAIN)
        if gain and _INVERSE.fullmatch(said.unit_beside("gain") or ""):
            said.account.read["gain"] += ", in counts an electron"
            gain = 1 / gain
        if gain is None and survey is not None and survey.detector.gain:
            gain = math.fsum(survey.detector.gain.values()) / len(survey.detector.gain)
            said.assume("gain", f"that of the detector, as the description of {survey.name} says")
    if gain is not None and gain <= 0:
        said.account.strange["gain"] = f"{said.account.read.get('gain', 'its key')} = {gain:g}"
    if gain is None or gain <= 0:
        said.give_up("gain", "no key holds it" if gain is None else "it is not positive")
        return None
    if is_rate(unit, flux):
        if not exposure or exposure <= 0:
            said.give_up("gain", "a rate of unknown exposure")
            return None
        gain *= exposure
        said.account.read["gain"] = f"{said.account.read.get('gain', 'the description')} x exposure"
    frames = said.number("", ("NCOMBINE",))
    if frames and frames > 1 and flux.mean is not False:
        gain *= frames
        said.account.read["gain"] = f"{said.account.read.get('gain', 'the description')} x NCOMBINE"
        if flux.mean is None:
            said.assume("gain", "NCOMBINE exposures were averaged")
    return gain


def zero_point_of(
    said: Said, survey: Survey | None, band: str | None, unit: PixelUnit, exposure: float | None
) -> float | None:
    """AB zero point of one image unit: from the unit, from PHOTFLAM, from a key, or from the description."""
    found = _of_unit(said, unit)
    if found is not None:
        return found
    flux = survey.flux if survey else FluxConvention()
    rate = is_rate(unit, flux)
    found = _of_sensitivity(said, rate, exposure)
    if found is None:
        found = _of_keys(said, survey, band, rate, exposure)
    if found is None:
        found = _of_description(said, survey, band, rate, exposure)
    if found is None:
        said.account.unknown.setdefault("zero_point", "no key holds it")
    return found


def _of_unit(said: Said, unit: PixelUnit) -> float | None:
    if unit.kind == "flux":
        said.account.read["zero_point"] = "BUNIT"
        return AB_JANSKY - 2.5 * math.log10(unit.factor)
    if unit.kind == "surface brightness":
        area = _pixel_area(said)
        if area is None:
            said.account.unknown["zero_point"] = "a surface brightness whose pixels have no known area"
            return None
        said.account.read["zero_point"] = f"BUNIT and {area[1]}"
        return AB_JANSKY - 2.5 * math.log10(unit.factor * area[0])
    pivot = said.number("", ("PHOTPLAM",))
    if unit.kind == "flux per wavelength" and pivot:
        said.account.read["zero_point"] = "BUNIT and PHOTPLAM"
        return -2.5 * math.log10(unit.factor) - 5 * math.log10(pivot) - 2.408
    return None


def _pixel_area(said: Said) -> tuple[float, str] | None:
    """Steradians, and what says it."""
    area = said.number("", ("PIXAR_SR",))
    if area:
        return area, "PIXAR_SR"
    squared = said.number("", ("PIXAR_A2",))
    if squared:
        return squared * math.radians(1 / 3600) ** 2, "PIXAR_A2"
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_area

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(said.header, naxis=2)
            return (math.radians(1) ** 2 * float(proj_plane_pixel_area(wcs)), "WCS") if wcs.has_celestial else None
        except Exception:  # wcslib has many; who needs the coordinates says what is wrong with them
            return None


def _second(said: Said, rate: bool, exposure: float | None) -> float | None:
    """What turns the zero point of one count a second into that of one image unit, mag."""
    if rate:
        return 0.0
    if exposure and exposure > 0:
        return 2.5 * math.log10(exposure)
    said.account.unknown["zero_point"] = "it is of one count a second, and no key holds the exposure time"
    return None


def _of_sensitivity(said: Said, rate: bool, exposure: float | None) -> float | None:
    flam, pivot = said.number("", ("PHOTFLAM",)), said.number("", ("PHOTPLAM",))
    if flam and pivot and flam > 0 and pivot > 0:
        added = _second(said, rate, exposure)
        if added is not None:
            said.account.read["zero_point"] = "PHOTFLAM, PHOTPLAM"
            return -2.5 * math.log10(flam) - 5 * math.log10(pivot) - 2.408 + added
    fnu = said.number("", ("PHOTFNU",))
    if fnu and fnu > 0:
        added = _second(said, rate, exposure)
        if added is not None:
            said.account.read["zero_point"] = "PHOTFNU"
            return AB_JANSKY - 2.5 * math.log10(fnu) + added
    return None


def _of_keys(said: Said, survey: Survey | None, band: str | None, rate: bool, exposure: float | None) -> float | None:
    header, flux = (survey.header, survey.flux) if survey else (HeaderKeys(), FluxConvention())
    known = survey.bands.get(band or "") if survey else None
    if flux.zero_point == "bandpass":
        stated = said.number("zero_point", header.zero_point)
        if stated is None or known is None or known.zero_point is None:
            return None
        said.account.read["zero_point"] += " and the bandpass"
        return stated + known.zero_point
    stated = said.number("zero_point", (*header.zero_point, *ZERO_POINT))
    if stated is not None and not (stated in Range(-10.0, 60.0) and stated != 0):
        said.give_up("zero_point", f"{said.account.read['zero_point']} is {stated:g}, which stands for none")
        return None
    if stated is not None:
        added: float | None = 0.0
        if said.account.read["zero_point"] in flux.per_second:
            added = _second(said, rate, exposure)
        stated_system = str(said.text("", MAGNITUDES) or "")
        if flux.system == "Vega" or "vega" in stated_system.casefold():
            added = None if known is None or known.vega_to_ab is None else known.vega_to_ab
            by = "the survey's description" if flux.system == "Vega" else "the header"
            said.assume("zero_point", f"Vega, as {by} says; given here as AB")
        if added is None:
            said.give_up("zero_point", said.account.unknown.get("zero_point", "Vega, of a filter without its AB"))
            return None
        return stated + added
    flux0 = said.number("zero_point", ("FLUXMAG0",))
    return 2.5 * math.log10(flux0) if flux0 and flux0 > 0 else None


def _of_description(
    said: Said, survey: Survey | None, band: str | None, rate: bool, exposure: float | None
) -> float | None:
    known = survey.bands.get(band or "") if survey else None
    if survey is None or known is None or known.zero_point is None:
        return None
    added = _second(said, rate, exposure) if survey.flux.zero_point == "second" else 0.0
    if survey.flux.zero_point not in ("second", "count"):
        return None
    if added is None:
        return None
    said.assume("zero_point", f"that of {band}, as the description of {survey.name} says")
    return known.zero_point + added
