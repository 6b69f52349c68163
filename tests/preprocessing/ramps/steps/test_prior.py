"""Steps under a prior of the rate, against dense Gaussians, and what few groups find with and without neighbours."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.believed import FALLS, believed_steps
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, Solved
from astrid_ml.preprocessing.ramps.steps.prior import (
    EVIDENCE,
    REACH,
    RatePart,
    RatePrior,
    common_rates,
    disturbed,
    in_company,
    neighbours_prior,
)
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Array

NOISE = 12.0
PATTERN = [[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12]]


def dense(difference: Array, sampling: Sampling, noise: float, mean: float, parts: list[tuple[float, float]]) -> Array:
    """Twice the gain of the best rise or fall at each difference (m,), signed, by whole matrices."""
    m = len(difference)
    spacing = sampling.spacing.numpy()
    none, best = [], []
    for weight, sigma in parts:
        alpha, beta = sampling.covariance(torch.tensor([mean]).double(), torch.tensor([noise]).double())
        a, b = alpha[:, 0].numpy(), beta[:, 0].numpy()
        covariance = np.diag(a) + np.diag(b, 1) + np.diag(b, -1) + sigma**2 * np.outer(spacing, spacing)
        inverse, left = np.linalg.inv(covariance), difference - mean * spacing
        none.append(math.log(weight) - 0.5 * (left @ inverse @ left + np.linalg.slogdet(covariance)[1]))
        sizes = (inverse @ left) / np.diag(inverse)
        gain = 0.5 * sizes**2 * np.diag(inverse)
        best.append([np.where(sizes > 0, gain, 0.0), np.where(sizes < 0, gain, 0.0)])
    total = np.logaddexp.reduce(none)
    up, down = (
        np.array([np.logaddexp.reduce([n + b[side][k] for n, b in zip(none, best, strict=True)]) for k in range(m)])
        for side in (0, 1)
    )
    up, down = np.maximum(up - total, 0.0), np.maximum(down - total - FALLS, 0.0)
    signed: Array = np.where(down > up, -np.sqrt(2 * down), np.sqrt(2 * up))
    return signed


@pytest.mark.parametrize("read", [ReadTimes.single([1.0, 2.0, 3.0, 4.0]), ReadTimes.of_pattern(PATTERN, 3.04)])
def test_beliefs_are_those_of_dense_gaussians(read: ReadTimes) -> None:
    random, sampling = np.random.default_rng(3), Sampling.of(read)
    m, n, noise = len(sampling.spacing), 60, 1e7  # photon noise is nothing beside it, so that all parts have one
    difference = noise * (random.normal(0, 1.5, (m, n)) + 9 * (random.random((m, n)) < 0.2))
    mean, sigma = noise * 0.1, noise * np.exp(random.uniform(-4, 2, (3, n)))
    weight = np.array([0.7, 0.2, 0.1])
    middle = torch.full((n,), mean).double()
    logs = [torch.full((n,), math.log(w)).double() for w in weight]
    parts_of = [RatePart(k, k > 0, middle, torch.from_numpy(sigma[k]), logs[k]) for k in range(3)]
    used, sigma_read = torch.ones(m, n, dtype=torch.bool), torch.full((n,), noise).double()

    def solve(rate: torch.Tensor) -> Solved:
        return Solved.of(torch.from_numpy(difference), used, sampling, sigma_read, rate)

    alone = torch.zeros(m - 1, dtype=torch.bool)
    found = believed_steps(solve(middle), RatePrior(tuple(parts_of)), solve, FALLS, alone)
    assert bool((found.snr < 0).any()) and bool((found.snr > 4).any())
    for pixel in range(n):
        parts = [(float(w), float(s)) for w, s in zip(weight, sigma[:, pixel], strict=True)]
        right = dense(difference[:, pixel], sampling, noise, mean, parts)
        np.testing.assert_allclose(found.snr[:, pixel], right, rtol=1e-4, atol=1e-3)


def test_the_prior_of_neighbours_is_their_median_and_scatter() -> None:
    random = np.random.default_rng(4)
    rate = random.normal(5.0, 0.5, (20, 24))
    rate[3, 4], rate[10:, 20] = 500.0, np.nan
    prior = neighbours_prior(torch.from_numpy(rate), torch.full((20, 24), 0.25))
    mean = prior.parts[0].mean.reshape(20, 24)
    sigma = torch.stack([part.sigma for part in prior.parts]).reshape(3, 20, 24)
    assert [EVIDENCE[part.evidence] for part in prior.parts] == ["neighbours", "neighbours", "likelihood"]
    y, x = 8, 9
    offsets = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1)
    near = (offsets**2).sum(0)
    around = rate[y + offsets[0], x + offsets[1]][(near > 0) & (near <= REACH**2 + 1)]
    middle = np.sort(around)[(len(around) - 1) // 2]
    assert float(mean[y, x]) == pytest.approx(middle, rel=1e-6) and len(around) == 36
    scatter = 1.4826 * np.sort(np.abs(around - middle))[(len(around) - 1) // 2]
    own = max(scatter**2 - 0.25, 0.0)
    assert float(sigma[0, y, x]) == pytest.approx(math.sqrt(own + math.pi / 2 * max(scatter, 0.5) ** 2 / 36), rel=1e-5)
    assert float(mean[3, 4]) < 7  # a pixel's own rate tells nothing of itself
    assert bool(torch.isfinite(mean).all()) and bool((sigma[2] >= 100).all())


def test_a_pixel_without_neighbours_has_any_rate() -> None:
    rate = torch.full((9, 9), torch.nan)
    rate[4, 4] = 3.0
    prior = neighbours_prior(rate, torch.ones(9, 9))
    said = torch.stack([part.log_weight for part in prior.parts]).reshape(3, 9, 9)
    assert bool(said[:2].isinf().all()) and bool(said[2].isfinite().all())
    assert float(prior.parts[2].mean.reshape(9, 9)[4, 4]) == 3.0


def test_company_is_four_hits_among_the_neighbours() -> None:
    hit = torch.from_numpy(np.random.default_rng(5).random((17, 23)) < 0.08)
    found = in_company(hit)
    for y, x in np.ndindex(17, 23):
        rows, columns = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1)
        near = (rows**2 + columns**2 > 0) & (rows**2 + columns**2 <= REACH**2 + 1)
        inside = near & (y + rows >= 0) & (y + rows < 17) & (x + columns >= 0) & (x + columns < 23)
        assert bool(found[y, x]) == (int(hit[y + rows[inside], x + columns[inside]].sum()) >= 4)


def test_a_snowball_does_not_hide_itself() -> None:
    """The rates of its own pixels are raised by it, but not the median in time of their differences."""
    random = np.random.default_rng(11)
    reads = random.normal(0, NOISE, (5, 40, 40))
    reads[3:, 10:26, 10:26] += 7 * NOISE
    sampling = Sampling.of(ReadTimes.single([10.0 * k for k in range(5)]))
    found = StepDetector()(torch.from_numpy(reads).float(), torch.full((40, 40), NOISE), sampling)
    there = np.zeros((40, 40), dtype=bool)
    there[found.y[found.group == 3], found.x[found.group == 3]] = True
    alone = StepDetector(prior="sign")(torch.from_numpy(reads).float(), torch.full((40, 40), NOISE), sampling)
    by_itself = len(alone.group) / 256
    assert there[10:26, 10:26].mean() > by_itself + 0.3 and there[9, 10:26].sum() == 0


def test_a_step_that_most_neighbours_have_moves_no_common_rate() -> None:
    sampling = Sampling.of(ReadTimes.of_pattern(PATTERN, 3.0))
    reads = (4.0 * sampling.times)[:, None, None].expand(-1, 20, 20).clone()
    reads[2:, 4:14, 4:14] += 500.0
    reads[:, 0, 0] = torch.nan
    rise = torch.zeros(20, 20)
    rise[4:14, 4:14] = 9.0
    chosen = disturbed(rise, 4)
    assert bool(chosen[6:12, 6:12].all()) and not bool(chosen[:3].any())
    found = common_rates(reads, sampling, chosen)
    assert bool((found[chosen] - 4.0).abs().max() < 1e-5) and bool(found[~chosen].isnan().all())


def ramps(n_groups: int, rate: Array, seed: int) -> Array:
    random = np.random.default_rng(seed)
    steps = random.poisson(rate * 10.0, (n_groups - 1, *rate.shape)).astype(float)
    reads: Array = np.concatenate([np.zeros((1, *rate.shape)), np.cumsum(steps, 0)])
    return reads + random.normal(0, NOISE, reads.shape)


def field(size: int, seed: int) -> Array:
    """Sky, stars and warm pixels, e-/s."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    rate = np.full((size, size), 0.5)
    for _ in range(size * size // 1200):
        cy, cx = random.uniform(0, size, 2)
        flux = 10 ** random.uniform(0.5, 3.5)
        rate += flux * 0.22 * (1 + ((y - cy) ** 2 + (x - cx) ** 2) / 2.6) ** -2.8
    warm = random.random((size, size)) < 0.005
    rate[warm] += random.exponential(20.0, int(warm.sum()))
    return rate


@pytest.mark.parametrize(("n_groups", "least", "without"), [(5, (0.55, 0.88), (0.3, 0.8)), (3, (0.2, 0.6), (0.1, 0.2))])
def test_neighbours_find_in_few_groups_what_a_ramp_alone_cannot_tell(
    n_groups: int, least: tuple[float, float], without: tuple[float, float]
) -> None:
    size, random = 200, np.random.default_rng(5)
    reads = ramps(n_groups, field(size, 6), 7)
    noise, sampling = (
        torch.full((size, size), NOISE),
        Sampling.of(ReadTimes.single([10.0 * k for k in range(n_groups)])),
    )
    with_them = StepDetector(threshold=4.2, prior="neighbours", average=0.0)
    alone = StepDetector(threshold=4.5, average=0.0, prior="none")
    false = with_them(torch.from_numpy(reads).float(), noise, sampling)
    assert len(false.group) <= 20e-6 * reads.size + 3
    for (low, high), more, fewer in zip(((5, 7), (7, 10)), least, without, strict=True):
        y, x = np.nonzero(random.random((size, size)) < 0.03)
        group, amplitude = random.integers(1, n_groups, len(y)), random.uniform(low, high, len(y)) * NOISE
        hit = reads.copy()
        for at, row, column, step in zip(group, y, x, amplitude, strict=True):
            hit[at:, row, column] += step
        shares = []
        for detector in (with_them, alone):
            steps = detector(torch.from_numpy(hit).float(), noise, sampling)
            there = set(zip(steps.group.tolist(), steps.y.tolist(), steps.x.tolist(), strict=True))
            shares.append(np.mean([key in there for key in zip(group.tolist(), y.tolist(), x.tolist(), strict=True)]))
        assert shares[0] > more and shares[1] < fewer, shares


@pytest.mark.parametrize("prior", ["sign", "neighbours"])
def test_a_rise_is_likelier_than_a_fall_in_three_groups(prior: Literal["sign", "neighbours"]) -> None:
    """Two differences alone cannot tell one from the other."""
    random = np.random.default_rng(8)
    reads = random.normal(0, NOISE, (3, 20, 20))
    group = random.integers(1, 3, (20, 20))
    hit = np.zeros((20, 20), dtype=bool)
    hit[::4, ::4] = True
    reads += (np.arange(3)[:, None, None] >= group) * hit * 30 * NOISE
    sampling = Sampling.of(ReadTimes.single([10.0, 20.0, 30.0]))
    found = StepDetector(prior=prior)(torch.from_numpy(reads).float(), torch.full((20, 20), NOISE), sampling)
    assert bool((found.amplitude > 0).all())
    there = {(int(y), int(x)): int(g) for g, y, x in zip(found.group, found.y, found.x, strict=True)}
    assert there == {(int(y), int(x)): int(group[y, x]) for y, x in zip(*np.nonzero(hit), strict=True)}
    assert float(found.rate[torch.from_numpy(hit)].abs().max()) < 8.0
