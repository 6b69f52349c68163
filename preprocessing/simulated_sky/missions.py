"""Missions of the simulated sky: their pixels, PSF, depth, noise, and how they calibrate their images.

The presets stand in the descriptions of the surveys (``simulate: sky``): rounded public values; a PSF's width is the
effective one, with the pixel's response, as stars show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np

from astrid_ml.preprocessing.simulated_sky.artefacts import Artefacts
from astrid_ml.preprocessing.surveys.describe import made
from astrid_ml.preprocessing.surveys.registry import packaged
from astrid_ml.preprocessing.surveys.survey import Survey
from astrid_ml.types import Count, InUnits, NonNegative, Positive


@dataclass(frozen=True)
class SkyPreset:
    """``simulate: sky`` of a description.

    Args:
        fwhm: px, (smallest, largest) of the science image.
        beta: Moffat exponent.
        ellipticity, variation: largest of each (``Psf``).
        exposures: s, the science image's, by filter.
        zero_point_of: what tells the zero point: ``zero_points`` of one DN (``count``) or of one e- a ``second``, the
            ``bandpass`` with ``area``, or the ``surface brightness`` of one DN a second.
        sky: e- a pixel in one exposure; they make its noise.
        kept: e- of them that an image holds whose constant part was taken off; null: all.
        read_noise: e-.
        gain: e-/DN of the detector.
        depth: exposures in the reference.
        full_well: e-; null for photon counters.
        artefacts: of its detectors and sky.
        zero_points: by filter, AB; empty takes those of the bands.
        area: the header's zero point less 2.5 log10 of the exposure, mag.
        surface_brightness: MJy/sr for one DN a second, by filter.
        pixel_area: sr.
        pixel_scale: arcsec, where it is not the survey's.
    """

    fwhm: tuple[Positive, Positive]
    beta: Positive
    ellipticity: NonNegative
    variation: NonNegative
    exposures: Mapping[str, Positive]
    zero_point_of: Literal["count", "second", "bandpass", "surface brightness"]
    sky: NonNegative
    read_noise: NonNegative
    gain: Positive
    depth: Count
    full_well: Positive | None
    kept: NonNegative | None = None
    artefacts: Artefacts = field(default_factory=Artefacts)
    zero_points: Mapping[str, float] = field(default_factory=dict)
    area: Annotated[float, InUnits("mag")] = 0.0
    surface_brightness: Mapping[str, Positive] = field(default_factory=dict)
    pixel_area: Positive | None = None
    pixel_scale: Annotated[Positive, InUnits("arcsec")] | None = None


@dataclass(frozen=True)
class SkyMission:
    """What one exposure of a mission looks like.

    Args:
        survey: its description.
        preset: of the simulator.
    """

    survey: Survey
    preset: SkyPreset

    @property
    def name(self) -> str:
        """Lower case, as the loader reports it."""
        return self.survey.mission

    @property
    def pixel_scale(self) -> float:
        """Arcsec."""
        scale = self.preset.pixel_scale or self.survey.pixel_scale
        assert scale is not None, f"pixel_scale of {self.name}"
        return scale

    @property
    def full_well(self) -> float:
        """Electrons, infinite for photon counters."""
        return np.inf if self.preset.full_well is None else self.preset.full_well

    @property
    def sky_subtracted(self) -> bool:
        """Whether the mission's images come without sky."""
        return self.survey.sky == "subtracted"

    @property
    def filters(self) -> tuple[str, ...]:
        """Names as the loader reports them."""
        return tuple(self.preset.exposures)


MISSIONS: dict[str, SkyMission] = {
    mission: SkyMission(survey, made(SkyPreset, survey.simulate["sky"], f"{mission}.yaml: simulate.sky"))
    for mission, survey in packaged().items()
    if "sky" in survey.simulate
}


@dataclass(frozen=True)
class SkyExposure:
    """What the header of one simulated image says.

    Args:
        mission, filter: names.
        mjd: mid-exposure, UTC.
        seconds: exposure of the whole image.
        frames: exposures in it.
        gain: effective, e- per image unit.
        zero_point: AB magnitude of one image unit.
        unit: BUNIT.
        read_noise: e- of the whole image.
        full_well: e-.
        pedestal: e- taken off with the sky.
    """

    mission: SkyMission
    filter: str
    mjd: float
    seconds: float
    frames: int
    gain: float
    zero_point: float
    unit: str
    read_noise: float
    full_well: float
    pedestal: float


def electron_zero_point(mission: SkyMission, band: str) -> float:
    """AB magnitude of one e- in one exposure of the mission."""
    preset = mission.preset
    seconds = preset.exposures[band]
    if preset.zero_point_of == "count":
        return preset.zero_points[band] + 2.5 * float(np.log10(preset.gain))
    if preset.zero_point_of == "surface brightness":  # one e- is PHOTMJSR / gain / t in MJy/sr, over a pixel
        assert preset.pixel_area is not None
        jansky = 1e6 * preset.pixel_area * preset.surface_brightness[band] / preset.gain / seconds
        return float(8.9 - 2.5 * np.log10(jansky))
    stated = preset.zero_points.get(band, mission.survey.bands[band].zero_point)
    assert stated is not None, f"zero point of {mission.name} in {band}"
    return float(stated + preset.area + 2.5 * np.log10(seconds))


def expose(mission: SkyMission, band: str, mjd: float, frames: int, transparency: float = 1.0) -> SkyExposure:
    """The calibration of an image made of ``frames`` exposures.

    ZTF, Rubin and JWST give means (and JWST and Rubin calibrated units), PS1, Swift and Roman sums, GALEX rates.
    """
    preset = mission.preset
    seconds = preset.exposures[band] * frames
    zero = electron_zero_point(mission, band) + 2.5 * float(np.log10(transparency * frames))  # one e- of the image
    unit = mission.survey.flux.unit or ""
    if unit == "nJy":
        gain = float(10 ** (0.4 * (zero - 31.4)))
    elif unit == "MJy/sr":
        assert preset.pixel_area is not None
        gain = float(10 ** (0.4 * (zero - 8.9)) * 1e6 * preset.pixel_area)
    elif mission.survey.flux.rates:
        gain = seconds
    else:
        gain = preset.gain * (frames if mission.survey.flux.mean else 1)
    return SkyExposure(
        mission=mission,
        filter=band,
        mjd=mjd,
        seconds=seconds,
        frames=frames,
        gain=gain,
        zero_point=zero - 2.5 * float(np.log10(gain)),
        unit=unit,
        read_noise=preset.read_noise * frames**0.5,
        full_well=mission.full_well * frames,
        pedestal=_taken_off(mission) * frames,
    )


def _taken_off(mission: SkyMission) -> float:
    """Electrons of the sky that one exposure's image is without."""
    if mission.sky_subtracted:
        return mission.preset.sky
    return 0.0 if mission.preset.kept is None else mission.preset.sky - mission.preset.kept
