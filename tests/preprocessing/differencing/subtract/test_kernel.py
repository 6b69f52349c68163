"""Fitted kernels: a known kernel that varies, noise and flux on simulated skies, and what happens without stars."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.detect.significance import neighbour_correlation
from astrid_ml.preprocessing.differencing.pixels.fourier import stamp_of, transform
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import fit_fluxes, fractions, render_sources, shifted
from astrid_ml.preprocessing.differencing.subtract.kernel import Kernel, common_peaks, spread_out
from astrid_ml.preprocessing.differencing.subtract.kernel_basis import (
    delta_basis,
    gaussian_basis,
    noise_products,
    polynomials,
    roughness,
)
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.whiten import whiten
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import simulate_pair
from astrid_ml.stats import robust_mean_std

Basis = Literal["gaussian", "delta"]


def blobs(x: Tensor, y: Tensor, flux: Tensor, sigma: Tensor, shape: tuple[int, int]) -> Tensor:
    """Gaussian sources of different widths, summed."""
    t, u = torch.arange(shape[0]).double(), torch.arange(shape[1]).double()
    rows = torch.exp(-((t - y[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    columns = torch.exp(-((u - x[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    return torch.einsum("n,ni,nj->ij", flux / (2 * torch.pi * sigma**2), rows, columns).float()


def varying(seed: int = 4, shape: tuple[int, int] = (384, 384)) -> tuple[SubtractionInput, Tensor]:
    """The reference (sigma 1.2 px) under Gaussian kernels of variance 0.5 to 2.0 px^2, growing along x; ratio 1.25."""
    g = torch.Generator().manual_seed(seed)
    n = 90
    x, y = (20 + (shape[0] - 40) * torch.rand(n, generator=g).double() for _ in range(2))
    flux = 10 ** (3.5 + 1.5 * torch.rand(n, generator=g).double())
    wide = (1.44 + 0.5 + 1.5 * x / (shape[1] - 1)).sqrt()
    science = blobs(x, y, 1.25 * flux, wide, shape)
    reference = blobs(x, y, flux, torch.full_like(x, 1.2), shape)
    v = (100 + science.clamp_min(0), 64 + reference.clamp_min(0))
    science, reference = (
        image + variance.sqrt() * torch.randn(shape, generator=g)
        for image, variance in zip((science, reference), v, strict=True)
    )
    none = torch.zeros(shape, dtype=torch.bool)
    psfs = (gaussian_stamp(1.64, 31), gaussian_stamp(1.2, 31))
    stars = torch.stack([x, y], 1)
    return SubtractionInput(science, reference, v, (none, none), psfs, (100.0, 64.0), 1.25, 0.0, stars), stars


@cache
def sky(seed: int, wide_first: bool = True, side: int = 320) -> tuple[SubtractionInput, Tensor, Tensor]:
    """A simulated field on one grid; where it is blank; transients (x, y, flux, snr_opt)."""
    fwhm = (3.4, 2.6) if wide_first else (2.6, 3.4)
    config = SkyConfig(
        shape=(side, side),
        fwhm=fwhm,
        shift=(0.0, 0.0),
        rotation=0.0,
        transients=150.0,
        in_galaxies=0.2,
        snr=(12.0, 40.0),
    )
    pair = simulate_pair(config, seed)
    n, r = pair.science.data - config.sky[0], pair.reference.data - config.sky[1]
    variances = (pair.science.variance, pair.reference.variance)
    masks = (pair.science.mask, pair.reference.mask)
    given = SubtractionInput(n, r, variances, masks, pair.psfs, (225.0, 225.0), config.flux_ratio)
    truth = torch.tensor(pair.truth[["x", "y", "flux", "snr_opt"]].to_numpy())
    bright = (n > 45) | (r > 45) | masks[0] | masks[1]
    bright[truth[:, 1].round().long(), truth[:, 0].round().long()] = True
    blank = ~grow(bright, 9)
    blank[:24], blank[-24:], blank[:, :24], blank[:, -24:] = False, False, False, False
    return given, blank, truth


def kernel(basis: Basis) -> Kernel:
    return Kernel(basis=basis, half_size=5 if basis == "delta" else 7)


@cache
def result(basis: Basis, seed: int, wide_first: bool = True) -> SubtractionResult:
    return kernel(basis)(sky(seed, wide_first)[0])


def test_basis_functions_but_the_first_sum_to_nothing_and_repeat_their_closed_forms() -> None:
    basis = gaussian_basis((0.7, 1.5), (2, 1), 7)
    assert basis.shape == (1 + 6 + 3, 15, 15)
    assert basis.sum((1, 2)).tolist() == pytest.approx([1.0, *[0.0] * 9], abs=1e-12)
    assert float((basis[7, 7, 8] / basis[7, 7, 9]).log()) == pytest.approx((4 - 1) / (2 * 1.5**2))
    assert polynomials(torch.tensor(0.0), torch.tensor(9.0), (10, 5), 2).tolist() == [1, -1, 1, 1, -1, 1]


def test_roughness_is_the_squared_laplacian() -> None:
    penalty = roughness(4)
    one = torch.zeros(82, dtype=torch.float64)
    one[40] = 1
    plane = torch.arange(81, dtype=torch.float64).view(9, 9).flatten()
    assert float(one @ penalty @ one) == 20 and float(penalty[81].abs().sum()) == 0
    # the rim apart, where the kernel is taken to end, a plane is as smooth as can be
    inner = (penalty[:81, :81] @ plane).view(9, 9)[2:-2, 2:-2]
    assert float(inner.abs().max()) < 1e-9
    assert delta_basis(4).shape == (82, 9, 9) and torch.equal(delta_basis(4)[40], delta_basis(4)[81])


def test_noise_between_basis_functions_is_as_measured() -> None:
    basis = gaussian_basis((0.8, 1.6), (1, 0), 5)
    blur = gaussian_stamp(0.9, 9)
    shape = (512, 512)
    noise = torch.fft.irfft2(
        torch.fft.rfft2(torch.randn(shape, generator=torch.Generator().manual_seed(1))) * transform(blur, shape),
        s=shape,
    )
    auto = stamp_of(transform(blur, (32, 32)).abs().square() + 0j, (32, 32), 17)
    made = torch.nn.functional.conv2d(noise[None, None].double(), basis[:, None])[0].flatten(1)
    measured = made @ made.T / made.shape[1] / float(auto[8, 8])
    assert torch.allclose(noise_products(basis, auto), measured, atol=0.02)


@pytest.mark.parametrize("basis", ["gaussian", "delta"])
def test_a_known_kernel_that_varies_is_recovered(basis: Basis) -> None:
    pair, stars = varying()
    step = kernel(basis)
    model = step._model(pair, (pair.science, pair.reference), pair.variances, True)
    t = torch.arange(-step.half_size, step.half_size + 1).float()
    for x, tolerance in ((60.0, 0.12), (192.0, 0.08), (320.0, 0.12)):
        found = model.at(x, 192.0)
        assert float(found.sum()) == pytest.approx(1.25, rel=0.01)
        moment = float((found.sum(0) * t**2).sum() / found.sum())
        assert moment == pytest.approx(0.5 + 1.5 * x / 383, abs=tolerance)
    varied = step(pair)
    fixed = replace(step, order=0)(pair)
    at = stars.round().long()
    # the stars vanish where the kernel may vary, and only there
    assert float(varied.significance[at[:, 1], at[:, 0]].std()) < 2
    assert float(fixed.significance[at[:, 1], at[:, 0]].std()) > 4


@pytest.mark.parametrize("wide_first", [True, False])
@pytest.mark.parametrize("basis", ["gaussian", "delta"])
def test_noise_of_the_difference_is_white_and_of_unit_significance(basis: Basis, wide_first: bool) -> None:
    values, lags = [], []
    for seed in (1, 2, 3):
        blank, found = sky(seed, wide_first)[1], result(basis, seed, wide_first)
        values.append((found.significance[blank], found.diff[blank] / found.variance[blank].sqrt()))
        lags.append(list(neighbour_correlation(found.diff, blank).values()))
    mean, std = robust_mean_std(torch.cat([v[0] for v in values]))
    assert 0.97 < std < 1.03 and abs(mean) < 0.15
    assert 0.97 < robust_mean_std(torch.cat([v[1] for v in values]))[1] < 1.03
    for lag in zip(*lags, strict=True):
        assert abs(sum(value for value, _ in lag) / 3) < 0.01 + 2 * lag[0][1] / 3**0.5
    assert found.quality["convolved_reference"] == wide_first and found.quality["stamps"] >= 8
    assert found.quality["kernel_sum"] == pytest.approx(1.25 if wide_first else 0.8, rel=0.02)


@pytest.mark.parametrize("wide_first", [True, False])
@pytest.mark.parametrize("basis", ["gaussian", "delta"])
def test_flux_is_that_of_the_science_image(basis: Basis, wide_first: bool) -> None:
    given, blank, _ = sky(1, wide_first)
    plain = result(basis, 1, wide_first)
    rows, columns = torch.nonzero(blank, as_tuple=True)
    chosen = torch.arange(0, len(rows), len(rows) // 12)[:12]
    x, y = columns[chosen].double() + 0.3, rows[chosen].double() - 0.2
    added = render_sources((320, 320), given.psfs[0], x, y, torch.full((12,), 3000.0))
    # The fit must not see them: given its stars, only the linear filters act on what was added.
    stars = common_peaks(given)
    base = kernel(basis)(replace(given, stars=stars))
    with_sources = kernel(basis)(replace(given, science=given.science + added, stars=stars))
    change = with_sources.diff - base.diff
    model = shifted(base.psf, *fractions(x, y))
    flux = fit_fluxes(change, base.variance, base.mask, model, x, y)
    assert flux.nanmean() == pytest.approx(3000, rel=0.01)
    centre = (with_sources.significance - base.significance)[rows[chosen], columns[chosen]]
    measured = centre * base.flux_error[rows[chosen], columns[chosen]]
    assert measured.median() == pytest.approx(3000, rel=0.06)  # a third of a pixel off the peak
    assert torch.equal(base.significance, plain.significance)


def test_transients_are_measured_as_proper_subtraction_does() -> None:
    given, _, truth = sky(1)
    proper = Zogy()(given)
    found = result("gaussian", 1)
    x, y = truth[:, 0], truth[:, 1]
    fluxes = [fit_fluxes(r.diff, r.variance, r.mask, shifted(r.psf, *fractions(x, y)), x, y) for r in (found, proper)]
    good = torch.isfinite(fluxes[0]) & torch.isfinite(fluxes[1])
    difference = (fluxes[0] - fluxes[1])[good] / (truth[:, 2] / truth[:, 3])[good]
    assert int(good.sum()) >= 12 and float(difference.square().mean().sqrt()) < 1
    weight = truth[good, 3].square()
    slope = float((weight * (fluxes[0] / truth[:, 2])[good]).sum() / weight.sum())
    assert slope == pytest.approx(1, abs=0.03)


def test_a_star_that_vanished_does_not_shape_the_kernel_and_leaves_its_negative() -> None:
    given, _ = varying()
    x, y = given.stars[:, 0].round().long(), given.stars[:, 1].round().long()  # type: ignore[index]
    brightest = int((given.science[y, x]).argsort(descending=True)[5])
    spoiled = given.science.clone()
    spoiled[y[brightest] - 9 : y[brightest] + 10, x[brightest] - 9 : x[brightest] + 10] = 0
    step = Kernel(half_size=7)
    found = step(replace(given, science=spoiled))
    assert found.quality["kernel_sum"] == pytest.approx(1.25, rel=0.01)
    assert float(found.significance[y[brightest], x[brightest]]) < -20


@pytest.mark.parametrize("basis", ["gaussian", "delta"])
def test_without_stars_the_psfs_give_the_kernel(basis: Basis) -> None:
    g = torch.Generator().manual_seed(3)
    psfs = (gaussian_stamp(1.8, 31), gaussian_stamp(1.2, 31))
    n, r = 10 * torch.randn(192, 192, generator=g), 8 * torch.randn(192, 192, generator=g)
    n[80:111, 60:91] += 3000 * psfs[0]
    none = torch.zeros(192, 192, dtype=torch.bool)
    v = (torch.full_like(n, 100.0), torch.full_like(n, 64.0))
    found = kernel(basis)(SubtractionInput(n, r, v, (none, none), psfs, (100.0, 64.0), 1.25))
    assert found.quality["stamps"] == 0 and found.quality["kernel_order"] == 0
    assert found.quality["kernel_sum"] == pytest.approx(1.25, rel=0.01)
    peak = int(found.significance.argmax())
    assert abs(peak % 192 - 75) <= 1 and abs(peak // 192 - 95) <= 1
    assert float(found.significance[95, 75] * found.flux_error[95, 75]) == pytest.approx(3000, rel=0.12)


def test_stamps_cover_the_field_before_they_repeat_a_corner() -> None:
    x = torch.cat([torch.linspace(1, 20, 50), torch.tensor([90.0, 10.0, 90.0])]).double()
    y = torch.cat([torch.linspace(1, 20, 50), torch.tensor([90.0, 90.0, 10.0])]).double()
    brightness = torch.cat([torch.linspace(100, 60, 50), torch.tensor([3.0, 2.0, 1.0])])
    chosen = spread_out(torch.stack([x, y], 1), brightness, (100, 100), 12)
    assert len(chosen) == 12
    assert {(90.0, 90.0), (10.0, 90.0), (90.0, 10.0), (1.0, 1.0)} <= {(float(a), float(b)) for a, b in chosen}


def test_one_filter_everywhere_equals_the_blend_of_equal_filters() -> None:
    g = torch.Generator().manual_seed(8)
    diff = torch.randn(150, 170, generator=g)
    v = (torch.rand(150, 170, generator=g) + 1, torch.rand(150, 170, generator=g) + 1)
    psf, delta = gaussian_stamp(1.5, 21), gaussian_stamp(0.0, 21)
    kernels = (delta, gaussian_stamp(1.0, 21))
    one = whiten(diff, v, (1.0, 1.0), psf, lambda x, y: kernels, 1)
    many = whiten(diff, v, (1.0, 1.0), psf, lambda x, y: kernels, 3)
    for name in ("diff", "score", "score_variance", "variance", "score_scale", "psf"):
        a, b = getattr(one, name), getattr(many, name)
        assert torch.allclose(a, b, atol=2e-3 * float(a.abs().max())), name


def test_the_score_of_correlated_noise_does_not_depend_on_what_the_difference_is_whitened_by() -> None:
    shape, blur = (256, 256), gaussian_stamp(0.8, 9)
    g = torch.Generator().manual_seed(6)
    noise = torch.fft.irfft2(torch.fft.rfft2(torch.randn(shape, generator=g)) * transform(blur, shape), s=shape)
    auto = stamp_of(transform(blur, (32, 32)).abs().square() + 0j, (32, 32), 17)
    v = (torch.full(shape, float(auto[8, 8])), torch.full(shape, 0.01))
    psf, delta = gaussian_stamp(1.6, 21), gaussian_stamp(0.0, 21)
    kernels = (delta, gaussian_stamp(0.9, 21))
    one = whiten(noise, v, (auto, 0.01), psf, lambda x, y: kernels)
    kept = whiten(noise, v, (auto, 0.01), psf, lambda x, y: kernels, 1, (float(auto[8, 8]), 0.01))
    assert torch.equal(one.score, kept.score) and torch.equal(one.score_variance, kept.score_variance)
    blank = torch.zeros(shape, dtype=torch.bool)
    blank[20:-20, 20:-20] = True
    lags = [neighbour_correlation(w.diff, blank)[(0, 1)][0] for w in (one, kept, replace(one, diff=noise))]
    assert abs(lags[0]) < 0.02 and lags[1] == pytest.approx(lags[2], abs=0.02) and lags[2] > 0.5
    pull = kept.diff[20:-20, 20:-20] / kept.variance[20:-20, 20:-20].sqrt()
    assert float(pull.std()) == pytest.approx(1, abs=0.03)
    assert float((one.score / one.score_variance.sqrt())[20:-20, 20:-20].std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("wide_first", [True, False])
def test_registration_noise_weakens_stars_and_leaves_new_sources_alone(wide_first: bool) -> None:
    given, _ = varying()
    if not wide_first:
        swapped = {name: getattr(given, name)[::-1] for name in ("variances", "psfs", "noises")}
        given = replace(given, science=given.reference, reference=given.science, flux_ratio=0.8, **swapped)
    step = Kernel(order=1)
    base, shaken = step(given), step(replace(given, astrometric_sigma=0.1))
    assert torch.equal(base.diff, shaken.diff)
    ratio = base.significance / shaken.significance
    stars = given.stars
    assert stars is not None
    at = stars.round().long()
    bright = given.science[at[:, 1], at[:, 0]] > 1500
    beside = ratio[at[bright, 1], (at[bright, 0] + 2).clamp(max=383)]
    assert float(beside.median()) > 1.3 and float(ratio.median()) < 1.001
    # a source that is in the science image alone keeps its significance
    new = given.science.clone()
    new[180:211, 180:211] += 3000 * given.psfs[0]
    found = [step(replace(given, science=new, astrometric_sigma=s)).significance[195, 195] for s in (0.0, 0.1)]
    assert float(found[1]) == pytest.approx(float(found[0]), rel=0.02)
