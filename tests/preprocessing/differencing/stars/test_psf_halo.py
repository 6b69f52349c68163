"""A halo beside one of a few stars is found below a pixel's noise, and a galaxy beneath; what all stars have is not."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import profile
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf, PsfEstimate
from astrid_ml.preprocessing.differencing.stars.psf_halo import alone, blended
from astrid_ml.preprocessing.differencing.stars.select import Sources
from astrid_ml.preprocessing.differencing.stars.widths import FWHM

SIZE = 41


def _scene(stars: int, seed: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Light, variance, good pixels and share of stars that hold noise of 1 alone."""
    light = torch.randn(stars, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return light, torch.ones_like(light), torch.ones_like(light, dtype=torch.bool), torch.zeros(SIZE, SIZE)


@pytest.mark.parametrize("stars", [2, 3, 8])
def test_a_halo_fainter_than_a_pixels_noise_is_found_in_its_star_alone(stars: int) -> None:
    light, noise, good, share = _scene(stars)
    clean = alone(light, noise, good, share)
    light[1, 25:34, 25:34] += 2.2
    found = alone(light, noise, good, share)
    assert found[1, 25:34, 25:34].float().mean() > 0.8
    found[1, 23:36, 23:36] = False
    # pure noise: a chance of 3e-5 for each mean, which takes 9 pixels with it
    assert clean.float().mean() < 2e-3 and found.float().mean() < 2e-3


def test_what_all_stars_have_is_no_halo() -> None:
    light, noise, good, share = _scene(3)
    clean = alone(light, noise, good, share)
    light[:, 18:22, :] += 30.0  # a spike
    assert torch.equal(alone(light, noise, good, share), clean)


def test_the_brighter_of_two_is_clipped_and_never_the_fainter() -> None:
    light, noise, good, share = _scene(2)
    clean = alone(light, noise, good, share)
    light[0, 25:34, 25:34] -= 3.0  # then the other is the brighter one
    found = alone(light, noise, good, share) & ~clean
    assert not found[0].any() and found[1, 25:34, 25:34].float().mean() > 0.8


def test_shapes_that_differ_by_a_share_of_the_star_stay() -> None:
    light, noise, good, share = _scene(2)
    light[1, 20, 20] += 20.0
    assert alone(light, noise, good, share)[1, 20, 20]
    share[19:22, 19:22] = 1.0
    assert not alone(light, noise, good, share)[1, 20, 20]


def test_one_star_and_pixels_without_another_are_not_judged() -> None:
    light, noise, good, share = _scene(1)
    light[0, 20:25, 20:25] += 50
    assert not alone(light, noise, good, share).any()
    light, noise, good, share = _scene(2)
    light[1, 20:25, 20:25] += 50
    good[0, 15:30, 15:30] = False
    assert not alone(light, noise, good, share)[1, 20:25, 20:25].any()


def _around(stars: int, error: float) -> Tensor:
    """Variance (n, k, k) that gives the light within 10 px (and beyond a quarter of that) this error."""
    return torch.full((stars, SIZE, SIZE), error**2 / (torch.pi * (100 - 6.25)))


def test_a_star_with_light_around_it_is_no_star() -> None:
    t = torch.arange(SIZE) - SIZE // 2
    galaxy = torch.exp(-torch.hypot(t[:, None].float(), t[None].float()) / 3)
    light = torch.zeros(7, SIZE, SIZE)
    light[2] = 0.3 * galaxy / galaxy.sum()
    noise, good = _around(7, 0.02), torch.ones_like(light, dtype=torch.bool)
    assert blended(light, noise, good, 10.0).tolist() == [False, False, True, False, False, False, False]
    # not beyond its error; not among three; not where more than a third would go
    assert not blended(light, _around(7, 0.1), good, 10.0).any()
    assert not blended(light[:3], noise[:3], good[:3], 10.0).any()
    light[[0, 5]] = light[2].clone()
    assert not blended(light, noise, good, 10.0).any()


def test_the_light_of_a_few_pixels_that_are_seen_stands_for_all() -> None:
    light = torch.zeros(5, SIZE, SIZE)
    light[:, 21:] = 1e-3  # the lower half alone is bright, alike in all stars
    good = torch.ones_like(light, dtype=torch.bool)
    good[1, :, ::3] = False
    assert not blended(light, _around(5, 0.005), good, 10.0).any()


def test_stars_of_which_nothing_is_seen_vouch_for_none() -> None:
    """Their variance was 0, as if they knew all."""
    light = torch.zeros(7, SIZE, SIZE)
    light[0] = 1e-3
    noise, good = _around(7, 0.03), torch.ones_like(light, dtype=torch.bool)
    assert blended(light, noise / 9, good, 10.0).tolist() == [True] + 6 * [False]
    assert not blended(light, noise * 4, good, 10.0).any()
    good[6] = False
    assert not blended(light, noise * 4, good, 10.0).any()


def test_the_brightest_star_on_a_galaxy_does_not_make_the_psf() -> None:
    """Case: of eight stars one of S/N 300 lay on a galaxy: PSF 3 % too wide, slope 1.13, 200 false - per Mpx."""
    side, places = 240, [(40, 40), (200, 44), (48, 196), (196, 200), (120, 60), (60, 120), (190, 118)]
    truth = torch.from_numpy(profile("moffat", 41, np.array([3.0, 3.0, 0.0, 3.5]))).float()
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")

    def psf_of(galaxy: float) -> PsfEstimate:
        clean = torch.zeros(side, side)
        for i, (px, py) in enumerate(places):
            clean[py - 20 : py + 21, px - 20 : px + 21] += (4e4 if i == 0 else 8e3) * truth
        disc = torch.exp(-torch.hypot(x - 42.0, y - 42.0) / 3)
        clean += galaxy * disc / disc.sum()
        noise = torch.randn(side, side, generator=torch.Generator().manual_seed(3))
        variance = 100 + clean
        image = Image(clean + variance.sqrt() * noise, variance, torch.zeros(side, side, dtype=torch.bool), name="x")
        table = pd.DataFrame(places, columns=["x", "y"]).astype(float).assign(width=3.05 / FWHM, snr=100.0)
        return EmpiricalPsf(min_stars=4, varies=False)(image, Sources(table, image.mask), table)

    alone_, on_galaxy = psf_of(0.0), psf_of(1.6e4)
    assert alone_.n_stars == 7 and on_galaxy.n_stars == 6
    assert abs(on_galaxy.fwhm / alone_.fwhm - 1) < 0.01
    assert float((on_galaxy.psf - alone_.psf).abs().max() / alone_.psf.max()) < 0.03
