"""Readers on files written here: order, units, noise, bits, and what each refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, REFERENCE_PIXEL, SATURATED
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp, recognise
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.cube import read_extensions, read_fits_cube, read_npy
from astrid_ml.preprocessing.ramps.readers.jwst import read_jwst
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.readers.wfc3 import is_wfc3_ima, read_wfc3

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


def write_hdus(path: Path, primary: dict[str, Any] | None = None, **images: Any) -> Path:
    """A primary header and named image extensions."""
    first = fits.PrimaryHDU()
    first.header.update(primary or {})
    fits.HDUList([first, *(fits.ImageHDU(data, name=name) for name, data in images.items())]).writeto(path)
    return path


CUBE = np.arange(4 * 20 * 24, dtype=np.float32).reshape(4, 20, 24)


def test_the_cube_named_sci_is_the_ramp_and_groupdq_its_bits(tmp_path: Path) -> None:
    dq = np.zeros((4, 20, 24), np.uint8)
    dq[2, 3, 5] = SATURATED
    ramp = read_fits_cube(write_hdus(tmp_path / "a.fits", ERR=-CUBE, SCI=CUBE, GROUPDQ=dq), KNOWN)
    np.testing.assert_array_equal(ramp.data[0], CUBE)
    assert ramp.dq is not None
    assert np.argwhere(ramp.dq).tolist() == [[0, 2, 3, 5]]
    part = ramp.electrons(0, slice(3, 4), slice(5, 6))[:, 0, 0]
    assert np.isnan(part).tolist() == [False, False, True, False]


def test_a_file_with_two_nameless_cubes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2 cubes and 0 flat images.*name the format"):
        read_fits_cube(write_hdus(tmp_path / "a.fits", ONE=CUBE, TWO=CUBE), KNOWN)


def test_bits_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="GROUPDQ"):
        read_fits_cube(write_hdus(tmp_path / "a.fits", SCI=CUBE, GROUPDQ=np.zeros((4, 20, 23), np.uint8)), KNOWN)


def test_the_extensions_header_wins_over_the_primary_one(tmp_path: Path) -> None:
    path = write_hdus(tmp_path / "a.fits", {"GAIN": 9.0, "FILTER": "F150W", "TELESCOP": "ROMAN"}, SCI=CUBE)
    fits.setval(path, "GAIN", value=1.5, extname="SCI")
    fits.setval(path, "SATURATE", value=55000.0, extname="SCI")
    ramp = read_fits_cube(path, RampOptions(read_noise=12.0, group_time=10.0, unit="DN"))
    assert (ramp.gain, ramp.filter, ramp.mission, ramp.saturation_dn) == (1.5, "F150W", "ROMAN", 55000.0)
    assert ramp.file == path


def test_a_flat_npy_is_no_ramp(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", CUBE[0])
    with pytest.raises(UserError, match=r"2 axes in image\.npy.*give a ramp, not an image"):
        read_npy(tmp_path / "image.npy", KNOWN)


def test_a_damaged_npy_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    (tmp_path / "cube.npy").write_bytes((tmp_path / "cube.npy").read_bytes()[:-100])
    with pytest.raises(UserError, match=r"damaged \.npy: .*cube\.npy"):
        read_npy(tmp_path / "cube.npy", KNOWN)


def test_extensions_of_two_shapes_are_not_reads_of_one_ramp(tmp_path: Path) -> None:
    images = {"A": CUBE[0], "B": CUBE[1], "C": CUBE[2, :10]}
    with pytest.raises(UserError, match="2D images of one shape"):
        read_extensions(write_hdus(tmp_path / "a.fits", **images), KNOWN)


def test_bits_of_reference_pixels_make_the_border_where_no_width_is_given() -> None:
    bits = np.zeros((20, 24), np.uint32)
    bits[:3] = REFERENCE_PIXEL
    given = build_ramp(RawRamp(Path("a.fits"), CUBE[None], {}, pixel_dq=bits), KNOWN).reference
    assert given is not None
    assert np.unique(np.flatnonzero(given.any(axis=1))).tolist() == [0, 1, 2]
    wide = build_ramp(RawRamp(Path("a.fits"), CUBE[None], {"REFPIX": 4}, pixel_dq=bits), KNOWN).reference
    assert wide is not None
    assert wide.sum() == 20 * 24 - 12 * 16


def jwst(path: Path, size: int, primary: dict[str, Any] | None = None, **images: Any) -> Path:
    cards = {"TELESCOP": "JWST", "TGROUP": 10.0, "DETECTOR": "NRCA1", "EXPMID": 60000.5}
    return write_hdus(path, cards | (primary or {}), SCI=np.ones((1, 3, size, size), np.float32), **images)


JWST = RampOptions(gain=1.6, read_noise=11.0)


def test_a_jwst_file_says_neither_gain_nor_noise_nor_always_its_time(tmp_path: Path) -> None:
    path = jwst(tmp_path / "jw.fits", 16)
    ramp = read_jwst(path, JWST)
    assert (ramp.unit, ramp.mission, ramp.detector, ramp.mjd) == ("DN", "JWST", "NRCA1", 60000.5)
    for options, key in ((RampOptions(read_noise=11.0), "gain"), (RampOptions(gain=1.6), "read_noise")):
        with pytest.raises(UserError, match=rf"load\.{key}=VALUE"):
            read_jwst(path, options)
    fits.delval(path, "TGROUP")
    with pytest.raises(UserError, match=r"load\.group_time=VALUE"):
        read_jwst(path, JWST)


def test_the_mean_time_of_a_jwst_group_is_that_of_its_own_reads(tmp_path: Path) -> None:
    """Reads end at 2, 4, 6 s; two frames are skipped; so the next group's end at 12, 14, 16 s."""
    path = jwst(tmp_path / "jw.fits", 16, {"NFRAMES": 3, "GROUPGAP": 2, "TFRAME": 2.0})
    assert read_jwst(path, JWST).group_times.tolist() == [4.0, 14.0, 24.0]
    fits.delval(path, "TFRAME")  # five frames a group of 10 s
    assert read_jwst(path, JWST).group_times.tolist() == [4.0, 14.0, 24.0]
    own = RampOptions(gain=1.6, read_noise=11.0, group_times=(3.0, 9.0, 20.0))
    assert read_jwst(path, own).group_times.tolist() == [3.0, 9.0, 20.0]


