"""PSFs from stars against the truth of the simulation and closed forms."""

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.pixels.profiles import fit_profile, fwhm_of, profile
from astrid_ml.preprocessing.differencing.pixels.stamps import fit_sources, misfit, render_sources, shifted
from astrid_ml.preprocessing.differencing.sky.background import SubtractBackground
from astrid_ml.preprocessing.differencing.stars.psf import AnalyticPsf, EmpiricalPsf, GivenPsf, centred, off_centre
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, find_sources, partners
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair, moffat_stamp, simulate_pair


def _cut(stamp: torch.Tensor, size: int) -> torch.Tensor:
    middle, half = stamp.shape[0] // 2, size // 2
    return stamp[middle - half : middle + half + 1, middle - half : middle + half + 1]


@pytest.mark.parametrize("side", [0, 1])
def test_the_stack_of_stars_is_the_true_psf(side: int) -> None:
    pair = simulate_pair(SkyConfig(shape=(768, 768), transients=0.0), 3)
    image = SubtractBackground()((pair.science, pair.reference)[side])
    found = find_sources(image)
    estimate = EmpiricalPsf()(image, found, SelectStars()(image, found))
    truth = _cut(pair.psfs[side], min(estimate.psf.shape[0], 51))
    psf = _cut(estimate.psf, truth.shape[0])
    assert estimate.n_stars > 30 and estimate.source == "stars"
    assert float((psf - truth).abs().max() / truth.max()) < 0.015
    assert float((psf * truth).sum() / psf.square().sum()) == pytest.approx(1.0, abs=0.008)
    assert estimate.fwhm == pytest.approx(fwhm_of(truth), rel=0.01)


def test_analytic_psfs_fit_their_own_profile() -> None:
    stamp = torch.from_numpy(moffat_stamp(3.4, 3.5, 15).astype(np.float32))
    model, parameters = fit_profile("moffat", stamp)
    assert float((model - stamp).abs().max() / stamp.max()) < 1e-3
    assert parameters[3] == pytest.approx(3.5, rel=0.02)
    turned = profile("gaussian", 31, np.array([2.0, 1.2, 0.6]))
    model, parameters = fit_profile("gaussian", torch.from_numpy(turned.astype(np.float32)))
    assert sorted(parameters[:2]) == pytest.approx([1.2, 2.0], rel=0.01)
    with pytest.raises(ValueError, match="positive peak"):
        fit_profile("moffat", torch.zeros(9, 9))


def test_fwhm_of_a_gaussian_is_the_closed_form() -> None:
    for sigma in (1.1, 1.7, 3.0):
        stamp = torch.from_numpy(profile("gaussian", 41, np.array([sigma, sigma, 0.0])).astype(np.float32))
        assert fwhm_of(stamp) == pytest.approx(2 * np.sqrt(2 * np.log(2)) * sigma, rel=0.02)


def test_few_stars_fall_back_and_say_so() -> None:
    pair = simulate_pair(SkyConfig(shape=(160, 160), stars=60.0, galaxies=0.0, transients=0.0), 2)
    image = SubtractBackground()(pair.science)
    found = find_sources(image)
    stars = SelectStars()(image, found)
    estimate = EmpiricalPsf()(image, found, stars)
    assert estimate.source == "fallback" and "stands in" in estimate.warnings[0]
    assert estimate.psf.sum() == pytest.approx(1.0, abs=1e-5)
    none = EmpiricalPsf()(image, found, stars.head(0))
    assert "give a PSF" in none.warnings[0] and none.fwhm == pytest.approx(3.0, abs=0.2)


