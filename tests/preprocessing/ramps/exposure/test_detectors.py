"""Telegraph noise, snowballs and reference pixels, each alone on data made here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import ellipse, find_snowballs
from astrid_ml.preprocessing.ramps.exposure.strip import StripDetector
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.readers.options import border_mask
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.telegraph import fit_two_states
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint

NOISE, N = 10.0, 60


def sampling(n_groups: int = N) -> Sampling:
    return Sampling(torch.arange(1, n_groups + 1).double(), torch.ones(n_groups).double())


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
    ones = np.ones(n, dtype=np.int64)
    ramp = Ramp(data, times, "e-", 1.0, 1.0, ones, reference=border_mask(h, w, 4))
    reads = ReferenceCorrection(row_window=9).measure(ramp, 0).subtract(data[0].copy(), slice(0, h))
    difference = np.diff(reads[:, 4:-4, 4:-4], axis=0)
    assert np.diff(data[0], axis=0).std() > 15
    assert difference.std() == pytest.approx(np.sqrt(2), rel=0.12)
    none = Ramp(data, times, "e-", 1.0, 1.0, ones)
    np.testing.assert_array_equal(ReferenceCorrection().measure(none, 0).subtract(data[0].copy(), slice(0, h)), data[0])
