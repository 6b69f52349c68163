"""Names of columns and units as people spell them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.preprocessing.surveys.describe import content

EXACT = 2**53  # whole numbers beyond have lost figures where they were floats
_UNIT = re.compile(r"[\[(]\s*([^\])]*?)\s*[\])]\s*$")
_CUT = re.compile(r"\d(\.\d+)?[eE]\+?(1[5-9]|2\d)")
_PREFIX = re.compile(r"^[a-z]{1,2}:")  # of Fink's columns
# Zero points (AB) of units of flux, by their folded names.
ZERO_POINTS = {
    "njy": 31.4, "ujy": 23.9, "mujy": 23.9, "microjansky": 23.9, "microjy": 23.9, "mjy": 16.4, "millijansky": 16.4,
    "jy": 8.9, "jansky": 8.9, "nanojansky": 31.4, "nanomaggy": 22.5, "nanomaggies": 22.5, "nmgy": 22.5, "nmgys": 22.5,
    "maggy": 0.0, "maggies": 0.0, "mgy": 0.0, "fluxcal": 27.5,
}  # fmt: skip


@cache
def words() -> dict[str, Any]:
    """Role of a column -> what people call it."""
    return content(Path(__file__).parent / "words.yaml")


def names_objects(name: str) -> bool:
    """Whether a column of that name may name objects: it is read as it is written, 00012 and 64 bits too.

    Example:
        >>> names_objects("diaObjectId"), names_objects("i:objectId"), names_objects("mjd")
        (True, True, False)
    """
    return bare(name) in words()["object"]


def ids_of(values: pd.Series, column: str) -> pd.Series:
    """Names of objects as texts, as they are written; whole numbers without ``.0``, and missing ones missing.

    Args:
        values: of a column.
        column: its name, for the message.

    Raises:
        ValueError: whole numbers of 64 bits that were written as floats: several objects may be one of them.

    Example:
        >>> ids_of(pd.Series(["00012", "12 ", None]), "id").tolist(), ids_of(pd.Series([7.0, None]), "id").tolist()
        (['00012', '12', <NA>], ['7', <NA>])
    """
    known = values.dropna()
    if pd.api.types.is_float_dtype(values):
        _refuse_cut(bool((known.abs() >= EXACT).any()), column)
        values = values.astype("Int64") if (known % 1 == 0).all() else values
    said = values.astype("string").str.strip()
    known = said.dropna()
    _refuse_cut(bool(len(known)) and bool(known.str.fullmatch(_CUT).all()), column)
    return said.str.replace(r"\.0+$", "", regex=True) if known.str.fullmatch(r"\d+\.0+").all() else said


def _refuse_cut(cut: bool, column: str) -> None:
    if cut:
        raise ValueError(
            f"numbers of 64 bits in the column {column} were written as floats, which cuts their last figures: several "
            "objects would be one; write them as whole numbers or texts"
        )


def folded(name: str) -> str:
    """A name without capitals, blanks and quotes.

    Example:
        >>> folded(' "Flux_Err"')
        'flux_err'
    """
    return str(name).strip().strip("\"'").strip().lower()


def bare(name: str) -> str:
    """A name without capitals, marks between its words, a unit in brackets and a broker's prefix.

    Example:
        >>> bare("flux_err (mJy)"), bare("i:magpsf"), bare("Flux-Error")
        ('fluxerr', 'magpsf', 'fluxerror')
    """
    word = _PREFIX.sub("", folded(_UNIT.sub("", str(name).strip())))
    return re.sub(r"[^a-z0-9]+", "", word)


def unit_in(name: str) -> str:
    """The unit in brackets behind a name; empty where there is none.

    Example:
        >>> unit_in("flux(mJy)"), unit_in("flux")
        ('mJy', '')
    """
    found = _UNIT.search(str(name).strip())
    return found[1] if found else ""


def zero_point_of(unit: str, name: str = "") -> float | None:
    """The AB zero point of fluxes in a unit, or of a column whose name ends or begins with one; None where unknown.

    Example:
        >>> zero_point_of("nJy"), zero_point_of("", "flux_uJy"), zero_point_of("", "uJy"), zero_point_of("e-/s")
        (31.4, 23.9, 23.9, None)
    """
    if unit.strip() == "MJy":
        return -6.1
    said = ZERO_POINTS.get(re.sub(r"[^a-z]+", "", unit.replace("\u00b5", "u").replace("\u03bc", "u").lower()))
    if said is not None or unit.strip():
        return said
    for word in re.split(r"[^a-z]+", folded(name).replace("\u00b5", "u")):
        if word in ZERO_POINTS:
            return ZERO_POINTS[word]
    return None


def error_factor(error: str, unit: str, flux: str, flux_unit: str) -> float:
    """What errors are multiplied by to be in the unit of their fluxes or magnitudes; 1 where theirs is not told.

    Args:
        error: name of the column of errors.
        unit: that the file tells of it; empty where it tells none.
        flux: name of the column of fluxes or magnitudes.
        flux_unit: the same of it.

    Raises:
        ValueError: a unit that is not that of the fluxes, and by what they differ is not known.

    Example:
        >>> round(error_factor("e_flux", "nJy", "flux", "uJy"), 9), error_factor("e_mag (mmag)", "", "mag", "mag")
        (0.001, 0.001)
    """
    own, theirs = unit.strip() or unit_in(error), flux_unit.strip() or unit_in(flux)
    zero, flux_zero = zero_point_of(own, error), zero_point_of(theirs, flux)
    if zero is not None and flux_zero is not None:
        return float(10 ** (-0.4 * (zero - flux_zero)))
    if folded(own) == "mmag":
        return 1.0 if folded(theirs) == "mmag" else 1e-3
    if own and folded(own) != folded(theirs) and not folded(own).startswith(("mag", "ab", "vega", "st")):
        other = theirs or "a unit that is not told"
        raise ValueError(f"the errors {error} are in {own}, and {flux} in {other}: write both in one unit")
    return 1.0
