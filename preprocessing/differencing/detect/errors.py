"""Errors of candidates that follow from their significance: of the place in pixels and on the sky, of the magnitude."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.sky import unit_vectors
from astrid_ml.types import Floats

ERRORS = ("x_err", "y_err", "ra_err", "dec_err", "mag_err")


def psf_curvature(psf: Tensor) -> tuple[float, float]:
    """Curvature of the autocorrelation of a PSF (k, k) at its peak, along x and y, in 1 / px^2.

    It is the mean of the squared frequency, weighted by the PSF's power: 1 / (2 sigma^2) for a Gaussian.
    """
    size = 4 * max(psf.shape)  # padded: the wings do not meet
    power = np.abs(np.fft.fft2(psf.detach().double().numpy(), (size, size))) ** 2
    squared = (2 * np.pi * np.fft.fftfreq(size)) ** 2
    return float((power * squared[None, :]).sum() / power.sum()), float((power * squared[:, None]).sum() / power.sum())


def position_errors(psf: Tensor, snr: Floats) -> tuple[Floats, Floats]:
    """One sigma of x and of y (px) of peaks of a matched filter.

    Around its peak the significance of a source is snr times the filter's autocorrelation R, and that of its noise is
    R itself, so that the peak moves by 1 / (snr sqrt(-R'')): sqrt(2) sigma / snr for a Gaussian PSF, the bound of
    Cramer and Rao. The photon noise of a bright source is in snr, but not its part in the shape.

    Args:
        psf: (k, k), of the difference, whose noise is white.
        snr: (n,), of either sign.
    """
    size = np.abs(np.asarray(snr, dtype=float))
    with np.errstate(divide="ignore"):
        x, y = (1 / (size * np.sqrt(curvature)) for curvature in psf_curvature(psf))
    return x, y


def sky_errors(science: Image, x: Floats, y: Floats, x_err: Floats, y_err: Floats) -> tuple[Floats, Floats]:
    """One sigma of ra cos(dec) and of dec (arcsec) from those of x and y (px); NaN without a WCS.

    Args:
        science: gives the WCS, whose own error is not in the result.
        x, y: (n,) px.
        x_err, y_err: (n,) px, of independent errors.
    """
    if science.wcs is None or len(x) == 0:
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = [
            np.column_stack(science.wcs.all_pix2world(x + dx, y + dy, 0))
            for dx, dy in ((0.0, 0.0), (0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))
        ]
    ra, dec = np.radians(places[0]).T
    east = np.column_stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.column_stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    right, left, up, down = (unit_vectors(place) for place in places[1:])
    along_x, along_y = right - left, up - down  # of one pixel; on the pole too
    errors = [
        np.degrees(np.hypot((along_x * axis).sum(1) * x_err, (along_y * axis).sum(1) * y_err)) * 3600
        for axis in (east, north)
    ]
    return errors[0], errors[1]


def with_errors(table: pd.DataFrame, psf: Tensor, science: Image) -> pd.DataFrame:
    """Candidates with the columns ``ERRORS``.

    Args:
        table: with x, y, snr, flux, flux_err; may be empty.
        psf: (k, k), of the difference.
        science: gives the WCS.
    """
    x, y, snr = (table[name].to_numpy(dtype=float) for name in ("x", "y", "snr"))
    x_err, y_err = position_errors(psf, snr)
    ra_err, dec_err = sky_errors(science, x, y, x_err, y_err)
    mag_err = magnitude_error(table["flux"].to_numpy(dtype=float), table["flux_err"].to_numpy(dtype=float))
    return table.assign(**dict(zip(ERRORS, (x_err, y_err, ra_err, dec_err, mag_err), strict=True)))


def aperture_growth(correlation: Tensor, radius: float) -> float:
    """How much larger the error of a sum over a circle is than that of independent pixels.

    The variance of a sum is that of a pixel times the sum over all pairs of pixels of their correlation, which is the
    correlation at each lag times the circle's overlap with itself moved by that lag.

    Args:
        correlation: (m, m), odd, centred, covariance of the noise at lags in px, in units of the variance that a pixel
            is said to have; what lies beyond is taken as 0.
        radius: px.

    >>> import torch
    >>> aperture_growth(torch.ones(1, 1), 3.0)
    1.0
    """
    rho = correlation.detach().double().numpy()
    half = rho.shape[0] // 2
    side = int(np.ceil(radius)) + half
    t = np.arange(-side, side + 1)
    circle = (t[:, None] ** 2 + t[None, :] ** 2 <= radius**2).astype(float)
    spectrum = np.abs(np.fft.fft2(circle, (4 * side + 4,) * 2)) ** 2
    overlap = np.fft.ifft2(spectrum).real
    lags = np.arange(-half, half + 1)
    pairs = float(np.sum(rho * overlap[np.ix_(lags, lags)]) / overlap[0, 0])
    return float(np.sqrt(max(pairs, 0.01)))


def upper_limit(flux: Floats, flux_err: Floats, share: float = 0.95) -> Floats:
    """Flux that a source of flux 0 or more does not exceed, with probability ``share``; of a Gaussian measurement.

    The posterior of a prior that is flat from 0 on: P(F > limit) / P(F > 0) = 1 - share. It is above 0 however negative
    a measurement is, and flux + 1.645 errors for bright sources.

    Args:
        flux, flux_err: (n,) in one unit.
        share: of the posterior below the limit.

    >>> upper_limit(np.array([0.0, 10.0, -5.0]), np.ones(3)).round(3).tolist()
    [1.96, 11.645, 0.549]
    """
    from scipy.special import log_ndtr, ndtri_exp

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(flux - flux_err * ndtri_exp(np.log1p(-share) + log_ndtr(flux / flux_err)))


def magnitude_error(flux: Floats, flux_err: Floats) -> Floats:
    """One sigma of a magnitude, to first order: 2.5 / ln 10 times the relative error of the flux.

    >>> magnitude_error(np.array([100.0, -100.0, 0.0]), np.array([1.0, 1.0, 1.0])).round(5).tolist()
    [0.01086, 0.01086, inf]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.5 / np.log(10) * flux_err / np.abs(flux))
