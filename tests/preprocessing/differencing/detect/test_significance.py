"""Figures of blank sky on noise whose answer is known."""

from __future__ import annotations

import pytest
import torch

from astrid_ml.preprocessing.differencing.detect.significance import Significance, neighbour_correlation
from astrid_ml.stats import robust_mean_std


def test_clipping_does_not_bias_a_gaussian_and_ignores_outliers() -> None:
    v = torch.randn(400_000, generator=torch.Generator().manual_seed(0)) * 1.7 + 0.4
    v[:400] = 1e5
    mean, std = robust_mean_std(v)
    assert mean == pytest.approx(0.4, abs=0.01) and std == pytest.approx(1.7, rel=0.005)


def test_correlation_of_averaged_noise_is_one_half_along_x() -> None:
    g = torch.randn(500, 501, generator=torch.Generator().manual_seed(1))
    found = neighbour_correlation((g[:, 1:] + g[:, :-1]) / 2**0.5, torch.ones(500, 500, dtype=torch.bool))
    assert found[(0, 1)][0] == pytest.approx(0.5, abs=0.01)
    assert abs(found[(1, 0)][0]) < 4 * found[(1, 0)][1] and found[(1, 0)][1] == pytest.approx(0.002, rel=0.01)


def test_rescaling_divides_by_the_measured_deviation_and_warns() -> None:
    s = 1.5 * torch.randn(400, 400, generator=torch.Generator().manual_seed(2))
    blank = torch.ones(400, 400, dtype=torch.bool)
    scaled, check = Significance()(s, s, blank)
    assert check.std_raw == pytest.approx(1.5, rel=0.01) and check.std == pytest.approx(1, abs=1e-3)
    assert float(scaled.std()) == pytest.approx(1, abs=5e-3) and len(check.warnings) == 1
    assert check.tails["expected_3"] == pytest.approx(216, rel=0.001)
    assert check.tails["above_3"] == pytest.approx(216, abs=5 * 216**0.5)
