"""One batch of triplets of one mission: scene, transient or artefact, noise, subtraction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from preprocessing.triplets.artefacts import ARTEFACTS, Optics
from preprocessing.triplets.missions import Mission
from preprocessing.triplets.render import SIZE, Images, Values, galaxy, moffat

CENTRE = SIZE // 2
# Patterns that do not peak where the detection is: the filter looks for their best response around it.
REACH = 2


@dataclass(frozen=True)
class Hosts:
    """The galaxy of each sample, each (n,): real and bogus draw from one distribution."""

    present: npt.NDArray[np.bool_]
    distance: Values
    angle: Values
    flux: Values
    radius: Values
    ellipticity: Values
    position_angle: Values


def draw_hosts(n: int, mission: Mission, random: np.random.Generator) -> Hosts:
    """Six in ten detections lie on a galaxy, near its light more often than far."""

    def u(low: float, high: float) -> Values:
        return random.uniform(low, high, n).astype(np.float32)

    fwhm = float(np.mean(mission.fwhm))
    radius = np.exp(u(np.log(0.5), np.log(2.5))) * np.float32(fwhm)
    flux = np.exp(u(np.log(30.0), np.log(3000.0))) * np.float32(np.sqrt(mission.sky + mission.read_noise**2) * fwhm)
    return Hosts(
        random.random(n) < 0.6,
        np.abs(random.normal(0, 1.2, n)).astype(np.float32) * radius,
        u(0, 6.2832),
        flux,
        radius,
        u(0, 0.7),
        u(0, 3.1416),
    )


def simulate_batch(
    mission: Mission, real: npt.NDArray[np.bool_], snr: Values, random: np.random.Generator
) -> tuple[Images, pd.DataFrame]:
    """Simulate n triplets.

    Args:
        mission: pixels, PSF, noise.
        real: which are transients, (n,).
        snr: S/N of the matched filter at the detection, (n,), for transients and artefacts alike.
        random: the generator.

    Returns:
        Stamps (n, 3, 63, 63): science, reference, difference, in electrons, sky subtracted; and a table with
        ``artefact``, ``host_distance`` (pixels; NaN without a host) and ``fwhm``.
    """
    n = len(real)
    x, y = (CENTRE + random.uniform(-0.5, 0.5, (2, n))).astype(np.float32)
    fwhm = random.uniform(*mission.fwhm, n).astype(np.float32)
    fwhm_reference = (fwhm * random.uniform(0.75, 1.1, n)).astype(np.float32)
    ellipticity, angle = random.uniform(0, 0.12, n).astype(np.float32), random.uniform(0, 3.1416, n).astype(np.float32)
    hosts = draw_hosts(n, mission, random)
    static, static_reference, mismatch = _static(mission, hosts, x, y, fwhm, fwhm_reference, random)

    psf = moffat(x, y, fwhm, mission.beta, ellipticity, angle)
    floor = np.float32(mission.sky + mission.read_noise**2)
    variance_science = floor + static
    variance_reference = (floor + static) / np.float32(mission.reference_depth)
    variance = variance_science + variance_reference

    science, difference, reference = np.zeros_like(psf), np.zeros_like(psf), np.zeros_like(psf)
    flux = snr / np.sqrt((psf**2 / variance).sum(axis=(1, 2)))
    science[real] = difference[real] = (flux[:, None, None] * psf)[real]
    kind = _add_artefacts(
        science, difference, reference, ~real, snr, Optics(fwhm, mission.beta, x, y), psf, variance, random
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
    distance = np.where(hosts.present, hosts.distance, np.nan)
    return stamps, pd.DataFrame({"artefact": kind, "host_distance": distance, "fwhm": fwhm})


def _static(
    mission: Mission,
    hosts: Hosts,
    x: Values,
    y: Values,
    fwhm: Values,
    fwhm_reference: Values,
    random: np.random.Generator,
) -> tuple[Images, Images, Images]:
    """Host and field stars in the science and the reference, and what a good subtraction leaves of them."""
    n = len(x)
    host_x, host_y = x + hosts.distance * np.cos(hosts.angle), y + hosts.distance * np.sin(hosts.angle)
    amount = (hosts.flux * hosts.present)[:, None, None]
    shape = (hosts.radius, hosts.ellipticity, hosts.position_angle)

    def host(dx: Values, dy: Values, seeing: Values) -> Images:
        return amount * galaxy(host_x + dx, host_y + dy, shape[0], seeing, shape[1], shape[2])

    zero = np.zeros(n, dtype=np.float32)
    jitter_x, jitter_y = random.normal(0, 0.06, (2, n)).astype(np.float32)
    width = fwhm * (1 + random.normal(0, 0.01, n)).astype(np.float32)
    science, reference, matched = (
        host(zero, zero, fwhm),
        host(zero, zero, fwhm_reference),
        host(jitter_x, jitter_y, width),
    )
    for _ in range(3):
        there = random.random(n) < 0.45
        sx, sy = random.uniform(0, SIZE, (2, n)).astype(np.float32)
        beside = np.hypot(sx - x, sy - y) > 2.5 * fwhm  # a star on the detection itself is the artefacts' business
        level = np.exp(random.uniform(np.log(100), np.log(20000), n)) * np.sqrt(mission.sky + mission.read_noise**2)
        flux = (level * there * beside).astype(np.float32)[:, None, None]
        science += flux * moffat(sx, sy, fwhm, mission.beta)
        reference += flux * moffat(sx, sy, fwhm_reference, mission.beta)
        matched += flux * moffat(sx + jitter_x, sy + jitter_y, width, mission.beta)
    return science, reference, science - matched


def _add_artefacts(
    science: Images,
    difference: Images,
    reference: Images,
    bogus: npt.NDArray[np.bool_],
    snr: Values,
    at: Optics,
    psf: Images,
    variance: Images,
    random: np.random.Generator,
) -> npt.NDArray[np.object_]:
    """Give each bogus sample an artefact, scaled to its S/N; returns the kinds ("" for transients)."""
    kinds = np.full(len(bogus), "", dtype=object)
    kinds[bogus] = random.choice(list(ARTEFACTS), int(bogus.sum()))
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
    return kinds


def best_response(pattern: Images, psf: Images, variance: Images) -> Values:
    """The matched filter's S/N of a pattern of unit amplitude, the largest within ``REACH`` pixels of the detection."""
    best = np.full(len(pattern), -np.inf)
    norm = np.sqrt((psf**2 / variance).sum(axis=(1, 2)))
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            moved = np.roll(pattern, (-dy, -dx), axis=(1, 2))
            best = np.maximum(best, (psf * moved / variance).sum(axis=(1, 2)) / norm)
    return best.astype(np.float32)


def _resampled(noise: Images) -> Images:
    """Noise after resampling by a fraction of a pixel: neighbours correlate, the variance of a pixel falls."""
    mixed = 0.7 * noise + 0.3 * np.roll(noise, 1, axis=2)
    return (0.7 * mixed + 0.3 * np.roll(mixed, 1, axis=1)).astype(np.float32)