def test_a_jwst_full_frame_has_four_reference_pixels_and_a_subarray_none(tmp_path: Path) -> None:
    assert read_jwst(jwst(tmp_path / "sub.fits", 16), JWST).reference is None
    wide = RampOptions(gain=1.6, read_noise=11.0, border=2)
    given = read_jwst(tmp_path / "sub.fits", wide).reference
    assert given is not None
    assert given.sum() == 16**2 - 12**2
    full = read_jwst(jwst(tmp_path / "full.fits", 2048, {"INSTRUME": "NIRCAM"}), JWST).reference
    assert full is not None
    assert full.sum() == 2048**2 - 2040**2


def test_jwst_bits_of_groups_and_pixels_are_read(tmp_path: Path) -> None:
    dq, pixels = np.zeros((1, 3, 16, 16), np.uint8), np.zeros((16, 16), np.uint32)
    dq[0, 1, 2, 3], pixels[4, 5], pixels[:2] = DO_NOT_USE, DO_NOT_USE, REFERENCE_PIXEL
    ramp = read_jwst(jwst(tmp_path / "jw.fits", 16, GROUPDQ=dq, PIXELDQ=pixels), JWST)
    lost = np.isnan(ramp.electrons(0, slice(None), slice(None)))
    assert np.argwhere(lost).tolist() == [[0, 4, 5], [1, 2, 3], [1, 4, 5], [2, 4, 5]]
    assert ramp.reference is not None
    assert np.flatnonzero(ramp.reference.any(axis=1)).tolist() == [0, 1]


def test_only_the_infrared_channel_of_wfc3_is_read_as_ima() -> None:
    assert is_wfc3_ima({"INSTRUME": "WFC3", "DETECTOR": "IR"})
    assert not is_wfc3_ima({"INSTRUME": "WFC3", "DETECTOR": "UVIS"})
    assert not is_wfc3_ima({})


