"""Telegraph noise, snowballs and reference pixels, each alone on data made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import ellipse, find_snowballs
from astrid_ml.preprocessing.ramps.exposure.strip import StripDetector
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import border_mask
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.telegraph import fit_two_states
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint

NOISE, N = 10.0, 60


def sampling(n_groups: int = N) -> Sampling:
    return Sampling.of(ReadTimes.single(np.arange(1.0, n_groups + 1)))


def test_two_state_fit_recovers_states_and_amplitude() -> None:
    generator = torch.Generator().manual_seed(3)
    state = torch.zeros(N, 1, dtype=torch.bool)
    state[10:18] = state[30:31] = state[40:55] = True  # one visit lasts a single group
    reads = 4.0 * sampling().times[:, None] + 80.0 * state + NOISE * torch.randn(N, 1, generator=generator)
    start = torch.zeros(N, 1).double()
    start[10:18] = start[40:55] = 70.0  # the single group was missed by the steps
    fit = fit_two_states(reads, start, torch.tensor([NOISE]), torch.tensor([4.0]), sampling())
    assert torch.equal(fit.state, state)
    assert fit.transitions.tolist() == [6]
    assert float(fit.amplitude[0]) == pytest.approx(80.0, abs=5.0)
    assert float(fit.rate[0]) == pytest.approx(4.0, abs=0.4)
    assert float(fit.r2[0]) > 0.9


def test_jump_or_telegraph() -> None:
    """One pixel each: a ray, two rays, telegraph noise, quiet."""
    reads = NOISE * torch.randn(N, 1, 4, generator=torch.Generator().manual_seed(5))
    reads[20:, 0, 0] += 300.0
    reads[15:, 0, 1] += 150.0
    reads[40:, 0, 1] += 400.0
    for start, stop in ((5, 14), (25, 33), (47, 56)):
        reads[start:stop, 0, 2] += 120.0
    detector = StripDetector(StepDetector(), TwoPoint(), DetectorConfig())
    found = detector(reads, torch.full((1, 4), NOISE), sampling(), 1.0)
    kinds = {x: sorted(zip(t.group, t.type, strict=True)) for x, t in found.jumps.groupby("x")}
    assert kinds[0] == [(20, 1)]
    assert kinds[1] == [(15, 1), (40, 1)]
    assert {kind for _, kind in kinds[2]} == {2}
    assert 3 not in kinds
    assert found.telegraph.x.tolist() == [2]
    assert found.telegraph.transitions.tolist() == [6]
    assert found.jumps.found_by.tolist().count("likelihood+rules") >= 3
    assert found.features["largest_step_group"][0, 0] == 20
    assert found.features["first_appearance"].tolist() == [[20, 15, 5, -1]]


def test_ellipse_of_a_disc_and_of_a_streak() -> None:
    y, x = np.mgrid[-12:13, -12:13]
    disc = np.hypot(y, x) <= 9
    assert ellipse(y[disc], x[disc]) == pytest.approx((1.0, 1.0), abs=0.03)
    streak = (np.abs(y) <= 1) & (np.abs(x) <= 10)
    assert ellipse(y[streak], x[streak])[0] < 0.25


@pytest.mark.parametrize("late", [0, 1])
def test_snowball_with_halo_and_growth(late: int) -> None:
    """The core may saturate in the group of the halo's jump or in the next."""
    y, x = np.mgrid[:80, :80]
    r = np.hypot(y - 40, x - 35)
    first = np.full((80, 80), 20)
    first[r <= 6] = 8 + late
    first[(r > 6) & (r <= 7)] = 10
    halo = (r > 6) & (r <= 10)
    jumps = pd.DataFrame({"group": 8, "y": y[halo], "x": x[halo], "amplitude": 500.0})
    (ball,) = find_snowballs(first, jumps, 1.0, DetectorConfig())
    assert ball.group == 8
    assert (ball.y, ball.x) == pytest.approx((40, 35), abs=0.2)
    assert ball.core_radius == pytest.approx(6, abs=0.3)
    assert ball.growth >= 1
    assert {(40, 35), (40, 44)} <= {(int(a), int(b)) for a, b in ball.pixels}


def test_a_saturated_streak_is_no_snowball() -> None:
    first = np.full((60, 60), 20)
    first[30, 10:50] = first[31, 10:50] = 5
    assert (
        find_snowballs(first, pd.DataFrame({k: [] for k in ("group", "y", "x", "amplitude")}), 1.0, DetectorConfig())
        == []
    )


def test_reference_pixels_remove_drifts_of_channels_rows_and_parity() -> None:
    random = np.random.default_rng(1)
    h, w, n = 128, 128, 6
    channel = np.repeat(random.normal(0, 30, (n, 1, 2)), 64, axis=2)
    parity = np.tile([0.0, 1.0], 64) * random.normal(0, 20, (n, 1, 1))
    row = 25.0 * np.sin(np.arange(h) / 40.0)[None, :, None] * np.arange(n)[:, None, None]
    data = (channel + parity + row + random.normal(0, 1.0, (n, h, w))).astype(np.float32)[None]
    times = np.arange(1.0, n + 1)
    ramp = Ramp(data, ReadTimes.single(times), "e-", 1.0, 1.0, reference=border_mask(h, w, 4))
    reads = ReferenceCorrection(row_window=9).measure(ramp, 0).subtract(data[0].copy(), slice(0, h))
    difference = np.diff(reads[:, 4:-4, 4:-4], axis=0)
    assert np.diff(data[0], axis=0).std() > 15
    assert difference.std() == pytest.approx(np.sqrt(2), rel=0.12)
    none = Ramp(data, ReadTimes.single(times), "e-", 1.0, 1.0)
    np.testing.assert_array_equal(ReferenceCorrection().measure(none, 0).subtract(data[0].copy(), slice(0, h)), data[0])


