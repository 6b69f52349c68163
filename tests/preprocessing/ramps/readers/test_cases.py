"""Cases that were given from outside: each file is read as it says, or refused by its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions


@pytest.fixture
def cases(real_data: Path) -> Path:
    folder = real_data.parent / "cases" / "ramps"
    if not folder.is_dir():
        pytest.skip("no cases beside the real files")
    return folder


KNOWN = RampOptions(gain=1.8, read_noise=12.0)


@pytest.mark.real_data
def test_a_jwst_file_of_three_axes(cases: Path) -> None:
    with pytest.raises(UserError, match="a JWST ramp of 4 axes"):
        read_ramp(cases / "jwst_3d" / "x_rateints.fits", KNOWN)


@pytest.mark.real_data
def test_deep8_has_no_steps(cases: Path) -> None:
    ramp = read_ramp(cases / "jwst_deep8" / "x_uncal.fits", KNOWN)
    assert ramp.reads_per_group.tolist() == [8] * 20
    np.testing.assert_allclose(ramp.sampling.gaps, 13 * 10.73677, rtol=1e-5)
    assert len(process(Exposure(ramp, Processing(reference=None))).jumps) <= 1


@pytest.mark.real_data
def test_irs2_in_a_small_file(cases: Path) -> None:
    with pytest.raises(UserError, match="IRS2"):
        read_ramp(cases / "nirspec_irs2" / "x_uncal.fits", KNOWN)


@pytest.mark.real_data
def test_an_unsigned_cube_and_its_one_hit(cases: Path) -> None:
    ramp = read_ramp(cases / "uint16_bzero" / "cube.fits")
    jumps = process(Exposure(ramp, Processing())).jumps
    assert jumps[["group", "y", "x"]].to_numpy().tolist() == [[6, 10, 14]]
    assert jumps.amplitude[0] == pytest.approx(600, abs=60)


@pytest.mark.real_data
def test_a_roman_exposure(cases: Path) -> None:
    pytest.importorskip("asdf", reason="the extra roman is not installed")
    (path,) = (cases / "roman_l1").glob("*.asdf")
    ramp = read_ramp(path, KNOWN)
    assert ramp.shape == (1, 4, 64, 64)
    np.testing.assert_allclose(ramp.group_times, [3.04, 7.60, 16.72, 28.88])
    assert ramp.reads_per_group.tolist() == [1, 2, 4, 4]
