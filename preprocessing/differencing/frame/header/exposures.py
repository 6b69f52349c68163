"""The exposure time: seconds of all that a frame was exposed, and of what one of its counts was gathered in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from astrid_ml.preprocessing.differencing.frame.header.comments import seconds_of
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.surveys.survey import HeaderKeys, Survey

EXPOSURE = ("XPOSURE", "EXPTIME", "EXPOSURE", "EFFEXPTM", "TEXPTIME", "EXP_TIME", "EXP-TIME", "EXPT", "ITIME",
            "INTTIME", "TOTEXPT", "EXPOINUS", "ESO DET DIT", "COADDEXP", "TRUITIME", "ELAPTIME", "TTIME")  # fmt: skip
# Seconds of one integration, of which the frame is the sum (Keck, IRTF, Gemini).
OF_ONE = ("ITIME", "INTTIME", "COADDEXP", "TRUITIME")
COADDS = ("COADDS", "CO_ADDS", "NCOADDS", "COADD", "NCOADD")
MICROSECONDS = "EXPOINUS"  # of CMOS cameras
DIT, NDIT = "ESO DET DIT", "ESO DET NDIT"  # of one integration, and how many make the frame (ESO, infrared)
LONGEST = 1e9  # s, 32 years: what is longer is no time
LONG = 86400.0  # s; a longer one is more often of another unit than a stack
_WHOLE = ("TEXPTIME", "TOTEXPT", "EFFEXPTM", "LIVETIME")  # of all that was combined
_ALIKE = 0.01  # relative
_ALL = re.compile(r"\b(?:sum|total|all)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ExposureTime:
    """How long a frame was exposed.

    Args:
        seconds: in all; None where it is not known.
        of_counts: seconds in which one pixel's counts were gathered: less than all where integrations were averaged.
        averaged: integrations whose mean the frame is, within one exposure.
        integrations: reads of the detector in it, whether they were averaged or added.
        key: that holds their number; empty for one.
    """

    seconds: float | None
    of_counts: float | None
    averaged: float = 1.0
    integrations: float = 1.0
    key: str = ""


def exposure_of(said: Said, survey: Survey | None) -> ExposureTime:
    """The exposure, by the usual keys or those of the description, in the unit that the key names."""
    keys = survey.header if survey else HeaderKeys()
    in_days = keys.exposure_unit == "d"
    found = said.number("exposure_time", (*keys.exposure, *(() if in_days else EXPOSURE)))
    if found is None:
        said.absent("exposure_time")
        return ExposureTime(None, None)
    if found <= 0:
        said.give_up("exposure_time", f"it is {found:g}, not positive")
        return ExposureTime(None, None)
    key = said.account.read["exposure_time"]
    factor, unit = (86400.0, "days") if in_days else _unit(said, key)
    if factor != 1:
        said.account.read["exposure_time"] += f", in {unit}"
    whole = _of_integrations(said, key, found * factor, survey)
    if whole.seconds is not None and whole.seconds > LONGEST:
        said.give_up("exposure_time", f"{key} is {found:g} {unit}, longer than anybody exposed")
        return ExposureTime(None, None)
    if whole.seconds is not None and whole.seconds > LONG and not said.number("", ("NCOMBINE", "STACKCNT", "NFRAMES")):
        said.doubt("exposure_time", f"{key} is {whole.seconds:g} s, more than a day, for its unit is taken as {unit}")
    return whole


def _unit(said: Said, key: str) -> tuple[float, str]:
    """Seconds of one unit, and its word: behind the number, in the comment, or seconds."""
    if key == MICROSECONDS:
        return 1e-6, "microseconds"
    beside = said.unit_beside("exposure_time")
    return (seconds_of(beside) if beside else None) or seconds_of(said.comment(key)) or (1.0, "s")


def is_of_all(said: Said, key: str) -> bool:
    """Whether an exposure time is that of all frames that were combined, as its name or its comment says."""
    return key in _WHOLE or bool(_ALL.search(said.comment(key)))


def _says_of_one(comment: str) -> bool:
    return "coadd" in comment.lower() and not _ALL.search(comment)


def _of_integrations(said: Said, key: str, seconds: float, survey: Survey | None) -> ExposureTime:
    """The whole of several integrations, where the key has one of them."""
    ndit, dit = said.number("", (NDIT,)), said.number("", (DIT,))
    if ndit and ndit > 1 and dit and dit > 0:
        one = abs(seconds - dit) <= _ALIKE * dit
        if one or abs(seconds - dit * ndit) <= _ALIKE * dit * ndit:
            said.account.read["exposure_time"] = f"{DIT} x {NDIT}"
            return _of_ndit(said, dit, ndit, survey)
    coadds = said.number("coadds", COADDS)
    number = said.account.read.pop("coadds", "")
    if not coadds or coadds <= 1:
        if key == "COADDEXP" and not coadds:
            said.doubt("exposure_time", f"{key} is that of one coadd, and no key holds their number")
        return ExposureTime(seconds, seconds)
    one_of = said.number("", ("COADDEXP",))
    one = abs(one_of - seconds) <= _ALIKE * seconds if one_of else _says_of_one(said.comment(key))
    if key in OF_ONE or one:
        said.account.read["exposure_time"] += " x coadds"
        said.assume("exposure_time", f"the frame is the sum of {coadds:g} integrations")
        return ExposureTime(seconds * coadds, seconds * coadds, integrations=coadds, key=number)
    said.assume("exposure_time", f"{key} is that of all {coadds:g} coadds")
    return ExposureTime(seconds, seconds, integrations=coadds, key=number)


def _of_ndit(said: Said, dit: float, ndit: float, survey: Survey | None) -> ExposureTime:
    """Several integrations of ESO's infrared cameras: of some the mean is stored (ISAAC, HAWK-I), of VIRCAM the sum."""
    how = survey.flux.integrations if survey else None
    stored = how or "mean"
    by = f"as the description of {survey.name} says" if survey and how else "as of most of ESO's cameras"
    said.assume("exposure_time", f"the frame is the {stored} of {ndit:g} integrations, {by}")
    if how is None:
        said.doubt(
            "gain", f"{NDIT} is {ndit:g}: pixels are taken as the mean of so many integrations, not as their sum"
        )
    whole = dit * ndit
    if stored == "sum":
        return ExposureTime(whole, whole, integrations=ndit, key=NDIT)
    return ExposureTime(whole, dit, ndit, ndit, NDIT)
