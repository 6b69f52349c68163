"""Situations that users of other packages reported: each comes out right here, or is refused with its reason.

Each test names the thread in which the situation was described. Data are drawn here; nothing is taken from there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure.dq import group_dq
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.rules import Flagging
from astrid_ml.preprocessing.ramps.exposure.sanity import examine
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, SATURATED
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from tests.made.ramps import FULL, KNOWN, NOISE, RATE, SIZE, WHOLE, jwst, light, ramp_of, searched, written


def test_a_jump_beside_a_group_that_is_left_out(tmp_path: Path) -> None:
    """spacetelescope/jwst 2233, 3495: MIRI, first and last group forbidden, a ray in the second usable one."""
    reads = light(9)
    reads[2:, 5, 6] += 900.0
    dq = np.zeros((1, 9, SIZE, SIZE), np.uint8)
    dq[0, [0, 8]], dq[0, 4, 9, 9] = DO_NOT_USE, 64
    found = written(ramp_of(reads, dq=dq), tmp_path)
    assert abs(found.features["slope"][0, 5, 6] - RATE) < 4 * found.features["slope_variance"][0, 5, 6] ** 0.5
    assert (found.jumps.group[(found.jumps.y == 5) & (found.jumps.x == 6)] == 2).all() and len(found.jumps)
    bits = fits.getdata(tmp_path / "x_ramp.fits", "GROUPDQ")[0]
    assert ((bits & dq[0]) == dq[0]).all() and bits[2, 5, 6] & JUMP_DET
    whole = jwst(tmp_path / "m_uncal.fits", (1000 + reads[None]).astype(np.uint16), INSTRUME="MIRI")
    lost = np.isnan(read_ramp(whole, KNOWN).electrons(0, slice(None), slice(None))).all((1, 2))
    assert lost.tolist() == [True, *[False] * 7, True]


def test_groups_that_are_no_neighbours_have_no_slope(tmp_path: Path) -> None:
    """spacetelescope/jwst 8352: of four groups the second and the fourth are lost; rays there leave one difference."""
    reads = light(4)
    reads[1:, 3, 4] += 5000.0
    reads[3:, 3, 4] += 900.0
    dq = np.zeros((1, 4, SIZE, SIZE), np.uint8)
    dq[0, [1, 3], 20, 21] = DO_NOT_USE
    found = written(ramp_of(reads, dq=dq), tmp_path)
    with fits.open(tmp_path / "x_rate.fits") as hdus:
        assert np.isnan(hdus["SCI"].data[20, 21]) and hdus["DQ"].data[20, 21] & DO_NOT_USE
        rate, error = hdus["SCI"].data[3, 4], hdus["ERR"].data[3, 4]
    assert sorted(found.fitted.group[(found.fitted.y == 3) & (found.fitted.x == 4)]) == [1, 3]
    assert abs(rate - RATE) < 4 * error and error > NOISE * 2**0.5 / 10


def test_a_forbidden_first_group_saturates_nothing(tmp_path: Path) -> None:
    """spacetelescope/jwst 6492, stcal 70: what is left are two groups, or one; a slope that is right, or none."""
    dq = np.zeros((1, 3, SIZE, SIZE), np.uint8)
    dq[0, 0], dq[0, :2, 4, 4] = DO_NOT_USE, DO_NOT_USE
    found = written(ramp_of(light(3), dq=dq), tmp_path)
    assert not (group_dq(found, 0, WHOLE) & SATURATED).any()
    slope = found.features["slope"][0]
    assert np.isnan(slope[4, 4]) and np.isfinite(slope).sum() == SIZE**2 - 1
    assert np.nanmean(slope) == pytest.approx(RATE, abs=0.2)


def test_what_happened_in_a_group_stands_in_the_rates_bits(tmp_path: Path) -> None:
    """spacetelescope/jwst 3569: JUMP_DET of any group; SATURATED, as that pipeline has it, where no group is left."""
    reads = light(8)
    reads[4:, 5, 6] += 900.0
    reads[6:, 7, 8] = reads[:, 9, 9] = 2 * FULL
    written(ramp_of(reads), tmp_path)
    bits = fits.getdata(tmp_path / "x_rate.fits", "DQ")
    assert bits[5, 6] & JUMP_DET and bits[9, 9] == SATURATED | DO_NOT_USE
    assert np.argwhere(bits & SATURATED).tolist() == [[9, 9]]


def test_ramps_without_noise_have_their_slope_around_a_jump() -> None:
    """spacetelescope/stcal 68, jwst 6493: the group of a jump belongs to what comes after it."""
    line = np.tile(7.0 * np.arange(1, 11)[:, None, None] * 10, (1, SIZE, SIZE))
    line[4:, 5, 6] += 1000.0
    line[7:, 5, 6] += 444.0
    ramp = ramp_of(line)
    ramp = replace(ramp, data=line[None].astype(np.float32))
    found = searched(ramp, steps=StepDetector(average=0.0))
    np.testing.assert_allclose(found.features["slope"][0], 7.0, rtol=1e-5)
    sizes = found.fitted.sort_values("group")
    assert sizes.group.tolist() == [4, 7] and sizes.amplitude.tolist() == pytest.approx([1000.0, 444.0], abs=0.01)


@pytest.mark.parametrize("rate", [0.0, 0.005])
def test_dark_pixels_with_a_ray_are_unbiased(rate: float) -> None:
    """spacetelescope/stcal 59, jwst 3878: half of their measured rates are negative, and errors must not know it."""
    reads = light(12, rate, 60)
    reads[6:, ::3] += 30 * NOISE
    found = searched(ramp_of(reads))
    pull = (found.features["slope"][0] - rate) / np.sqrt(found.features["slope_variance"][0])
    for part in (pull[::3], pull[1::3]):
        assert abs(part.mean()) < 0.15 and 0.9 < part.std() < 1.1


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("rate", [0.1, 30.0])
def test_few_groups_are_not_all_jumps(n: int, rate: float) -> None:
    """spacetelescope/jwst 3358, 6223: exposures of three and four groups, nearly all pixels flagged."""
    found = searched(ramp_of(light(n, rate, 200)))
    assert len(found.fitted) <= 5  # of 1e5 differences


def test_reads_that_are_no_numbers_or_full_are_no_rays() -> None:
    """spacetelescope/jwst 591: NaN that were set to 0 made saturated reads look like rays."""
    reads = light(9)
    reads[5:, 10:14] = 2 * FULL
    ramp = ramp_of(reads)
    ramp.data[0, 3, 20:22], ramp.data[0, 4:, 25] = np.nan, np.nan
    bits = group_dq(searched(ramp), 0, WHOLE)
    assert not (bits[(bits & (SATURATED | DO_NOT_USE)) != 0] & JUMP_DET).any()
    assert not (bits[:, [*range(10, 14), 20, 21, 25]] & JUMP_DET).any()


def test_neighbours_and_followers_are_flagged_where_they_may_be() -> None:
    """spacetelescope/stcal 79, 90, jwst 4297, 6943, 7733: beside a ray, after it, on no lost group, not around edges.

    However much is flagged, slopes are fitted over the ramp, and stay.
    """
    reads = light(10)
    reads[3:, 0, 0] += 200 * NOISE
    reads[3:, 16, 31] += 200 * NOISE
    reads[2:, 17, 31] = 2 * FULL
    dq = np.zeros((1, 10, SIZE, SIZE), np.uint8)
    dq[0, 3, 15, 31] = DO_NOT_USE
    asked = Flagging(after_jump_size=100.0, after_jump_time=500.0, neighbours=True)
    found = searched(ramp_of(reads, dq=dq), flags=asked)
    bits = group_dq(found, 0, WHOLE)
    jump = (bits & JUMP_DET) != 0
    assert jump[3, 0, 1] and jump[3, 1, 0] and jump[3, 16, 30]
    assert not jump[3, 15, 31] and not jump[3, 17, 31] and not jump[3, 31].any() and not jump[3, 0, 31]
    assert not jump[3, 16, 0] and np.flatnonzero(jump[:, 0, 0]).tolist() == list(range(3, 10))
    assert np.isfinite(found.features["slope"][0, 0, 0])
    assert found.features["slope"][0, 0, 0] == pytest.approx(RATE, abs=1.0)


def test_a_mean_that_hides_saturation_is_not_trusted() -> None:
    """spacetelescope/jwst 8413, 7765: a ray fills the well within a group of averaged reads."""
    reads = light(22, frames=4)
    reads[4 * 2 + 2 :, 5:9] = 2 * FULL  # two reads of the third group
    found = searched(ramp_of(reads, frames=4))
    slope, error = found.features["slope"][0, 5:9], np.sqrt(found.features["slope_variance"][0, 5:9])
    assert (np.abs(slope - RATE) < 5 * error).all() and abs((slope - RATE).mean()) < 0.5
    assert (found.features["slope"][0] < 20).all()


def test_times_of_groups_with_a_gap(tmp_path: Path) -> None:
    """spacetelescope/jwst 808: NFRAMES are averaged, GROUPGAP are dropped; each has its time."""
    cards = {"NFRAMES": 3, "GROUPGAP": 2, "TFRAME": 2.0, "TGROUP": 10.0}
    ramp = read_ramp(jwst(tmp_path / "a_uncal.fits", light(4)[None].astype(np.uint16), **cards), KNOWN)
    since = np.array(ramp.sampling.groups) - ramp.sampling.groups[0][0]
    assert since.tolist() == [[10.0 * k, 10.0 * k + 2, 10.0 * k + 4] for k in range(4)]
    wrong = jwst(tmp_path / "b_uncal.fits", light(4)[None].astype(np.uint16), **(cards | {"GROUPGAP": 4}))
    with pytest.raises(UserError, match=r"3 frames averaged and 4 dropped.*group_gap"):
        read_ramp(wrong, KNOWN)


def test_an_irs2_array_is_no_mistake(tmp_path: Path) -> None:
    """spacetelescope/jwst 1293, 2664, 2755: 3,200 rows where SUBSIZE2 says 2,048, and maps of these 2,048."""
    data = np.zeros((1, 3, 3200, 2048), np.uint16)
    path = jwst(
        tmp_path / "a_uncal.fits", data, INSTRUME="NIRSPEC", DETECTOR="NRS1", READPATT="NRSIRS2RAPID",
        SUBARRAY="FULL", SUBSIZE1=2048, SUBSIZE2=2048, SUBSTRT1=1, SUBSTRT2=1,
    )  # fmt: skip
    noise = np.full((2048, 2048), 6.0, np.float32)
    noise[2040:] = 9.0
    fits.writeto(tmp_path / "noise.fits", noise, fits.Header({"BUNIT": "ELECTRONS"}))
    ramp = read_ramp(path, RampOptions(gain=1.0, read_noise=str(tmp_path / "noise.fits"), polarity="normal"))
    assert ramp.shape == (1, 3, 2048, 2048)
    assert ramp.noise(slice(2030, 2048), slice(0, 1))[:, 0].tolist() == [6.0] * 10 + [9.0] * 8


@pytest.mark.parametrize("at", [1, 2, 3])
def test_early_rays_leave_no_negative_slope(at: int) -> None:
    """spacetelescope/romancal 1076: rays in the first half of averaged resultants."""
    reads = light(8, 5.0, frames=4)
    reads[4 * at + 1 :, ::2] += 3000.0
    slope = searched(ramp_of(reads, frames=4)).features["slope"][0]
    assert (slope[::2] > 0).mean() > 0.999 and slope[::2].mean() == pytest.approx(5.0, abs=0.3)


def test_steps_have_their_place_in_three_dimensions(tmp_path: Path) -> None:
    """spacetelescope/romancal 2373, stcal 454: pixel and resultant, where these are unevenly long."""
    pattern = [[1], [2, 3], [4, 5, 6, 7], [8], [9, 10, 11, 12, 13, 14], [15], [16, 17], [18], [19, 20], [21]]
    every = light(21)
    every[14:, 5, 6] += 900.0  # from the 15th read on: the sixth resultant
    every[7:, 20, 21] += 900.0  # the 8th: the fourth
    every += np.random.default_rng(1).normal(0, NOISE, every.shape)
    data = np.stack([every[np.array(group) - 1].mean(0) for group in pattern])[None].astype(np.float32)
    times = ReadTimes.of_pattern(pattern, 10.0)
    found = searched(Ramp(data, times, "e-", 1.0, NOISE, saturation_dn=FULL))
    places = set(zip(found.jumps.group, found.jumps.y, found.jumps.x, strict=True))
    assert places == {(5, 5, 6), (3, 20, 21)}
    cards = fits.Header({"GAIN": 1.0, "READNOIS": NOISE, "TGROUP": 10.0, "BUNIT": "e-", "SATURATE": FULL})
    reads = light(8)
    reads[3:, 5, 6] += 900.0
    fits.writeto(tmp_path / "a.fits", ramp_of(reads).data[0], cards)
    PredictRamps(str(tmp_path / "a.fits"), str(tmp_path / "out")).run()
    table = pd.read_parquet(tmp_path / "out" / "a" / "jumps.parquet")
    assert table[["integration", "group", "y", "x"]].to_numpy().tolist() == [[0, 3, 5, 6]]
    [event] = json.loads((tmp_path / "out" / "a" / "detections.json").read_text())
    assert event["first_frame"] == 3 and event["centroid"] == [6, 5]


def test_a_sky_that_changes_is_said(tmp_path: Path) -> None:
    """spacetelescope/hstcal 281: helium's airglow rises through the exposure; a straight ramp does not hold."""
    rate = np.linspace(2.0, 60.0, 14)[:, None, None]
    reads = np.random.default_rng(2).poisson(10 * np.broadcast_to(rate, (14, 64, 64))).cumsum(0).astype(float)
    found = process(Exposure(ramp_of(reads)), tmp_path / "cube.npy")
    said = examine(found, np.load(tmp_path / "cube.npy"))
    assert not said.sound and any("chi-square" in reason for reason in said.reasons)


def test_an_ima_that_was_corrected_before_is_read(tmp_path: Path) -> None:
    """spacetelescope/hstcal 552: CRCORR = COMPLETE ends a second run there."""
    primary = fits.PrimaryHDU()
    primary.header.update({"INSTRUME": "WFC3", "DETECTOR": "IR", "CRCORR": "COMPLETE"})
    primary.header.update({f"READNSE{quarter}": 20.0 for quarter in "ABCD"})
    reads, hdus = light(9, size=24) + np.random.default_rng(1).normal(0, 14, (9, 24, 24)), [primary]
    reads[5:, 8, 9] += 900.0
    for version in range(1, 10):  # the last read first
        time = 10.0 * (9 - version)
        sci = fits.ImageHDU(
            ((reads[9 - version] - reads[0]) / max(time, 1.0)).astype(np.float32), name="SCI", ver=version
        )
        sci.header.update({"BUNIT": "ELECTRONS/S", "SAMPTIME": time})
        hdus.append(sci)
    fits.HDUList(hdus).writeto(tmp_path / "x_ima.fits")
    found = searched(read_ramp(tmp_path / "x_ima.fits"))
    assert (5, 8, 9) in set(zip(found.jumps.group, found.jumps.y, found.jumps.x, strict=True))
