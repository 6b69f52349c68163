"""Gain and read noise: how many electrons a count stands for, whatever camera wrote it and however it was combined."""

from __future__ import annotations

import math
import re

from astrid_ml.preprocessing.differencing.frame.header.comments import (
    is_in_counts,
    is_inverse,
    is_of_electrons,
    is_setting,
)
from astrid_ml.preprocessing.differencing.frame.header.exposures import NDIT, ExposureTime
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.units import PixelUnit
from astrid_ml.preprocessing.surveys.survey import FluxConvention, Survey

# EGAIN is e-/ADU by its definition; GAIN beside it may be the setting of a CMOS camera.
GAIN = ("EGAIN", "GAIN", "CCDGAIN", "CELL.GAIN", "GAINEFF", "DETGAIN", "GAIN1", "ESO DET OUT1 CONAD")
READ_NOISE = (
    "READNOI",
    "RDNOISE",
    "READNOIS",
    "RON",
    "CELL.READNOISE",
    "ENOISE",
    "READNSE",
    "RDNOISE1",
    "ESO DET OUT1 RON",
)
COMBINED_OF = ("NCOMBINE", "STACKCNT")  # frames that were combined; the second is Siril's
COMBINED = ("COMBINE", "COMBTYPE", "COMBMETH", "STACKTYP", "STACKMOD", "COMBMODE", "COMB_TYP")
# Keys that CMOS cameras' programs alone write beside the setting that they call GAIN.
OF_CMOS = ("BLKLEVEL", "EXPOINUS", "USBLIMIT", "CAMOFFST", "GAINDB")
OFFSET = "OFFSET"  # a setting of CMOS cameras, and the bias of CCDs
CMOS = re.compile(
    r"\b(?:zwo|asi(?![a-z])|asiair|asistudio|asicap|seestar|dwarf(?:lab| ?ii| ?[23])|qhy|player ?one|svbony|tou?ptek"
    r"|toupcam|altair)",
    re.IGNORECASE,
)
CAMERAS = ("INSTRUME", "TELESCOP", "CAMERA", "DETECTOR", "CREATOR")  # where a camera, or its own program, is named
MOST, OF_CCD = 100.0, 10.0  # e-/ADU: no detector's gain is more; hardly a CCD's
_SUM = re.compile(r"\b(sum\w*|add\w*|total)\b", re.IGNORECASE)
_MEDIAN = re.compile(r"\bmedian\b", re.IGNORECASE)
_MEAN = re.compile(r"\b(?:mean|av(?:erage\w*|g)?)\b", re.IGNORECASE)
# Variance of the median of so many values of a Gaussian of variance 1, by numerical integration; of 2 it is their mean.
_OF_MEDIAN = {1: 1.0, 2: 0.5, 3: 0.448671, 4: 0.298200, 5: 0.286834, 6: 0.214744, 7: 0.210447, 8: 0.168184,
              9: 0.166101, 10: 0.138330}  # fmt: skip


def is_rate(unit: PixelUnit, flux: FluxConvention) -> bool:
    """Whether pixels are per second."""
    return unit.rate or flux.rates


def detector_gain(said: Said, survey: Survey | None, unit: PixelUnit) -> float | None:
    """Electrons of one count, e-/ADU; 1 of electrons; None where no key or description says it."""
    flux = survey.flux if survey else FluxConvention()
    if unit.kind == "electrons" or flux.photons:
        said.account.read["gain"] = "BUNIT" if unit.kind == "electrons" else "a camera that counts photons"
        return 1.0
    keys = (*survey.header.gain, *GAIN) if survey else GAIN
    gain = said.numbers("gain", tuple(key for key in keys if not _of_setting(said, key)))
    if gain and is_inverse(said.words_beside("gain")):
        said.account.read["gain"] += ", in counts an electron"
        gain = 1 / gain
    if gain is None and survey is not None and survey.detector.gain:
        gain = math.fsum(survey.detector.gain.values()) / len(survey.detector.gain)
        said.assume("gain", f"that of the detector, as the description of {survey.name} says")
    if gain is not None and gain > 0:
        _doubt_offset(said, gain)
        return gain
    if gain is not None:
        said.doubt("gain", f"{said.account.read.get('gain', 'its key')} = {gain:g}")
    setting = next((key for key in keys if _of_setting(said, key)), None)
    none = f"{setting} = {said.header[setting]} is a camera's setting" if setting else "no key holds it"
    said.give_up("gain", none if gain is None else "it is not positive")
    return None


