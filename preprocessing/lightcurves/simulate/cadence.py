"""Visits, noise and detections of a survey, for many objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from astrid_ml.preprocessing.lightcurves.select.extinction import coefficient
from astrid_ml.preprocessing.lightcurves.simulate.surveys import SurveyCadence
from astrid_ml.types import Floats, Floats32, Ints, Mask

START = 60900.0
SATURATE, TRIGGER, DETECT = 1024, 2048, 4096


@dataclass(frozen=True)
class Visits:
    """Visits of n objects, at most E each.

    Args:
        mjd: (n, E), ascending.
        band: (n, E) place among the survey's bands.
        there: (n, E) which visits exist.
        first: (n,) start of the survey.
        flux: (n, E) FLUXCAL.
        flux_err: (n, E).
        flag: (n, E) PHOTFLAG.
        depth: (n, E) five-sigma depths, AB magnitudes.
    """

    mjd: Floats
    band: Ints
    there: Mask
    first: Floats
    flux: Floats32
    flux_err: Floats32
    flag: npt.NDArray[np.int32]
    depth: Floats

    @property
    def detections(self) -> Ints:
        """Detections of each object, (n,)."""
        out: Ints = ((self.flag & DETECT) != 0).sum(axis=1)
        return out

    def take(self, rows: Ints) -> Visits:
        """Some of the objects."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    @staticmethod
    def join(parts: Sequence[Visits]) -> Visits:
        """Objects of several batches; shorter ones are filled up with visits that do not exist."""
        width = max(part.mjd.shape[1] for part in parts)

        def wide(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            if array.ndim == 1:
                return array
            return np.pad(array, ((0, 0), (0, width - array.shape[1])))

        names = Visits.__dataclass_fields__
        return Visits(**{name: np.concatenate([wide(getattr(part, name)) for part in parts]) for name in names})


def draw_visits(n: int, seasons: int, random: np.random.Generator, cadence: SurveyCadence) -> Visits:
    """Nights some days apart in one season a year, and in each night the visits that the survey makes together.

    Args:
        n: objects.
        seasons: years.
        random: of nights, bands and depths.
        cadence: of the survey.
    """
    nights = int(seasons * cadence.season / (cadence.gap + cadence.shortest) * 1.15) + 12
    gaps = random.exponential(cadence.gap, (n, nights)) + cadence.shortest
    night = np.cumsum(gaps, axis=1)  # days of observable time
    year, day = np.divmod(night, cadence.season)
    first = START + random.uniform(0, 150, n)
    mjd = first[:, None] + year * 365.25 + np.floor(day) + random.normal(0.25, 0.05, (n, nights))
    bands = bands_of_nights((n, nights), cadence, random)
    later = np.zeros(bands.shape)
    later[..., 1:] = np.cumsum(random.uniform(0.01, 0.03, (*bands.shape[:2], bands.shape[2] - 1)), axis=2)
    times, band = (mjd[..., None] + later).reshape(n, -1), bands.reshape(n, -1)
    order, rows = np.argsort(times, axis=1, kind="stable"), np.arange(n)[:, None]
    there = np.repeat(year < seasons, bands.shape[2], axis=1)[rows, order]
    band = band[rows, order]
    depth = cadence.depth[band] + random.normal(0, cadence.scatter, band.shape)
    return unseen(times[rows, order], band, there, first, depth)


def unseen(mjd: Floats, band: Ints, there: Mask, first: Floats, depth: Floats) -> Visits:
    """Visits of which nothing has been measured yet; arguments as of :class:`Visits`."""
    empty = np.zeros(mjd.shape, dtype=np.float32)
    return Visits(mjd, band, there, first, empty, empty, empty.astype(np.int32), depth)


def bands_of_nights(shape: tuple[int, int], cadence: SurveyCadence, random: np.random.Generator) -> Ints:
    """The bands of each night's visits, (n, nights, visits)."""
    count = len(cadence.bands)
    if cadence.together == "all":
        return np.broadcast_to(np.arange(count), (*shape, count)).copy()
    one = random.choice(count, shape, p=cadence.share / cadence.share.sum())
    if cadence.together == "one":
        return one[..., None]
    other = one if cadence.together == "same" else np.clip(one + random.choice([-1, 1], shape), 0, count - 1)
    return np.stack([one, other], axis=2)


def detect(
    visits: Visits,
    flux: Floats,
    mwebv: Floats,
    random: np.random.Generator,
    cadence: SurveyCadence,
    steady: Floats | None = None,
) -> Visits:
    """Dust, sky and photon noise, saturation, and PHOTFLAG by a detection efficiency in S/N.

    What is detected is a difference, also where the survey writes the total light: its steady part adds noise.

    Args:
        visits: the cadence.
        flux: (n, E) true FLUXCAL of the difference above the Galaxy.
        mwebv: (n,) E(B-V).
        random: of noise and detections.
        cadence: of the survey.
        steady: (n, E) FLUXCAL of what does not change, for total light; None for a difference.
    """
    dust = 10 ** (-0.4 * mwebv[:, None] * coefficient(cadence.wavelengths.astype(np.float32))[visits.band])
    seen = flux * dust
    constant = 0.0 if steady is None else steady * dust
    light = seen + constant
    sky = 10 ** (-0.4 * (visits.depth - 27.5)) / 5
    # A source of the sky's own brightness doubles the variance; 0.5 % is the calibration.
    error = np.sqrt(sky**2 + np.abs(light) * sky / 25 + (0.005 * light) ** 2)
    measured = seen + error * random.normal(size=flux.shape)
    snr = np.abs(measured / error)
    found = (random.random(flux.shape) < 1 / (1 + np.exp(-np.clip(3 * (snr - 5.5), -60, 60)))) & visits.there
    saturated = (light > 10 ** (-0.4 * (cadence.saturation - 27.5))) & visits.there
    found &= ~saturated
    flag = np.where(found, DETECT, 0) | np.where(saturated, SATURATE, 0)
    first = np.argmax(found, axis=1)
    has = found.any(axis=1)
    flag[np.flatnonzero(has), first[has]] |= TRIGGER
    return replace(
        visits,
        flux=np.where(saturated, 0.0, measured + constant).astype(np.float32),
        flux_err=np.where(saturated, 1e8, error).astype(np.float32),
        flag=flag.astype(np.int32),
    )
