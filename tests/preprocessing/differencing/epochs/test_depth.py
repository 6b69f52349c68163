"""Limiting magnitudes against a closed form, and against sources put into the noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.epochs.depth import Depth, coarse_map, depth_table, limiting_magnitude
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.zogy import zogy

SHAPE = (256, 320)


def pair(source: torch.Tensor, seed: int = 1) -> SubtractionInput:
    """White noise that doubles from the left half to the right; PSFs of sigma 1.4 and 1.1 px."""
    g = torch.Generator().manual_seed(seed)
    sigma = torch.ones(SHAPE)
    sigma[:, 160:] = 2
    n = 10 * sigma * torch.randn(SHAPE, generator=g) + source
    r = 8 * sigma * torch.randn(SHAPE, generator=g)
    none = torch.zeros(SHAPE, dtype=torch.bool)
    psfs = (gaussian_stamp(1.4, 25), gaussian_stamp(1.1, 25))
    return SubtractionInput(n, r, (100 * sigma**2, 64 * sigma**2), (none, none), psfs, (100.0, 64.0))


def test_closed_form_of_one_image_of_white_noise() -> None:
    psf, sigma = gaussian_stamp(1.6, 31), 12.0
    n, deep = torch.zeros(128, 128), torch.full((128, 128), sigma**2)
    z = zogy(n, n, (psf, psf), (sigma**2, 1e-6 * sigma**2), (deep, 1e-6 * deep))  # the reference is all but noiseless
    limit = limiting_magnitude(z.score_sigma, 1 / float(z.score_scale), 25.0)
    # 5 sigma of the optimal flux of a Gaussian PSF: error = sigma sqrt(4 pi s^2)
    expected = 25 - 2.5 * math.log10(5 * sigma * math.sqrt(4 * math.pi) * 1.6)
    assert float(limit[64, 64]) == pytest.approx(expected, abs=0.01)


def test_sources_at_the_limit_are_five_sigma_and_half_of_them_are_found() -> None:
    base = pair(torch.zeros(SHAPE))
    error = Zogy()(base).flux_error
    depth = limiting_magnitude(error, 1.0, 25.0)
    y, x = (t.flatten().double() for t in torch.meshgrid(*(torch.arange(20, n - 19, 24) for n in SHAPE), indexing="ij"))
    left = (x - 160).abs() > 12
    x, y = x[left], y[left]
    flux = 10 ** (0.4 * (25 - depth[y.long(), x.long()]))
    got = []
    for seed in (2, 3, 4):
        result = Zogy()(pair(render_sources(SHAPE, base.psfs[0], x, y, flux), seed))
        got.append(result.significance[y.long(), x.long()])
    snr = torch.cat(got)
    assert float(snr.mean()) == pytest.approx(5, abs=4 / math.sqrt(len(snr)))
    assert float(snr.std()) == pytest.approx(1, abs=0.15)
    assert float((snr > 5).double().mean()) == pytest.approx(0.5, abs=0.1)
    # twice the noise is 0.75 mag
    assert float(depth[100, 60] - depth[100, 260]) == pytest.approx(2.5 * math.log10(2), abs=0.01)


def test_coarse_map_takes_medians_of_good_pixels_only() -> None:
    values = torch.arange(10 * 12.0).view(10, 12)
    good = torch.ones(10, 12, dtype=torch.bool)
    good[:5, :4] = False
    good[0, 4] = False
    values[9, 11] = float("nan")
    coarse = coarse_map(values, good, 5)
    assert coarse.shape == (2, 3) and math.isnan(float(coarse[0, 0]))
    assert float(coarse[0, 1]) == values[:5, 4:8][good[:5, 4:8]].median()
    assert float(coarse[1, 2]) == values[5:, 8:][:, :][torch.isfinite(values[5:, 8:])].median()


def test_table_of_a_map_has_the_sky_and_an_all_masked_image_has_no_depth() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150, 20], [65, 33]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    error = torch.full((64, 128), 2.0)
    error[:, 64:] = 4.0
    none = torch.zeros(64, 128, dtype=torch.bool)
    found = Depth(box=64)(error, none, 25.0)
    assert found.p95 == pytest.approx(22.5) and found.p05 == pytest.approx(22.5 - 2.5 * math.log10(2))
    assert found.area == 1 and found.coarse.tolist()[0] == pytest.approx([22.5, 22.5 - 2.5 * math.log10(2)])
    table = depth_table(found, (64, 128), wcs)
    assert table["x"].tolist() == [31.5, 95.5] and table["y"].tolist() == [31.5, 31.5]
    assert np.allclose(table["ra"], 150 + np.array([32.5, -31.5]) / 3600 / np.cos(np.radians(20)), atol=1e-6)
    nothing = Depth()(error, ~none, 25.0)
    assert math.isnan(nothing.median) and nothing.area == 0 and bool(nothing.coarse.isnan().all())
    assert bool(limiting_magnitude(torch.tensor([0.0, -1.0, float("inf")]), 1.0, 25.0).isnan().all())
