"""Maps of the fit: chi-square against the exact fit, the share of photons in closed form, decays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from astrid_ml.preprocessing.ramps.exposure.residuals import residual_maps
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, fit_steps
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Floats32

PATTERNS = {
    "single reads": [[k] for k in range(1, 13)],
    "averaged": [[8 * k + j for j in range(1, 5)] for k in range(9)],
    "uneven": [[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [20], [21, 22], [40, 41, 42, 43]],
}
NOISE, SIZE = 12.0, 40


def reads_of(sampling: ReadTimes, rate: float, seed: int = 1) -> Floats32:
    """Means of reads of a Poisson process with read noise, (n_groups, SIZE, SIZE)."""
    random = np.random.default_rng(seed)
    times = np.concatenate([np.asarray(group) for group in sampling.groups])
    light = random.poisson(rate * np.diff(times, prepend=0.0)[:, None, None], (len(times), SIZE, SIZE)).cumsum(0)
    each = light + random.normal(0, NOISE, light.shape)
    ends = np.cumsum([len(group) for group in sampling.groups])
    return np.stack([part.mean(0) for part in np.split(each, ends[:-1])]).astype(np.float32)


@pytest.mark.parametrize("rate", [0.5, 20.0])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_chi_square_is_that_of_the_exact_fit_and_of_noise(pattern: str, rate: float) -> None:
    """With steps, lost groups and lost pixels among them."""
    read = ReadTimes.of_pattern(PATTERNS[pattern], 5.0)
    sampling, reads = Sampling.of(read), reads_of(read, rate)
    reads[3:, 5, 6] += 800.0
    reads[2, 7, 8], reads[4:, 7, 9], reads[:, 7, 10] = np.nan, np.nan, np.nan
    noise = np.full((SIZE, SIZE), NOISE, np.float32)
    found = StepDetector(average=0.0)(torch.from_numpy(reads), torch.from_numpy(noise), sampling)
    maps = residual_maps(reads, noise, sampling, found)
    flat = torch.from_numpy(reads).double().reshape(len(reads), -1)
    difference = torch.diff(flat, dim=0)
    used = difference.isfinite()
    used[found.group - 1, found.y * SIZE + found.x] = False
    exact = fit_steps(
        difference.nan_to_num(0.0),
        used,
        sampling,
        torch.full((SIZE * SIZE,), NOISE).double(),
        found.rate.reshape(-1).double(),
    )
    reduced = (exact.chi2 / exact.degrees).reshape(SIZE, SIZE).numpy()
    known = np.isfinite(maps["chi2"])
    np.testing.assert_allclose(maps["chi2"][known], reduced[known], rtol=2e-3, atol=1e-3)
    assert np.isnan(maps["chi2"][7, 10]) and known.mean() > 0.99
    degrees = len(reads) - 2
    plain = maps["chi2"][found.chi2.isnan().numpy() & known]
    assert np.median(plain) == pytest.approx(chi2.median(degrees) / degrees, rel=0.05)
    assert maps["decay_snr"][known].std() == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_share_of_photons_is_that_of_the_variances(pattern: str) -> None:
    """Of the weights of the exact fit: w^T P w a over w^T C w, of whole ramps and of ramps with a lost group."""
    read = ReadTimes.of_pattern(PATTERNS[pattern], 5.0)
    sampling, reads = Sampling.of(read), reads_of(read, 3.0)
    reads[2, 0, 0] = np.nan
    noise = np.full((SIZE, SIZE), NOISE, np.float32)
    found = StepDetector(average=0.0)(torch.from_numpy(reads), torch.from_numpy(noise), sampling)
    share = residual_maps(reads, noise, sampling, found)["photon_share"]
    for y, x in ((0, 0), (3, 4), (20, 20)):
        kept = np.isfinite(np.diff(reads[:, y, x]))
        kept[found.group[(found.y == y) & (found.x == x)].numpy() - 1] = False
        rate = max(float(found.rate[y, x]), 0.0)
        parts = []
        for of_rate, of_noise in ((rate, 0.0), (0.0, NOISE)):
            diagonal, beside = sampling.covariance(torch.tensor([of_rate]).double(), torch.tensor([of_noise]).double())
            matrix = (
                np.diag(diagonal[:, 0].numpy()) + np.diag(beside[:, 0].numpy(), 1) + np.diag(beside[:, 0].numpy(), -1)
            )
            parts.append(matrix[np.ix_(kept, kept)])
        spacing = sampling.spacing.numpy()[kept]
        # A difference that is left out takes no neighbour with it.
        gaps = np.diff(np.flatnonzero(kept)) == 1
        for part in parts:
            part[np.arange(len(gaps))[~gaps], np.arange(1, len(gaps) + 1)[~gaps]] = 0
        weights = np.linalg.solve(parts[0] + parts[1], spacing)
        photons, whole = (weights @ part @ weights for part in (parts[0], parts[0] + parts[1]))
        assert share[y, x] == pytest.approx(photons / whole, abs=0.01)


def test_a_rate_that_decays_is_told_from_steps_and_from_noise() -> None:
    read = ReadTimes.single(10.0 * np.arange(1.0, 31))
    sampling, reads = Sampling.of(read), reads_of(read, 1.0)
    released = 400.0 * (1 - np.exp(-(read.mean - read.mean[0]) / 70.0))
    reads[:, :10] += released[:, None, None].astype(np.float32)
    reads[12:, 20:25] += 400.0
    noise = np.full((SIZE, SIZE), NOISE, np.float32)
    found = StepDetector()(torch.from_numpy(reads), torch.from_numpy(noise), sampling)
    decay = residual_maps(reads, noise, sampling, found)["decay_snr"]
    assert (decay[:10] > 4).mean() > 0.9
    assert (np.abs(decay[10:]) > 4).mean() < 0.002
