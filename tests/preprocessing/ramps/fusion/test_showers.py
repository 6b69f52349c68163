"""Showers: found where no pixel shows them, one event each, their slopes cleaned, and nothing else taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.commands.visualise import ResultVisualizer
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.showers import with_showers
from astrid_ml.preprocessing.ramps.ramp.codes import JUMP_DET
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Floats, Floats32

NOISE, SIZE, SKY = 10.0, 96, 2.0
Y, X = np.mgrid[:SIZE, :SIZE]


def bump(y: float, x: float, wide: float, high: float, ratio: float = 1.0) -> Floats:
    """e- in one group: an oblong bell."""
    out: Floats = high * np.exp(-0.5 * (((Y - y) / wide) ** 2 + ((X - x) / (wide * ratio)) ** 2))
    return out


def sky(n_groups: int, seed: int, frames: int = 1) -> Floats:
    """Light and noise of groups 10 s apart, e-, with a star and rays that are tracks."""
    random = np.random.default_rng(seed)
    rate = SKY + bump(70, 70, 2.0, 200.0)
    light = random.poisson(rate * 10 / frames, (n_groups * frames, SIZE, SIZE)).cumsum(0)
    reads = (light + NOISE * random.normal(size=light.shape)).reshape(n_groups, frames, SIZE, SIZE).mean(1)
    for _ in range(25):
        y, x, angle, group = *random.uniform(5, SIZE - 5, 2), random.uniform(0, np.pi), random.integers(1, n_groups)
        for along in np.arange(0, random.uniform(1, 12), 0.5):
            row, column = int(y + along * np.sin(angle)), int(x + along * np.cos(angle))
            if 0 <= row < SIZE and 0 <= column < SIZE:
                reads[group:, row, column] += random.uniform(50, 500)
    out: Floats = reads
    return out


def searched(reads: Floats, folder: Path, frames: int = 1) -> Processed:
    times = 10.0 / frames * np.arange(1.0, len(reads) * frames + 1).reshape(len(reads), frames)
    sampling = ReadTimes(tuple(tuple(map(float, group)) for group in times))
    ramp = Ramp(reads[None].astype(np.float32), sampling, "e-", 1.0, NOISE, name="x")
    found = process(Exposure(ramp), folder / "cube.npy")
    return with_showers(found, np.load(folder / "cube.npy", mmap_mode="r"))


@pytest.mark.parametrize(("n_groups", "frames"), [(5, 1), (10, 1), (10, 4), (40, 1)])
@pytest.mark.parametrize(("wide", "ratio"), [(5.0, 1.0), (8.0, 2.0)])
def test_showers_are_found_and_their_slopes_are_cleaned(
    n_groups: int, frames: int, wide: float, ratio: float, tmp_path: Path
) -> None:
    """Twice the noise of a group at its middle: hardly a pixel has a step."""
    noise = np.sqrt(NOISE**2 * 2 / frames + 10 * SKY)
    clean = sky(n_groups, 3, frames)
    with_one, shape = clean.copy(), bump(30, 40, wide, 2.5 * noise, ratio)
    with_one[n_groups // 2 :] += np.random.default_rng(4).poisson(shape)
    found = searched(with_one, tmp_path, frames)
    assert [(one.integration, one.group) for one in found.showers] == [(0, n_groups // 2)]
    shower = found.showers[0]
    assert np.hypot(shower.y - 30, shower.x - 40) < 4 and shower.snr > 8
    middle = shape > 0.6 * shape.max()
    inside = np.zeros((SIZE, SIZE), bool)
    inside[shower.pixels[:, 0], shower.pixels[:, 1]] = True
    assert inside[middle].mean() > 0.95 and inside[shape < 0.01 * shape.max()].mean() < 0.03
    pull = (found.features["slope"][0] - SKY) / np.sqrt(found.features["slope_variance"][0])
    quiet = middle & inside
    assert abs(np.median(pull[quiet])) < 0.5


@pytest.mark.parametrize("n_groups", [5, 20])
def test_nothing_else_is_one(n_groups: int, tmp_path: Path) -> None:
    """Tracks and a star; a patch that decays; rows that drift; a flash of all pixels; a ramp that bends."""
    random, groups = np.random.default_rng(6), np.arange(n_groups)
    plain = sky(n_groups, 5)
    decay = bump(30, 30, 5, 900.0) * (1 - np.exp(-groups / 4.0))[:, None, None]
    rows = 3.0 * random.normal(size=(n_groups, SIZE, 1))
    flash = 60.0 * (groups >= n_groups // 2)[:, None, None] * np.ones((SIZE, SIZE))
    bent = -2e-6 * plain.clip(min=0) ** 2
    for more in (0.0, decay, rows, flash, bent):
        assert searched(plain + more, tmp_path).showers == []


def test_a_shower_is_one_event_of_the_list_and_has_its_bits(tmp_path: Path) -> None:
    reads: Floats32 = (sky(12, 7) + bump(30, 40, 6, 60.0) * (np.arange(12) >= 7)[:, None, None]).astype(np.float32)
    fits.writeto(tmp_path / "one.fits", reads)
    load = RampOptions(unit="e-", gain=1.0, group_time=10.0, read_noise=NOISE, saturation=1e6)
    PredictRamps(str(tmp_path / "one.fits"), str(tmp_path / "out"), load).run()
    out = tmp_path / "out" / "one"
    events = json.loads((out / "detections.json").read_text())
    [shower] = [event for event in events if event["type"] == "shower"]
    assert (shower["integration"], shower["first_frame"]) == (0, 7) and shower["spatial_extent"] > 100
    x, y = shower["centroid"]
    placed = [event for event in events if event["first_frame"] == 7 and "centroid" in event]
    assert [e for e in placed if np.hypot(e["centroid"][0] - x, e["centroid"][1] - y) < 6] == [shower]
    drawn = ResultVisualizer.open(out).save(tmp_path / "figures")
    assert "shower_0.png" in {path.name for path in drawn}
    with fits.open(out / "one_dq.fits") as file:
        bits = file["GROUPDQ"].data.reshape(12, SIZE, SIZE)
    assert ((bits[7, 27:34, 37:44] & JUMP_DET) != 0).all() and ((bits[6, 27:34, 37:44] & JUMP_DET) != 0).mean() < 0.1


def test_few_pixels_and_reference_pixels_tell_nothing(tmp_path: Path) -> None:
    reads = sky(8, 8)[:, :20, :20]
    small = searched(reads + 100.0 * (np.arange(8) >= 4)[:, None, None] * (X[:20, :20] > 9), tmp_path)
    assert small.showers == [] and replace(small, showers=[]).showers == []
