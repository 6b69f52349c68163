"""Each subtraction step on the simulator's scene without rotation: noise, flux and masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fill import fill
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp, matching_sigma
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.steps import Direct, Gaussian, Zogy

STEPS: list[Any] = [Zogy(), Gaussian(), Direct()]


def pair(flux: float = 0.0) -> SubtractionInput:
    """White noise of sigma 10 and 8, one new source of ``flux`` at (x, y) = (120, 100), ratio 1.25."""
    g = torch.Generator().manual_seed(1)
    p_n, p_r = gaussian_stamp(1.5, 31), gaussian_stamp(1.1, 31)
    n, r = 10 * torch.randn(256, 256, generator=g), 8 * torch.randn(256, 256, generator=g)
    n[85:116, 105:136] += flux * p_n
    none = torch.zeros(256, 256, dtype=torch.bool)
    v = (torch.full_like(n, 100.0), torch.full_like(n, 64.0))
    return SubtractionInput(n, r, v, (none, none), (p_n, p_r), (100.0, 64.0), 1.25)


@pytest.mark.parametrize("step", STEPS)
def test_significance_of_blank_sky_has_unit_variance(step: Subtract) -> None:
    inner = step(pair()).significance[35:-35, 35:-35]
    assert abs(float(inner.std()) - 1) < 0.06 and abs(float(inner.mean())) < 0.1


@pytest.mark.parametrize("step", STEPS)
def test_difference_is_in_science_flux_units(step: Subtract) -> None:
    result = step(pair(5e4))
    inner = result.diff[80:121, 100:141] - step(pair()).diff[80:121, 100:141]
    assert float(inner.sum()) == pytest.approx(5e4, rel=5e-3)
    peak = int(result.significance.argmax())
    assert (peak % 256, peak // 256) == (120, 100)


def test_proper_subtraction_is_the_most_significant() -> None:
    peaks = [float((step(pair(2e3)).significance - step(pair()).significance)[100, 120]) for step in STEPS]
    assert peaks[0] >= max(peaks) * 0.999


@pytest.mark.parametrize("step", STEPS)
def test_masked_pixels_do_not_ring(step: Subtract) -> None:
    base = pair()
    mask = torch.zeros(256, 256, dtype=torch.bool)
    mask[50:53, 60:64] = True
    bad = base.science.clone()
    bad[mask] = 1e6
    spoiled = SubtractionInput(
        bad, base.reference, base.variances, (mask, base.masks[1]), base.psfs, base.noises, base.flux_ratio
    )
    result = step(spoiled)
    assert bool(result.mask[47, 57]) and not bool(result.mask[46, 57])
    assert float(result.significance[~result.mask].abs().max()) < 6


def test_matching_sigma_is_the_difference_in_quadrature() -> None:
    assert matching_sigma(gaussian_stamp(1.8, 31), gaussian_stamp(1.2, 31)) == pytest.approx(1.3416, abs=2e-3)
    assert matching_sigma(gaussian_stamp(1.2, 31), gaussian_stamp(1.8, 31)) == 0


def test_fill_continues_a_gradient_and_grow_is_square() -> None:
    ramp: Tensor = torch.arange(40.0).expand(40, 40).contiguous()
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[20, 20] = True
    assert float(fill(torch.where(mask, 1e9, ramp), mask)[20, 20]) == pytest.approx(20, abs=1e-3)
    assert int(grow(mask, 2).sum()) == 25
