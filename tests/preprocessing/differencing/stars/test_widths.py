"""Widths that neighbours do not widen, and stars that a crowd of galaxies does not hide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.difference import Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import chi_squares, fit_sources, render_sources
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, find_sources
from astrid_ml.preprocessing.differencing.stars.widths import adaptive_widths, stellar_locus
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import simulate_pair


def _image(data: torch.Tensor, variance: float = 1.0) -> Image:
    return Image(data=data, variance=torch.full_like(data, variance), mask=torch.zeros(data.shape, dtype=torch.bool))


@pytest.mark.parametrize("sigma", [0.9, 1.7, 2.8])
def test_the_width_of_a_gaussian_with_and_without_a_neighbour(sigma: float) -> None:
    x, y = torch.tensor([50.0, 100.3, 150.5]).double(), torch.tensor([60.0, 99.6, 140.5]).double()
    stamp, flux = gaussian_stamp(sigma, 31), torch.full((3,), 1e4)
    alone = render_sources((200, 200), stamp, x, y, flux)
    assert adaptive_widths(_image(alone), x, y)[0].numpy() == pytest.approx(sigma, rel=0.02)
    beside = alone + render_sources((200, 200), stamp, x + 5 * sigma, y, flux / 2)
    assert adaptive_widths(_image(beside), x, y)[0].numpy() == pytest.approx(sigma, rel=0.03)


def test_the_error_of_a_width_is_its_scatter() -> None:
    n = 400
    x, y = (
        torch.from_numpy(a.ravel()).double() + 0.3 for a in np.meshgrid(np.arange(20, 820, 40), np.arange(20, 820, 40))
    )
    flux = torch.full((n,), 600.0)
    data = render_sources((830, 830), gaussian_stamp(1.6, 25), x, y, flux)
    data += 2 * torch.randn(data.shape, generator=torch.Generator().manual_seed(2))
    width, error = adaptive_widths(_image(data, 4.0), x, y)
    assert float(width.log().std()) == pytest.approx(float(error.median()), rel=0.15)
    assert float(width.log().mean()) == pytest.approx(np.log(1.6), abs=0.01)


def _widths(stars: int, galaxies: int, seed: int, cosmics: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Widths and errors: stars of 1.6 px, galaxies above, a few sharper artefacts."""
    rng = np.random.default_rng(seed)
    true = np.concatenate([np.full(stars, 1.6), np.hypot(1.6, rng.uniform(1.0, 5.0, galaxies)), np.full(cosmics, 0.9)])
    error = 10 ** rng.uniform(-2.5, -1.3, true.size)
    return true * np.exp(rng.normal(0, np.hypot(error, 0.015))), error


