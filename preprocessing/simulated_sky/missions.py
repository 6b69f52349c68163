"""Seven missions as presets of the simulated sky: pixels, PSF, depth, noise and how they calibrate their images.

Rounded public values; a PSF's width is the effective one, with the pixel's response, as stars show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from astrid_ml.preprocessing.differencing.frame.headers import RATE_ZERO_POINTS, ROMAN_BANDPASS
from astrid_ml.preprocessing.simulated_sky.artefacts import Artefacts

_ZTF = {"g": 26.33, "r": 26.30, "i": 25.70}  # MAGZP, one DN of 30 s
_PS1 = {"g": 24.56, "r": 24.75, "i": 24.61, "z": 24.24, "y": 23.32}  # FPA.ZP, one DN a second
_RUBIN = {"g": 28.36, "r": 28.17, "i": 27.78, "z": 27.40}  # one e- a second
PHOTMJSR = {"F150W": 2.26, "F200W": 2.08}  # PHOTMJSR, MJy/sr for one DN a second
PIXEL_SR = {"jwst": 2.25e-14}
ROMAN_AREA = 11.437  # ZPTMAG less 2.5 log10 of the exposure: 17.638 at 302.275 s (OpenUniverse)


@dataclass(frozen=True)
class SkyMission:
    """What one exposure of a mission looks like.

    Args:
        name: lower case, as the loader reports it.
        pixel_scale: arcsec.
        fwhm: px, (smallest, largest) of the science image.
        beta: Moffat exponent.
        ellipticity, variation: largest of each (``Psf``).
        exposures: s, the science image's, by filter.
        sky: e- a pixel in one exposure.
        read_noise: e-.
        gain: e-/DN of the detector.
        depth: exposures in the reference.
        full_well: e-, infinite for photon counters.
        sky_subtracted: whether the mission's images come without sky.
        artefacts: of its detectors and sky.
    """

    name: str
    pixel_scale: float
    fwhm: tuple[float, float]
    beta: float
    ellipticity: float
    variation: float
    exposures: Mapping[str, float]
    sky: float
    read_noise: float
    gain: float
    depth: int
    full_well: float
    sky_subtracted: bool
    artefacts: Artefacts = field(default_factory=Artefacts)

    @property
    def filters(self) -> tuple[str, ...]:
        """Names as the loader reports them."""
        return tuple(self.exposures)


_GROUND = Artefacts(
    gradient=0.04, trails=0.15, cosmic_rays=60, hot_pixels=40, bad_pixels=2e-4, bad_columns=1, bleed=True
)
_MISSIONS = (
    SkyMission(
        "ztf", 1.012, (1.8, 2.6), 3.0, 0.1, 0.06, dict.fromkeys("gri", 30.0), 320, 9, 6.2, 15, 3e5, False, _GROUND
    ),
    SkyMission(
        "ps1",
        0.25,
        (3.8, 5.2),
        2.9,
        0.1,
        0.06,
        {"g": 43.0, "r": 40.0, "i": 45.0, "z": 30.0, "y": 30.0},
        900,
        6,
        1.0,
        12,
        6e4,
        True,
        _GROUND,
    ),
    SkyMission(
        "swift",
        1.004,
        (2.3, 2.8),
        3.5,
        0.05,
        0.02,
        {"UVW2": 900.0, "UVM2": 900.0, "UVW1": 600.0, "U": 300.0, "B": 300.0, "V": 300.0},
        12,
        0,
        1.0,
        3,
        np.inf,
        False,
        Artefacts(gradient=0.1, trails=0.03, hot_pixels=60),
    ),
    SkyMission(
        "galex",
        1.5,
        (2.8, 3.8),
        3.2,
        0.1,
        0.1,
        {"FUV": 1500.0, "NUV": 1500.0},
        4,
        0,
        1.0,
        3,
        np.inf,
        False,
        Artefacts(gradient=0.1, hot_pixels=60),
    ),
    SkyMission(
        "roman",
        0.11,
        (1.6, 1.9),
        2.8,
        0.05,
        0.03,
        {"J129": 302.275, "H158": 302.275, "F184": 901.175},
        140,
        10,
        1.0,
        8,
        1e5,
        False,
        Artefacts(gradient=0.02, cosmic_rays=20, hot_pixels=60, bad_pixels=2e-3),
    ),
    SkyMission(
        "rubin", 0.2, (3.2, 5.0), 2.9, 0.1, 0.06, dict.fromkeys("griz", 30.0), 880, 9, 1.6, 10, 1.3e5, True, _GROUND
    ),
    SkyMission(
        "jwst",
        0.031,
        (1.7, 2.2),
        2.6,
        0.05,
        0.03,
        {"F150W": 1030.0, "F200W": 1030.0},
        130,
        12,
        1.82,
        3,
        1e5,
        False,
        Artefacts(gradient=0.05, cosmic_rays=10, hot_pixels=60, bad_pixels=2e-3),
    ),
)
MISSIONS: dict[str, SkyMission] = {mission.name: mission for mission in _MISSIONS}


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
    seconds, name = mission.exposures[band], mission.name
    if name == "ztf":
        return _ZTF[band] + 2.5 * float(np.log10(mission.gain))
    if name == "jwst":  # one e- is PHOTMJSR / gain / t in MJy/sr, over a pixel
        jansky = 1e6 * PIXEL_SR[name] * PHOTMJSR[band] / mission.gain / seconds
        return float(8.9 - 2.5 * np.log10(jansky))
    if name == "roman":
        return float(ROMAN_BANDPASS[band[1:]] + ROMAN_AREA + 2.5 * np.log10(seconds))
    rate = {"ps1": _PS1, "rubin": _RUBIN}.get(name) or RATE_ZERO_POINTS[name]
    return float(rate[band] + 2.5 * np.log10(seconds))


def expose(mission: SkyMission, band: str, mjd: float, frames: int, transparency: float = 1.0) -> SkyExposure:
    """The calibration of an image made of ``frames`` exposures.

    ZTF, Rubin and JWST give means (and JWST and Rubin calibrated units), PS1, Swift and Roman sums, GALEX rates.
    """
    seconds = mission.exposures[band] * frames
    zero = electron_zero_point(mission, band) + 2.5 * float(np.log10(transparency * frames))  # one e- of the image
    if mission.name == "rubin":
        gain, unit = float(10 ** (0.4 * (zero - 31.4))), "nJy"
    elif mission.name == "jwst":
        gain, unit = float(10 ** (0.4 * (zero - 8.9)) * 1e6 * PIXEL_SR["jwst"]), "MJy/sr"
    elif mission.name == "galex":
        gain, unit = seconds, ""
    elif mission.name == "ztf":
        gain, unit = mission.gain * frames, "DN"
    else:
        gain, unit = mission.gain, "count" if mission.name == "swift" else "DN" if mission.name == "ps1" else ""
    return SkyExposure(
        mission=mission,
        filter=band,
        mjd=mjd,
        seconds=seconds,
        frames=frames,
        gain=gain,
        zero_point=zero - 2.5 * float(np.log10(gain)),
        unit=unit,
        read_noise=mission.read_noise * frames**0.5,
        full_well=mission.full_well * frames,
        pedestal=mission.sky * frames if mission.sky_subtracted else 0.0,
    )
