"""Data-quality bits: what each is set for, and the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.ramps.exposure.dq import group_dq
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.products.write import PipelineFiles, write_products
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, REFERENCE_PIXEL, SATURATED
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import border_mask

N, SIZE = 24, 70
WHOLE = slice(0, SIZE)


@pytest.fixture
def ramp() -> Ramp:
    """A ray, a ray before saturation, a lost group, a bad pixel, and a snowball in the first of two integrations."""
    data = np.random.default_rng(3).normal(0, 4.0, (2, N, SIZE, SIZE)).astype(np.float32)
    data[0, 9:, 20, 21] += 300.0
    data[0, 6:, 30, 31] += 300.0
    data[0, 18:, 30, 31] = 61000.0
    data[1, 12, 40, 41] = np.nan
    y, x = np.mgrid[:SIZE, :SIZE]
    r = np.hypot(y - 50, x - 20)
    data[0, 10:, r <= 6] = 61000.0
    data[0, 10:, (r > 6) & (r <= 10)] += 900.0
    dq = np.zeros(data.shape, np.uint32)
    dq[0, 5, 8, 9] = DO_NOT_USE
    dq[0, 20, 20, 21] = SATURATED
    pixel_dq = np.zeros((SIZE, SIZE), np.uint32)
    pixel_dq[60, 61] = DO_NOT_USE | 1024
    return Ramp(
        data,
        ReadTimes.single(500.0 * np.arange(1, N + 1, dtype=np.float64)),
        "e-",
        1.0,
        4.0,
        dq,
        pixel_dq,
        border_mask(SIZE, SIZE, 4),
        saturation_dn=61000.0,
    )


def test_bits_of_groups(ramp: Ramp) -> None:
    found = process(Exposure(ramp, Processing()))
    bits = group_dq(found, 0, WHOLE)
    assert bits.dtype == np.uint32
    ray = bits[:, 20, 21]
    assert np.flatnonzero(ray & JUMP_DET).tolist() == [9]
    assert np.flatnonzero(ray & SATURATED).tolist() == [20, 21, 22, 23]  # the input's bit holds to the end
    assert np.flatnonzero(bits[:, 30, 31] & JUMP_DET).tolist() == [6]
    assert np.flatnonzero(bits[:, 30, 31] & SATURATED)[0] == 18
    assert bits[5, 8, 9] == DO_NOT_USE
    assert (bits[10:, 50, 20] == SATURATED).all()
    assert bits[10, 50, 28] == JUMP_DET
    assert not (bits[(bits & (SATURATED | DO_NOT_USE)) != 0] & JUMP_DET).any()
    part = group_dq(found, 0, slice(15, 40))
    np.testing.assert_array_equal(part, bits[:, 15:40])


def test_next_integration(ramp: Ramp) -> None:
    found = process(Exposure(ramp, Processing()))
    bits = group_dq(found, 1, WHOLE)
    assert (bits[:8, 50, 20] == JUMP_DET).all()  # 4000 s are 8 groups
    assert not bits[8:, 50, 20].any()
    assert bits[12, 40, 41] == DO_NOT_USE
    assert int((bits[:, 40, 41] != 0).sum()) == 1


def test_the_file(ramp: Ramp, tmp_path: Path) -> None:
    found = process(Exposure(ramp, Processing()), tmp_path / "cube.npy")
    write_products(tmp_path, found, np.load(tmp_path / "cube.npy"), PipelineFiles(ramp=False, rate=False))
    (tmp_path / "cube.npy").unlink()
    with fits.open(tmp_path / "exposure_dq.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "GROUPDQ", "PIXELDQ"]
        groups, pixels = hdus["GROUPDQ"].data, hdus["PIXELDQ"].data
        assert groups.shape == ramp.shape
        for integration in (0, 1):
            expected = group_dq(found, integration, WHOLE)
            np.testing.assert_array_equal(groups[integration], expected)
        assert pixels[60, 61] == DO_NOT_USE | 1024
        assert pixels[0, 0] == REFERENCE_PIXEL
        assert pixels[20, 21] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["exposure_dq.fits"]


def test_saturation_in_electrons_uses_the_gain(ramp: Ramp) -> None:
    in_dn = Ramp(ramp.data / 2, ramp.sampling, "DN", 2.0, 4.0, saturation_dn=30500.0)
    bits = group_dq(process(Exposure(in_dn, Processing())), 0, WHOLE)
    assert np.flatnonzero(bits[:, 30, 31] & SATURATED)[0] == 18
