"""The sky of simulated jobs: fields whose stars, hosts and transients recur over epochs and filters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.roman.job.header import bandpass_zero_point
from astrid_ml.preprocessing.seeded import USUAL, as_offset
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.galaxies import galaxy_layer
from astrid_ml.preprocessing.simulated_sky.psf import Psf, add_sources
from astrid_ml.preprocessing.simulated_sky.sources import draw_galaxies, draw_stars
from astrid_ml.types import Floats

MARGIN = 96  # px of sky around a field, so that pointings may shift and truth may lie off the detector
PIXEL_SCALE = 0.11  # arcsec
# Exposure times of the OpenUniverse time-domain survey, s; ZPTMAG follows from them: 2.5 log10(t x area).
EXPOSURES = {"R062": 161.025, "Z087": 101.7, "Y106": 302.275, "J129": 302.275, "H158": 302.275, "F184": 901.175}
EXPOSURES["K213"] = 901.175
_ZPTMAG = (17.638, 302.275)  # of Y106


def zptmag(band: str) -> float:
    """The header's zero point: one count a second a cm^2, scaled by the exposure."""
    return _ZPTMAG[0] + 2.5 * float(np.log10(EXPOSURES[band] / _ZPTMAG[1]))


def counts_zero_point(band: str) -> float:
    """AB magnitude of one count in an exposure."""
    return zptmag(band) + float(bandpass_zero_point(band) or 0.0)


@dataclass(frozen=True)
class Field:
    """One patch of sky. Positions are pixels relative to the corner of its margin.

    Args:
        name: the survey's number.
        centre: RA, Dec in degrees.
        shape: (H, W) px of an image.
        galaxies, stars: static sources, fluxes in counts.
        transients: ``object_id, x, y, peak`` (AB), ``mjd`` of the peak, ``rise`` and ``decay`` in days.
    """

    name: str
    centre: tuple[float, float]
    shape: tuple[int, int]
    galaxies: pd.DataFrame
    stars: pd.DataFrame
    transients: pd.DataFrame

    def magnitudes(self, mjd: float, band: str) -> Floats:
        """AB magnitudes of the transients; infinite before the explosion."""
        t = mjd - self.transients["mjd"].to_numpy()
        rise, decay = self.transients["rise"].to_numpy(), self.transients["decay"].to_numpy()
        fainter = np.where(t < 0, (t / rise) ** 2 * 2.5, t / decay * 1.0857)
        colour = 0.15 * sorted(EXPOSURES).index(band) / len(EXPOSURES)
        return np.where(t < -2 * rise, np.inf, self.transients["peak"].to_numpy() + fainter + colour)


def draw_field(
    number: int,
    shape: tuple[int, int],
    densities: tuple[float, float, float],
    span: tuple[float, float],
    seed: int,
    mark: str = "",
) -> Field:
    """Draw a field.

    Args:
        number: also its place on the sky: fields are 0.3 degrees apart.
        shape: (H, W) px.
        densities: stars, galaxies, transients per Mpx.
        span: MJD range of the survey.
        seed: of the whole simulation.
        mark: of its settings, see :func:`astrid_ml.preprocessing.seeded.settings_mark`.
    """
    rng = np.random.default_rng([seed, 1, number])
    h, w = (side + 2 * MARGIN for side in shape)
    sky = SkyConfig(shape=(h, w), stars=densities[0], galaxies=densities[1], galaxy_radius=(1.0, 6.0))
    galaxies, stars = draw_galaxies(sky, rng), draw_stars(sky, rng)
    m = int(rng.poisson(densities[2] * h * w / 1e6))
    x, y = rng.uniform(0, w - 1, m), rng.uniform(0, h - 1, m)
    hosted = np.flatnonzero(rng.random(m) < 0.6) if len(galaxies) else np.empty(0, dtype=np.int64)
    hosts = galaxies.iloc[rng.integers(0, len(galaxies), len(hosted))] if len(hosted) else galaxies.iloc[:0]
    angle, distance = rng.uniform(0, 2 * np.pi, len(hosted)), rng.exponential(1.0, len(hosted)) * hosts["r_e"]
    x[hosted], y[hosted] = hosts["x"] + distance * np.cos(angle), hosts["y"] + distance * np.sin(angle)
    first = 20_000_000 + 10_000 * number + 100_000_000 * (seed - USUAL) + as_offset(mark, 10**9)
    transients = pd.DataFrame(
        {
            "object_id": first + np.arange(m),
            "x": x,
            "y": y,
            "peak": rng.uniform(22.0, 26.8, m),
            "mjd": rng.uniform(span[0] - 80, span[1] + 10, m),
            "rise": rng.uniform(12, 20, m),
            "decay": rng.uniform(25, 50, m),
        }
    )
    # Another seed is another sky: elsewhere, under other names.
    centre = (7.0 + 0.3 * (number % 6) + 2.4 * ((seed - USUAL) % 150), -44.8 + 0.3 * (number // 6 % 30))
    name = 5_261_331 + 1_001 * number + 10_000_000 * (seed - USUAL) + as_offset(mark, 10**9)
    return Field(str(name), centre, shape, galaxies, stars, transients)


@dataclass(frozen=True)
class Pointing:
    """Where an exposure lies in its field and what its optics do.

    Args:
        shift: px, of the image's corner from the margin's inner edge.
        psf: of the image.
        sky: counts per px.
        read_noise: counts.
        frames: exposures that were averaged.
    """

    shift: tuple[float, float]
    psf: Psf
    sky: float
    read_noise: float
    frames: int = 1

    def place(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Pixels of the field to pixels of the image."""
        return np.asarray(x) - MARGIN - self.shift[0], np.asarray(y) - MARGIN - self.shift[1]


def render(field: Field, pointing: Pointing, points: list[tuple[Floats, Floats, Floats]], seed: list[int]) -> Floats:
    """One sky-subtracted image in counts.

    Args:
        field: static sources.
        pointing: where and how well it looks.
        points: (x, y, counts) of further point sources, in pixels of the image.
        seed: of the noise.
    """
    return observe(expected(field, pointing, points), pointing, seed)


def expected(field: Field, pointing: Pointing, points: list[tuple[Floats, Floats, Floats]]) -> Floats:
    """The image without noise and sky."""
    x, y = pointing.place(field.galaxies["x"].to_numpy(), field.galaxies["y"].to_numpy())
    mean = np.maximum(galaxy_layer(field.shape, field.galaxies, x, y, pointing.psf), 0.0)
    sx, sy = pointing.place(field.stars["x"].to_numpy(), field.stars["y"].to_numpy())
    add_sources(mean, sx, sy, field.stars["flux"].to_numpy(), pointing.psf)
    for px, py, flux in points:
        add_sources(mean, px, py, flux, pointing.psf)
    return mean


def observe(mean: Floats, pointing: Pointing, seed: list[int]) -> Floats:
    """Poisson and read noise of an average of frames; the sky is subtracted."""
    rng, n = np.random.default_rng(seed), pointing.frames
    counts = rng.poisson((mean + pointing.sky) * n) / n
    return np.asarray(counts + rng.normal(0, pointing.read_noise / np.sqrt(n), mean.shape) - pointing.sky)
