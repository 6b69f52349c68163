"""Fusion where one number does not tell a detector's noise, and where rays are no telegraph noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.context import two_levels
from astrid_ml.preprocessing.ramps.fusion.plain import plain_fusion
from astrid_ml.preprocessing.ramps.fusion.shown_noise import noise_warnings, shown_noise, variance_spread
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.types import Floats

NOISE, SIZE = 12.0, 96


def dark(n_groups: int, spread: float, seed: int, frames: int = 1) -> tuple[Ramp, Floats]:
    """Sky of 1 e-/s and nothing else; noises scatter by ``spread``, and what is given is one number. Those noises."""
    random = np.random.default_rng(seed)
    own = NOISE * np.exp(spread * random.normal(size=(SIZE, SIZE)))
    light = random.poisson(5.0, (n_groups * frames, SIZE, SIZE)).cumsum(0)
    reads = (light + own * random.normal(size=light.shape)).reshape(n_groups, frames, SIZE, SIZE).mean(1)
    times = 5.0 * np.arange(1.0, n_groups * frames + 1).reshape(n_groups, frames)
    sampling = ReadTimes(tuple(tuple(map(float, group)) for group in times))
    return Ramp(reads[None].astype(np.float32), sampling, "e-", 1.0, NOISE, name="dark"), own


def both(ramp: Ramp, folder: Path) -> tuple[Processed, Processed]:
    """Without the fusion, and with it."""
    alone, fusion = process(Exposure(ramp), folder / "cube.npy"), plain_fusion("shipped")
    assert fusion is not None
    return alone, fusion.refine(alone, np.load(folder / "cube.npy"))


@pytest.mark.parametrize(("n_groups", "frames"), [(8, 1), (20, 1), (10, 4)])
@pytest.mark.parametrize("spread", [0.2, 0.3])
def test_noise_that_scatters_makes_the_fusion_no_worse(
    spread: float, n_groups: int, frames: int, tmp_path: Path
) -> None:
    ramp, own = dark(n_groups, spread, 1, frames)
    alone, fused = both(ramp, tmp_path)
    assert len(fused.jumps) <= len(alone.jumps) and len(fused.telegraph) <= len(alone.telegraph) + 1
    said = noise_warnings(fused)
    assert len(said) == 1 and "read_noise=MAP.fits" in said[0]
    found = shown_noise(fused.features, 0)
    assert np.corrcoef(found.ravel(), own.ravel())[0, 1] > 0.35 and float(found.min()) == 1.0
    # With the map that the sentence asks for nothing is left to say.
    with_map, _ = both(replace(ramp, read_noise=own.astype(np.float32)), tmp_path)
    assert noise_warnings(with_map) == [] and float(shown_noise(with_map.features, 0).max()) == 1.0


@pytest.mark.parametrize("n_groups", [3, 5, 12, 40])
def test_noise_as_it_is_given_changes_nothing(n_groups: int, tmp_path: Path) -> None:
    ramp, _ = dark(n_groups, 0.0, 2)
    found = process(Exposure(ramp), tmp_path / "cube.npy")
    assert noise_warnings(found) == [] and (shown_noise(found.features, 0) == 1.0).all()


def test_the_spread_is_measured_where_chi_square_is_skewed_and_needs_pixels() -> None:
    random = np.random.default_rng(3)
    for degrees in (4, 10, 30):
        factor = 1 + 0.3 * random.normal(size=20000).clip(-3, 3)
        chi2 = (factor * random.chisquare(degrees, 20000) / degrees).astype(np.float32)
        freedom = np.full(20000, degrees, np.float32)
        assert variance_spread(chi2, freedom) == pytest.approx(0.09, abs=0.03)
        assert variance_spread(chi2[:50], freedom[:50]) == 0.0
    assert variance_spread(np.full(9, np.nan, np.float32), np.full(9, np.nan, np.float32)) == 0.0


@pytest.mark.parametrize(
    ("sizes", "may"),
    [
        ([50, -52, 49], True),
        ([50, -52, -50, 51], True),  # a transition between them was missed
        ([-60], True),
        ([60], True),
        ([268, 852, 365], False),  # rays
        ([-3614, -4435], False),
        ([516, 410, -1641, -6585, -6619, -6576], False),  # a ramp that is full
        ([30, 31, 29, 30, -30], False),
    ],
)
def test_telegraph_noise_has_two_levels(sizes: list[float], may: bool) -> None:
    """Told of each pixel, in any order of rows; what the two-state fit describes is telegraph noise."""
    steps = [{"integration": 0, "group": 2 * k + 1, "y": 1, "x": 1, "amplitude": s} for k, s in enumerate(sizes)]
    other = [{"integration": 1, "group": k + 1, "y": 1, "x": 1, "amplitude": s} for k, s in enumerate([9.0, -9.0])]
    table = pd.DataFrame(steps + other).assign(telegraph=0.0).sample(frac=1, random_state=1)
    first = (table.integration == 0).to_numpy()
    assert (two_levels(table)[first] == may).all() and two_levels(table)[~first].all()
    assert two_levels(table.assign(telegraph=1.0)).all()


def test_rays_within_averaged_groups_are_no_telegraph_noise(tmp_path: Path) -> None:
    ramp, _ = dark(12, 0.0, 4, frames=4)
    random = np.random.default_rng(4)
    data = ramp.data[0].astype(float)
    y, x = np.divmod(np.repeat(random.choice(SIZE * SIZE, 600, replace=False), 4), SIZE)
    for row, column, read, charge in zip(
        y, x, random.integers(1, 47, 2400), random.uniform(40, 1500, 2400), strict=True
    ):
        data[:, row, column] += charge * np.clip((4 * np.arange(12) + 4 - read) / 4, 0, 1)
    _, fused = both(replace(ramp, data=data[None].astype(np.float32)), tmp_path)
    assert len(fused.jumps) > 1500 and len(fused.telegraph) == 0
