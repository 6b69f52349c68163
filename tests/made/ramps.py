"""Ramps that are drawn: light, rays, stars and snowballs in electrons, with read noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.products.write import write_products
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array, Floats

NOISE, RATE, SIZE, FULL = 10.0, 3.0, 32, 60000.0
WHOLE = slice(0, 1000)
KNOWN = RampOptions(gain=1.0, read_noise=NOISE)


def light(n: int, rate: float = RATE, size: int = SIZE, frames: int = 1, seed: int = 0) -> Floats:
    """Single reads 10 s apart (10 / frames within groups), e-, without read noise, (n * frames, size, size)."""
    steps = np.random.default_rng(seed).poisson(rate * 10 / frames, (n * frames, size, size))
    out: Floats = steps.cumsum(0).astype(np.float64)
    return out


def ramp_of(reads: Array, frames: int = 1, seed: int = 1, **more: Any) -> Ramp:
    """Reads of one integration, or (n_ints, n, h, w), with read noise, full at 60,000 e- or at their own limit."""
    every = reads if reads.ndim == 4 else reads[None]
    every = every + np.random.default_rng(seed).normal(0, NOISE, every.shape)
    every = np.minimum(every, FULL + 500)
    n = every.shape[1] // frames
    data = every.reshape(len(every), n, frames, *every.shape[2:]).mean(2).astype(np.float32)
    times = (10.0 / frames * np.arange(1, n * frames + 1)).reshape(n, frames)
    sampling = ReadTimes(tuple(tuple(map(float, group)) for group in times))
    return Ramp(data, sampling, "e-", 1.0, NOISE, name="x", **({"saturation_dn": FULL} | more))


def searched(ramp: Ramp, **settings: Any) -> Processed:
    return process(Exposure(ramp, Processing(**settings)))


def written(ramp: Ramp, folder: Path, **settings: Any) -> Processed:
    found = process(Exposure(ramp, Processing(**settings)), folder / "cube.npy")
    write_products(folder, found, np.load(folder / "cube.npy"))
    return found


def jwst(path: Path, data: Array, **cards: Any) -> Path:
    primary, given = fits.PrimaryHDU(), {"NGROUPS": data.shape[1], "NINTS": len(data), "NFRAMES": 1, "GROUPGAP": 0}
    primary.header.update(
        {"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "TGROUP": 10.0} | given | cards
    )
    primary.header.setdefault("TFRAME", 10.0)
    fits.HDUList([primary, fits.ImageHDU(data, name="SCI")]).writeto(path)
    return path


def ball(y: float, x: float, radius: float, size: int = 100, trail: bool = False) -> Floats:
    """A core beyond the well, its halo, and perhaps a trail of full pixels, e-."""
    rows, columns = np.mgrid[:size, :size]
    r = np.hypot(rows - y, columns - x)
    out: Floats = np.where(r <= radius, 1.5 * FULL, 12000 * np.exp(-(r - radius) / 3))
    if trail:
        out[(np.abs(rows - y) <= 1) & (columns > x) & (columns < x + radius + 12)] = 1.5 * FULL
    return out


def star(y: float, x: float, flux: float, size: int = 100, wide: float = 2.5) -> Floats:
    rows, columns = np.mgrid[:size, :size]
    out: Floats = flux * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / wide**2)
    return out


def crowded(n: int, size: int = 100, frames: int = 1, seed: int = 4) -> Floats:
    """Light of a faint sky, and rays, (n * frames, size, size), e-."""
    random, reads = np.random.default_rng(seed), light(n, 2.0, size, frames, seed)
    hit = random.random(reads.shape) < 0.0005 / frames
    out: Floats = reads + (hit * random.uniform(60, 2000, hit.shape)).cumsum(0)
    return out
