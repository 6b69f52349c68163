"""Galaxies of simulated images: Sersic profiles as sums of Gaussians, convolved with the PSF."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import nnls

from astrid_ml.preprocessing.simulated_sky.psf import RADIUS, SHARP, Psf, window
from astrid_ml.types import Floats

_PRE = 1.2  # px; Gaussian pre-blur that makes galaxy profiles safe to sample before the PSF is applied
_SIGMAS = np.geomspace(0.03, 4.0, 12)  # widths of the Gaussians of a Sersic profile, in half-light radii
_PAD = 64


@lru_cache(maxsize=16)
def sersic_gaussians(n: float) -> Floats:
    """Flux weights (sum 1) of round Gaussians of widths ``_SIGMAS`` that add up to a Sersic profile of index n."""
    r = np.geomspace(0.02, 6.0, 80)
    target = np.exp(-(2 * n - 1 / 3) * (r ** (1 / n) - 1))
    basis = np.exp(-0.5 * (r[:, None] / _SIGMAS) ** 2) / (2 * np.pi * _SIGMAS**2)
    # Weight by radius: what matters is the flux in each ring, not the cusp.
    weights = nnls(basis * r[:, None], target * r)[0]
    return np.asarray(weights / weights.sum())


def galaxy_layer(shape: tuple[int, int], cat: pd.DataFrame, x: Floats, y: Floats, psf: Psf) -> Floats:
    """All galaxies, convolved with the PSF.

    Args:
        shape: (H, W) px.
        cat: ``flux`` (e-), ``r_e`` (px), ``n`` (Sersic index), ``q`` (axis ratio), ``theta`` (radians).
        x, y: positions in this image's pixels.
        psf: of this image; where it varies, to first order over the field; where it is undersampled, the layer is
            made on pixels of half the size.
    """
    if psf.fwhm >= SHARP:
        return _layer(shape, cat, x, y, psf)
    fine = cat.assign(r_e=2 * cat["r_e"])
    layer = _layer((2 * shape[0], 2 * shape[1]), fine, 2 * x, 2 * y, psf.scaled(2))
    return np.asarray(4 * layer[::2, ::2])


def _layer(shape: tuple[int, int], cat: pd.DataFrame, x: Floats, y: Floats, psf: Psf) -> Floats:
    from scipy.fft import irfft2, next_fast_len, rfft2

    h, w = (int(next_fast_len(n + 2 * _PAD, real=True)) for n in shape)
    light = rfft2(_unblurred((h, w), cat, x + _PAD, y + _PAD))
    light /= np.exp(-2 * np.pi**2 * _PRE**2 * (np.fft.fftfreq(h)[:, None] ** 2 + np.fft.rfftfreq(w)[None, :] ** 2))
    keep = (slice(_PAD, _PAD + shape[0]), slice(_PAD, _PAD + shape[1]))
    if psf.variation == 0:
        return np.asarray(irfft2(light * _transfer(psf.stamp(), (h, w)), (h, w))[keep])
    u, v = np.linspace(-1, 1, shape[1])[None, :], np.linspace(-1, 1, shape[0])[:, None]
    here, there = psf.at(u, v), psf.at(np.array(0.0), np.array(0.0))
    weights = (np.log(here[0] / there[0]), here[1] - there[1], here[2] - there[2])
    centre, *derivatives = psf.modes()
    total = np.asarray(irfft2(light * _transfer(centre, (h, w)), (h, w))[keep])
    for weight, stamp in zip(weights, derivatives, strict=True):
        total += weight * irfft2(light * _transfer(stamp, (h, w)), (h, w))[keep]
    return total


def _transfer(stamp: Floats, shape: tuple[int, int]) -> npt.NDArray[np.complex128]:
    from scipy.fft import rfft2

    kernel = np.zeros(shape)
    kernel[: 2 * RADIUS + 1, : 2 * RADIUS + 1] = stamp
    return np.asarray(rfft2(np.roll(kernel, (-RADIUS, -RADIUS), (0, 1))))


def _unblurred(shape: tuple[int, int], cat: pd.DataFrame, x: Floats, y: Floats) -> Floats:
    """The galaxies, blurred by the Gaussian ``_PRE`` only."""
    layer = np.zeros(shape)
    for i, (flux, r_e, n, q, theta) in enumerate(cat[["flux", "r_e", "n", "q", "theta"]].to_numpy(dtype=np.float64)):
        rows, cols = window(shape, x[i], y[i], int(min(8 + 6 * r_e, 60)))
        if rows.start >= rows.stop or cols.start >= cols.stop:
            continue
        dx = np.arange(cols.start, cols.stop)[None, :] - x[i]
        dy = np.arange(rows.start, rows.stop)[:, None] - y[i]
        c, s = np.cos(theta), np.sin(theta)
        u2, v2 = (c * dx + s * dy) ** 2, (c * dy - s * dx) ** 2
        total = np.zeros_like(u2)
        for weight, sigma in zip(sersic_gaussians(float(n)), _SIGMAS * r_e, strict=True):
            if weight > 0:
                a2, b2 = sigma**2 + _PRE**2, (sigma * q) ** 2 + _PRE**2
                total += weight / (2 * np.pi * np.sqrt(a2 * b2)) * np.exp(-0.5 * (u2 / a2 + v2 / b2))
        layer[rows, cols] += flux * total
    return layer
