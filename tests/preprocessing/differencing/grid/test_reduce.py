"""References of finer pixels: their noise after resampling is that which is said, and no depth is lost."""

import math

import numpy as np
import pytest
import torch
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align
from astrid_ml.preprocessing.differencing.grid.reduce import reduced_psf
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.simulated_sky.pair import add_points, moffat_stamp


def _wcs(shape: tuple[int, int], scale: float, turn: float = 0.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0]
    wcs.wcs.crpix = [shape[1] / 2 + 0.7, shape[0] / 2 + 0.4]
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    wcs.wcs.set()
    return wcs


def _blank(shape: tuple[int, int], scale: float, turn: float = 0.0) -> Image:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(shape, dtype=torch.bool)
    return Image(data=noise, variance=torch.ones(shape), mask=mask, wcs=_wcs(shape, scale, turn), unit="electron")


def _pair(fine: float, shape: tuple[int, int] = (384, 384)) -> tuple[Image, Image]:
    """Stars and sky in a science image and in a deeper reference of ``fine`` times smaller pixels, noise in both."""
    rng = np.random.default_rng(5)
    small = (int(shape[0] * fine) + 40, int(shape[1] * fine) + 40)
    wcs, other = _wcs(shape, 1.0), _wcs(small, 1 / fine)
    x, y, flux = rng.uniform(5, shape[1] - 5, 300), rng.uniform(5, shape[0] - 5, 300), rng.pareto(0.9, 300) * 400 + 400
    images = []
    for sides, grid, width, level in ((shape, wcs, 3.4, 220.0), (small, other, 2.6 * fine, 80.0)):
        plane = np.zeros(sides)
        u, v = grid.all_world2pix(*wcs.all_pix2world(x, y, 0), 0)
        add_points(plane, u, v, np.minimum(flux, 1e5), width, 3.5)
        variance = np.maximum(plane, 0) + level
        data = (plane + level + rng.normal(0, np.sqrt(variance))).astype(np.float32)
        mask = torch.zeros(sides, dtype=torch.bool)
        images.append(
            Image(
                data=torch.from_numpy(data), variance=torch.from_numpy(variance.astype(np.float32)), mask=mask, wcs=grid
            )
        )
    return images[0], images[1]


def _optimum(fine: float) -> float:
    """Error of a flux by the matched filter of both images: Zackay, Ofek & Gal-Yam (2016), eq. 17, worked out here."""
    p, q = (np.abs(np.fft.fft2(moffat_stamp(w, 3.5, 129))) ** 2 for w in (3.4, 2.6))
    return float(np.mean(p * q / (220.0 * q + 80.0 * fine**2 * p)) ** -0.5)


@pytest.mark.parametrize(
    ("fine", "turn"), [(0.5, 0.0), (0.7, 20.0), (1.0, 30.0), (1.6, 3.0), (2.0, 0.0), (2.0, 37.0), (4.0, 90.0)]
)
def test_the_noise_of_a_resampled_reference_is_what_is_said(fine: float, turn: float) -> None:
    science = _blank((200, 200), 1.0)
    side = int(300 * fine)
    out = Align(min_overlap=0.5)(science, _blank((side, side), 1 / fine, turn))
    seen = out.data[10:-10, 10:-10].double()
    assert out.noise_autocorrelation is not None
    said, middle = out.noise_autocorrelation.double(), out.noise_autocorrelation.shape[-1] // 2
    variance = float(out.variance[10:-10, 10:-10].mean())
    assert float(seen.square().mean()) == pytest.approx(variance, rel=0.05)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2)):
        found = float((seen[dy:, dx:] * seen[: seen.shape[0] - dy, : seen.shape[1] - dx]).mean()) / variance
        assert found == pytest.approx(float(said[middle + dy, middle + dx] / said[middle, middle]), abs=0.02)
    # what the grid can hold of it: the noise of all pixels that one pixel of the grid covers
    assert out.noise_density == pytest.approx(fine**2, rel=0.01)
    if fine > 1:
        assert 0.6 * fine**2 < variance < 1.02 * fine**2


@pytest.mark.parametrize("fine", [2.0, 4.0])
def test_no_depth_is_lost_to_a_reference_of_finer_pixels(fine: float) -> None:
    done: Difference = Subtraction()(*_pair(fine, (256, 256)))
    error = float(done.result.flux_error[done.blank].median())
    assert error == pytest.approx(_optimum(fine), rel=0.05)
    assert done.quality.depth_reached == pytest.approx(1.0, abs=0.06)
    assert done.quality.significance.std_raw == pytest.approx(1.0, abs=0.05)
    assert not [w for w in done.quality.warnings if "depth" in w]


def test_a_reference_that_is_sampled_at_points_is_said_to_lose_depth() -> None:
    done = Subtraction(align=Align(method="interp"))(*_pair(3.0, (256, 256)))
    assert done.quality.depth_reached is not None and done.quality.depth_reached < 0.9
    assert any("of the depth that both images allow" in w for w in done.quality.warnings)


def test_masks_saturation_and_psf_of_a_finer_reference_come_with_it() -> None:
    science, fine = _blank((100, 100), 1.0), _blank((420, 420), 0.25)
    mask, cores = torch.zeros(420, 420, dtype=torch.bool), torch.zeros(420, 420, dtype=torch.bool)
    mask[200:240, 100:140], cores[300, 300] = True, True
    wide = gaussian_stamp(8.0, 81)
    out = Align()(science, fine.with_(mask=mask, saturated=cores, psf=wide))
    assert (
        100 <= int(out.mask[10:-10, 10:-10].sum()) <= 18**2
        and out.saturated is not None
        and 1 <= int(out.saturated.sum()) <= 4
    )
    assert out.psf is not None and out.psf.shape[-1] % 2 == 1
    assert torch.allclose(out.psf, gaussian_stamp(2.0, out.psf.shape[-1]), atol=2e-3)
    grid = reduced_psf(torch.stack([wide, wide]).view(1, 2, 81, 81), 4.0, 5)
    assert grid.shape == (1, 2, 21, 21) and torch.allclose(grid[0, 1], gaussian_stamp(2.0, 21), atol=2e-3)
