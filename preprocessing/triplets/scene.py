"""One batch of triplets of one mission: scene, transient or artefact, noise, subtraction."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.preprocessing.triplets.artefacts import ARTEFACTS, Optics
from astrid_ml.preprocessing.triplets.missions import Mission
from astrid_ml.preprocessing.triplets.render import SIZE, galaxy, moffat
from astrid_ml.types import Floats32, Ints, Mask

CENTRE = SIZE // 2
# Patterns that do not peak where the detection is: the filter looks for their best response around it.
REACH = 2
STARS = 3
# Light of hosts in noises of a PSF's width (assumed): 20.2 to 15.2 mag where ZTF's limit of 5 sigma is 20.5 (Masci et
# al. 2019). Transients of S/N 5 to 40 have 20.5 to 18.2; a nearby galaxy of 14 mag is a rare host of one so faint.
HOSTS = (10.0, 1000.0)
JITTER = 0.06  # px; scatter of the registration, each axis
LEVELS = 0.5  # scatter of the logarithm of the sky's level; ZTF's packets: half of those with sky within 0.3 of theirs


@dataclass(frozen=True)
class Fields:
    """What surrounds each detection, the same in all epochs of an object; real and bogus draw from one distribution.

    Args:
        host: whether it lies on a galaxy, (n,).
        distance: of the galaxy's centre, pixels, (n,).
        direction: of the galaxy's centre, radians, (n,).
        flux: of the galaxy, electrons, (n,).
        radius: half-light, pixels, (n,).
        ellipticity: one minus the axis ratio, (n,).
        angle: of the galaxy's major axis, radians, (n,).
        star_x: from the detection, pixels, (n, 3).
        star_y: from the detection, pixels, (n, 3).
        star_flux: electrons, 0 where there is no star, (n, 3).
    """

    host: Mask
    distance: Floats32
    direction: Floats32
    flux: Floats32
    radius: Floats32
    ellipticity: Floats32
    angle: Floats32
    star_x: Floats32
    star_y: Floats32
    star_flux: Floats32

    def take(self, rows: Ints) -> Fields:
        """The fields of these objects, one for each row."""
        return Fields(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_fields(n: int, mission: Mission, random: np.random.Generator) -> Fields:
    """Six in ten detections lie on a galaxy, near its light more often than far; about one star stands beside."""

    def u(low: float, high: float, shape: int | tuple[int, int] = n) -> Floats32:
        return random.uniform(low, high, shape).astype(np.float32)

    fwhm = float(np.mean(mission.fwhm))
    noise = np.sqrt(mission.sky + mission.read_noise**2)
    radius = np.exp(u(np.log(0.5), np.log(2.5))) * np.float32(fwhm)
    flux = np.exp(u(np.log(HOSTS[0]), np.log(HOSTS[1]))) * np.float32(noise * fwhm)
    star_x, star_y = u(-SIZE / 2, SIZE / 2, (n, STARS)), u(-SIZE / 2, SIZE / 2, (n, STARS))
    # A star on the detection itself is the artefacts' business.
    shown = (random.random((n, STARS)) < 0.45) & (np.hypot(star_x, star_y) > 2.5 * mission.fwhm[1])
    star_flux = np.exp(u(np.log(100), np.log(20000), (n, STARS))) * np.float32(noise) * shown
    return Fields(
        random.random(n) < 0.6,
        np.abs(random.normal(0, 1.2, n)).astype(np.float32) * radius,
        u(0, 6.2832),
        flux,
        radius,
        u(0, 0.7),
        u(0, 3.1416),
        star_x,
        star_y,
        star_flux,
    )


def simulate_batch(
    mission: Mission, kinds: npt.NDArray[np.object_], snr: Floats32, around: Fields, random: np.random.Generator
) -> tuple[Floats32, pd.DataFrame]:
    """Simulate n triplets.

    Args:
        mission: pixels, PSF, noise.
        kinds: the artefact of each, "" for a transient, (n,).
        snr: S/N of the matched filter at the detection, (n,), for transients and artefacts alike.
        around: host and stars of each.
        random: the generator.

    Returns:
        Stamps (n, 3, 63, 63): science, reference, difference, in electrons, sky subtracted; and a table with
        ``host_distance`` (pixels; NaN without a host) and ``fwhm`` (pixels).
    """
    n, real = len(kinds), kinds == ""
    x, y = (CENTRE + random.uniform(-0.5, 0.5, (2, n))).astype(np.float32)
    fwhm = random.uniform(*mission.fwhm, n).astype(np.float32)
    fwhm_reference = (fwhm * random.uniform(0.75, 1.1, n)).astype(np.float32)
    ellipticity, angle = random.uniform(0, 0.12, n).astype(np.float32), random.uniform(0, 3.1416, n).astype(np.float32)
    static, static_reference, mismatch = _static(mission, around, x, y, fwhm, fwhm_reference, random)

    psf = moffat(x, y, fwhm, mission.beta, ellipticity, angle)
    floor = np.float32(mission.sky + mission.read_noise**2)
    variance_science = floor + static
    variance_reference = (floor + static) / np.float32(mission.reference_depth)
    down, across = np.gradient(static, axis=(1, 2))
    # what registration may leave of the scene counts as noise of a detection (S_corr, Zackay et al. 2016, eq. 27-33)
    variance = variance_science + variance_reference + np.float32(JITTER**2) * (down**2 + across**2)

    science, difference, reference = np.zeros_like(psf), np.zeros_like(psf), np.zeros_like(psf)
    flux = snr / np.sqrt((psf**2 / variance).sum(axis=(1, 2)))
    science[real] = difference[real] = (flux[:, None, None] * psf)[real]
    _add_artefacts(
        science, difference, reference, kinds, snr, Optics(fwhm, mission.beta, x, y), psf, variance, random=random
    )

    noise = np.sqrt(variance_science + np.maximum(science, 0)) * random.standard_normal(psf.shape).astype(np.float32)
    deep = np.sqrt(variance_reference + np.maximum(reference, 0) / np.float32(mission.reference_depth))
    noise_reference = _resampled(deep * random.standard_normal(psf.shape).astype(np.float32))
    stamps = np.stack(
        [
            static + science + noise,
            static_reference + reference + noise_reference,
            difference + mismatch + noise - noise_reference,
        ],
        axis=1,
    ).astype(np.float32)
    stamps += random.normal(0, 0.05, (n, 3, 1, 1)).astype(np.float32) * np.sqrt(floor)
    distance = np.where(around.host, around.distance, np.nan)
    return stamps, pd.DataFrame({"host_distance": distance, "fwhm": fwhm})


def add_sky(stamps: Floats32, mission: Mission, random: np.random.Generator) -> None:
    """Put the sky that the mission's own stamps keep under science and reference, one level a triplet.

    Args:
        stamps: (n, 3, h, w), changed in place.
        mission: whose.
        random: the generator.
    """
    level = mission.kept * np.exp(random.normal(0, LEVELS, len(stamps)))
    stamps[:, :2] += level.astype(np.float32)[:, None, None, None]


def _static(
    mission: Mission,
    around: Fields,
    x: Floats32,
    y: Floats32,
    fwhm: Floats32,
    fwhm_reference: Floats32,
    random: np.random.Generator,
) -> tuple[Floats32, Floats32, Floats32]:
    """Host and field stars in the science and the reference, and what a good subtraction leaves of them."""
    n = len(x)
    jitter_x, jitter_y = random.normal(0, JITTER, (2, n)).astype(np.float32)
    width = fwhm * (1 + random.normal(0, 0.01, n)).astype(np.float32)
    zero = np.zeros(n, dtype=np.float32)
    views = ((zero, zero, fwhm), (zero, zero, fwhm_reference), (jitter_x, jitter_y, width))
    images = [np.zeros((n, SIZE, SIZE), dtype=np.float32) for _ in views]
    host = np.flatnonzero(around.host)
    centre_x = x + around.distance * np.cos(around.direction)
    centre_y = y + around.distance * np.sin(around.direction)
    shape = around.radius[host], around.ellipticity[host], around.angle[host]
    for image, (dx, dy, seeing) in zip(images, views, strict=True):
        # Only what is there is drawn: most of the time goes into the profiles.
        light = galaxy((centre_x + dx)[host], (centre_y + dy)[host], shape[0], seeing[host], shape[1], shape[2])
        image[host] += around.flux[host, None, None] * light
        for star in range(STARS):
            rows = np.flatnonzero(around.star_flux[:, star])
            star_x, star_y = (x + dx + around.star_x[:, star])[rows], (y + dy + around.star_y[:, star])[rows]
            flux = around.star_flux[rows, star, None, None]
            image[rows] += flux * moffat(star_x, star_y, seeing[rows], mission.beta)
    science, reference, matched = images
    return science, reference, science - matched


def _add_artefacts(
    science: Floats32,
    difference: Floats32,
    reference: Floats32,
    kinds: npt.NDArray[np.object_],
    snr: Floats32,
    at: Optics,
    psf: Floats32,
    variance: Floats32,
    *,
    random: np.random.Generator,
) -> None:
    """Add each bogus sample's artefact to the three images, scaled to its S/N."""
    for kind, make in ARTEFACTS.items():
        rows = np.flatnonzero(kinds == kind)
        if not len(rows):
            continue
        pattern = make(Optics(at.fwhm[rows], at.beta, at.x[rows], at.y[rows]), random)
        response = best_response(pattern.difference, psf[rows], variance[rows])
        scale = (snr[rows] / np.maximum(response, 1e-6))[:, None, None].astype(np.float32)
        science[rows] += scale * pattern.science
        difference[rows] += scale * pattern.difference
        reference[rows] += scale * pattern.reference


def best_response(pattern: Floats32, psf: Floats32, variance: Floats32) -> Floats32:
    """The matched filter's S/N of a pattern of unit amplitude, the largest within ``REACH`` pixels of the detection."""
    best = np.full(len(pattern), -np.inf)
    norm = np.sqrt((psf**2 / variance).sum(axis=(1, 2)))
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            moved = np.roll(pattern, (-dy, -dx), axis=(1, 2))
            best = np.maximum(best, (psf * moved / variance).sum(axis=(1, 2)) / norm)
    return best.astype(np.float32)


def _resampled(noise: Floats32) -> Floats32:
    """Noise after resampling by a fraction of a pixel: neighbours correlate, the variance of a pixel falls."""
    mixed = 0.7 * noise + 0.3 * np.roll(noise, 1, axis=2)
    return (0.7 * mixed + 0.3 * np.roll(mixed, 1, axis=1)).astype(np.float32)
