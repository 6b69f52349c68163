"""Names of filters and their effective wavelengths."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from astrid_ml.preprocessing.surveys.registry import packaged, survey_named
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


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


@cache
def named() -> dict[str, float]:
    """Micrometres by the full names of filters: ``H158`` is Roman's alone, ``sdssg`` and ``ps1::g`` tell their survey.

    Names that surveys share are not there, unless they agree to a tenth; names of two letters as they are spelt.
    """
    found: dict[str, set[float]] = {}
    for mission, survey in packaged().items():
        for name, band in survey.bands.items():
            for word in (name, *band.aliases) if band.wavelength is not None else ():
                if len(word) > 1:
                    found.setdefault(word if len(word) == 2 else _plain(word), set()).add(band.wavelength or 0.0)
                for prefix in (mission, *_OTHERS.get(mission, ())):
                    found.setdefault(_plain(f"{prefix}{word}"), set()).add(band.wavelength or 0.0)
    for name in "UBVRI":
        for prefix in _BESSELL:
            found.setdefault(prefix + name.lower(), set()).add(WAVELENGTHS[name])
    return {name: min(values) for name, values in found.items() if max(values) < 1.1 * min(values)}


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
    for word in (name, filter_name):
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
    """Wavelengths of several bands, shape (n,)."""
    return np.array([wavelength_of(name, wavelengths) for name in names], dtype=np.float32)
