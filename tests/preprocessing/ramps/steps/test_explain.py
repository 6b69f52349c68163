"""Explanations of ramps: against whole matrices, and on ramps of a generator that counts each electron in time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.believed import FALLS, PAIR, believed_steps
from astrid_ml.preprocessing.ramps.steps.decays import decays
from astrid_ml.preprocessing.ramps.steps.explain import Rules, explain
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, Solved, solve_tridiagonal
from astrid_ml.preprocessing.ramps.steps.pixels import Ramps
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE, flat_prior
from astrid_ml.preprocessing.ramps.steps.screen import screen
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector, Steps
from astrid_ml.types import Array, Floats

NOISE = 10.0
PATTERN = [[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15], [16]]


def electrons(
    times: ReadTimes, rate: float, rays: Floats, charges: Floats, random: np.random.Generator, trap: float = 0.0
) -> Floats:
    """Groups of n pixels, each electron at its own time: photons, one ray a pixel, and traps that empty with 100 s.

    Args:
        times: of all reads.
        rate: e-/s.
        rays: when, s, (n,).
        charges: e-, (n,).
        random: draws.
        trap: charge that was trapped at time 0, e-.
    """
    every = np.concatenate([np.asarray(group) for group in times.groups])
    reads = np.empty((len(every), len(rays)))
    for pixel, (when, charge) in enumerate(zip(rays, charges, strict=True)):
        photons = np.cumsum(random.exponential(1 / rate, int(rate * every[-1] * 2) + 50))
        released = np.sort(random.exponential(100.0, random.poisson(trap)))
        reads[:, pixel] = np.searchsorted(photons, every) + np.searchsorted(released, every) + (every >= when) * charge
    reads += random.normal(0, NOISE, reads.shape)
    ends = np.cumsum([len(group) for group in times.groups])
    return np.stack([part.mean(0) for part in np.split(reads, ends[:-1])])


def steps(groups: Array, times: ReadTimes, prior: Literal["none", "sign"] = "sign", average: float = 0.0) -> Steps:
    reads = torch.from_numpy(groups.astype(np.float32))[:, None]
    noise = torch.full(reads.shape[1:], NOISE)
    return StepDetector(prior=prior, average=average)(reads, noise, Sampling.of(times))


def whole(sampling: Sampling, rate: float) -> Floats:
    """The covariance of the differences, (m, m)."""
    alpha, beta = sampling.covariance(torch.tensor([rate]).double(), torch.tensor([NOISE]).double())
    a, b = alpha[:, 0].numpy(), beta[:, 0].numpy()
    matrix: Floats = np.diag(a) + np.diag(b, 1) + np.diag(b, -1)
    return matrix


def test_a_few_long_ramps_are_solved_as_many_are() -> None:
    generator = torch.Generator().manual_seed(1)
    alpha = 3 + torch.rand(60, 40, generator=generator, dtype=torch.float64)
    beta = -torch.rand(59, 40, generator=generator, dtype=torch.float64)
    right = torch.randn(2, 60, 40, generator=generator, dtype=torch.float64)
    many = solve_tridiagonal(alpha, beta, right)
    few = solve_tridiagonal(alpha[:, 7:9], beta[:, 7:9], right[:, :, 7:9])
    for name in ("solution", "inverse_diagonal", "inverse_beside", "log_determinant"):
        torch.testing.assert_close(getattr(few, name), getattr(many, name)[..., 7:9])


def test_a_template_is_fitted_beside_rate_and_steps() -> None:
    """Against least squares with whole matrices: rate, template, and each step as one column more."""
    random, sampling = np.random.default_rng(2), Sampling.of(ReadTimes.of_pattern(PATTERN, 3.0))
    m = len(sampling.spacing)
    difference, template = random.normal(20, 30, m), np.exp(-np.arange(m) / 2.0)
    used = torch.ones(m, 1, dtype=torch.bool)
    rate, noise = torch.tensor([4.0]).double(), torch.tensor([NOISE]).double()
    columns = (torch.from_numpy(part)[:, None] for part in (difference, template))
    given, shape = columns
    fit = Solved.of(given, used, sampling, noise, rate, shape).fit()
    inverse = np.linalg.inv(whole(sampling, 4.0))

    def chi2(*more: Floats) -> tuple[float, Floats, Floats]:
        design = np.column_stack([sampling.spacing.numpy(), template, *more])
        spread = np.linalg.inv(design.T @ inverse @ design)
        best = spread @ design.T @ inverse @ difference
        left = difference - design @ best
        return float(left @ inverse @ left), best, spread

    straight, best, spread = chi2()
    assert float(fit.chi2[0]) == pytest.approx(straight) and float(fit.rate[0]) == pytest.approx(best[0])
    assert float(fit.template[0]) == pytest.approx(best[1])
    assert float(fit.rate_variance[0]) == pytest.approx(spread[0, 0])
    for k in range(m):
        with_step, found, _ = chi2(np.eye(m)[k])
        assert float(fit.snr[k, 0]) ** 2 == pytest.approx(straight - with_step, rel=1e-6, abs=1e-9)
        assert float(fit.amplitude[k, 0]) == pytest.approx(found[2], rel=1e-6)


def test_a_ray_within_a_group_is_two_rises_side_by_side() -> None:
    """Against least squares with both: what the statistic gains is half the fall of chi-square less the price."""
    random, sampling = np.random.default_rng(3), Sampling.of(ReadTimes.of_pattern(PATTERN, 3.0))
    m, n = len(sampling.spacing), 40
    difference = random.normal(0, 5, (m, n))
    difference[1] += 80.0
    difference[2] += 70.0
    given, used = torch.from_numpy(difference), torch.ones(m, n, dtype=torch.bool)
    rate, noise = torch.full((n,), 1.0).double(), torch.full((n,), NOISE).double()
    solved = Solved.of(given, used, sampling, noise, rate)
    averaged = sampling.reads[1:-1] > 1
    found = believed_steps(solved, flat_prior(n), lambda _: solved, FALLS, averaged)
    assert float((found.at == 1).double().mean()) > 0.9 and float(found.split.double().mean()) > 0.9
    inverse, spacing = np.linalg.inv(whole(sampling, 1.0)), sampling.spacing.numpy()[:, None]

    def chi2(pixel: int, design: Floats) -> float:
        root = np.linalg.cholesky(inverse).T
        solution = np.linalg.lstsq(root @ design, root @ difference[:, pixel], rcond=None)[0]
        left = root @ (difference[:, pixel] - design @ solution)
        return float(left @ left)

    for pixel in range(n):
        if bool(found.split[pixel]) and int(found.at[pixel]) == 1:
            gain = 0.5 * (chi2(pixel, spacing) - chi2(pixel, np.hstack([spacing, np.eye(m)[:, 1:3]]))) - PAIR
            assert float(found.strongest[pixel]) == pytest.approx(np.sqrt(2 * gain), rel=1e-6)


@pytest.mark.parametrize("at", [4.4, 5.5, 6.6])
def test_slopes_around_rays_within_a_group_are_right(at: float) -> None:
    """The ray comes between the reads of the third group: one or two of its differences hold the charge."""
    times, random = ReadTimes.of_pattern(PATTERN, 1.0), np.random.default_rng(4)
    n, rate = 400, 20.0
    found = steps(electrons(times, rate, np.full(n, at), np.full(n, 40 * NOISE), random), times)
    assert set(found.group.tolist()) <= {2, 3}
    pull = ((found.rate[0] - rate) / found.rate_variance[0].sqrt()).numpy()
    assert abs(pull.mean()) < 0.25 and 0.85 < pull.std() < 1.15
    assert float((torch.bincount(found.x, minlength=n) == 2).double().mean()) > 0.9


def test_inverted_polarity_is_no_telegraph_noise() -> None:
    """Rises of a detector whose signal falls: a fall needs odds of 100, and nothing here gives any."""
    times, random = ReadTimes.single(np.arange(1.0, 13.0) * 10), np.random.default_rng(5)
    n = 2000
    when, size = np.full(n, 55.0), np.full(n, 6.0 * NOISE)
    groups = electrons(times, 0.5, when, size, random)
    rises, falls = (steps(data, times) for data in (groups, -groups))
    plain = steps(-groups, times, "none")
    assert len(rises.group) > 0.5 * n
    assert len(falls.group) < 0.75 * len(rises.group) and len(plain.group) > 0.9 * len(rises.group)
    sure = falls.amplitude < 0
    # In the joint fit of several steps a few are less significant than when they were found.
    assert float(falls.snr[sure].abs().quantile(0.02)) > (4.5**2 + 2 * FALLS) ** 0.5 - 0.1


def test_a_fall_of_a_pixel_that_rises_needs_no_odds() -> None:
    """Telegraph noise of one level: up at a group, down at another; the fall alone would not be believed."""
    times, random = ReadTimes.single(np.arange(1.0, 41.0)), np.random.default_rng(6)
    n, size = 300, 2.6 * NOISE
    groups = random.normal(0, NOISE, (40, n))
    groups[12:28] += size
    found = steps(groups, times)
    falls = found.amplitude < 0
    back = found.evidence == EVIDENCE.index("return")
    assert bool(falls[back].all()) and int(back.sum()) > 0.2 * int(falls.sum())
    # Nothing returns in a fall that stands alone.
    alone = random.normal(0, NOISE, (40, n))
    alone[28:] -= size
    assert not bool((steps(alone, times).evidence == EVIDENCE.index("return")).any())


def test_charge_that_traps_release_is_no_step() -> None:
    times, random = ReadTimes.single(np.arange(1.0, 51.0) * 10), np.random.default_rng(7)
    n = 150
    groups = electrons(times, 0.1, np.full(n, np.inf), np.zeros(n), random, trap=300.0)
    assert len(steps(groups, times, "none").group) > n
    found = steps(groups, times)
    assert len(found.group) < 0.02 * n
    assert float((found.decay > 0).double().mean()) > 0.95
    # What was released between the first read and the last.
    assert float(found.decay.median()) == pytest.approx(300 * (np.exp(-0.1) - np.exp(-5.0)), rel=0.06)
    pull = (found.rate[0] - 0.1) / found.rate_variance[0].sqrt()
    assert abs(float(pull.mean())) < 0.35
    # A ray on top of it is still one.
    groups = electrons(times, 0.1, np.full(n, 255.0), np.full(n, 15 * NOISE), random, trap=300.0)
    found = steps(groups, times)
    assert float((found.group == 25).double().sum()) > 0.95 * n and len(found.group) < 1.05 * n


def test_each_half_of_a_split_ray_has_its_own_significance() -> None:
    """A ray at the end of a group, or at its beginning, leaves little for one difference: that row is no 100 sigma."""
    times, random = (
        ReadTimes.of_pattern([[4 * k + j for j in range(1, 5)] for k in range(10)], 1.0),
        np.random.default_rng(11),
    )
    n = 200
    when = random.choice([21.2, 21.5, 22.5, 23.5], n)
    groups = electrons(times, 1.0, when, random.uniform(8, 100, n) * NOISE, random)
    found = steps(groups, times)
    fine = found.amplitude.abs() / found.snr.abs().clamp(min=1e-3)
    noise = NOISE / 2  # of a mean of four reads
    assert len(found.group) > n and bool((fine > 0.8 * noise).all()) and bool((fine < 4 * noise).all())


@pytest.mark.parametrize("n_groups", [8, 10, 50])
def test_rays_are_no_decays(n_groups: int) -> None:
    """Early ones too, which a fast decay resembles most."""
    times, random = ReadTimes.single(np.arange(1.0, n_groups + 1)), np.random.default_rng(8)
    n = 300
    when = random.choice([2.0, 3.0, n_groups - 1.0], n) - 0.5
    groups = electrons(times, 1.0, when, random.uniform(12, 40, n) * NOISE, random)
    ramps = Ramps.of(torch.from_numpy(groups).float(), torch.full((n,), NOISE), Sampling.of(times), torch.arange(n))
    rules = Rules(4.5, None, True)
    found = explain(ramps, flat_prior(n), rules)
    pixel, _ = decays(ramps, found, rules, torch.zeros(len(found.rate), dtype=torch.bool))
    assert len(pixel) <= 2


def test_the_search_ends_when_nothing_is_left() -> None:
    random = np.random.default_rng(9)
    n_groups, n_hits = 300, 100
    groups = np.cumsum(random.poisson(2.0, (n_groups, 2)), 0) + random.normal(0, NOISE, (n_groups, 2))
    hits = random.choice(np.arange(1, n_groups), n_hits, replace=False)
    groups[:, 1] += ((np.arange(n_groups)[:, None] >= hits) * random.uniform(15, 60, n_hits) * NOISE).sum(1)
    found = steps(groups, ReadTimes.single(np.arange(1.0, n_groups + 1)))
    own = found.group[found.x == 1].tolist()
    assert sorted(own) == sorted(hits.tolist()) and not bool((found.x == 0).any())
    assert float(found.rate[0, 1]) == pytest.approx(2.0, abs=3 * float(found.rate_variance[0, 1].sqrt()))


def test_the_screen_is_the_exact_fit_where_all_pixels_are_alike() -> None:
    """The bank's significance may lie above the exact one by the width of a class, never far below."""
    times, random = ReadTimes.single(np.arange(1.0, 13.0)), np.random.default_rng(10)
    n = 500
    groups = electrons(times, 3.0, np.full(n, 6.5), np.full(n, 5 * NOISE), random)
    reads, noise = torch.from_numpy(groups.astype(np.float32)), torch.full((n,), NOISE)
    peak = screen(reads, noise, Sampling.of(times), 128).peak
    ramps = Ramps.of(reads, noise, Sampling.of(times), torch.arange(n))
    exact = ramps.solved(torch.full((n,), 3.0).double()).fit().snr.abs().amax(0)
    assert bool((peak > 0.93 * exact).all()) and float((peak / exact).median()) == pytest.approx(1.0, abs=0.07)
