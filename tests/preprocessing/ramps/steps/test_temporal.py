"""Features of a ramp in time: values worked out from ramps without noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector, Steps
from astrid_ml.preprocessing.ramps.steps.temporal import temporal_features
from astrid_ml.types import Floats32

N, NOISE, RATE = 10, 5.0, 2.0
# Read at uneven times: the features must not take the groups for seconds.
TIMES = torch.tensor([10.0, 20, 30, 40, 50, 70, 80, 90, 100, 130], dtype=torch.float64)
SAMPLING = Sampling.of(ReadTimes.single(TIMES.tolist()))


def steps_of(shape: tuple[int, int], jumps: list[tuple[int, int, int, float, float]]) -> Steps:
    """Found jumps: group, y, x, amplitude, snr; a cleaned rate of RATE everywhere."""
    columns = [torch.tensor(values) for values in zip(*jumps, strict=True)] if jumps else [torch.empty(0)] * 5
    group, y, x = (values.long() for values in columns[:3])
    flat = torch.full(shape, RATE)
    own, zero = torch.zeros(len(group), dtype=torch.int64), torch.zeros(shape)
    size, snr = columns[3].float(), columns[4].float()
    return Steps(group, y, x, size, snr, own, flat, flat * 0.1, flat * 0.5, zero, flat > 9)


def ramps(*charges: dict[int, float]) -> Tensor:
    """Pixels (1, n) of the common rate, each with its changes of charge by group."""
    reads = (RATE * (TIMES - TIMES[0])).float()[:, None].repeat(1, len(charges))
    for x, changes in enumerate(charges):
        for group, charge in changes.items():
            reads[group:, x] += charge
    return reads[:, None]


def features(reads: Tensor, jumps: list[tuple[int, int, int, float, float]]) -> dict[str, Floats32]:
    shape = (reads.shape[1], reads.shape[2])
    return temporal_features(reads, torch.full(shape, NOISE), SAMPLING, steps_of(shape, jumps), sigmas=5.0)


def test_a_still_ramp_is_never_raised() -> None:
    found = features(ramps({}), [])
    assert {name: float(values[0, 0]) for name, values in found.items()} == pytest.approx(
        {
            "first_appearance": -1.0, "persistence_count": 0.0, "max_intensity": 0.0, "intensity_variance": 0.0,
            "transition_count": 0.0, "slope": RATE, "slope_variance": 0.1 * RATE, "chi2": 0.5 * RATE,
            "largest_step_group": -1.0, "largest_step_amplitude": 0.0, "largest_step_snr": 0.0,
        },
        abs=1e-4,
    )  # fmt: skip


def test_a_ray_is_raised_from_its_group_to_the_end() -> None:
    found = features(ramps({6: 200.0}), [(6, 0, 0, 200.0, 28.0)])
    own = {name: float(values[0, 0]) for name, values in found.items()}
    assert (own["first_appearance"], own["persistence_count"], own["transition_count"]) == (6.0, 4.0, 1.0)
    assert own["max_intensity"] == pytest.approx(200.0, rel=1e-5)
    assert own["intensity_variance"] == pytest.approx(np.var([0.0] * 6 + [200.0] * 4), rel=1e-4)
    assert (own["largest_step_group"], own["largest_step_amplitude"], own["largest_step_snr"]) == (6.0, 200.0, 28.0)


def test_a_read_is_raised_from_the_threshold_of_a_difference_on() -> None:
    level = 5.0 * NOISE * np.sqrt(2)
    found = features(ramps({4: level * 0.99}, {4: level * 1.01}), [])
    assert found["first_appearance"].tolist() == [[-1.0, 4.0]]


def test_a_telegraph_pixel_changes_state_as_often_as_it_jumps() -> None:
    found = features(ramps({2: 100.0, 4: -100.0, 5: 100.0, 9: -100.0}), [])
    assert (found["transition_count"].item(), found["persistence_count"].item()) == (4.0, 6.0)
    assert found["first_appearance"].item() == 2.0


def test_the_strongest_jump_of_a_pixel_counts_whatever_its_sign() -> None:
    jumps = [(8, 0, 1, 60.0, 8.0), (3, 0, 1, -90.0, -12.0), (5, 0, 1, 45.0, 6.0)]
    for order in (jumps, jumps[::-1]):
        found = features(ramps({}, {}), order)
        assert found["largest_step_group"].tolist() == [[-1.0, 3.0]]
        assert found["largest_step_amplitude"].tolist() == [[0.0, -90.0]]
        assert found["largest_step_snr"].tolist() == [[0.0, -12.0]]


def test_a_lost_read_is_left_out_of_the_statistics() -> None:
    reads = ramps({6: 200.0}, {})
    reads[7, 0, 0] = torch.nan
    reads[:, 0, 1] = torch.nan
    found = features(reads, [])
    assert found["persistence_count"][0, 0] == 3.0
    assert found["intensity_variance"][0, 0] == pytest.approx(np.var([0.0] * 6 + [200.0] * 3), rel=1e-4)
    assert np.isnan(found["max_intensity"][0, 1])
    assert found["first_appearance"][0, 1] == -1.0


def test_with_the_detectors_own_steps_maps_and_jumps_agree() -> None:
    reads = ramps({6: 200.0}, {}, {3: 80.0, 7: -80.0})
    reads += torch.from_numpy(np.random.default_rng(0).normal(0, NOISE, reads.shape)).float()
    noise = torch.full((1, 3), NOISE)
    steps = StepDetector()(reads, noise, SAMPLING)
    found = temporal_features(reads, noise, SAMPLING, steps, sigmas=5.0)
    assert found["largest_step_group"][0, :2].tolist() == [6.0, -1.0]
    assert found["largest_step_group"][0, 2] in (3.0, 7.0)
    assert found["slope"] == pytest.approx(RATE, abs=5 * float(np.sqrt(found["slope_variance"].max())))
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    assert {values.shape for values in found.values()} == {(1, 3)}


def test_a_group_of_more_reads_is_raised_by_less() -> None:
    """The noise of a mean of N reads is NOISE / sqrt(N); here 1 and 4 against 16 reads, at five sigmas."""
    groups = [[1], [2, 3, 4, 5], list(range(6, 22)), list(range(22, 38))]
    sampling = Sampling.of(ReadTimes.of_pattern(groups, 1.0))
    limit = 5.0 * NOISE * (1.0 + 1.0 / 16) ** 0.5
    for excess, raised in ((limit - 0.1, 0.0), (limit + 0.1, 2.0)):
        reads = (RATE * (sampling.times - sampling.times[0])).float()[:, None, None].clone()
        reads[2:] += excess
        found = temporal_features(reads, torch.full((1, 1), NOISE), sampling, steps_of((1, 1), []), sigmas=5.0)
        assert float(found["persistence_count"][0, 0]) == raised