def _of_setting(said: Said, key: str) -> bool:
    """Whether a key holds the setting of a CMOS camera: by its comment, its size, or the camera's other keys."""
    if key not in ("GAIN", "CCDGAIN", "GAIN1", "DETGAIN") or key not in said.header:
        return False
    number = said.number("", (key,))
    words = f"{said.header[key] if isinstance(said.header[key], str) else ''} {said.comment(key)}"
    if is_setting(words):
        return True
    if number is None or is_of_electrons(words):
        return False
    named = " ".join(str(said.header.get(name, "")) for name in CAMERAS)
    camera = CMOS.search(named) or any(name in said.header for name in OF_CMOS)
    whole = number % 1 == 0 and number != 1
    return number > MOST or bool(whole and (camera or (OFFSET in said.header and number > OF_CCD)))


def _doubt_offset(said: Said, gain: float) -> None:
    """A whole number beside OFFSET may be a camera's setting: CCDs have OFFSET too, so it is used."""
    key = said.account.read.get("gain", "")
    may_be = key in ("GAIN", "CCDGAIN", "GAIN1", "DETGAIN") and gain % 1 == 0 and gain != 1
    if may_be and OFFSET in said.header and not is_of_electrons(said.words_beside("gain")):
        said.doubt("gain", f"{key} = {gain:g} beside {OFFSET} is taken as e-/ADU, and may be a camera's setting")


def gain_of(
    said: Said, survey: Survey | None, unit: PixelUnit, exposure: ExposureTime, detector: float | None
) -> float | None:
    """Effective gain, e- per image unit: rates are multiplied by the exposure, means of N frames by N.

    None where it is not known: no key, a calibrated unit, or a rate of unknown exposure.

    Args:
        said: the header.
        survey: whose it is.
        unit: of the pixels.
        exposure: of the frame.
        detector: gain of :func:`detector_gain`.
    """
    flux = survey.flux if survey else FluxConvention()
    if unit.calibrated:  # a detector's gain says nothing of calibrated units
        said.give_up("gain", "the unit is calibrated")
        return None
    if detector is None:
        return None
    gain = detector
    if is_rate(unit, flux):
        if not exposure.seconds or exposure.seconds <= 0:
            said.give_up("gain", "a rate of unknown exposure")
            return None
        gain *= exposure.seconds
        said.account.read["gain"] = f"{said.account.read.get('gain', 'the description')} x exposure"
    elif exposure.averaged > 1:
        gain *= exposure.averaged
        said.account.read["gain"] = f"{said.account.read.get('gain', 'the description')} x {NDIT}"
    return gain * _combined(said, flux)


def _combined(said: Said, flux: FluxConvention) -> float:
    """By how much the mean of several frames has more electrons a count than one of them."""
    frames = said.number("frames", COMBINED_OF)
    said.account.read.pop("frames", None)
    if not frames or frames <= 1 or flux.mean is False:
        return 1.0
    how = _how_combined(said)
    if flux.mean is None and _SUM.search(how):
        said.assume("gain", f"NCOMBINE exposures were added ({how.strip()})")
        return 1.0
    said.account.read["gain"] = f"{said.account.read.get('gain', 'the description')} x NCOMBINE"
    if flux.mean is None and _MEDIAN.search(how):
        weight = 1 / variance_of_median(round(frames))
        said.assume("gain", f"NCOMBINE exposures were combined by their median, which is worth a mean of {weight:.4g}")
        return weight
    if flux.mean is None:
        said.assume("gain", "NCOMBINE exposures were averaged")
    return frames


def _how_combined(said: Said) -> str:
    """What the header says of how frames were combined: the first key with a word for it (``COMBINE = T`` has none)."""
    words = [str(said.header[key]).strip() for key in COMBINED if key in said.header]
    telling = (word for word in words if any(form.search(word) for form in (_SUM, _MEDIAN, _MEAN)))
    return next(telling, "")


def variance_of_median(frames: int) -> float:
    """Variance of the median of so many values of a Gaussian of variance 1.

    Beyond ten by its expansion, pi / (2 n + 4 - pi), and for even numbers with n + 1: within 0.5 % of the integral.

    >>> [round(variance_of_median(n), 3) for n in (1, 2, 3, 4)], round(1000 * variance_of_median(1000), 2)
    ([1.0, 0.5, 0.449, 0.298], 1.57)
    """
    return _OF_MEDIAN.get(frames) or math.pi / (2 * (frames + (frames % 2 == 0)) + 4 - math.pi)


def read_noise_of(said: Said, survey: Survey | None, detector: float | None) -> float | None:
    """Electrons of one pixel of one read; of a noise in counts by the detector's gain."""
    keys = survey.header.read_noise if survey else ()
    found = said.numbers("read_noise", (*keys, *READ_NOISE))
    if found is None:
        said.account.unknown.setdefault("read_noise", "no key holds it; it is taken as 0")
    if found is None or not is_in_counts(said.words_beside("read_noise")):
        return found
    if detector is None:
        said.give_up("read_noise", f"{said.account.read['read_noise']} is in counts, and the gain is not known")
        return None
    said.account.read["read_noise"] += ", in counts, x gain"
    return found * detector
