"""Averaged count rates against integration by hand, and what they are for: slopes of pixels with small steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.averaging import Density, FoundSteps, average_rate
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, Solved
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector, Steps

NOISE, RATE = 12.0, 2.0


def sampling(n_groups: int) -> Sampling:
    return Sampling.of(ReadTimes.single([float(k) for k in range(1, n_groups + 1)]))


def quiet(n_groups: int, size: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    flux = torch.poisson(torch.full((n_groups, size, size), RATE), generator=generator).cumsum(0)
    return flux + NOISE * torch.randn(n_groups, size, size, generator=generator)


def test_average_equals_the_integral_over_sizes_and_groups() -> None:
    """One ramp of 6 groups: likelihood of each (difference, size, rate) on a grid, rate flat, size flat above 0."""
    n, density = 6, 5e-4
    reads = torch.tensor([0.0, 5.0, 21.0, 62.0, 66.0, 71.0]).double()[:, None]
    difference = torch.diff(reads, dim=0)
    used = torch.ones_like(difference, dtype=torch.bool)
    noise, rate = torch.tensor([NOISE]).double(), torch.tensor([RATE]).double()
    solved = Solved.of(difference, used, sampling(n), noise, rate)
    mean, variance = average_rate(solved, torch.full_like(difference, density))
    m = n - 1
    covariance = np.diag(np.full(m, 2 * NOISE**2 + RATE)) - NOISE**2 * (np.eye(m, k=1) + np.eye(m, k=-1))
    weight = np.linalg.inv(covariance)
    rates, sizes = np.linspace(-40, 60, 2001), np.linspace(0, 400, 4001)
    total = first = second = 0.0
    for k in range(-1, m):
        amplitudes = np.array([0.0]) if k < 0 else sizes
        step = np.eye(m)[k] if k >= 0 else np.zeros(m)
        residual = difference[:, 0].numpy()[:, None, None] - rates[:, None] - step[:, None, None] * amplitudes
        chi2 = np.einsum("iab,ij,jab->ab", residual, weight, residual, optimize=True)
        mass = np.exp(-0.5 * chi2).sum(1) * (1.0 if k < 0 else density * (sizes[1] - sizes[0]))
        total, first, second = total + mass.sum(), first + mass @ rates, second + mass @ rates**2
    assert float(mean) == pytest.approx(first / total, rel=0.01)
    assert float(variance) == pytest.approx(second / total - (first / total) ** 2, rel=0.01)


def test_neighbours_are_the_eight_within_the_tile() -> None:
    found = FoundSteps(torch.tensor([2, 3]), torch.tensor([0, 14]), torch.tensor([9.0, -9.0]), (5, 4, 5))
    difference, pixel = found.beside
    assert difference.tolist() == [1, 1, 1]
    assert pixel.tolist() == [1, 5, 6]


def test_density_is_that_of_the_steps_just_above_the_threshold() -> None:
    shape = (11, 20, 20)
    pixel = torch.arange(0, 400, 7)
    snr = torch.full((len(pixel),), 6.0)
    snr[0] = 50.0  # far above: says nothing of small ones
    density = Density.measure(FoundSteps(torch.full_like(pixel, 4), pixel, snr, shape), 4.5, torch.full((400,), 3.0))
    assert density.anywhere == pytest.approx((len(pixel) - 1) / (400 * 10 * 2 * 4.5 * 3.0))
    assert density.beside > density.anywhere


def hit(n_groups: int, size: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """One pixel in twenty gains 3 to 12 read noises."""
    reads, random = quiet(n_groups, size, 11), np.random.default_rng(11)
    y, x = np.divmod(random.choice(size * size, size * size // 20, replace=False), size)
    group, amplitude = random.integers(1, n_groups, len(y)), NOISE * random.uniform(3, 12, len(y))
    for place in range(len(y)):
        reads[group[place] :, y[place], x[place]] += float(amplitude[place])
    return reads, y, x


@pytest.mark.parametrize(("n_groups", "limit"), [(10, 0.5), (30, 0.2), (50, 0.2)])
def test_slopes_of_hit_pixels(n_groups: int, limit: float) -> None:
    """At 10 groups the prior alone bounds the bias: isolated steps of 3 to 5 read noises can hardly be seen."""
    size = 200
    reads, y, x = hit(n_groups, size)

    def pulls(detector: StepDetector) -> tuple[torch.Tensor, Steps]:
        found = detector(reads, torch.full((size, size), NOISE), sampling(n_groups))
        return (found.rate - RATE) / found.rate_variance.sqrt(), found

    plain, before = pulls(StepDetector(average=0.0))
    averaged, after = pulls(StepDetector())
    torch.testing.assert_close(before.snr, after.snr)
    assert abs(float(averaged.mean())) < 0.1
    assert abs(float(averaged[y, x].mean())) < limit
    assert abs(float(averaged[y, x].mean())) < max(abs(float(plain[y, x].mean())), 0.1)
    assert float(averaged[y, x].std()) < float(plain[y, x].std())


def test_a_tile_without_steps_is_left_alone() -> None:
    reads = torch.zeros(12, 3, 3) + 5.0 * torch.arange(12.0)[:, None, None]
    noise = torch.full((3, 3), NOISE)
    with_average, without = (StepDetector(average=share)(reads, noise, sampling(12)) for share in (0.02, 0.0))
    torch.testing.assert_close(with_average.rate, without.rate)