def test_an_ima_in_counts_takes_the_mean_gain_of_its_four_amplifiers(tmp_path: Path) -> None:
    path = write_ima(tmp_path / "x_ima.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update({f"ATODGN{q}": gain for q, gain in zip("ABCD", (2.2, 2.3, 2.4, 2.5), strict=True)})
        for hdu in hdus[1:]:
            if hdu.name == "SCI":
                hdu.header["BUNIT"] = "COUNTS"
    ramp = read_wfc3(path, RampOptions())
    assert ramp.unit == "DN"
    assert ramp.gain == pytest.approx(2.35)
    np.testing.assert_allclose(ramp.data[0, :, 15, 15], [0, 30, 30, 30])  # counts are accumulated already
    assert read_wfc3(path, RampOptions(gain=3.0)).gain == 3.0


def test_the_pixels_own_exposure_times_win_over_the_headers(tmp_path: Path) -> None:
    path = write_ima(tmp_path / "x_ima.fits")
    with fits.open(path, mode="update") as hdus:
        own = np.full((30, 30), 2.0, np.float32)
        hdus["TIME", 1].data = own
    ramp = read_wfc3(path, RampOptions())
    np.testing.assert_allclose(ramp.data[0, :, 15, 15], [0, 75, 150, 60])


def test_an_ima_without_reads_noise_or_times_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = write_ima(tmp_path / "x_ima.fits")
    fits.delval(path, "READNSEB")
    with pytest.raises(UserError, match=r"load\.read_noise=VALUE"):
        read_wfc3(path, RampOptions())
    assert read_wfc3(path, RampOptions(read_noise=20.0, read_noise_is_cds=True)).read_noise == pytest.approx(14.142136)
    fits.delval(path, "SAMPTIME", extname="SCI", extver=2)
    with pytest.raises(UserError, match=r"EXTVER 2.*give a whole IMA file"):
        read_wfc3(path, RampOptions(read_noise=14.0))
    raw = write_hdus(tmp_path / "x_raw.fits", {"INSTRUME": "WFC3", "DETECTOR": "IR"})
    with pytest.raises(UserError, match=r"SCI extensions in x_raw\.fits"):
        read_wfc3(raw, RampOptions(read_noise=14.0))


OWN = RampOptions(gain=2.0, read_noise=12.0, group_time=10.0, unit="DN")


@pytest.mark.parametrize("name", ["u.fits", "u.fits.gz"])
def test_unsigned_and_scaled_integers_are_read_as_the_numbers_they_mean(tmp_path: Path, name: str) -> None:
    cube = np.arange(4 * 20 * 20, dtype=np.uint16).reshape(4, 20, 20) + np.uint16(40000)
    fits.PrimaryHDU(cube).writeto(tmp_path / name)
    assert np.array_equal(read_ramp(tmp_path / name, OWN).data[0], cube)
    bits = fits.ImageHDU(np.zeros((20, 20), np.uint32), name="PIXELDQ")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube.astype("f4"), name="SCI"), bits]).writeto(tmp_path / "b.fits")
    assert np.array_equal(read_ramp(tmp_path / "b.fits", OWN).data[0], cube)


def test_a_compressed_cube_is_read_whole_not_mapped(tmp_path: Path) -> None:
    cube = np.random.default_rng(0).normal(size=(4, 40, 40)).astype(np.float32)
    packed = fits.CompImageHDU(cube, name="SCI", compression_type="GZIP_1")
    flat = [fits.ImageHDU(np.zeros((40, 40), np.float32)) for _ in range(2)]
    fits.HDUList([fits.PrimaryHDU(), packed, *flat]).writeto(tmp_path / "c.fits")
    read = read_ramp(tmp_path / "c.fits", OWN).data[0]
    assert np.array_equal(read, fits.getdata(tmp_path / "c.fits", "SCI"))
    assert np.abs(read - cube).max() < 0.2  # the quantisation's step


def test_blank_pixels_of_integers_are_unusable(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.arange(1600, dtype=np.int16).reshape(4, 20, 20))
    hdu.header["BLANK"] = 7
    hdu.writeto(tmp_path / "b.fits")
    data = read_ramp(tmp_path / "b.fits", OWN).data
    assert np.isnan(data[0, 0, 0, 7]) and np.isnan(data).sum() == 1


def test_a_detector_that_the_header_numbers_is_text(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.zeros((4, 16, 16), np.float32))
    hdu.header["SCA"] = 7
    hdu.writeto(tmp_path / "a.fits")
    assert read_ramp(tmp_path / "a.fits", OWN).detector == "7"


def test_an_ima_in_another_unit_or_without_gains_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = write_ima(tmp_path / "x_ima.fits")
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                hdu.header["BUNIT"] = "JY"
    with pytest.raises(UserError, match=r"JY in x_ima\.fits"):
        read_wfc3(path, RampOptions(gain=2.5))
    assert read_wfc3(path, RampOptions(gain=2.5, unit="DN")).unit == "DN"
    with fits.open(path, mode="update") as hdus:
        for key in [key for key in hdus[0].header if key.startswith("ATODGN")]:
            del hdus[0].header[key]
    with pytest.raises(UserError, match="ATODGNA"):
        read_wfc3(path, RampOptions(unit="DN"))