def test_given_and_tiled_psfs(sky: SkyPair) -> None:
    image = SubtractBackground()(sky.science)
    found = find_sources(image)
    stars = SelectStars()(image, found)
    with pytest.raises(UserError, match="psf=empirical"):
        GivenPsf()(image, found, stars)
    given = GivenPsf()(image.with_(psf=sky.psfs[0]), found, stars)
    assert torch.equal(given.psf, sky.psfs[0])
    tiled = EmpiricalPsf(tiles=2, min_stars=4)(image, found, stars)
    assert tiled.psf.shape[:2] == (2, 2) and torch.allclose(tiled.psf.sum((2, 3)), torch.ones(2, 2), atol=1e-4)
    moffat = AnalyticPsf("moffat")(image, found, stars)
    assert float((moffat.psf - _cut(sky.psfs[0], moffat.psf.shape[0])).abs().max() / sky.psfs[0].max()) < 0.03


def test_given_psfs_are_centred_and_those_that_are_so_stay_to_the_bit(sky: SkyPair) -> None:
    image, right = sky.science, sky.psfs[0]
    found = find_sources(image)
    off = shifted(right, torch.tensor([0.15]), torch.tensor([-0.1]))[0]
    grid = torch.stack([off, right, right, off]).view(2, 2, *right.shape)
    psf = GivenPsf()(image.with_(psf=grid), found, SelectStars()(image, found)).psf
    assert torch.equal(psf[0, 1], right) and max(abs(float(v)) for v in off_centre(psf[0, 0])) < 0.005
    assert torch.allclose(psf[1, 1], right, atol=0.01 * float(right.max()))


def test_a_shift_moves_the_centroid_and_keeps_the_flux() -> None:
    stamp = torch.from_numpy(moffat_stamp(2.6, 3.5, 12).astype(np.float32))
    moved = shifted(stamp, torch.tensor([0.3]), torch.tensor([-0.4]))[0]
    t = torch.arange(25.0) - 12
    assert float((moved.sum(0) * t).sum() / moved.sum()) == pytest.approx(0.3, abs=0.01)
    assert float((moved.sum(1) * t).sum() / moved.sum()) == pytest.approx(-0.4, abs=0.01)
    assert float((centred(moved) - stamp).abs().max() / stamp.max()) < 0.01


def test_flux_and_position_of_stars_with_their_errors() -> None:
    stamp = torch.from_numpy(moffat_stamp(3.0, 3.5, 14).astype(np.float32))
    rng = np.random.default_rng(0)
    n = 400
    x, y = (
        torch.from_numpy(40.0 * (np.arange(n) // 20 if i else np.arange(n) % 20) + 30 + rng.uniform(-0.5, 0.5, n))
        for i in (0, 1)
    )
    frame = render_sources((840, 840), stamp, x, y, torch.full((n,), 3000.0))
    variance = torch.full((840, 840), 100.0)
    noisy = frame + 10 * torch.randn(840, 840, generator=torch.Generator().manual_seed(1))
    none = torch.zeros(840, 840, dtype=torch.bool)
    flux, error, fx, fy, spread = fit_sources(noisy, variance, none, stamp, x.round(), y.round(), steps=5)
    assert float(((flux - 3000) / error).std()) == pytest.approx(1.0, abs=0.12)
    assert float(((fx - x) / spread).std()) == pytest.approx(1.0, abs=0.12)
    assert float(((fy - y) / spread).mean()) == pytest.approx(0.0, abs=0.2)
    assert float(misfit(noisy, variance, none, stamp, fx, fy, flux, 4.0).median()) < 0.1
    masked = none.clone()
    masked[int(y[0]) - 3 : int(y[0]) + 4, int(x[0]) - 3 : int(x[0]) + 4] = True
    assert torch.isnan(fit_sources(noisy, variance, masked, stamp, x, y)[0][0])


def test_what_one_image_alone_holds_is_no_star(sky: SkyPair) -> None:
    image = SubtractBackground()(sky.science)
    data = image.data.clone()
    data[150, 150] += 5e3
    data[151, 150] += 5e3
    found, other = find_sources(image.with_(data=data)), find_sources(image)
    alone = ~partners(found, other)[0]
    assert alone.sum() == 1 and found.table["y"][alone].iloc[0] == pytest.approx(150.5, abs=0.5)
