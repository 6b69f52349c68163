"""Gain and read noise: how many electrons a count stands for, whatever camera wrote it and however it was combined."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from astrid_ml.preprocessing.differencing.frame.header.amplifiers import of_amplifiers
from astrid_ml.preprocessing.differencing.frame.header.comments import (
    is_in_counts,
    is_inverse,
    is_of_electrons,
    is_setting,
)
from astrid_ml.preprocessing.differencing.frame.header.exposures import NDIT, ExposureTime, is_of_all
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.units import PixelUnit
from astrid_ml.preprocessing.surveys.survey import FluxConvention, Survey

# EGAIN is e-/ADU by its definition; GAIN beside it may be the setting of a CMOS camera.
GAIN = (
    *("EGAIN", "GAIN", "CCDGAIN", "CELL.GAIN", "GAINEFF", "DETGAIN", "GAIN1", "GAIN2", "GAIN3", "GAIN4"),
    *("GAINA", "GAINB", "GAINC", "GAIND", "T_GAIN1", "T_GAIN2", "T_GAIN3", "T_GAIN4", "SYSGAIN"),
    *("S_GAIN1", "S_GAIN2", "S_GAIN3", "S_GAIN4", *(f"ESO DET OUT{number} CONAD" for number in range(1, 5))),
)
READ_NOISE = (
    "READNOI",
    "RDNOISE",
    "READNOIS",
    "RON",
    "CELL.READNOISE",
    "ENOISE",
    "READNSE",
    *("RDNOISE1", "RDNOISE2", "RDNOISE3", "RDNOISE4", "RDNOISEA", "RDNOISEB", "RDNOISEC", "RDNOISED"),
    *("READNSEA", "READNSEB", "READNSEC", "READNSED"),
    *(f"ESO DET OUT{number} RON" for number in range(1, 5)),
)
COMBINED_OF = ("NCOMBINE", "STACKCNT")  # frames that were combined; the second is Siril's
DRIZZLED = "NDRIZIM"  # images that were drizzled, each chip of a camera for itself (DrizzlePac)
CHIPS = {"WFC": 2, "UVIS": 2, "WFPC2": 4}  # of a camera, by DETECTOR or INSTRUME
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
_EFFECTIVE = re.compile(r"\b(?:effective|equivalent)\b", re.IGNORECASE)  # of the frame as it is (SWarp)
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
    if gain is None and survey is not None:
        gain = of_amplifiers(said, "gain", survey, survey.detector.gain)
    if gain is not None and gain > 0:
        _doubt_offset(said, gain)
        return gain
    if gain is not None:
        said.doubt("gain", f"{said.account.read.get('gain', 'its key')} = {gain:g}")
    setting = next((key for key in keys if _of_setting(said, key)), None)
    if gain is not None:
        said.give_up("gain", "it is not positive")
    elif setting:
        said.give_up("gain", f"{setting} = {said.header[setting]} is a camera's setting")
    else:
        said.absent("gain")
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


@dataclass(frozen=True)
class Combination:
    """What one pixel is made of: a single read, or the mean, sum or median of several.

    Args:
        counts: electrons of a count against those of a single read's: N for the mean of N reads, 1 for their sum.
        reads: variance of the read noise against that of one read, in such electrons: N for the mean and for the sum.
        key: that holds their number; empty for a single read.
        how: that they were combined so, where nobody says it.
        frames: how many exposures were averaged, or their median taken.
    """

    counts: float = 1.0
    reads: float = 1.0
    key: str = ""
    how: str = ""
    frames: float = 1.0


def combination_of(said: Said, flux: FluxConvention, exposure: ExposureTime) -> Combination:
    """How many reads a frame holds: integrations of one exposure, exposures that were combined, or both."""
    frames = said.number("frames", COMBINED_OF)
    key = said.account.read.pop("frames", "")
    if flux.mean is False and (not frames or frames <= 1):
        frames, key = _drizzled(said), DRIZZLED
    if not frames or frames <= 1:
        return Combination(reads=exposure.integrations, key=exposure.key)
    reads, how = frames * exposure.integrations, _how_combined(said)
    if flux.mean is False:
        return Combination(reads=reads, key=key)
    if flux.mean is None and _SUM.search(how):
        return Combination(reads=reads, key=key, how=f"{key} exposures were added ({how.strip()})")
    if flux.mean is None and _MEDIAN.search(how):
        weight = 1 / variance_of_median(round(frames))
        worth = f"{key} exposures were combined by their median, which is worth a mean of {weight:.4g}"
        return Combination(weight, weight * exposure.integrations, key, worth, frames)
    return Combination(frames, reads, key, "" if flux.mean else f"{key} exposures were averaged", frames)


def _drizzled(said: Said) -> float | None:
    """How many exposures a pixel of a drizzled frame was made of."""
    images = said.number("", (DRIZZLED,))
    cameras = [str(said.header.get(key, "")).strip().upper() for key in ("DETECTOR", "INSTRUME")]
    return images and images / next((CHIPS[name] for name in cameras if name in CHIPS), 1)


def gain_of(
    said: Said, unit: PixelUnit, rate: bool, exposure: ExposureTime, detector: float | None, combined: Combination
) -> float | None:
    """Effective gain, e- per image unit: rates are multiplied by the exposure, means of N frames by N.

    None where it is not known: no key, a calibrated unit, or a rate of unknown exposure. A gain whose comment calls it
    effective is that of the whole frame. A rate's exposure is that of one of its frames, unless its key says of all.

    Args:
        said: the header.
        unit: of the pixels.
        rate: they are per second.
        exposure: of the frame.
        detector: gain of :func:`detector_gain`.
        combined: what it is made of.
    """
    if unit.calibrated:  # a detector's gain says nothing of calibrated units
        said.give_up("gain", "the unit is calibrated")
        return None
    if detector is None:
        return None
    gain, by = detector * unit.factor, said.account.read.get("gain", "the description")
    if unit.kind == "unknown":
        said.doubt("gain", "the unit of the pixels is not known: they are taken as counts")
    counts = combined.counts
    whole = counts != 1 and _EFFECTIVE.search(said.words_beside("gain"))
    if rate:
        if not exposure.seconds or exposure.seconds <= 0:
            said.give_up("gain", "a rate of unknown exposure")
            return None
        gain *= exposure.seconds
        by += " x exposure"
        key = said.account.read.get("exposure_time", "").split(",")[0]
        if is_of_all(said, key):
            counts /= combined.frames
        elif counts != 1:
            said.doubt("gain", f"{key} is taken as that of each exposure of {combined.key}, and may be that of all")
    elif exposure.averaged > 1:
        gain *= exposure.averaged
        by += f" x {NDIT}"
    if counts != 1 and not whole:
        gain *= counts
        by += f" x {combined.key}"
    if whole or combined.how:
        said.assume("gain", "it is that of the whole frame, as its comment says" if whole else combined.how)
    said.account.read["gain"] = by
    return gain


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


def read_noise_of(said: Said, survey: Survey | None, detector: float | None, combined: Combination) -> float | None:
    """Electrons of one pixel of the whole frame, such as :func:`gain_of` makes of its counts.

    Headers state that of one read, in electrons or, by the detector's gain, in counts. The mean of N reads has N times
    the electrons a count and their sum N times the counts: the variance of either is that of N reads.
    """
    keys = survey.header.read_noise if survey else ()
    found, by = said.numbers("read_noise", (*keys, *READ_NOISE)), ""
    if found is None and survey is not None:
        found = of_amplifiers(said, "read_noise", survey, survey.detector.read_noise)
        by = said.account.assumed.get("read_noise", "")
    if found is None:
        said.absent("read_noise", "no key holds it; it is taken as 0")
        return None
    if not by and is_in_counts(said.words_beside("read_noise")):
        if detector is None:
            said.give_up("read_noise", f"{said.account.read['read_noise']} is in counts, and the gain is not known")
            return None
        said.account.read["read_noise"] += ", in counts, x gain"
        found *= detector
    if combined.reads == 1:
        return found
    said.account.read["read_noise"] = (
        f"{said.account.read.get('read_noise', 'the description')} x sqrt of {combined.key}"
    )
    said.assume("read_noise", f"that of one read, of which the frame is worth {combined.reads:.4g}", also=bool(by))
    return found * math.sqrt(combined.reads)
