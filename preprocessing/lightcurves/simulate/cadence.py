"""An LSST-like cadence, noise and detections, for many objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from astrid_ml.preprocessing.lightcurves.curves.bands import WAVELENGTHS
from astrid_ml.preprocessing.lightcurves.select.extinction import coefficient
from astrid_ml.types import Floats, Floats32, Ints, Mask

START = 60900.0
# Five-sigma depths of single visits in ugrizY (Bianco et al. 2022), and how often each band is used.
DEPTH = np.array([23.7, 24.7, 24.2, 23.7, 22.9, 22.0])
SHARE = np.array([0.07, 0.11, 0.24, 0.24, 0.20, 0.14])
SATURATION = 16.0
SATURATE, TRIGGER, DETECT = 1024, 2048, 4096


@dataclass(frozen=True)
class Visits:
    """Visits of n objects, at most E each.

    Args:
        mjd: (n, E), ascending.
        band: (n, E) 0..5 for ugrizY.
        there: (n, E) which visits exist.
        first: (n,) start of the survey.
        flux: (n, E) FLUXCAL.
        flux_err: (n, E).
        flag: (n, E) PHOTFLAG.
    """

    mjd: Floats
    band: Ints
    there: Mask
    first: Floats
    flux: Floats32
    flux_err: Floats32
    flag: npt.NDArray[np.int32]

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


def draw_visits(n: int, seasons: int, random: np.random.Generator) -> Visits:
    """Pairs of visits within the hour in bands at most one apart, some days apart, seven months a year."""
    nights = int(seasons * 215 / 9) + 6
    gaps = random.exponential(9.0, (n, nights)) + 0.9
    night = np.cumsum(gaps, axis=1)  # days of observable time
    year, day = np.divmod(night, 215.0)
    there = year < seasons
    first = START + random.uniform(0, 150, n)
    mjd = first[:, None] + year * 365.25 + np.floor(day) + random.normal(0.25, 0.05, (n, nights))
    one = random.choice(6, (n, nights), p=SHARE)
    two = np.clip(one + random.choice([-1, 1], (n, nights)), 0, 5)
    both = np.stack([mjd, mjd + random.uniform(0.01, 0.03, (n, nights))], axis=2).reshape(n, -1)
    band = np.stack([one, two], axis=2).reshape(n, -1)
    order = np.argsort(both, axis=1)
    rows = np.arange(n)[:, None]
    there = np.repeat(there, 2, axis=1)[rows, order]
    empty = np.zeros(both.shape, dtype=np.float32)
    return Visits(both[rows, order], band[rows, order], there, first, empty, empty, empty.astype(np.int32))


def detect(visits: Visits, flux: Floats, mwebv: Floats, random: np.random.Generator) -> Visits:
    """Dust, sky and photon noise, saturation, and PHOTFLAG by a detection efficiency in S/N.

    Args:
        visits: the cadence.
        flux: (n, E) true FLUXCAL above the Galaxy.
        mwebv: (n,) E(B-V).
        random: of noise and detections.
    """
    waves = np.array([WAVELENGTHS[band] for band in "ugrizY"], dtype=np.float32)
    seen = flux * 10 ** (-0.4 * mwebv[:, None] * coefficient(waves)[visits.band])
    depth = DEPTH[visits.band] + random.normal(0, 0.25, flux.shape)
    sky = 10 ** (-0.4 * (depth - 27.5)) / 5
    # A source of the sky's own brightness doubles the variance; 0.5 % is the calibration.
    error = np.sqrt(sky**2 + np.abs(seen) * sky / 25 + (0.005 * seen) ** 2)
    measured = seen + error * random.normal(size=flux.shape)
    snr = np.abs(measured / error)
    found = (random.random(flux.shape) < 1 / (1 + np.exp(-np.clip(3 * (snr - 5.5), -60, 60)))) & visits.there
    saturated = (seen > 10 ** (-0.4 * (SATURATION - 27.5))) & visits.there
    found &= ~saturated
    flag = np.where(found, DETECT, 0) | np.where(saturated, SATURATE, 0)
    first = np.argmax(found, axis=1)
    has = found.any(axis=1)
    flag[np.flatnonzero(has), first[has]] |= TRIGGER
    return replace(
        visits,
        flux=np.where(saturated, 0.0, measured).astype(np.float32),
        flux_err=np.where(saturated, 1e8, error).astype(np.float32),
        flag=flag.astype(np.int32),
    )
