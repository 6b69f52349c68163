"""Zero points: which AB magnitude one unit of an image stands for."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass

from astrid_ml.preprocessing.differencing.frame.header.comments import is_per_second, system_of
from astrid_ml.preprocessing.differencing.frame.header.gains import is_rate
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.units import AB_JANSKY, PixelUnit
from astrid_ml.preprocessing.surveys.survey import Band, FluxConvention, HeaderKeys, Survey
from astrid_ml.types import Range

ZERO_POINT = ("MAGZP", "ZPTMAG", "MAGZERO", "MAGZPT", "PHOTZP", "ZP", "ZEROPNT", "ZEROPOIN", "ZPAB", "MAG_ZP",
              "ABMAGZP", "MAGZEROP", "ZEROPT", "ZPMAG", "PHOT_C", "IMAGEZPT", "ZPAPPROX", "PHOT_C0")  # fmt: skip
# Of one count a second at an airmass: + sign x coefficient x (AIRMASS - that airmass). CFHT's as its headers say
# (M = m + PHOT_C + PHOT_K*(AIRMASS - 1)), PTF's as IRSA's viewer reads it, CASU's by its catalogues' README.
AT_AIRMASS = {
    "PHOT_C": ("PHOT_K", 1.0, 1), "PHOT_C0": ("PHOT_K", 1.0, 1), "IMAGEZPT": ("EXTINCT", 0.0, 1),
    "MAGZPT": ("EXTINCT", 1.0, -1),
}  # fmt: skip
CASU = ("PERCORR", "NUMBRMS", "APCOR3")  # of its pipeline (UKIRT, INT, VISTA, VST), whose MAGZPT is of one second
_FAKE = re.compile(r"\b(?:fake|dummy|placeholder)\b", re.IGNORECASE)
ROUGH = {"ZPAPPROX": "approximate", "PHOT_C0": "nominal, and not measured"}
_NO_AB = "Vega, of a filter without its AB"
MAGNITUDES = ("MAGSYS", "ZPSYS", "PHOTSYS", "MAG_SYS")


def zero_point_of(
    said: Said, survey: Survey | None, band: str | None, unit: PixelUnit, exposure: float | None
) -> float | None:
    """AB zero point of one image unit: from the unit, from PHOTFLAM, from a key, or from the description."""
    found = _of_unit(said, unit)
    if found is not None:
        return found
    flux = survey.flux if survey else FluxConvention()
    counted = unit.kind in ("counts", "electrons")
    counts = _Counts(unit.factor if counted else 1.0, is_rate(unit, flux), exposure)
    found = _of_sensitivity(said, counts)
    if found is None:
        found = _of_keys(said, survey, band, counts)
    if found is None:
        found = _of_description(said, survey, band, counts)
    if found is None:
        said.absent("zero_point")
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
    if unit.kind == "flux per wavelength":
        said.account.unknown["zero_point"] = "a flux a wavelength, and PHOTPLAM does not say of which"
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


@dataclass(frozen=True)
class _Counts:
    """What one image unit counts: ``factor`` counts, of a second (``rate``) or of the whole exposure, s."""

    factor: float
    rate: bool
    exposure: float | None

    def second(self, said: Said) -> float | None:
        """What turns the zero point of one count a second into that of one image unit, mag."""
        if self.rate:
            return -2.5 * math.log10(self.factor)
        if self.exposure and self.exposure > 0:
            return 2.5 * math.log10(self.exposure / self.factor)
        said.account.unknown["zero_point"] = "it is of one count a second, and no key holds the exposure time"
        return None


def _of_sensitivity(said: Said, counts: _Counts) -> float | None:
    flam, pivot = said.number("", ("PHOTFLAM",)), said.number("", ("PHOTPLAM",))
    if flam and pivot and flam > 0 and pivot > 0:
        added = counts.second(said)
        if added is not None:
            said.account.read["zero_point"] = "PHOTFLAM, PHOTPLAM"
            return -2.5 * math.log10(flam) - 5 * math.log10(pivot) - 2.408 + added
    fnu = said.number("", ("PHOTFNU",))
    if fnu and fnu > 0:
        added = counts.second(said)
        if added is not None:
            said.account.read["zero_point"] = "PHOTFNU"
            return AB_JANSKY - 2.5 * math.log10(fnu) + added
    return None


def _of_keys(said: Said, survey: Survey | None, band: str | None, counts: _Counts) -> float | None:
    header, flux = (survey.header, survey.flux) if survey else (HeaderKeys(), FluxConvention())
    known = survey.bands.get(band or "") if survey else None
    if flux.zero_point == "bandpass":
        stated = said.number("zero_point", header.zero_point)
        if stated is None or known is None or known.zero_point is None:
            return None
        to_ab = _to_ab(said, said.account.read["zero_point"], survey, known)
        if to_ab is None:
            said.give_up("zero_point", _NO_AB)
            return None
        said.account.read["zero_point"] += " and the bandpass"
        return stated + known.zero_point + to_ab
    keys = [name for name in (*header.zero_point, *ZERO_POINT) if not _FAKE.search(said.comment(name))]
    stated = said.number("zero_point", keys, _is_magnitude)
    if stated is None:
        flux0 = said.number("zero_point", ("FLUXMAG0",))
        if flux0 and flux0 > 0:
            return 2.5 * math.log10(flux0)
        none = said.number("zero_point", keys)
        if none is not None:
            said.give_up("zero_point", f"{said.account.read['zero_point']} is {none:g}, which stands for none")
        return None
    key = said.account.read["zero_point"]
    others = {name: point for name in keys if (point := said.number("", (name,)))}
    aside = [f"{name} = {point:g}" for name, point in others.items() if _is_magnitude(point) and point != stated]
    added: float | None = 0.0
    at_airmass = key in AT_AIRMASS and (key != "MAGZPT" or any(name in said.header for name in CASU))
    if key in flux.per_second or at_airmass or is_per_second(said.comment(key)):
        added = counts.second(said)
        said.account.read["zero_point"] += " of one count a second"
    elif key == "MAGZPT" and not counts.rate and counts.exposure and counts.exposure != 1:
        said.doubt("zero_point", "MAGZPT is taken as that of one image unit, and may be that of one count a second")
    to_ab = _to_ab(said, key, survey, known)
    if at_airmass and added is not None:
        added += _airmass_term(said, key)
    if aside:
        said.assume("zero_point", f"{key}, and not {', '.join(aside)}", also=True)
    if key in ROUGH:
        said.assume("zero_point", f"{key} is {ROUGH[key]}", also=True)
    if added is None or to_ab is None:
        said.give_up("zero_point", said.account.unknown.get("zero_point", _NO_AB))
        return None
    return stated + added + to_ab


def _airmass_term(said: Said, key: str) -> float:
    """What the atmosphere takes from a zero point, mag; 0 where the header does not say, which is said."""
    name, mass, sign = AT_AIRMASS[key]
    term, airmass = said.number("", (name,)), said.number("", ("AIRMASS",))
    if term is None or airmass is None or airmass < 1:
        absent = name if term is None else "AIRMASS"
        said.assume("zero_point", f"of airmass {mass:g}, for no key holds {absent}", also=True)
        return 0.0
    said.account.read["zero_point"] += f", {name} x AIRMASS"
    return sign * term * (airmass - mass)


def _is_magnitude(number: float) -> bool:
    """Whether a zero point is one: 0 and -99 stand for none."""
    return number in Range(-10.0, 60.0) and number != 0


def _to_ab(said: Said, key: str, survey: Survey | None, known: Band | None) -> float | None:
    """What makes a zero point one in AB, mag; None where it is in Vega, of a filter without its AB.

    Of which system it is the header says, else the description, of the band or of all; else AB is assumed.

    Args:
        said: the header.
        key: that holds it; empty where the description does.
        survey: whose description counts.
        known: the band.
    """
    by_header, where = _system_of_header(said, key)
    described = (known.system if known else None) or (survey.flux.system if survey else None)
    name = survey.name if survey else ""
    system = by_header if by_header in ("AB", "Vega") else described
    if system and by_header in ("AB", "Vega"):
        said.account.read["magnitudes"] = where
        if described and described != system:
            said.doubt("zero_point", f"{where} says {system}, and the description of {name} says {described}")
    by = where if by_header == system else f"the description of {name}"
    if by_header and by_header not in ("AB", "Vega"):
        said.doubt("zero_point", f"{key} is of the magnitudes {by_header}, and is taken as {system or 'AB'}")
    if system == "Vega":
        said.assume("zero_point", f"Vega, as {by} says; given here as AB")
        return None if known is None or known.vega_to_ab is None else known.vega_to_ab
    if system is None:
        whose = f" nor the description of {name}" if survey else ""
        who = f"neither the header{whose} says" if survey else "nothing says"
        said.assume("zero_point", f"{key or 'it'} is an AB magnitude, for {who} of which system it is")
    elif by_header != system and key:
        said.assume("zero_point", f"AB, as {by} says")
    return 0.0


def _system_of_header(said: Said, key: str) -> tuple[str, str]:
    """``AB``, ``Vega`` or another word of the header's, and what says it; empty where it says nothing."""
    stated = str(said.text("", MAGNITUDES) or "").strip()
    where = next((name for name in MAGNITUDES if stated and name in said.header), f"the comment of {key}")
    if not key:
        return "", ""
    word = stated.casefold() or system_of(said.comment(key)) or ""
    return ("Vega" if "vega" in word else "AB" if "ab" in word else stated), where


def _of_description(said: Said, survey: Survey | None, band: str | None, counts: _Counts) -> float | None:
    known = survey.bands.get(band or "") if survey else None
    if survey is None or known is None or known.zero_point is None:
        return None
    if survey.flux.zero_point not in ("second", "count"):
        return None
    added = counts.second(said) if survey.flux.zero_point == "second" else 0.0
    to_ab = _to_ab(said, "", survey, known)
    if to_ab is None:
        said.give_up("zero_point", _NO_AB)
    if added is None or to_ab is None:
        return None
    system = f"{known.system or survey.flux.system or 'AB (which it does not say)'}"
    said.assume("zero_point", f"that of {band} in {system}, as the description of {survey.name} says")
    return known.zero_point + added + to_ab