def drifting(seed: int = 1, h: int = 96, w: int = 128, n: int = 8) -> Ramp:
    """A ramp whose channels and rows drift, with a border of four pixels."""
    random = np.random.default_rng(seed)
    channel = np.repeat(random.normal(0, 30, (n, 1, 2)).cumsum(0), w // 2, axis=2)
    row = 5.0 * np.sin(np.arange(h) / 40.0)[None, :, None] * np.arange(n)[:, None, None]
    data = (channel + row + random.normal(0, 1.0, (n, h, w))).astype(np.float32)[None]
    return Ramp(data, ReadTimes.single(np.arange(1.0, n + 1)), "e-", 1.0, 1.0, reference=border_mask(h, w, 4))


HURT = {
    "one value": (slice(3, 4), slice(0, 1), slice(0, 1)),
    "one in all reads": (slice(None), slice(0, 1), slice(0, 1)),
    "first read": (slice(0, 1), slice(1, 2), slice(None)),
    "a row of the sides": (slice(None), slice(40, 41), slice(0, 4)),
    "both sides of a row": (slice(None), slice(40, 41), slice(None)),
    "top and bottom of a read": (slice(3, 4), [0, 1, 2, 3, 92, 93, 94, 95], slice(None)),
    "columns through the border": (slice(None), slice(None), slice(30, 32)),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", HURT)
def test_reference_pixels_that_are_no_numbers_cost_themselves(name: str, value: float) -> None:
    whole, hurt = drifting(), drifting()
    hurt.data[0][HURT[name]] = value
    correction = ReferenceCorrection(row_window=9)
    expected, levels = correction.measure(whole, 0), correction.measure(hurt, 0)
    border = hurt.reference
    assert border is not None
    assert levels.lost == int((~np.isfinite(hurt.data[0])[:, border]).sum()) and not expected.lost
    assert np.isfinite(levels.columns).all() and np.isfinite(levels.rows).all()
    others = np.arange(8) != 3 if name.startswith("top") else slice(None)  # whose channels nobody knows
    assert np.abs(levels.columns - expected.columns)[others].max() < 2.0
    assert np.abs(levels.rows - expected.rows)[others].max() < 3.0


def test_corners_of_the_border_say_nothing_of_the_rows_beside_them() -> None:
    """Rows of the top border fell by thousands of electrons in a real exposure: no level of the image's."""
    good = drifting()
    data = good.data.copy()
    data[0, 5:, 2] -= 5000.0
    hurt = replace(good, data=data)
    expected, levels = (
        ReferenceCorrection().measure(ramp, 0).subtract(np.zeros(ramp.data.shape[1:], np.float32), slice(0, 96))
        for ramp in (good, hurt)
    )
    assert np.abs(levels - expected).max() < 0.5


@pytest.mark.parametrize("fault", ["hot", "jumping", "flagged"])
def test_bad_reference_pixels_of_a_fifth_of_the_border_cost_themselves(fault: str) -> None:
    """Whatever they do: the levels are those of the others, though channels, parities and rows drift."""
    good = drifting(h=128, n=12)
    random, border = np.random.default_rng(2), good.reference
    assert border is not None
    bad = border & (random.random(border.shape) < 0.2)
    data, size = good.data.copy(), random.uniform(20, 200, border.shape)
    if fault == "hot":
        data[0] += np.where(bad, size, 0) * np.arange(12)[:, None, None]
    else:
        data[0, 6:] += np.where(bad, size, 0)
    flags = np.where(bad, 1, 0).astype(np.uint32) if fault == "flagged" else None
    hurt = replace(good, data=data.astype(np.float32), pixel_dq=flags)
    expected, levels = (ReferenceCorrection().measure(ramp, 0) for ramp in (good, hurt))
    assert levels.left_out == pytest.approx(bad.sum(), rel=0.1) and expected.left_out < 0.01 * border.sum()
    assert np.abs(levels.columns - expected.columns).max() < 0.7
    assert np.abs(levels.rows - expected.rows).max() < 0.7


def test_jumps_are_found_behind_a_reference_pixel_that_is_nan() -> None:
    hurt = drifting(n=12)
    hurt.data[0, 6:, 50, 60] += 400.0
    hurt.data[0, 6, 0, 0] = np.nan
    processed = process(Exposure(hurt, Processing()), None)
    found = processed.jumps
    assert ((found["y"] == 50) & (found["x"] == 60) & (found["group"] == 6)).any()
    assert processed.counts["reference_values_unusable"] == 1
    assert processed.counts["pixels_unusable"] == int(hurt.reference.sum() if hurt.reference is not None else 0)


def test_states_of_averaged_groups_are_told_by_the_noise_of_the_mean() -> None:
    """Steps of 2.5 read noises in groups of 9 reads are 7.5 of a group's own noise: a visit of one group is one."""
    n, pixels, size = 40, 60, 2.5 * NOISE
    generator = torch.Generator().manual_seed(3)
    state = torch.zeros(n, pixels, dtype=torch.bool)
    state[5:15] = state[20] = state[30:36] = True
    start = (state * size).clone()
    start[20] = 0.0  # the steps have missed it
    reads = state * size + NOISE / 3 * torch.randn(n, pixels, generator=generator)
    read = ReadTimes.of_pattern([range(10 * k + 1, 10 * k + 10) for k in range(n)], 1.0)
    fit = fit_two_states(reads, start, torch.full((pixels,), NOISE), torch.zeros(pixels), Sampling.of(read))
    assert float((fit.state == state).double().mean()) > 0.998
    assert float(fit.state[20].double().mean()) > 0.95
    assert float(fit.amplitude.mean()) == pytest.approx(size, rel=0.02)
