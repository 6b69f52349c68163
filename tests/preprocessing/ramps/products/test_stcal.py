"""The ramp file through the ramp fit of the JWST pipeline's library, and flags beside its own (needs stcal)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.ramps.exposure.dq import group_dq
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.products.write import write_products
from astrid_ml.preprocessing.ramps.ramp.codes import JUMP_DET
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.types import Array, Floats32

REASON = "stcal 1.20.0 and scikit-image are not installed (no dependency: pip install --target FOLDER, PYTHONPATH)"
GAIN, NOISE, N, SIZE = 1.8, 12.0, 10, 48
BITS = {
    "GOOD": 0, "DO_NOT_USE": 1, "SATURATED": 2, "JUMP_DET": 4, "NO_GAIN_VALUE": 8, "UNRELIABLE_SLOPE": 2**24,
    "CHARGELOSS": 128, "PERSISTENCE": 32, "DROPOUT": 8,
}  # fmt: skip


@pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
def test_its_fit_gives_the_same_slopes_within_errors(algorithm: str, tmp_path: Path) -> None:
    """Pixels without events, with rays, with falls and with a saturated end; its bits are those of our file."""
    ramp_fit = pytest.importorskip("stcal.ramp_fitting.ramp_fit", reason=REASON)
    random = np.random.default_rng(2)
    light = random.poisson(60.0, (1, N, SIZE, SIZE)).cumsum(axis=1)
    data = (300 + (light + random.normal(0, NOISE, light.shape)) / GAIN).astype(np.float32)
    hit = random.random((SIZE, SIZE)) < 0.1
    data[0, 4:, hit] += 400.0
    data[0, 6:, :, 3] -= 400.0
    data[0, 7:, 9] = 60000.0
    ramp = Ramp(
        data, ReadTimes.single(10.0 * np.arange(1.0, N + 1)), "DN", GAIN, NOISE, name="x", saturation_dn=59000.0
    )
    found = process(Exposure(ramp, Processing()), tmp_path / "cube.npy")
    write_products(tmp_path, found, np.load(tmp_path / "cube.npy"))
    with fits.open(tmp_path / "x_ramp.fits", memmap=False) as hdus:
        science, groups, pixels = (
            hdus[name].data.astype(kind) for name, kind in (("SCI", "f4"), ("GROUPDQ", "u1"), ("PIXELDQ", "u4"))
        )
        header = hdus[0].header
    given = ramp_fit.ramp_fit_class.RampData()
    given.algorithm = algorithm
    given.set_arrays(science, groups, pixels, np.zeros((SIZE, SIZE), np.float32))
    given.set_meta("NIRCAM", header["TFRAME"], header["TGROUP"], header["GROUPGAP"], header["NFRAMES"], 0)
    given.set_dqflags(BITS)
    given.start_row, given.num_rows = 0, SIZE
    if algorithm == "LIKELY":  # takes the times of all reads by that name
        given.rejection_threshold, given.read_pattern = 4.5, [list(group) for group in ramp.sampling.groups]
    noise = np.full((SIZE, SIZE), NOISE * np.sqrt(2) / GAIN, np.float32)  # of a difference, DN, as its reference files
    gain = np.full((SIZE, SIZE), GAIN, np.float32)
    image, _, _ = ramp_fit.ramp_fit_data(given, False, noise, gain, algorithm, "optimal", "none")
    rate, error = image["slope"], fits.getdata(tmp_path / "x_rate.fits", "ERR")
    pull = (rate - fits.getdata(tmp_path / "x_rate.fits", "SCI")) / error
    assert np.isfinite(pull).mean() > 0.99
    assert abs(np.nanmedian(pull)) < 0.1 and np.nanstd(pull) < 0.6
    for where in (hit, np.arange(SIZE)[None] == 3, np.arange(SIZE)[:, None] == 9):
        assert abs(np.nanmedian(pull[np.broadcast_to(where, pull.shape)])) < 0.25
    theirs = image["err"]
    assert np.nanmedian(theirs / error) == pytest.approx(1.0, abs=0.15)


def flags_of_stcal(data: Floats32, dq: Array, noise: Floats32) -> Array:
    """Two-point differences by stcal itself, neighbours left out; noise of one read, e-."""
    from stcal.jump.twopoint_difference import find_crs
    from stcal.jump.twopoint_difference_class import TwoPointParams

    p = TwoPointParams()
    p.normal_rej_thresh, p.two_diff_rej_thresh, p.three_diff_rej_thresh, p.nframes = 4.0, 6.0, 5.0, 1
    p.flag_4_neighbors, p.max_jump_to_flag_neighbors, p.min_jump_to_flag_neighbors = False, 1000, 10
    p.fl_good, p.fl_sat, p.fl_jump, p.fl_ngv, p.fl_dnu, p.fl_ref = 0, 2, 4, 8, 1, 2**31
    p.after_jump_flag_e1 = p.after_jump_flag_e2 = 0.0
    p.after_jump_flag_n1 = p.after_jump_flag_n2 = 0
    p.minimum_groups, p.minimum_sigclip_groups, p.only_use_ints, p.min_diffs_single_pass = 3, 10**6, True, 10
    p.dt_group, p.n_reads_groupdiff = np.array([1.0]), np.array([2.0])
    flags: Array = find_crs(data.copy(), dq.copy(), noise * np.float32(np.sqrt(2)), p)[0]
    return flags


@pytest.mark.real_data
@pytest.mark.parametrize("reference", [None, ReferenceCorrection()])
def test_a_real_exposure_has_the_flags_of_stcal(reference: ReferenceCorrection | None, real_data: Path) -> None:
    """Our two-point differences flag the same; GROUPDQ holds all of them, falls as well as rises."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("stcal.jump.twopoint_difference", reason=REASON)
    from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint

    ramp = read_ramp(real_data / "wfc3_ramps" / "ibxy07p9q_ima.fits")
    exposure = Exposure(ramp, Processing(reference=reference))
    (strip,) = exposure.strips(0)
    assert ramp.reference is not None
    strip.reads[:, ramp.reference] = np.nan
    data, dq = np.nan_to_num(strip.reads)[None], np.isnan(strip.reads).astype(np.uint8)[None]
    theirs = flags_of_stcal(data, dq, strip.noise)
    both = (torch.from_numpy(part) for part in (data, dq.astype(np.int32), strip.noise))
    ours, _ = TwoPoint(flag_neighbours=False)(*both)
    np.testing.assert_array_equal(ours.numpy(), theirs)
    flagged = (theirs[0] & JUMP_DET) != 0
    assert flagged[3, 18, 225] and flagged.sum() <= 6
    print("flags", np.argwhere(flagged).tolist())
    assert ((group_dq(process(exposure), 0, slice(0, 266)) & JUMP_DET)[flagged] != 0).all()
