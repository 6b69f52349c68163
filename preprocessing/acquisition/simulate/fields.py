"""Fields of a simulated archive: one sky for each supernova and mission, seen in several nights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.missions import SkyExposure, SkyMission, expose
from astrid_ml.preprocessing.simulated_sky.pair import simulate_pair

MARGIN = 32.0  # px: a supernova's stamp, and the galaxy around it, lie within its image


@dataclass(frozen=True)
class Night:
    """An image that the archive is to have.

    Args:
        days: after the discovery.
        snr: of the supernova in it; None where its light is not there.
    """

    days: float
    snr: float | None = None


@dataclass(frozen=True)
class FieldImage:
    """An image of a field.

    Args:
        night: when.
        image: its pixels, e-.
        exposure: what its header says.
        changes: what differs from the reference: ra, dec (deg), kind, snr_opt; empty for a reference.
    """

    night: Night
    image: Image
    exposure: SkyExposure
    changes: pd.DataFrame


@dataclass(frozen=True)
class SkyField:
    """One sky around a supernova, as one mission sees it.

    Args:
        sky: densities, and how images of a pair may differ; of one transient.
        mission: whose images.
        band: their filter.
        place: ra, dec of the supernova, degrees.
        discovered: MJD.
        seed: of stars, galaxies and what changes.
    """

    sky: SimulateSky
    mission: SkyMission
    band: str
    place: tuple[float, float]
    discovered: float
    seed: int

    def images(self, nights: list[Night]) -> Iterator[FieldImage]:
        """Render each night; those without the supernova are sums of the reference's depth.

        Args:
            nights: that the archive has.
        """
        base = self._config()
        for number, night in enumerate(nights):
            mjd = self.discovered + night.days
            science = expose(self.mission, self.band, mjd, 1)
            reference = expose(self.mission, self.band, mjd, self.mission.preset.depth)
            level = 10.0 if night.snr is None else night.snr
            made = simulate_pair(replace(base, snr=(level, level)), self.seed, night=number)
            if night.snr is None:
                yield FieldImage(night, made.reference, reference, made.truth.iloc[:0])
            else:
                yield FieldImage(night, made.science, science, made.truth)

    def _config(self) -> SkyConfig:
        """The field's sky, turned so that its one transient stands at the supernova's place."""
        exposures = [expose(self.mission, self.band, self.discovered, n) for n in (1, self.mission.preset.depth)]
        config = self.sky.config(self.mission, exposures[0], exposures[1], 1.0, np.random.default_rng([self.seed, 7]))
        config = replace(config, margin=MARGIN)
        truth = simulate_pair(replace(config, centre=self.place), self.seed, night=0).truth
        x, y = _supernova(truth)
        centre = self.place
        for _ in range(4):  # each step leaves the square of what the last one left
            ra, dec = _sky_of(x, y, replace(config, centre=centre))
            centre = (centre[0] + self.place[0] - ra, centre[1] + self.place[1] - dec)
        return replace(config, centre=centre)


def _supernova(truth: pd.DataFrame) -> tuple[float, float]:
    new = truth[truth["kind"].isin(["isolated", "galaxy", "nucleus"])]
    return float(new["x"].iloc[0]), float(new["y"].iloc[0])


def _sky_of(x: float, y: float, config: SkyConfig) -> tuple[float, float]:
    """ra, dec of a pixel of the science image."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], list(config.centre)
    wcs.wcs.crpix = [(config.shape[1] + 1) / 2, (config.shape[0] + 1) / 2]
    wcs.wcs.cd = config.pixel_scale / 3600 * np.array([[-1.0, 0.0], [0.0, 1.0]])
    ra, dec = wcs.all_pix2world(x, y, 0)
    return float(ra), float(dec)
