"""Bright fields in which all pixels saturate: no steps where there are none, and errors that know the photons."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Floats, Floats32

NOISE, SIDE, STEP = 12.0, 48, 5.0


def field(n_groups: int, level: float, relief: float, reads: int, seed: int = 0) -> tuple[Floats32, Floats, Sampling]:
    """Reads since the first, NaN from 90,000 e- on, and the true count rates: waves about a level."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    rate = level * (1 + relief * np.sin(x / 10.0) * np.cos(y / 13.0))
    each = np.cumsum(random.poisson(rate * STEP / reads, (n_groups * reads, SIDE, SIDE)), axis=0).astype(float)
    each += random.normal(0, NOISE, each.shape)
    full = (each >= 90_000).reshape(n_groups, reads, SIDE, SIDE).any(1)
    groups = each.reshape(n_groups, reads, SIDE, SIDE).mean(1)
    groups -= groups[0]
    groups[full] = np.nan
    times = (np.arange(n_groups * reads) + 1.0).reshape(n_groups, reads) * STEP / reads
    sampling = ReadTimes(tuple(tuple(map(float, group)) for group in times))
    return groups.astype(np.float32), rate, Sampling.of(sampling)


@pytest.mark.parametrize("prior", ["none", "sign", "neighbours"])
@pytest.mark.parametrize("relief", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("reads", [1, 4])
@pytest.mark.parametrize("level", [8600.0, 5700.0, 4300.0, 3300.0, 2700.0, 2000.0])
def test_no_steps_and_honest_errors(prior: str, relief: float, reads: int, level: float) -> None:
    groups, rate, sampling = field(12, level, relief, reads)
    noise = torch.full((SIDE, SIDE), NOISE)
    found = StepDetector(prior=prior)(torch.from_numpy(groups), noise, sampling)  # type: ignore[arg-type]
    assert len(found.group) <= 2
    pull = (found.rate.numpy() - rate) / np.sqrt(found.rate_variance.numpy())
    known = np.isfinite(pull)
    assert known.any()
    if known.sum() > 200:
        assert abs(pull[known].mean()) < 0.15
        # The photons of a ramp's own rate: where few came, its error is small with it.
        assert 0.9 < pull[known].std() < 1.12
