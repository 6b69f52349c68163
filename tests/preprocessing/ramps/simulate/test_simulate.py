"""The ramp simulator: physics against closed forms, truth against the pixels, the same bytes for the same seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.types import Array

QUIET = SimulateRamps(
    gain_library={"a": 1.5, "b": 2.0},
    n=1,
    image_shape=(72, 70),
    num_frames=20,
    exp_time=2000.0,
    read_noise_range=(10.0, 10.0),
    gaussian_noise_range=(0.0, 0.0),
    dark_current_range=(0.2, 0.2),
    cosmic_ray_per_exp_range=(0, 0),
    snowballs_per_exp_range=(0, 0),
    rtn_per_exp_range=(0, 0),
    drift=0.0,
    one_over_f=0.0,
    even_odd=0.0,
    ktc_noise=0.0,
)


def electrons(folder: Path, stem: str = "a_0000") -> Array:
    ramp = read_ramp(folder / f"{stem}.fits")
    return np.asarray(ramp.data[0], np.float64) * ramp.gain


def test_noise_is_that_of_poisson_and_reads(tmp_path: Path) -> None:
    QUIET.run(tmp_path, 1)
    ramp = read_ramp(tmp_path / "a_0000.fits")
    assert (ramp.shape, ramp.gain, ramp.read_noise) == ((1, 20, 72, 70), 1.5, 10.0)
    np.testing.assert_allclose(ramp.steps, 100.0)
    difference = np.diff(electrons(tmp_path), axis=0)
    science, border = difference[:, 4:-4, 4:-4], difference[:, :4]
    # dark current is per second: 0.2 e-/s over 100 s are 20 e- a group; quantisation adds gain^2 / 12 a read
    assert science.mean() == pytest.approx(20.0, rel=0.01)
    assert science.var() == pytest.approx(20 + 2 * (100 + 1.5**2 / 12), rel=0.02)
    assert border.mean() == pytest.approx(0.0, abs=0.1)
    assert border.var() == pytest.approx(2 * (100 + 1.5**2 / 12), rel=0.04)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    busy = replace(QUIET, cosmic_ray_per_exp_range=(5, 9), rtn_per_exp_range=(3, 3), drift=2.0, one_over_f=1.0)
    for folder, seed in (("one", 3), ("two", 3), ("three", 4)):
        busy.run(tmp_path / folder, seed)
    for name in ("a_0000.fits", "a_0000_truth.npz", "a_0000_events.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "three" / name).read_bytes()


def test_truth_is_what_the_pixels_gain(tmp_path: Path) -> None:
    """Average over all deposits: the jump in the data equals the truth's charge."""
    busy = replace(QUIET, cosmic_ray_per_exp_range=(80, 80), rtn_per_exp_range=(40, 40), rtn_period_range=(8.0, 16.0))
    busy.run(tmp_path, 5)
    truth = np.load(tmp_path / "a_0000_truth.npz")
    jump = np.diff(electrons(tmp_path), axis=0)[truth["group"] - 1, truth["y"], truth["x"]] - 20.0
    excess = (jump - truth["charge"]) / np.sqrt(220.0)
    assert len(excess) > 500
    assert abs(excess.mean()) < 4 / np.sqrt(len(excess))
    assert excess.std() == pytest.approx(1.0, abs=0.08)
    assert set(truth["type"]) == {COSMIC_RAY, TELEGRAPH_NOISE}
    clear = np.abs(truth["charge"]) >= 20.0
    assert truth["mask"][truth["y"][clear], truth["x"][clear]].all()


def test_telegraph_dwell_times_follow_the_markov_process(tmp_path: Path) -> None:
    busy = replace(
        QUIET,
        num_frames=400,
        rtn_per_exp_range=(150, 150),
        rtn_period_range=(40.0, 40.0),
        rtn_duty_fraction_range=(0.25,) * 2,
    )
    busy.run(tmp_path, 6)
    events = pd.read_parquet(tmp_path / "a_0000_events.parquet")
    # A cycle of 40 groups has two transitions: 399 / 20 are expected, with far more scatter than a square wave's
    assert events.transitions.mean() == pytest.approx(399 / 20, rel=0.06)
    assert events.transitions.std() > 2.0
    square = replace(busy, rtn_process="square", image_shape=(72, 70))
    square.run(tmp_path / "square", 6)
    wave = pd.read_parquet(tmp_path / "square" / "a_0000_events.parquet")
    assert wave.transitions.std() < 0.8


def test_snowballs_saturate_their_core_and_grow(tmp_path: Path) -> None:
    one = replace(
        QUIET,
        image_shape=(128, 128),
        snowballs_per_exp_range=(1, 1),
        snowball_radius_range=(8.0, 8.0),
        snowball_growth=0.5,
    )
    one.run(tmp_path, 7)
    event = pd.read_parquet(tmp_path / "a_0000_events.parquet").iloc[0]
    data = read_ramp(tmp_path / "a_0000.fits").data[0]
    saturated = (data >= 65535).sum((1, 2))
    group = int(event.group)
    assert saturated[group - 1] == 0
    inside = (min(event.y, event.x) > 14) and (max(event.y, event.x) < 112)
    assert saturated[group] == pytest.approx(np.pi * 64, rel=0.1) if inside else saturated[group] > 0
    assert saturated[min(group + 4, 19)] > saturated[group]
    assert (np.load(tmp_path / "a_0000_truth.npz")["mask"] == SNOWBALL).sum() > np.pi * 64 * 0.2


def test_reference_keys_and_counts(tmp_path: Path) -> None:
    every = replace(QUIET, n=None, num_exposure_events=2, num_baseline_exposures=1, start_index=3, end_index=4)
    assert len(every.plan()) == 2 * 3 * 2
    assert every.plan()[:3] == [("a", True), ("b", True), ("a", True)]
    rays = replace(
        QUIET,
        injection_type="cosmic_ray",
        cosmic_ray_per_exp_range=(3, 3),
        rtn_per_exp_range=(9, 9),
        n=1,
        num_integrations=2,
    )
    rays.run(tmp_path, 1)
    events = pd.read_parquet(tmp_path / "a_0000_events.parquet")
    assert set(events.type) == {COSMIC_RAY}
    assert events.groupby("integration").size().tolist() == [3, 3]


def test_persistence_lights_the_next_integration(tmp_path: Path) -> None:
    two = replace(
        QUIET,
        num_integrations=2,
        snowballs_per_exp_range=(1, 1),
        snowball_radius_range=(6.0, 6.0),
        persistence_fraction=0.05,
    )
    two.run(tmp_path, 9)
    ramp = read_ramp(tmp_path / "a_0000.fits")
    first = ramp.data[0, -1] >= 65535
    rise = (np.asarray(ramp.data[1, -1], float) - ramp.data[1, 0]) * 1.5
    second_ball = ramp.data[1, -1] >= 65535
    lit, dark = first & ~second_ball, ~first & ~second_ball
    assert np.median(rise[lit]) > np.median(rise[dark]) + 1000


@pytest.mark.parametrize("wrong", [{"injection_type": "rays"}, {"rtn_process": "sine"}, {"num_frames": 2}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        replace(QUIET, **wrong)
