"""Missions of simulated triplets: pixels, PSF, noise and depth, from the descriptions of the surveys.

The presets stand there as ``simulate: triplets`` (rounded public values).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from astrid_ml.preprocessing.surveys.describe import made
from astrid_ml.preprocessing.surveys.registry import packaged
from astrid_ml.types import Filled, InUnits, NonNegative, Positive, Whole


@dataclass(frozen=True)
class Mission:
    """What a stamp of this mission looks like.

    Args:
        label: the mission's name in the names of files and objects.
        stream: number of its random numbers: the same files as ever come of the same seed.
        pixel_scale: arcsec.
        fwhm: of the science PSF, pixels: (smallest, largest).
        beta: of the Moffat wings.
        sky: background level of the science image, electrons a pixel.
        read_noise: electrons.
        reference_depth: the reference's exposure over the science image's.
        filters: names.
        kept: electrons a pixel of the sky that the mission's own stamps have under science and reference, its median.
    """

    label: str
    stream: Whole
    pixel_scale: Annotated[Positive, InUnits("arcsec")]
    fwhm: tuple[Positive, Positive]
    beta: Positive
    sky: NonNegative
    read_noise: NonNegative
    reference_depth: Positive
    filters: Annotated[tuple[str, ...], Filled()]
    kept: NonNegative = 0.0


def _presets() -> dict[str, Mission]:
    """By label, in the order of their random numbers."""
    found = [
        made(Mission, survey.simulate["triplets"], f"{mission}.yaml: simulate.triplets")
        for mission, survey in packaged().items()
        if "triplets" in survey.simulate
    ]
    return {mission.label: mission for mission in sorted(found, key=lambda mission: mission.stream)}


MISSIONS: dict[str, Mission] = _presets()
