"""Times of all reads: against the covariance of single reads, against simulated noise, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.types import Floats

ROMAN = ReadTimes.of_pattern([[1], [2, 3], [5, 6, 7], [12, 13, 14, 15, 16, 17], [30]], 3.04)
DEEP8 = ReadTimes.about([10.73677 * (4.5 + 20 * k) for k in range(5)], 8, 10.73677)
UNEVEN = ReadTimes(((0.5,), (1.0, 1.7, 4.0), (9.0, 9.5), (20.0, 31.0, 31.5, 60.0)))


def of_single_reads(read: ReadTimes, rate: float, noise: float) -> Floats:
    """Covariance of the differences, from that of the reads: rate x min(t_j, t_k), and the noise of each alone."""
    times = np.concatenate([np.asarray(group) for group in read.groups])
    single = rate * np.minimum.outer(times, times) + noise**2 * np.eye(len(times))
    mean = np.zeros((len(read.groups), len(times)))
    ends = np.cumsum(read.reads)
    for group, (end, n) in enumerate(zip(ends, read.reads, strict=True)):
        mean[group, end - n : end] = 1.0 / n
    differ = np.diff(np.eye(len(read.groups)), axis=0) @ mean
    out: Floats = differ @ single @ differ.T
    return out


@pytest.mark.parametrize("read", [ROMAN, DEEP8, UNEVEN], ids=["roman", "deep8", "uneven"])
@pytest.mark.parametrize(("rate", "noise"), [(20.0, 5.0), (0.0, 12.0), (400.0, 1e-3)])
def test_the_covariance_of_groups_is_that_of_their_reads(read: ReadTimes, rate: float, noise: float) -> None:
    """As Robberto 2010 and Casertano 2022: neighbours share read noise and, where reads are averaged, photons."""
    wanted = of_single_reads(read, rate, noise)
    diagonal, beside = Sampling.of(read).covariance(torch.tensor([rate]).double(), torch.tensor([noise]).double())
    np.testing.assert_allclose(diagonal[:, 0], np.diag(wanted), rtol=1e-10)
    np.testing.assert_allclose(beside[:, 0], np.diag(wanted, 1), rtol=1e-9, atol=1e-9 * wanted.max())
    assert abs(np.triu(wanted, 2)).max() < 1e-9 * wanted.max()  # nothing further is shared


def test_the_closed_form_of_evenly_spaced_reads() -> None:
    """Robberto 2010: the mean of n reads dt apart has photon noise a (t_mean - dt (n^2 - 1) / 6 n)."""
    for n in (1, 2, 4, 8):
        read = ReadTimes.about([100.0, 300.0], n, 10.0)
        np.testing.assert_allclose(read.weighted, read.mean - 10.0 * (n**2 - 1) / (6 * n), rtol=1e-12)


def test_simulated_ramps_with_a_gap_have_this_noise() -> None:
    """MEDIUM8-like: 8 frames averaged, 2 dropped; 6 e- a frame, read noise 9."""
    random = np.random.default_rng(0)
    frames = np.cumsum(random.poisson(6.0, (60_000, 40)), axis=1) + random.normal(0, 9.0, (60_000, 40))
    groups = frames.reshape(-1, 4, 10)[:, :, :8].mean(2)
    measured = np.cov(np.diff(groups, axis=1).T)
    read = ReadTimes.of_pattern([range(10 * k + 1, 10 * k + 9) for k in range(4)], 1.0)
    model = of_single_reads(read, 6.0, 9.0)
    np.testing.assert_allclose(measured, model, atol=0.02 * model.max())
    np.testing.assert_allclose(read.gaps, 3.0)


def test_a_list_of_reads_says_all_there_is() -> None:
    read = ReadTimes.of_pattern([[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], 3.04)
    np.testing.assert_allclose(read.mean, [3.04, 7.60, 16.72, 28.88])
    assert read.reads.tolist() == [1, 2, 4, 4]
    assert ReadTimes.about([5.0, 15.0], 1, 3.0) == ReadTimes.single([5.0, 15.0])


@pytest.mark.parametrize(
    "groups", [(), ((1.0,), ()), ((1.0,), (1.0,)), ((2.0, 1.0), (3.0,)), ((1.0, np.nan), (3.0,)), ((1.0, 5.0), (4.0,))]
)
def test_times_that_no_ramp_has_are_refused(groups: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(UserError, match=r"times of reads in seconds that rise|at least one read in each group"):
        ReadTimes(groups)


# JWST's patterns: frames averaged, frames dropped.
PATTERNS = {"DEEP8": (8, 12), "MEDIUM8": (8, 2), "SHALLOW4": (4, 1), "BRIGHT2": (2, 0), "BRIGHT1": (1, 1)}


@pytest.mark.parametrize("name", PATTERNS)
def test_averaged_groups_with_gaps_show_no_steps_of_their_own(name: str) -> None:
    """20 e-/s, read noise 12: 0.3 are expected here. DEEP8 shows 9 where dropped frames are taken as read."""
    averaged, dropped = PATTERNS[name]
    random = np.random.default_rng(5)
    frame, n, size = 10.73677, 20, 48
    data = np.empty((1, n, size, size), np.float32)
    level = np.zeros((size, size))
    for group in range(n):
        reads = []
        for place in range(averaged + dropped):
            level = level + random.poisson(20.0 * frame, level.shape)
            reads += [level + random.normal(0, 12.0, level.shape)] if place < averaged else []
        data[0, group] = np.mean(reads, axis=0)
    means = [frame * ((averaged + 1) / 2 + (averaged + dropped) * k) for k in range(n)]
    read = ReadTimes.about(means, averaged, frame)
    found = process(Exposure(Ramp(data, read, "e-", 1.0, 12.0), Processing(reference=None)))
    assert len(found.jumps) <= 2
    pull = (found.features["slope"] - 20.0) / np.sqrt(found.features["slope_variance"])
    assert pull.std() == pytest.approx(1.0, abs=0.06)
    assert abs(pull.mean()) < 0.1
