"""What a pixel counts, from BUNIT by astropy.units, whatever the archive spells."""

from __future__ import annotations

import functools
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["counts", "electrons", "flux", "surface brightness", "flux per wavelength", "unknown"]
# Words of headers as astropy writes them; compared in small letters. Nanomaggies are 3631 Jy x 1e-9.
_WORDS = {
    "electron": "electron", "electrons": "electron", "e": "electron", "elec": "electron", "photon": "electron",
    "photons": "electron", "photoelectrons": "electron",
    "adu": "adu", "adus": "adu", "dn": "adu", "dns": "adu", "count": "adu", "counts": "adu", "ct": "adu", "cts": "adu",
    "kadu": "1000 adu", "kdn": "1000 adu",
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "njy": "nJy", "ujy": "uJy", "microjy": "uJy", "mujy": "uJy", "microjansky": "uJy", "jy": "Jy", "jansky": "Jy",
    "nanojansky": "nJy", "megajansky": "MJy", "sr": "sr", "steradian": "sr", "arcsec": "arcsec",
    "pix": "pix", "pixel": "pix", "pixels": "pix",
    "nanomaggy": "nmgy", "nanomaggies": "nmgy", "nmgy": "nmgy", "maggy": "mgy", "maggies": "mgy", "mgy": "mgy",
    "erg": "erg", "ergs": "erg", "cm": "cm", "a": "AA", "aa": "AA", "ang": "AA", "angstrom": "AA", "angstroms": "AA",
    "hz": "Hz", "flam": "erg s**-1 cm**-2 AA**-1", "fnu": "erg s**-1 cm**-2 Hz**-1",
}  # fmt: skip
_SCALE = re.compile(r"(\d+\.?\d*(?:[eE][+-]?\d+)?)\s*\*?\s*(?=[(A-Za-z])")  # a plain number before a unit
AB_JANSKY = 8.9  # AB magnitude of 1 Jy


@dataclass(frozen=True)
class PixelUnit:
    """The unit of an image.

    Args:
        kind: what it is of.
        rate: whether it is per time.
        factor: one unit in Jy, in Jy/sr, in erg/s/cm2/AA, in counts or electrons, or in those a second.
    """

    kind: Kind
    rate: bool = False
    factor: float = 1.0

    @property
    def calibrated(self) -> bool:
        """Whether a detector's gain says nothing of it."""
        return self.kind in ("flux", "surface brightness", "flux per wavelength")


@functools.cache
def pixel_unit(text: str) -> PixelUnit:
    """The unit that a text means; ``unknown`` for an empty one, and for one that is no unit of light.

    >>> pixel_unit("ELECTRONS/S"), pixel_unit("electron s-1") == pixel_unit("e-/sec")
    (PixelUnit(kind='electrons', rate=True, factor=1.0), True)
    >>> pixel_unit("uJy").factor, pixel_unit("MJy/sr").kind, pixel_unit("furlong").kind
    (1e-06, 'surface brightness', 'unknown')
    >>> pixel_unit("kADU").factor, round(pixel_unit("adu/min").factor * 60, 9)
    (1000.0, 1.0)
    """
    found = _of(_parsed(text))
    return found if 0 < found.factor < math.inf else PixelUnit("unknown")


def _of(unit: Any) -> PixelUnit:
    """What a unit of astropy is of; None is none."""
    from astropy import units

    if unit is None:
        return PixelUnit("unknown")
    without = unit * units.pix ** -_power(unit, units.pix)
    for word, kind in ((units.electron, "electrons"), (units.adu, "counts")):
        if _power(without, word) == 1:
            rest = without / word
            rate = rest.is_equivalent(1 / units.s)
            if rate or rest.is_equivalent(units.one):
                factor = float(rest.to(1 / units.s if rate else units.one))
                return PixelUnit("electrons" if kind == "electrons" else "counts", rate, factor)
    if _power(without, units.mgy) == 1 or _power(without, units.nmgy) == 1:
        return PixelUnit("flux", factor=float(without.to(units.mgy)) * 10 ** (0.4 * AB_JANSKY))
    if without.is_equivalent(units.Jy):
        return PixelUnit("flux", factor=float(without.to(units.Jy)))
    if without.is_equivalent(units.Jy / units.sr):
        return PixelUnit("surface brightness", factor=float(without.to(units.Jy / units.sr)))
    per_wavelength = units.erg / units.s / units.cm**2 / units.AA
    if without.is_equivalent(per_wavelength):
        return PixelUnit("flux per wavelength", factor=float(without.to(per_wavelength)))
    return PixelUnit("unknown")


def _parsed(text: str) -> Any:
    """An astropy unit; None where the text is none."""
    from astropy import units

    plain = re.sub(r"\be-(?!\d)", "electron", text.strip().strip("[]").lstrip("x* ")).replace("^", "**")
    if not plain:
        return None
    if plain[0] == "(" and plain.find(")") == len(plain) - 1:
        plain = plain[1:-1]
    scale = _SCALE.match(plain)
    factor, plain = (float(scale[1]), plain[scale.end() :]) if scale else (1.0, plain)
    plain = re.sub(r"\bmjy\b(?=\W*sr)", "MJy", plain, flags=re.IGNORECASE)
    plain = re.sub(r"\bMJY\b", "MJy", plain)
    plain = re.sub(r"\bmjy\b", "mJy", plain)

    def word(found: re.Match[str]) -> str:
        return _WORDS.get(found[0].lower(), found[0])

    plain = re.sub(r"(?<![\d.A-Za-z])[A-Za-z]+", word, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)  # of several slashes
        try:
            return units.Unit(units.Unit(plain) if factor == 1 else factor * units.Unit(plain))
        except (ValueError, TypeError):
            return None


def _power(unit: Any, base: Any) -> int:
    """The power of a base unit in a unit, as it is written."""
    bases = getattr(unit, "bases", [unit])
    powers = getattr(unit, "powers", [1])
    return next((int(power) for part, power in zip(bases, powers, strict=True) if part == base), 0)