def test_a_constant_read_of_an_ima_has_no_pixels(tmp_path: Path) -> None:
    path = write_ima(tmp_path / "x_ima.fits")
    whole = read_wfc3(path, RampOptions())
    with fits.open(path) as hdus:
        kept = fits.HDUList([hdu.copy() for hdu in hdus])
    last = max(hdu.ver for hdu in kept if hdu.name == "SCI")
    place = kept.index_of(("SCI", last))
    header = kept[place].header
    kept[place] = fits.ImageHDU(None, name="SCI", ver=last)
    kept[place].header.update({"PIXVALUE": 0, "SAMPTIME": header["SAMPTIME"], "BUNIT": header["BUNIT"]})
    kept.writeto(tmp_path / "constant_ima.fits")
    read = read_wfc3(tmp_path / "constant_ima.fits", RampOptions())
    assert np.array_equal(read.data[0, 1:], whole.data[0, 1:]) and float(np.abs(read.data[0, 0]).max()) == 0.0


def test_stamps_are_not_taken_for_ramps(tmp_path: Path) -> None:
    np.save(tmp_path / "triplets_ZTF_000.npy", np.zeros((6, 3, 63, 63), np.float32))
    (tmp_path / "triplets_ZTF_000.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"6 x 3 x 63 x 63 with a table beside it.*without task=ramps"):
        read_npy(tmp_path / "triplets_ZTF_000.npy", RampOptions())


@pytest.mark.parametrize(("kind", "said"), [(complex, "complex128"), ("U3", "text"), ("S3", "text"), (bool, "bool")])
def test_a_cube_of_no_real_numbers_is_refused(kind: Any, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((6, 8, 8), kind))
    with pytest.raises(UserError, match=f"a cube of real numbers; got {said} in a.npy"):
        read_ramp(tmp_path / "a.npy", RampOptions(gain=1.0, read_noise=5.0, group_time=3.0, unit="DN"))


def write_raw(path: Path, **cards: Any) -> Path:
    """WFC3's raw file: counts since the reset, the last read first; ERR, DQ, SAMP and TIME are headers only."""
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "IR", "FILTER": "F160W", "CCDGAIN": 2.5})
    primary.header.update({f"{key}{q}": 0.0 for key in ("READNSE", "ATODGN") for q in "ABCD"} | cards)
    hdus = [primary]
    for version, read in enumerate((4, 3, 2, 1, 0), start=1):
        for name in ("SCI", "ERR", "DQ", "SAMP", "TIME"):
            data = np.full((30, 30), 11000 + 40 * read, np.uint16) if name == "SCI" else None
            hdu = fits.ImageHDU(data, name=name, ver=version)
            hdu.header.update({"BUNIT": "COUNTS", "SAMPTIME": (0.0, 2.932, 27.933, 52.933, 77.934)[read]})
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return path


def test_a_raw_file_of_wfc3_in_counts(tmp_path: Path) -> None:
    """SPARS25. Its gains and noises are zeros, which calwf3 fills in: they are to be given, and CCDGAIN is none."""
    path = write_raw(tmp_path / "x_raw.fits")
    for given, key in ((RampOptions(read_noise=14.0), "ATODGNA"), (RampOptions(gain=2.4), "READNSEA")):
        with pytest.raises(UserError, match=rf"{key} to .*zeros as in raw files"):
            read_ramp(path, given)
    ramp = read_ramp(path, RampOptions(gain=2.4, read_noise=20.0, read_noise_is_cds=True))
    np.testing.assert_allclose(ramp.group_times, [0.0, 2.932, 27.933, 52.933, 77.934])
    np.testing.assert_allclose(ramp.data[0, :, 9, 9], 11000 + 40.0 * np.arange(5))
    assert (ramp.unit, ramp.gain, ramp.detector, ramp.filter) == ("DN", 2.4, "WFC3/IR", "F160W")
    assert ramp.read_noise == pytest.approx(20 / np.sqrt(2)) and ramp.reference is not None
    filled = {f"{key}{q}": value for key, value in (("READNSE", 20.0), ("ATODGN", 2.3)) for q in "ABCD"}
    assert read_ramp(write_raw(tmp_path / "y_raw.fits", **filled)).gain == pytest.approx(2.3)


def test_a_gzip_file_without_its_ending_is_one(tmp_path: Path) -> None:
    cube = np.random.default_rng(0).integers(0, 60000, (4, 20, 24)).astype(np.uint16)
    fits.PrimaryHDU(cube).writeto(tmp_path / "a.fits.gz")
    (tmp_path / "a.fits.gz").rename(tmp_path / "a.fits")
    assert np.array_equal(read_ramp(tmp_path / "a.fits", replace(OWN, polarity="normal")).data[0], cube)
