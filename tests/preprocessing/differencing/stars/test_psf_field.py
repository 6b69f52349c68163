"""A PSF that varies over the field is found where it does, and not where it does not."""

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.differencing.difference import Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import fwhm_of
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf
from astrid_ml.preprocessing.differencing.stars.psf_field import psf_grid, terms
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, find_sources
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.tiles import Tiles, psf_at
from astrid_ml.preprocessing.simulated_sky.pair import moffat_stamp
from astrid_ml.types import Floats

SIDE = 600


def _frame(widths: tuple[float, float], seed: int, flux: Floats | None = None) -> tuple[Image, torch.Tensor]:
    """Stars on a grid, whose FWHM grows from one side to the other, with noise; their places."""
    rng = np.random.default_rng(seed)
    y, x = (a.ravel() for a in np.mgrid[40:SIDE:44, 40:SIDE:44].astype(int))
    flux = rng.uniform(2e4, 2e5, len(x)) if flux is None else flux
    plane = np.zeros((SIDE, SIDE))
    for i, j, f in zip(x, y, flux, strict=True):
        stamp = moffat_stamp(widths[0] + (widths[1] - widths[0]) * i / SIDE, 3.5, 17)
        plane[j - 17 : j + 18, i - 17 : i + 18] += f * stamp
    variance = plane + 200.0
    data = (plane + rng.normal(0, np.sqrt(variance))).astype(np.float32)
    image = Image(
        data=torch.from_numpy(data),
        variance=torch.from_numpy(variance.astype(np.float32)),
        mask=torch.zeros(SIDE, SIDE, dtype=torch.bool),
    )
    return image, torch.from_numpy(np.column_stack([x, y]).astype(float))


def _psf(width: float) -> torch.Tensor:
    return torch.from_numpy(moffat_stamp(width, 3.5, 17).astype(np.float32))


def test_a_psf_that_varies_is_found_and_one_that_does_not_is_left_alone() -> None:
    image, at = _frame((3.1, 3.7), 1)
    grid = psf_grid(image, _psf(3.4), at)
    assert grid is not None and grid.shape[2:] == (35, 35) and grid.shape[0] in (2, 3)
    assert torch.allclose(grid.sum((2, 3)), torch.ones(grid.shape[:2]), atol=1e-5)
    for place, width in ((0.1, 3.16), (0.5, 3.4), (0.9, 3.64)):
        assert fwhm_of(psf_at(grid, 0.3, place)) == pytest.approx(fwhm_of(_psf(width)), abs=0.04)
    for seed in range(3):
        assert psf_grid(*_constant(seed)) is None
    assert psf_grid(image, _psf(3.4), at[:10]) is None  # too few for a polynomial
    assert terms(at[:, 0], at[:, 1], (SIDE, SIDE), 2).shape == (len(at), 6)


def _constant(seed: int) -> tuple[Image, torch.Tensor, torch.Tensor]:
    image, at = _frame((3.4, 3.4), seed)
    return image, _psf(3.4), at


def test_differences_of_corners_are_blended_into_one_that_leaves_little() -> None:
    flux = np.random.default_rng(9).uniform(2e4, 2e5, 169)
    (science, at), (reference, _) = _frame((3.1, 3.7), 1, flux), _frame((2.6, 2.6), 2, flux)
    grid = torch.stack([_psf(w) for w in (3.25, 3.55)]).repeat(2, 1, 1).view(2, 2, 35, 35)
    rms = []
    for psf in (grid, _psf(3.4)):
        pair = SubtractionInput(
            science.data,
            reference.data,
            (science.variance, reference.variance),
            (science.mask, reference.mask),
            (psf, _psf(2.6)),
            (200.0, 200.0),
        )
        result = Tiles()(Zogy(), pair)
        assert result.psf.shape == (35, 35) and bool(torch.isfinite(result.significance).all())
        rows, columns = at.round().long().T.flip(0)
        rms.append(float(result.significance[rows, columns].std()))
    assert rms[0] < 1.6 and rms[1] > 5
    assert torch.allclose(psf_at(grid, 0.5, 0.0), 1.5 * grid[0, 0] - 0.5 * grid[0, 1], atol=1e-6)  # beyond the middle


def test_held_out_stars_choose_and_may_be_told_not_to() -> None:
    image, _ = _frame((3.1, 3.7), 1)
    other, _ = _frame((2.6, 2.6), 2)
    still = Subtraction(psf=EmpiricalPsf(varies=False))
    science = still.flat(image)
    found = find_sources(science)
    stars = SelectStars()(science, found)
    assert EmpiricalPsf()(science, found, stars).psf.ndim == 4
    assert EmpiricalPsf(varies=False)(science, found, stars).psf.ndim == 2
    flat = still.flat(other)
    found = find_sources(flat)
    assert EmpiricalPsf()(flat, found, SelectStars()(flat, found)).psf.ndim == 2