@pytest.mark.parametrize(("stars", "galaxies"), [(300, 20), (60, 60), (12, 400), (5, 100), (4, 6)])
def test_galaxies_however_many_are_no_stars(stars: int, galaxies: int) -> None:
    found = [stellar_locus(*_widths(stars, galaxies, seed, stars // 40)) for seed in range(10)]
    assert [f.width for f in found] == pytest.approx([1.6] * 10, rel=0.06)
    assert stars < 50 or all(f.distinct for f in found)


def test_galaxies_alone_are_not_called_stars() -> None:
    found = [stellar_locus(*_widths(0, 300, seed)) for seed in range(10)]
    assert not any(f.distinct for f in found)
    none = stellar_locus(np.array([]), np.array([]))
    assert np.isnan(none.width) and not none.distinct
    assert stellar_locus(np.array([1.6]), np.array([0.01])).width == pytest.approx(1.6)


def test_stars_among_ten_times_as_many_galaxies() -> None:
    sky = SkyConfig(
        shape=(448, 448), stars=200.0, galaxies=1500.0, star_flux=(3e3, 3e5), transients=60.0, snr=(12.0, 40.0)
    )
    pair = simulate_pair(sky, 4)
    done = Subtraction()(pair.science, pair.reference)
    assert done.quality.science.fwhm == pytest.approx(3.43, rel=0.06)
    assert done.quality.reference.fwhm == pytest.approx(2.65, rel=0.06)
    record = done.quality.record()
    assert 0.5 < record["psf_chi2_science"] < 3 and record["psf_width_error_science"] > 0
    truth = pair.truth
    at = (torch.from_numpy(truth[c].to_numpy(copy=True)) for c in ("x", "y"))
    flux, _, _ = forced(done.result, *at)
    seen = ~done.result.mask.numpy()[truth["y"].round().astype(int), truth["x"].round().astype(int)]
    assert np.median((flux.numpy() / truth["flux"].to_numpy())[seen]) == pytest.approx(1.0, abs=0.06)
    table = done.candidates
    expected = record["psf_width_error_science"] * table["flux"].abs()
    np.testing.assert_allclose(table["flux_sys"], expected)


def test_no_star_at_all_is_said_with_a_large_systematic() -> None:
    pair = simulate_pair(SkyConfig(shape=(320, 320), stars=0.0, galaxies=400.0, transients=100.0, snr=(12.0, 40.0)), 5)
    done = Subtraction()(pair.science, pair.reference)
    assert any("galaxies may be among them" in said or "usable stars" in said for said in done.quality.warnings)
    assert (done.candidates["flux_sys"] / done.candidates["flux"].abs()).min() >= 0.1


def test_what_is_no_star_in_one_image_is_none_in_the_other() -> None:
    x, y = (torch.from_numpy(a.ravel()).double() for a in np.meshgrid(np.arange(30, 390, 40), np.arange(30, 390, 40)))
    flux = torch.full((len(x),), 5e4)
    noise = torch.randn((400, 400), generator=torch.Generator().manual_seed(1))
    sharp = noise + render_sources((400, 400), gaussian_stamp(1.3, 25), x, y, flux)
    wide = noise + render_sources((400, 400), gaussian_stamp(1.6, 25), x[6:], y[6:], flux[6:])
    wide = wide + render_sources((400, 400), gaussian_stamp(2.2, 25), x[:6], y[:6], flux[:6])
    one, other = _image(sharp), _image(wide)
    found = find_sources(one), find_sources(other)
    assert len(SelectStars()(one, found[0])) == len(x)
    stars = SelectStars()(one, *found)
    assert len(stars) == len(x) - 6 and bool(stars["distinct"].all())


def test_chi_square_of_stars_and_of_a_psf_too_wide() -> None:
    x, y = (torch.from_numpy(a.ravel()).double() for a in np.meshgrid(np.arange(30, 390, 40), np.arange(30, 390, 40)))
    data = render_sources((400, 400), gaussian_stamp(1.6, 25), x, y, torch.full((len(x),), 2e3))
    data += 5 * torch.randn(data.shape, generator=torch.Generator().manual_seed(1))
    image = _image(data, 25.0)
    found = []
    for sigma in (1.6, 2.2):
        planes = (image.data, image.variance, image.mask, gaussian_stamp(sigma, 25))
        flux, _, fx, fy, _ = fit_sources(*planes, x, y)
        found.append(float(chi_squares(*planes, fx, fy, flux, 5.0).median()))
    assert found[0] == pytest.approx(1.0, abs=0.1) and found[1] > 3


@pytest.mark.real_data
def test_the_kept_pair_of_many_galaxies(real_data: Path) -> None:
    folder = real_data.parent / "cases" / "differencing" / "galaxies-outnumber"
    done = DifferencingPipeline().difference(Frame(str(folder / "sci.fits.gz")), Frame(str(folder / "ref.fits.gz")))
    assert done.quality.science.fwhm == pytest.approx(3.5, rel=0.05)  # 5.0 with galaxies for stars
    assert done.quality.reference.fwhm == pytest.approx(2.7, rel=0.05)
    truth = pd.read_csv(folder / "truth.csv")
    at = (torch.from_numpy(truth[c].to_numpy(copy=True)) for c in ("x", "y"))
    flux = forced(done.result, *at)[0].numpy()
    bright = (truth["snr"] > 10).to_numpy() & np.isfinite(flux)
    assert np.median(flux[bright] / truth["flux"].to_numpy()[bright]) == pytest.approx(1.0, abs=0.05)
