"""Errors of places and magnitudes: closed forms, and the scatter of simulated sources."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.detect.errors import (
    ERRORS,
    aperture_growth,
    magnitude_error,
    position_errors,
    psf_curvature,
    sky_errors,
    with_errors,
)
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.peaks import interpolate, local_maxima
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.sky.spectra import autocovariance


def image(dec: float = 20.0, turned: float = 0.0, scale: float = 1.0) -> Image:
    """A frame of 100 x 100 px with a WCS of ``scale`` arcsec/px at that declination, turned by so many degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, dec], [50.5, 50.5]
    cos, sin = np.cos(np.radians(turned)), np.sin(np.radians(turned))
    wcs.wcs.cd = scale / 3600 * np.array([[-cos, sin], [sin, cos]])
    plane = torch.zeros(100, 100)
    return Image(plane, plane + 1, plane > 0, wcs=wcs, zero_point=25.0)


@pytest.mark.parametrize("sigma", [1.2, 2.0, 3.5])
def test_a_gaussian_has_the_closed_form(sigma: float) -> None:
    psf = gaussian_stamp(sigma, 41)
    assert psf_curvature(psf) == pytest.approx((0.5 / sigma**2,) * 2, rel=2e-3)
    x, y = position_errors(psf, np.array([5.0, -50.0]))
    assert x == pytest.approx(np.sqrt(2) * sigma / np.array([5.0, 50.0]), rel=1e-3)
    assert y == pytest.approx(x)


def test_peaks_scatter_by_what_is_said() -> None:
    sigma, size, snr, rng = 1.7, 33, 12.0, np.random.default_rng(3)
    psf = gaussian_stamp(sigma, 25)
    norm = float(psf.square().sum().sqrt())
    moved = []
    spectrum = torch.fft.rfft2(torch.nn.functional.pad(psf, (0, size - 25, 0, size - 25)))
    for _ in range(600):
        sky = torch.from_numpy(rng.normal(size=(size, size)).astype(np.float32))
        sky[4:29, 4:29] += snr * psf / norm  # at the place 16, 16
        score = torch.fft.irfft2(torch.fft.rfft2(sky) * spectrum.conj(), s=(size, size)) / norm
        score = torch.roll(score, (12, 12), (0, 1))
        peaks = local_maxima(score, torch.zeros(size, size, dtype=torch.bool), 6.0, 2)
        x, y, height = interpolate(score, peaks)
        near = ((x - 16).abs() < 4) & ((y - 16).abs() < 4)
        moved += [[float(x[i] - 16), float(y[i] - 16), float(height[i])] for i in torch.nonzero(near).flatten()[:1]]
    dx, dy, height = np.array(moved).T
    assert len(dx) > 590
    errors = position_errors(psf, height)
    pulls = np.concatenate([dx / errors[0], dy / errors[1]])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.07)  # 1,200 of them: 2 %, and the peak's own part


@pytest.mark.parametrize(("dec", "turned"), [(0.0, 0.0), (60.0, 30.0), (89.999, 75.0), (-90.0, 0.0)])
def test_errors_on_the_sky_are_those_of_pixels_times_the_scale(dec: float, turned: float) -> None:
    x = y = np.array([10.0, 49.5, 80.0])
    ra_err, dec_err = sky_errors(image(dec, turned, 0.4), x, y, np.full(3, 0.2), np.full(3, 0.2))
    assert ra_err == pytest.approx(0.08, rel=1e-5)
    assert dec_err == pytest.approx(0.08, rel=1e-5)


def test_unequal_errors_turn_with_the_frame() -> None:
    x = y = np.array([50.0])
    east, north = sky_errors(image(20.0, 90.0), x, y, np.array([0.3]), np.array([0.1]))
    assert (east[0], north[0]) == pytest.approx((0.1, 0.3), rel=1e-4)


def test_without_a_wcs_there_are_none() -> None:
    plane = torch.zeros(9, 9)
    table = pd.DataFrame({"x": [4.0], "y": [4.0], "snr": [-10.0], "flux": [-100.0], "flux_err": [10.0]})
    out = with_errors(table, gaussian_stamp(1.5, 15), Image(plane, plane + 1, plane > 0))
    assert out[["ra_err", "dec_err"]].isna().to_numpy().all()
    assert out["mag_err"][0] == pytest.approx(0.10857, rel=1e-4)
    empty = with_errors(table.head(0), gaussian_stamp(1.5, 15), image())
    assert set(ERRORS) <= set(empty) and empty.empty


def test_the_error_of_a_magnitude_is_its_scatter() -> None:
    flux = np.random.default_rng(1).normal(100.0, 4.0, 20_000)
    scatter = np.std(-2.5 * np.log10(flux))
    assert magnitude_error(np.array([100.0]), np.array([4.0]))[0] == pytest.approx(scatter, rel=0.03)


@pytest.mark.parametrize(("width", "radius"), [(1, 3.0), (3, 3.0), (5, 4.5)])
def test_errors_of_apertures_know_that_noise_is_correlated(width: int, radius: float) -> None:
    noise = torch.randn(1, 1, 700, 700, generator=torch.Generator().manual_seed(4))
    plane = torch.nn.functional.avg_pool2d(noise, width, 1)[0, 0] * width
    rho = autocovariance(plane, torch.ones_like(plane, dtype=torch.bool), 9, tapered=False)
    t = torch.arange(-6, 7)
    circle = ((t[:, None] ** 2 + t[None, :] ** 2) <= radius**2).float()
    sums = torch.nn.functional.conv2d(plane[None, None], circle[None, None])[0, 0]
    naive = float(circle.sum()) ** 0.5  # of pixels of unit variance
    assert float(sums.std()) == pytest.approx(naive * aperture_growth(rho, radius), rel=0.06)
    assert aperture_growth(torch.ones(1, 1), radius) == pytest.approx(1.0)
