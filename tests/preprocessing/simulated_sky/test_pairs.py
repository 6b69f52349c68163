"""The simulated sky against closed forms: noise, flux scale, astrometry, optimal errors."""

from __future__ import annotations

import numpy as np
import torch

from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import moffat_stamp, optimal_error, simulate_pair

SMALL = SkyConfig(shape=(256, 256))


def test_same_seed_same_pair_and_noise_as_stated() -> None:
    first, second, other = simulate_pair(SMALL, 3), simulate_pair(SMALL, 3), simulate_pair(SMALL, 4)
    assert torch.equal(first.science.data, second.science.data)
    assert not torch.equal(first.science.data, other.science.data)
    mean = first.variances[0] - SMALL.read_noise[0] ** 2
    pull = ((first.science.data - mean) / first.variances[0].sqrt())[~first.science.mask]
    assert abs(float(pull.mean())) < 0.02
    assert abs(float(pull.std()) - 1) < 0.02


def test_optimal_error_without_reference_noise_is_the_matched_filter() -> None:
    p_s, p_r = moffat_stamp(3.4, 3.5), moffat_stamp(2.6, 3.5)
    error = optimal_error(p_s, p_r, np.array([200.0]), np.array([1e-3]))
    np.testing.assert_allclose(error, np.sqrt(200 / np.sum(p_s**2)), rtol=2e-2)


def test_equal_psfs_add_their_variances() -> None:
    p = moffat_stamp(3.0, 3.5)
    error = optimal_error(p, p, np.array([100.0]), np.array([300.0]))
    np.testing.assert_allclose(error, np.sqrt(400 / np.sum(p**2)), rtol=1e-3)
