"""A strip of simulated frames against closed forms: signal, noise, border, saturation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.simulate.frames import CHANNEL_WIDTH, Detector, common_noise, strip
from astrid_ml.types import Floats32

STILL = Detector(
    gain=2.0, read_noise=0.0, extra_noise=0.0, dark=0.0, flux=0.0, step=10.0, bias=1000.0, ktc=0.0, drift=0.0,
    one_over_f=0.0, even_odd=0.0, nonlinearity=0.0, saturation_dn=60000.0, border=0,
)  # fmt: skip
NOTHING = pd.DataFrame({"group": [], "y": [], "x": [], "charge": []}).astype(int).astype({"charge": float})
N, ROWS, COLS = 6, 40, 64


def frames(detector: Detector, truth: pd.DataFrame = NOTHING, **given: Any) -> tuple[Floats32, Floats32]:
    """All rows at once."""
    dark = np.zeros((ROWS, COLS), np.float32)
    common = given.get("common", np.zeros((N, ROWS, 1), np.float32))
    return strip(
        detector, range(ROWS), COLS, ROWS, common, given.get("sources", dark), truth,
        released=given.get("released", dark), random=np.random.default_rng(given.get("seed", 0)),
    )  # fmt: skip


def step(group: int, y: int, x: int, charge: float) -> pd.DataFrame:
    return pd.DataFrame({"group": [group], "y": [y], "x": [x], "charge": [charge]})


def test_a_still_detector_reads_its_bias() -> None:
    dn, charge = frames(STILL)
    assert (dn == 1000.0).all()
    assert (charge == 0.0).all()
    assert dn.dtype == np.float32
    assert dn.shape == (N, ROWS, COLS)


def test_a_deposit_stays_from_its_group_on() -> None:
    dn, charge = frames(STILL, step(2, 7, 9, 500.0))
    assert dn[:, 7, 9].tolist() == [1000.0, 1000.0] + [1250.0] * 4
    assert (charge[7, 9], charge.sum()) == (500.0, 500.0)
    again = pd.concat([step(2, 7, 9, 500.0), step(2, 7, 9, 300.0)])
    assert frames(STILL, again)[1][7, 9] == 800.0


def test_strips_take_the_deposits_of_their_own_rows() -> None:
    common, dark = np.zeros((N, 10, 1), np.float32), np.zeros((10, COLS), np.float32)
    truth = pd.concat([step(1, y, 5, 100.0) for y in (9, 10, 19, 20)])
    _, charge = strip(
        STILL, range(10, 20), COLS, ROWS, common, dark, truth, released=dark, random=np.random.default_rng(0)
    )
    assert np.argwhere(charge).tolist() == [[0, 5], [9, 5]]


def test_light_dark_and_persistence_are_poisson_and_per_second() -> None:
    lit = replace(STILL, dark=1.0, flux=4.0)
    same = np.full((ROWS, COLS), 2.5, np.float32)
    dn, _ = frames(lit, sources=same, released=same)
    gained = np.diff(dn.astype(float), axis=0) * 2.0
    assert gained.mean() == pytest.approx(100.0, rel=0.005)
    assert gained.var() == pytest.approx(100.0 + 2 * 4 / 12, rel=0.03)  # a read is rounded to 2 e-


def test_read_noises_add_in_quadrature_and_reset_noise_stays_for_the_ramp() -> None:
    noisy, _ = frames(replace(STILL, gain=0.1, read_noise=6.0, extra_noise=8.0, saturation_dn=1e6))
    assert noisy.std() * 0.1 == pytest.approx(10.0, rel=0.02)
    reset, _ = frames(replace(STILL, gain=0.1, ktc=50.0, saturation_dn=1e6))
    assert (np.diff(reset, axis=0) == 0).all()
    assert reset[0].std() * 0.1 == pytest.approx(50.0, rel=0.05)


def test_the_border_sees_no_light() -> None:
    lit = replace(STILL, flux=50.0, border=4)
    dn, charge = frames(lit, step(2, 1, 1, 500.0))
    inside = np.zeros((ROWS, COLS), dtype=bool)
    inside[4:-4, 4:-4] = True
    assert (dn[:, ~inside] == 1000.0).all()
    assert (charge[inside] > 0).all()
    assert (charge[~inside] == 0).all()


def test_odd_columns_have_their_offset() -> None:
    dn, _ = frames(replace(STILL, even_odd=6.0))
    assert (dn[0, 0, :4] == [1000.0, 1003.0, 1000.0, 1003.0]).all()


@pytest.mark.parametrize("columns", [128, 160])
def test_each_channel_has_its_offset_and_the_last_takes_what_is_left(columns: int) -> None:
    common = np.zeros((N, ROWS, 2), np.float32)
    common[:, :, 1] = 20.0
    dark = np.zeros((ROWS, columns), np.float32)
    random = np.random.default_rng(0)
    dn, _ = strip(STILL, range(ROWS), columns, ROWS, common, dark, NOTHING, released=dark, random=random)
    assert np.unique(dn[0, 0, :CHANNEL_WIDTH]).tolist() == [1000.0]
    assert np.unique(dn[0, 0, CHANNEL_WIDTH:]).tolist() == [1010.0]


def test_a_saturated_pixel_stays_so() -> None:
    full = STILL.full_well
    assert full == (60000.0 - 1000.0) * 2.0
    falls = pd.concat([step(2, 7, 9, full), step(4, 7, 9, -full / 2)])
    dn, _ = frames(STILL, falls)
    assert dn[:, 7, 9].tolist() == [1000.0, 1000.0] + [60000.0] * 4
    assert dn[-1, 7, 8] == 1000.0


def test_nonlinearity_loses_its_share_at_saturation_and_a_quarter_of_it_halfway() -> None:
    bent = replace(STILL, nonlinearity=0.04)
    dn, _ = frames(bent, step(1, 7, 9, STILL.full_well / 2))
    lost = STILL.full_well / 2 - (dn[1, 7, 9] - 1000.0) * 2.0
    assert lost == pytest.approx(0.04 * STILL.full_well / 4, abs=2.0)


def test_the_drift_of_a_channel_is_a_random_walk() -> None:
    drifting = replace(STILL, drift=3.0)
    walk = common_noise(drifting, 50, 2, 400 * CHANNEL_WIDTH, np.random.default_rng(0))
    assert walk.shape == (50, 2, 400)
    assert (walk[:, 0] == walk[:, 1]).all()  # shared by all rows of the channel
    assert walk[:, 0].var(axis=1) == pytest.approx(9.0 * np.arange(1, 51), rel=0.35)
    assert np.diff(walk[:, 0], axis=0).std() == pytest.approx(3.0, rel=0.02)


def test_row_noise_has_its_size_and_falls_with_frequency() -> None:
    noise = common_noise(replace(STILL, one_over_f=5.0), 40, 512, 8 * CHANNEL_WIDTH, np.random.default_rng(0))
    assert noise.std() == pytest.approx(5.0, rel=0.03)
    assert noise.mean(axis=1) == pytest.approx(0.0, abs=1e-4)
    power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).mean(axis=(0, 2))[1:]
    slope = np.polyfit(np.log(np.arange(1, 257)), np.log(power), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.03)


def test_narrow_detectors_are_one_channel() -> None:
    assert common_noise(STILL, 3, 5, 30, np.random.default_rng(0)).shape == (3, 5, 1)
