"""Likelihood fits against dense linear algebra, simulated noise, and the bound of a single-step fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.filters import filters
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, fit_steps, solve_tridiagonal
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector

NOISE = 12.0


def sampling(n_groups: int) -> Sampling:
    return Sampling.of(ReadTimes.single([float(k) for k in range(1, n_groups + 1)]))


def ramps(n_groups: int, size: int, rate: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    flux = torch.poisson(torch.full((n_groups, size, size), rate), generator=generator).cumsum(0)
    return flux + NOISE * torch.randn(n_groups, size, size, generator=generator)


def test_tridiagonal_solve_equals_the_dense_inverse() -> None:
    generator = torch.Generator().manual_seed(0)
    alpha = 3 + torch.rand(7, 4, generator=generator, dtype=torch.float64)
    beta = -torch.rand(6, 4, generator=generator, dtype=torch.float64)
    right = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    solved = solve_tridiagonal(alpha, beta, right)
    solution, diagonal = solved.solution, solved.inverse_diagonal
    for pixel in range(4):
        a, b = alpha[:, pixel].numpy(), beta[:, pixel].numpy()
        inverse = np.linalg.inv(np.diag(a) + np.diag(b, 1) + np.diag(b, -1))
        np.testing.assert_allclose(diagonal[:, pixel], np.diag(inverse), rtol=1e-10)
        np.testing.assert_allclose(solved.inverse_beside[:, pixel], np.diag(inverse, 1), rtol=1e-10)
        assert float(solved.log_determinant[pixel]) == pytest.approx(-np.linalg.slogdet(inverse)[1], rel=1e-10)
        np.testing.assert_allclose(solution[:, :, pixel], right[:, :, pixel].numpy() @ inverse, rtol=1e-9, atol=1e-12)


def test_covariance_of_averaged_reads_equals_simulated_noise() -> None:
    """Groups of 1, 2, 4, 4 and 1 reads, 20 e-/read, read noise 5: (2e5) simulated ramps give the covariance."""
    random = np.random.default_rng(2)
    pattern = [[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12]]
    reads = np.cumsum(random.poisson(20.0, (200_000, 12)), axis=1) + random.normal(0, 5.0, (200_000, 12))
    groups = np.stack([reads[:, np.array(group) - 1].mean(1) for group in pattern], 1)
    measured = np.cov(np.diff(groups, axis=1).T)
    model = Sampling.of(ReadTimes.of_pattern(pattern, 1.0))
    alpha, beta = model.covariance(torch.tensor([20.0]).double(), torch.tensor([5.0]).double())
    np.testing.assert_allclose(alpha[:, 0], np.diag(measured), rtol=0.02)
    np.testing.assert_allclose(beta[:, 0], np.diag(measured, 1), atol=0.02 * float(alpha.mean()))
    assert abs(np.diag(measured, 2)).max() < 0.02 * float(alpha.mean())


@pytest.mark.parametrize("missing", [None, 4])
def test_step_significance_is_the_fall_of_chi_square(missing: int | None) -> None:
    """Against numpy: chi-square of (slope) minus chi-square of (slope and a step at k)."""
    n, rate = 9, 40.0
    difference = torch.diff(ramps(n, 3, rate, 3).double().flatten(1), dim=0)
    used = torch.ones_like(difference, dtype=torch.bool)
    if missing is not None:
        used[missing] = False
    rates, noises = torch.full((9,), rate).double(), torch.full((9,), NOISE).double()
    fit = fit_steps(difference, used, sampling(n), noises, rates)
    keep = used[:, 0].numpy()
    m = n - 1
    covariance = np.diag(np.full(m, 2 * NOISE**2 + rate)) - np.diag(np.full(m - 1, NOISE**2), 1)
    covariance -= np.diag(np.full(m - 1, NOISE**2), -1)
    weight = np.linalg.inv(covariance[np.ix_(keep, keep)])
    data = difference[:, 0].numpy()[keep]

    def chi2(design: np.ndarray) -> tuple[float, np.ndarray]:
        design = design[keep]
        found = np.linalg.solve(design.T @ weight @ design, design.T @ weight @ data)
        residual = data - design @ found
        return float(residual @ weight @ residual), found

    plain, slope = chi2(np.ones((m, 1)))
    assert float(fit.chi2[0]) == pytest.approx(plain, rel=1e-9)
    assert float(fit.rate[0]) == pytest.approx(slope[0], rel=1e-9)
    for k in np.flatnonzero(keep):
        step, found = chi2(np.column_stack([np.ones(m), np.eye(m)[k]]))
        assert float(fit.snr[k, 0]) ** 2 == pytest.approx(plain - step, rel=1e-6, abs=1e-9)
        assert float(fit.amplitude[k, 0]) == pytest.approx(found[1], rel=1e-8)


def test_filter_bank_equals_the_exact_fit_at_its_class() -> None:
    n, number = 12, 60
    rate = 1e-4 * 1.15**number * NOISE**2
    reads = ramps(n, 4, rate, 4).flatten(1)
    bank = filters(sampling(n).key, number)
    fit = fit_steps(
        torch.diff(reads.double(), dim=0),
        torch.ones(n - 1, 16, dtype=torch.bool),
        sampling(n),
        torch.full((16,), NOISE).double(),
        torch.full((16,), rate).double(),
    )
    filtered = bank.matrix @ (reads - reads[0])
    torch.testing.assert_close(filtered[:-2] / NOISE, fit.snr.float(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(filtered[-1], fit.rate.float(), rtol=1e-3, atol=1e-3)
    ratio = rate / NOISE**2
    assert NOISE**2 * (bank.read_term + ratio * bank.photon_term) == pytest.approx(
        float(fit.rate_variance[0]), rel=1e-6
    )


@pytest.mark.parametrize(("n_groups", "size"), [(10, 220), (50, 150)])
def test_false_positives_and_slopes_of_quiet_pixels(n_groups: int, size: int) -> None:
    found = StepDetector()(ramps(n_groups, size, 2.0, 5), torch.full((size, size), NOISE), sampling(n_groups))
    million = n_groups * size**2 / 1e6
    assert len(found.group) <= 10 * million + 3 * np.sqrt(10 * million)
    pull = (found.rate - 2.0) / found.rate_variance.sqrt()
    assert abs(float(pull.mean())) < 0.1
    assert float(pull.std()) == pytest.approx(1.0, abs=0.05)


def test_completeness_reaches_the_single_step_bound_and_slopes_stay_clean() -> None:
    n, size = 50, 128
    reads, random = ramps(n, size, 2.0, 6), np.random.default_rng(6)
    y, x = np.divmod(random.choice(size * size, 1500, replace=False), size)
    group, amplitude = random.integers(1, n, 1500), NOISE * random.uniform(3, 5, 1500)
    for place in range(1500):
        reads[group[place] :, y[place], x[place]] += float(amplitude[place])
    noise = torch.full((1500,), NOISE).double()
    difference = torch.diff(reads[:, y, x].double(), dim=0)
    fit = fit_steps(
        difference, torch.ones_like(difference, dtype=torch.bool), sampling(n), noise, torch.full((1500,), 2.0).double()
    )
    snr, at = fit.snr.abs().max(0)
    bound = float(((snr > 4.5) & ((at + 1 - torch.from_numpy(group)).abs() <= 1)).float().mean())
    steps = StepDetector()(reads, torch.full((size, size), NOISE), sampling(n))
    known = {(int(a), int(b), int(c)) for a, b, c in zip(steps.y, steps.x, steps.group, strict=True)}
    hit = [any((int(a), int(b), int(c) + k) in known for k in (-1, 0, 1)) for a, b, c in zip(y, x, group, strict=True)]
    assert np.mean(hit) > bound - 0.05
    pull = ((steps.rate - 2.0) / steps.rate_variance.sqrt())[y, x]
    assert abs(float(pull.mean())) < 0.2


def test_several_jumps_in_one_pixel_are_found_with_their_sizes() -> None:
    reads = 5.0 * torch.arange(40.0)[:, None, None].repeat(1, 2, 2)
    reads += torch.randn(40, 2, 2, generator=torch.Generator().manual_seed(7))
    for group, size in ((8, 300.0), (20, 60.0), (21, 4000.0), (33, -90.0)):
        reads[group:, 1, 0] += size
    found = StepDetector()(reads, torch.full((2, 2), 1.0), sampling(40))
    assert found.group.tolist() == [8, 20, 21, 33]
    assert set(zip(found.y.tolist(), found.x.tolist(), strict=True)) == {(1, 0)}
    np.testing.assert_allclose(found.amplitude, [300, 60, 4000, -90], atol=12)
    assert float(found.rate[1, 0]) == pytest.approx(5.0, abs=0.7)


def test_saturated_and_lost_groups() -> None:
    reads = ramps(20, 6, 10.0, 8)
    reads[12:, 2, 2] = torch.nan
    reads[5:, 2, 2] += 500.0
    reads[9, 3, 3] = torch.nan
    reads[:, 4, 4] = torch.nan
    found = StepDetector()(reads, torch.full((6, 6), NOISE), sampling(20))
    assert (found.group.tolist(), found.y.tolist()) == ([5], [2])
    assert bool(found.unusable[4, 4])
    assert int(found.unusable.sum()) == 1
    assert float(found.rate[3, 3]) == pytest.approx(10.0, abs=6.0)


def test_one_pass_finds_only_the_strongest() -> None:
    reads = torch.zeros(30, 1, 1)
    reads[10:] += 100.0
    reads[20:] += 200.0
    found = StepDetector(retest=False)(reads, torch.ones(1, 1), sampling(30))
    assert found.group.tolist() == [20]


def test_two_groups_are_refused() -> None:
    with pytest.raises(UserError, match="at least 3 groups"):
        StepDetector()(torch.zeros(2, 3, 3), torch.ones(3, 3), sampling(2))
