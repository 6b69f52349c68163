"""Pixels at the level where a detector, or a file's integers, end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.io import fits

from astrid_ml.preprocessing.differencing.frame.header.amplifiers import of_amplifiers
from astrid_ml.preprocessing.differencing.frame.header.gains import Combination
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.header.units import PixelUnit
from astrid_ml.preprocessing.surveys.survey import Survey
from astrid_ml.types import Array, Mask

SATURATION = ("SATURATE", "SATURATA", "SATURATB", "SATURVAL", "SATLEVEL", "CELL.SATURATION", "SATUR_LV", "SATLEV")


def saturation_of(
    said: Said, survey: Survey | None, unit: PixelUnit, rate: bool, combined: Combination
) -> float | None:
    """The level at which pixels are saturated, in the image's unit, of several amplifiers the lowest.

    That of a key is in the image's unit. A description has that of one read in counts: it says nothing of rates, of
    calibrated units and of frames that were added. In electrons the description's own gain makes it one.

    Args:
        said: the header.
        survey: whose frame it is.
        unit: of the pixels.
        rate: they are per second.
        combined: what the frame is made of.
    """
    keys = (*(survey.header.saturation if survey else ()), *SATURATION)
    found = said.numbers("saturation", keys, lowest=True)
    if found is not None or survey is None or not survey.detector.saturation:
        return found
    electrons, facts = unit.kind == "electrons", survey.detector
    added = combined.reads != 1 and combined.counts == 1
    if rate or unit.calibrated or added or (electrons and not facts.gain):
        why = (
            "are added" if added else "are rates" if rate else "are calibrated" if unit.calibrated else "are electrons"
        )
        said.absent("saturation", f"no key holds it; the description's is in counts of one read, and the pixels {why}")
        return None
    of_each = {name: level * _gain_of(name, facts.gain) for name, level in facts.saturation.items()}
    level = of_amplifiers(said, "saturation", survey, of_each if electrons else facts.saturation, lowest=True)
    return None if level is None else level / unit.factor


def _gain_of(amplifier: str, gains: Mapping[str, float]) -> float:
    """The gain of an amplifier: its own, else the lowest of all, with which no pixel is taken for a sound one."""
    return gains.get(amplifier, min(gains.values(), default=1.0))


def integer_ceiling(header: fits.Header) -> float | None:
    """The largest value that an 8- or 16-bit integer image can hold; None for others.

    Where pixels stand at it and the header names no saturation, they are saturated.
    """
    bits, scale, zero = header.get("BITPIX"), header.get("BSCALE", 1), header.get("BZERO", 0)
    if bits not in (8, 16):
        return None
    return float((255 if bits == 8 else 32767) * scale + zero)


def saturated_pixels(data: Array, level: float | None, ceiling: float | None) -> Mask:
    """Pixels at the stated level; where none is stated, near the largest integer that the file can hold."""
    level = level or (0.98 * ceiling if ceiling and np.nanmax(data) >= ceiling else None)
    found: Mask = np.nan_to_num(data) >= level if level else np.zeros(data.shape, bool)
    return found
