"""Readers on files written here: order, units, noise, bits, and what each refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, SATURATED
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp, recognise
from astrid_ml.preprocessing.ramps.readers.options import RampOptions

KNOWN = RampOptions(gain=2.0, read_noise=12.0, group_time=10.0, unit="DN")


def write_cube(path: Path, shape: tuple[int, ...], **cards: Any) -> Path:
    data = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    header = fits.Header(cards)
    fits.writeto(path, data, header)
    return path


def write_ima(path: Path, n_reads: int = 4, size: int = 30) -> Path:
    """The layout of an IMA: five extensions a read, the last read first; TIME and SAMP are headers only."""
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "IR", "EXPSTART": 5e4, "EXPEND": 5e4})
    primary.header.update({f"READNSE{q}": 20.0 for q in "ABCD"})
    hdus = [primary]
    for version in range(1, n_reads + 1):
        read = n_reads - version
        seconds = 2.5 * read
        rate = np.full((size, size), 30.0 if read else 0.0, np.float32)
        dq = np.zeros((size, size), np.int16)
        dq[10, 10], dq[11, 11], dq[12, 12] = 8192, 32, 256
        for name, data in (("SCI", rate), ("ERR", rate), ("DQ", dq), ("SAMP", None), ("TIME", None)):
            hdu = fits.ImageHDU(data, name=name, ver=version)
            hdu.header["BUNIT"] = "ELECTRONS/S" if name == "SCI" else "SECONDS"
            if name == "SCI":
                hdu.header["SAMPTIME"] = seconds
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return path


def test_cube_takes_values_from_the_header(tmp_path: Path) -> None:
    cards = {"GAIN": 1.8, "READNOIS": 14.0, "TGROUP": 5.0, "BUNIT": "DN", "REFPIX": 4, "DETECTOR": "A1"}
    ramp = read_ramp(write_cube(tmp_path / "exp.fits", (6, 20, 24), **cards))
    assert ramp.shape == (1, 6, 20, 24)
    assert ramp.name == "exp"
    np.testing.assert_allclose(ramp.group_times, 5.0 * np.arange(1, 7))
    assert ramp.reference is not None
    assert ramp.reference.sum() == 20 * 24 - 12 * 16
    part = ramp.electrons(0, slice(2, 4), slice(3, 5))
    np.testing.assert_allclose(part, 1.8 * np.arange(6 * 20 * 24).reshape(6, 20, 24)[:, 2:4, 3:5], rtol=1e-6)


def test_rates_become_accumulated_signal(tmp_path: Path) -> None:
    path = tmp_path / "rate.npy"
    np.save(path, np.full((4, 8, 8), 3.0, np.float32))
    ramp = read_ramp(path, RampOptions(unit="e-/s", read_noise=10.0, read_noise_is_cds=True, group_time=10.0))
    np.testing.assert_allclose(ramp.data[0, :, 0, 0], [30, 60, 90, 120])
    assert ramp.read_noise == pytest.approx(10 / np.sqrt(2))
    assert ramp.unit == "e-"


@pytest.mark.parametrize(("shape", "axes"), [((64, 60, 6), "yxt"), ((64, 5, 60), "ytx")])
def test_wrong_order_of_axes_is_refused_with_the_guess(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    path = tmp_path / "cube.npy"
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(path, data)
    with pytest.raises(UserError, match=f"axes={axes}"):
        read_ramp(path, KNOWN)
    moved = read_ramp(path, RampOptions(axes=axes, gain=2.0, read_noise=12.0, group_time=10.0, unit="DN"))
    assert moved.shape == (1, min(shape), 64, 60)
    time_axis = axes.index("t")
    np.testing.assert_array_equal(moved.data[0, 2], np.take(data, 2, axis=time_axis))


@pytest.mark.parametrize("missing", ["gain", "read_noise", "group_time", "unit"])
def test_nothing_is_assumed(tmp_path: Path, missing: str) -> None:
    path = write_cube(tmp_path / "bare.fits", (6, 20, 24))
    values: dict[str, Any] = {"gain": 2.0, "read_noise": 12.0, "group_time": 10.0, "unit": "DN", missing: None}
    with pytest.raises(UserError, match=missing):
        read_ramp(path, RampOptions(**values))


def test_ima_is_reversed_and_scaled(tmp_path: Path) -> None:
    ramp = read_ramp(write_ima(tmp_path / "x_ima.fits"))
    np.testing.assert_allclose(ramp.group_times, [0, 2.5, 5.0, 7.5])
    np.testing.assert_allclose(ramp.data[0, :, 15, 15], [0, 75, 150, 225])
    assert ramp.unit == "e-"
    assert ramp.read_noise == pytest.approx(20 / np.sqrt(2))
    assert ramp.dq is not None
    assert ramp.dq[0, 0, 10, 10] == 0  # calwf3's own cosmic-ray bit is not an input
    assert ramp.dq[0, 0, 11, 11] == DO_NOT_USE
    assert ramp.dq[0, 0, 12, 12] == SATURATED
    assert ramp.reference is not None
    assert not ramp.reference[5:-5, 5:-5].any()
    assert ramp.reference[:5].all()


def test_one_read_per_extension_only_by_choice(tmp_path: Path) -> None:
    frames = [fits.ImageHDU(np.full((9, 9), float(i), np.float32)) for i in range(5)]
    path = tmp_path / "many.fits"
    fits.HDUList([fits.PrimaryHDU(), *frames]).writeto(path)
    with pytest.raises(UserError, match="format=extensions"):
        read_ramp(path, KNOWN)
    chosen = RampOptions(format="extensions", gain=2.0, read_noise=12.0, group_time=10.0, unit="DN")
    np.testing.assert_array_equal(read_ramp(path, chosen).data[0, :, 4, 4], np.arange(5))


def test_jwst_times_follow_the_read_pattern(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "JWST", "TGROUP": 53.68, "NFRAMES": 4, "GROUPGAP": 1, "TFRAME": 10.736})
    path = tmp_path / "jw_uncal.fits"
    fits.HDUList([primary, fits.ImageHDU(np.zeros((2, 5, 16, 16), np.uint16), name="SCI")]).writeto(path)
    ramp = read_ramp(path, RampOptions(gain=1.6, read_noise=11.0))
    assert ramp.shape == (2, 5, 16, 16)
    assert ramp.group_times[0] == pytest.approx(10.736 * 2.5)
    np.testing.assert_allclose(ramp.steps, 53.68)
    assert ramp.reads_per_group.tolist() == [4] * 5


def test_too_few_groups_and_times_that_fall(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((2, 8, 8), np.float32))
    with pytest.raises(UserError, match="at least 3 groups"):
        read_ramp(tmp_path / "two.npy", KNOWN)
    np.save(tmp_path / "four.npy", np.zeros((4, 8, 8), np.float32))
    reverse = RampOptions(gain=2.0, read_noise=12.0, unit="DN", group_times=(4.0, 3.0, 2.0, 1.0))
    with pytest.raises(UserError, match="reverse the reads"):
        read_ramp(tmp_path / "four.npy", reverse)


def test_a_large_cube_is_mapped_not_read(tmp_path: Path) -> None:
    cards = {"GAIN": 1.8, "READNOIS": 14.0, "TGROUP": 5.0, "BUNIT": "DN"}
    path = write_cube(tmp_path / "big.fits", (5, 30, 30), **cards)
    assert recognise(path) == "cube"
    assert isinstance(read_ramp(path).data.base, np.memmap | np.ndarray)
    assert isinstance(read_ramp(path).data, np.memmap)
