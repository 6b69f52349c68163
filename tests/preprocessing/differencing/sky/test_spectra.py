"""Autocovariance of noise whose answer is known."""

from __future__ import annotations

import pytest
import torch

from astrid_ml.preprocessing.differencing.sky.spectra import autocovariance


def test_averaged_neighbours_have_half_the_covariance_and_the_mask_does_not_matter() -> None:
    g = 3 * torch.randn(600, 601, generator=torch.Generator().manual_seed(4))
    image, blank = (g[:, 1:] + g[:, :-1]) / 2**0.5 + 70, torch.ones(600, 600, dtype=torch.bool)
    blank[100:300, 50:400] = False
    image[~blank] = 1e6
    found = autocovariance(image, blank, 4)
    assert float(found[3, 3]) == pytest.approx(9, rel=0.02)
    assert float(found[3, 4]) == pytest.approx(9 * 0.5 * 0.75, rel=0.03)  # 0.75 is the taper at one pixel of four
    assert abs(float(found[4, 3])) < 0.1 and torch.allclose(found, found.flip(0, 1), atol=1e-3)


@pytest.mark.parametrize("rate", [0.2, 100.0])
def test_a_few_hot_pixels_are_no_noise_of_the_sky(rate: float) -> None:
    counts = torch.poisson(torch.full((500, 500), rate), generator=torch.Generator().manual_seed(2))
    blank = torch.ones(500, 500, dtype=torch.bool)
    before = autocovariance(counts, blank, 4)
    counts[::100, 77] = 300 * rate**0.5 + rate
    found = autocovariance(counts, blank, 4)
    assert float(found[3, 3]) == pytest.approx(float(before[3, 3]), rel=0.002)
    assert float(before[3, 3]) == pytest.approx(rate, rel=0.03)
