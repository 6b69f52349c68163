"""Layouts of JWST's files: three axes, IRS2, MIRI's ends, what stays on the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.sanity import examine
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, SATURATED
from astrid_ml.preprocessing.ramps.ramp.stored import Stored
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.jwst import irs2_mask
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array

KNOWN = RampOptions(gain=1.6, read_noise=11.0)
PLAIN = {"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "TGROUP": 10.0, "TFRAME": 10.0, "NFRAMES": 1}


def write(path: Path, data: Array, cards: dict[str, Any] | None = None, bunit: str | None = None, **more: Any) -> Path:
    primary = fits.PrimaryHDU()
    primary.header.update(PLAIN | {"GROUPGAP": 0, "NGROUPS": len(data), "NINTS": 1} | (cards or {}))
    sci = fits.ImageHDU(data, name="SCI")
    if bunit:
        sci.header["BUNIT"] = bunit
    fits.HDUList([primary, sci, *(fits.ImageHDU(value, name=name) for name, value in more.items())]).writeto(path)
    return path


def cube(*shape: int) -> Array:
    rise = 1000 + 20 * np.arange(shape[-3])[:, None, None]
    return (rise + np.random.default_rng(0).integers(0, 50, shape)).astype(np.uint16)


def test_an_uncal_file_is_mapped_and_equals_what_astropy_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "jw_uncal.fits", cube(2, 5, 16, 18), {"NINTS": 2, "NGROUPS": 5})
    ramp = read_ramp(path, KNOWN)
    assert isinstance(ramp.data, Stored) and isinstance(ramp.data.raw, np.memmap)
    np.testing.assert_array_equal(np.asarray(ramp.data), fits.getdata(path, "SCI"))
    assert (ramp.unit, ramp.mission, ramp.detector) == ("DN", "JWST", "NRCA1")


def test_a_ramp_file_with_its_bits(tmp_path: Path) -> None:
    dq = np.zeros((1, 5, 16, 18), np.uint8)
    dq[0, 2, 3, 4], dq[0, 3:, 5, 6] = JUMP_DET, SATURATED
    pixels = np.zeros((16, 18), np.uint32)
    pixels[7, 8], pixels[9, 9] = DO_NOT_USE, 2**31
    more = {"GROUPDQ": dq, "PIXELDQ": pixels, "ERR": np.zeros((1, 5, 16, 18), np.float32)}
    ramp = read_ramp(write(tmp_path / "jw_ramp.fits", cube(1, 5, 16, 18).astype(np.float32), None, "DN", **more), KNOWN)
    lost = np.isnan(ramp.electrons(0, slice(None), slice(None)))
    wanted = np.zeros_like(lost)
    wanted[3:, 5, 6], wanted[:, 7, 8] = True, True
    assert np.array_equal(lost, wanted)  # the pipeline's own jumps are an answer, not an input
    assert ramp.reference is not None and np.argwhere(ramp.reference).tolist() == [[9, 9]]
    assert ramp.dq is not None and ramp.dq.dtype == np.uint8


def test_a_border_that_is_corrected_already_is_not_used_again(tmp_path: Path) -> None:
    """Nor is it held against the exposure that its pixels are flagged: they are no image."""
    bits = np.full((16, 18), DO_NOT_USE | 2**31, np.uint32)
    bits[4:-4, 4:-4] = 0
    done = {"S_REFPIX": "COMPLETE"}
    for name, cards, options, used in (
        ("done", done, KNOWN, False),
        ("raw", {}, KNOWN, True),
        ("asked", done, replace(KNOWN, border=4), True),
        ("unused", {}, replace(KNOWN, border=0), False),
    ):
        ramp = read_ramp(write(tmp_path / f"{name}_ramp.fits", cube(1, 5, 16, 18), cards, "DN", PIXELDQ=bits), options)
        assert ramp.reference is not None and ramp.reference.sum() == 16 * 18 - 8 * 10
        assert ramp.corrected != used and any("S_REFPIX" in note for note in ramp.notes) == (name == "done")
        found = process(Exposure(ramp), tmp_path / f"{name}.npy")
        lost = examine(found, np.load(tmp_path / f"{name}.npy")).measures["lost_reference"]
        assert lost == (1.0 if used else None)
        assert np.isfinite(found.features["slope"]).sum() == 8 * 10


def test_three_axes_are_a_ramp_only_where_the_header_says_one_integration(tmp_path: Path) -> None:
    ramp = read_ramp(write(tmp_path / "a.fits", cube(6, 16, 18), {"NGROUPS": 6, "NINTS": 1}), KNOWN)
    assert ramp.shape == (1, 6, 16, 18)
    for number, (cards, bunit) in enumerate(
        [({"NGROUPS": 24, "NINTS": 6}, None), ({"NGROUPS": 6, "NINTS": 6}, None), ({"NGROUPS": 6}, "DN/s")]
    ):
        path = write(tmp_path / f"{number}.fits", cube(6, 16, 18), cards, bunit)
        with pytest.raises(UserError, match=r"rateints.*give the _uncal or _ramp file"):
            read_ramp(path, KNOWN)
    with pytest.raises(UserError, match="rates"):
        read_ramp(write(tmp_path / "4.fits", cube(2, 6, 16, 18), {"NINTS": 2}, "DN/s"), KNOWN)
    with pytest.raises(UserError, match=r"16 x 18.*slopes \(rate\)"):
        read_ramp(write(tmp_path / "rate.fits", cube(6, 16, 18)[0], {"NGROUPS": 6}), KNOWN)


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_pixels_of_irs2_are_those_that_the_pipeline_keeps(tmp_path: Path, detector: str) -> None:
    """Rows: 640 of the reference output, then four outputs of 640 with 4 reference pixels after 8, 28, 48, ..."""
    science = np.zeros(3200, bool)
    for output in range(1, 5):
        here = np.ones(640, bool)
        for start in range(8, 640, 20):
            here[start : start + 4] = False
        science[640 * output : 640 * (output + 1)] = here
    assert science.sum() == 2048 and np.array_equal(irs2_mask(), science)
    if detector == "NRS2":
        science = science[::-1]
    data = np.zeros((1, 3, 3200, 2048), np.int16)
    data[:, :, science] = (np.arange(2048) % 1000)[:, None]
    data[:, :, ~science] = -1
    path = write(
        tmp_path / "irs2_uncal.fits", data, {"INSTRUME": "NIRSPEC", "DETECTOR": detector, "READPATT": "NRSIRS2RAPID"}
    )
    ramp = read_ramp(path, RampOptions(gain=1.0, read_noise=6.0, polarity="normal"))
    assert ramp.shape == (1, 3, 2048, 2048)
    column = ramp.electrons(0, slice(None), slice(5, 6))[1, :, 0]
    np.testing.assert_array_equal(column, np.arange(2048) % 1000)
    assert "IRS2" in ramp.notes[0]
    assert ramp.reference is not None and ramp.reference.sum() == 2048**2 - 2040**2


@pytest.mark.parametrize(
    ("shape", "cards"),
    [
        ((1, 4, 70, 24), {}),
        ((1, 4, 3200, 64), {}),
        ((1, 4, 64, 2048), {}),
        ((1, 3, 3200, 2048), {"NRS_NORM": 32}),
        ((1, 3, 3200, 2048), {"DETECTOR": "NRS3"}),
    ],
)
def test_any_other_layout_of_irs2_is_refused_by_its_name(
    tmp_path: Path, shape: tuple[int, ...], cards: dict[str, Any]
) -> None:
    own = {"INSTRUME": "NIRSPEC", "DETECTOR": "NRS1", "READPATT": "NRSIRS2"} | cards
    path = write(tmp_path / "a.fits", np.zeros(shape, np.int16), own)
    with pytest.raises(UserError, match=r"an IRS2 readout \(NRSIRS2\) of 3200 x 2048"):
        read_ramp(path, KNOWN)


def test_the_first_and_last_group_of_miri_are_left_out(tmp_path: Path) -> None:
    ramp = read_ramp(write(tmp_path / "m.fits", cube(2, 6, 16, 18), {"INSTRUME": "MIRI", "NINTS": 2}), KNOWN)
    lost = np.isnan(ramp.electrons(1, slice(None), slice(None)))
    assert lost[[0, 5]].all() and not lost[1:5].any()
    assert "MIRI" in ramp.notes[0]
    bits = np.zeros((1, 6, 16, 18), np.uint8)
    bits[0, 2, 1, 1] = SATURATED
    more = {"INSTRUME": "MIRI"}
    own = read_ramp(write(tmp_path / "own.fits", cube(1, 6, 16, 18), more, GROUPDQ=bits), KNOWN)
    assert own.dq is not None and own.dq[0, :, 1, 1].tolist() == [1, 0, 2, 0, 0, 1]
    done = write(tmp_path / "done.fits", cube(1, 6, 16, 18), more | {"S_LASTFR": "COMPLETE"}, GROUPDQ=bits)
    ramp = read_ramp(done, KNOWN)
    assert ramp.dq is not None and ramp.dq[0, :, 1, 1].tolist() == [0, 0, 2, 0, 0, 0]


def test_a_file_without_sci_is_refused(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update(PLAIN)
    fits.HDUList([primary, fits.ImageHDU(cube(1, 4, 8, 8), name="DATA")]).writeto(tmp_path / "a.fits")
    with pytest.raises(UserError, match=r"an image SCI in a\.fits"):
        read_ramp(tmp_path / "a.fits", KNOWN)
