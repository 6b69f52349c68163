"""Names of filters and their effective wavelengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from astrid_ml.preprocessing.surveys.registry import packaged, survey_named
from astrid_ml.preprocessing.surveys.survey import Band
from astrid_ml.types import Floats32


def _wavelengths() -> dict[str, float]:
    """Micrometres by a filter's plain name: LSST's ugrizy, Bessell's UBVRI (of LCO) and 2MASS's JHK."""
    found: dict[str, float] = {}
    for mission in ("rubin", "lco", "2mass"):
        for name, band in survey_named(mission).bands.items():
            for word in (name, *band.aliases):
                if band.wavelength is not None and len(word) == 1 and not (mission == "2mass" and word.islower()):
                    found.setdefault(word, band.wavelength)
    return found


WAVELENGTHS: dict[str, float] = _wavelengths()
PLASTICC = {0: "u", 1: "g", 2: "r", 3: "i", 4: "z", 5: "Y"}  # passband numbers
ZTF = {band.code: name for name, band in survey_named("ztf").bands.items() if band.code is not None}

_BESSELL = ("bessell", "bessel", "johnson", "cousins", "landolt", "standard")  # sncosmo's and catalogues' UBVRI
_OTHERS = {"decam": ("des",), "ps1": ("ps",), "swift": ("uvot",), "rubin": ("lsst",)}


# What is added to a magnitude of Vega's system (Blanton & Roweis 2007, AJ 133, 734, table 1).
_VEGA_TO_AB = {"U": 0.79, "B": -0.09, "V": 0.02, "R": 0.21, "I": 0.45, "J": 0.91, "H": 1.39, "K": 1.85, "Ks": 1.85}
# SDSS's filters at its telescope of standard stars (Fukugita et al. 1996, AJ 111, 1748); LCO's up, gp and ip are of
# that kind, and its zs is PS1's z (LCO: filters of its imagers). rp alone may be Gaia's.
_LIKE = {f"{band}{mark}": f"sdss{band}" for band in "ugriz" for mark in ("'", "p", "\u2032")} | {"zs": "ps1z"}
_LIKE.pop("rp")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _by_full_name(value: Callable[[Band], float | None]) -> dict[str, set[float]]:
    """What the surveys' bands have, by their full names: ``F158``, ``ps1g``, ``swiftuvw1``."""
    found: dict[str, set[float]] = {}
    for mission, survey in packaged().items():
        for name, band in survey.bands.items():
            of_band = value(band)
            for word in (name, *band.aliases) if of_band is not None else ():
                if len(word) > 1:
                    found.setdefault(word if len(word) == 2 else _plain(word), set()).add(of_band or 0.0)
                for prefix in (mission, *_OTHERS.get(mission, ())):
                    found.setdefault(_plain(f"{prefix}{word}"), set()).add(of_band or 0.0)
    return found


@cache
def named() -> dict[str, float]:
    """Micrometres by the full names of filters: ``H158`` is Roman's alone, ``sdssg`` and ``ps1::g`` tell their survey.

    Names that surveys share are not there, unless they agree to a tenth; names of two letters as they are spelt.
    """
    found = _by_full_name(lambda band: band.wavelength)
    for name, prefix in ((name, prefix) for name in "UBVRI" for prefix in _BESSELL):
        found.setdefault(prefix + name.lower(), set()).add(WAVELENGTHS[name])
    known = {name: min(values) for name, values in found.items() if max(values) < 1.1 * min(values)}
    return {**{name: known[other] for name, other in _LIKE.items()}, **known}


@cache
def vega_to_ab() -> dict[str, float]:
    """What is added to magnitudes of Vega's system to be AB, by names of filters that tell it.

    The letters are Bessell's UBVRI and 2MASS's JHK (Blanton & Roweis 2007, AJ 133, 734, table 1), also with the names
    of ``sncosmo`` (``bessellb``); full names are those of the surveys, whose files name their sources (Swift's UVOT:
    Breeveld et al. 2011, AIP Conf. Proc. 1358, 373).
    """
    found = _by_full_name(lambda band: band.vega_to_ab)
    out = {name: min(values) for name, values in found.items() if max(values) - min(values) < 0.05}
    out |= {prefix + name.lower(): _VEGA_TO_AB[name] for name in "UBVRI" for prefix in _BESSELL}
    return {**out, **_VEGA_TO_AB}


def offset_of(name: str) -> float:
    """What is added to a magnitude of Vega's system in a filter to be AB; NaN where it is not known.

    Example:
        >>> offset_of("V"), offset_of("bessellv"), offset_of("uvot::uvw2"), offset_of("xyz")
        (0.02, 0.02, 1.73, nan)
    """
    known = vega_to_ab()
    return next((known[word] for word in (name, _plain(name), _turned(name)) if word in known), np.nan)


def _turned(name: str) -> str:
    """A name whose survey or system stands behind: ``i_PS1`` as ``ps1i``."""
    parts = re.split(r"[^A-Za-z0-9]+", name.strip())
    return _plain(parts[1] + parts[0]) if len(parts) == 2 else ""


def wavelength_of(name: str, wavelengths: Mapping[str, float] | None = None) -> float:
    """Effective wavelength of a band in micrometres; NaN where nothing is known of it.

    Args:
        name: as in the file: ``g``, ``lsstg``, ``CSP-B/e`` (system, filter and SNANA's one character).
        wavelengths: the user's wavelengths by name, asked first.
    """
    name = name.strip()
    if wavelengths and name in wavelengths:
        return float(wavelengths[name])
    # SNANA's one character is only a label (e is B of CSP): the filter is named before the slash.
    filter_name = name.split("/")[0].split("-")[-1].removeprefix("lsst")
    if wavelengths and filter_name in wavelengths:
        return float(wavelengths[filter_name])
    if filter_name in WAVELENGTHS:
        return WAVELENGTHS[filter_name]
    for word in (name, filter_name, _turned(name)):
        known = named().get(word if len(word) == 2 else _plain(word))
        if known is not None:
            return known
    # r1, V0 and the like are one filter on several detectors.
    return WAVELENGTHS.get(filter_name[:1] if filter_name[1:].isdigit() else "", np.nan)


def short_name(name: str) -> str:
    """The name without padding, survey prefix and system: ``lsstg`` -> ``g``; ``CSP-B/e`` -> ``e``."""
    name = name.strip()
    return name.split("/")[-1].strip() if "/" in name else name.removeprefix("lsst")


def wavelengths_of(names: Sequence[str], wavelengths: Mapping[str, float] | None = None) -> Floats32:
    """Wavelengths of several bands, shape (n,); ``rp`` beside ``gp`` or ``ip`` is LCO's."""
    near = {"rp": named()["sdssr"]} if {"gp", "ip"} & set(names) and not {"bp", "BP"} & set(names) else {}
    return np.array([wavelength_of(name, {**near, **(wavelengths or {})}) for name in names], dtype=np.float32)
