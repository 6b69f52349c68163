"""Ramp and rate files: no bit lost, every fitted step flagged, variances in closed form, and back through readers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure.dq import group_dq, kind_of_bits
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.rules import Flagging
from astrid_ml.preprocessing.ramps.products.asdf_products import AsdfRamp
from astrid_ml.preprocessing.ramps.products.fits_planes import FitsPlanes, ImagePlane
from astrid_ml.preprocessing.ramps.products.write import PipelineFiles, Rates, combined, write_products
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, REFERENCE_PIXEL, SATURATED
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import exposures_in, read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions

GAIN, NOISE, N, SIZE = 2.0, 10.0, 12, 24
WHOLE = slice(0, SIZE)


def made(n_ints: int = 1, rate: float = 4.0, seed: int = 3, **more: Any) -> Ramp:
    """Light, read noise and a pedestal, in DN, 10 s a group."""
    random = np.random.default_rng(seed)
    light = random.poisson(10 * rate, (n_ints, N, SIZE, SIZE)).cumsum(axis=1)
    data = (500.0 + (light + random.normal(0, NOISE, light.shape)) / GAIN).astype(np.float32)
    return Ramp(data, ReadTimes.single(10.0 * np.arange(1.0, N + 1)), "DN", GAIN, NOISE, name="x", **more)


def written(ramp: Ramp, folder: Path, products: PipelineFiles | None = None, **settings: Any) -> Processed:
    found = process(Exposure(ramp, Processing(**settings)), folder / "cube.npy")
    write_products(folder, found, np.load(folder / "cube.npy"), products)
    return found


def test_no_bit_of_the_input_is_lost(tmp_path: Path) -> None:
    """Random bits in every group and pixel: what goes in comes out, and what is added are the three of ours."""
    ramp, random = made(2), np.random.default_rng(1)
    dq = (random.integers(0, 256, ramp.shape) * (random.random(ramp.shape) < 0.05)).astype(np.uint8)
    pixel_dq = (random.integers(0, 2**31, (SIZE, SIZE)) * (random.random((SIZE, SIZE)) < 0.1)).astype(np.uint32)
    reference = np.zeros((SIZE, SIZE), bool)
    reference[:2] = True
    written(replace(ramp, dq=dq, pixel_dq=pixel_dq, reference=reference), tmp_path)
    for name in ("x_ramp.fits", "x_dq.fits"):
        with fits.open(tmp_path / name) as hdus:
            hdus.verify("exception")
            groups, pixels = hdus["GROUPDQ"].data, hdus["PIXELDQ"].data
        assert groups.dtype == np.uint8
        assert ((groups & dq) == dq).all() and ((pixels & pixel_dq) == pixel_dq).all()
        assert not (groups & ~dq & ~np.uint8(DO_NOT_USE | SATURATED | JUMP_DET)).any()
        assert (pixels[:2] & REFERENCE_PIXEL).all() and not (pixels[2:] & REFERENCE_PIXEL & ~pixel_dq[2:]).any()


def test_bits_beyond_eight_are_kept_in_a_larger_kind(tmp_path: Path) -> None:
    ramp, dq = made(), np.zeros((1, N, SIZE, SIZE), np.uint32)
    dq[0, 5, 6, 7] = 2**17 | 64
    assert kind_of_bits(replace(ramp, dq=dq)) == "uint32" and kind_of_bits(replace(ramp, dq=dq & 255)) == "uint8"
    written(replace(ramp, dq=dq), tmp_path)
    assert fits.getdata(tmp_path / "x_ramp.fits", "GROUPDQ")[0, 5, 6, 7] == 2**17 | 64


@pytest.mark.parametrize("n", [6, 12])
@pytest.mark.parametrize("size", [-500.0, -120.0, 500.0])
def test_every_step_that_a_slope_was_fitted_around_is_flagged(n: int, size: float, tmp_path: Path) -> None:
    """Falls as well as rises; the fall is in the list with type 0, and in no event."""
    ramp = made()
    ramp.data[0, 3:, 9, 8] += size / GAIN
    ramp = replace(ramp, data=ramp.data[:, :n], sampling=ReadTimes(ramp.sampling.groups[:n]))
    found = process(Exposure(ramp, Processing()))
    assert np.flatnonzero(group_dq(found, 0, WHOLE)[:, 9, 8] & JUMP_DET).tolist() == [3]
    places = set(zip(found.fitted.group, found.fitted.y, found.fitted.x, strict=True))
    assert (3, 9, 8) in places
    assert ((3, 9, 8) in set(zip(found.falls.group, found.falls.y, found.falls.x, strict=True))) == (size < 0)
    flagged = {(int(g), int(y), int(x)) for g, y, x in np.argwhere(group_dq(found, 0, WHOLE) & JUMP_DET)}
    assert flagged == {(int(g), int(y), int(x)) for g, y, x in places}


def test_what_follows_a_large_step_and_what_lies_beside_one() -> None:
    ramp = made()
    ramp.data[0, 3:, 9, 8] += 3000.0
    ramp.data[0, 6:, 0, 23] += 200.0
    asked = Flagging(after_jump_size=1000.0, after_jump_time=35.0, neighbours=True, neighbour_snr=(10.0, 100.0))
    bits = group_dq(process(Exposure(ramp, Processing(flags=asked))), 0, WHOLE) & JUMP_DET
    assert np.flatnonzero(bits[:, 9, 8]).tolist() == [3, 4, 5, 6]
    assert not bits[:, 9, 9].any()  # beyond the largest significance
    for y, x in ((0, 23), (1, 23), (0, 22)):
        assert np.flatnonzero(bits[:, y, x]).tolist() == [6]
    part = group_dq(process(Exposure(ramp, Processing(flags=asked))), 0, slice(1, 5)) & JUMP_DET
    np.testing.assert_array_equal(part, bits[:, 1:5])  # a strip knows the steps of the rows beside it


def test_the_ramp_file_is_read_and_gives_the_same_slopes(tmp_path: Path) -> None:
    ramp = made(2)
    ramp.data[1, 7:, 4, 5] += 300.0
    first = written(ramp, tmp_path)
    with fits.open(tmp_path / "x_ramp.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "GROUPDQ", "PIXELDQ", "READS"]
        np.testing.assert_allclose(hdus["SCI"].data, ramp.data, atol=2e-3)
        assert hdus["READS"].data["time"].tolist() == ramp.group_times.tolist()
        assert hdus["GROUPDQ"].data[1, 7, 4, 5] == JUMP_DET
    again = read_ramp(tmp_path / "x_ramp.fits")
    np.testing.assert_allclose(again.group_times, ramp.group_times)
    second = process(Exposure(again, Processing()))
    np.testing.assert_allclose(second.features["slope"], first.features["slope"], rtol=1e-3, atol=1e-4)


def test_reads_that_cannot_be_used_stay_as_they_were(tmp_path: Path) -> None:
    ramp = made(saturation_dn=30000.0)
    ramp.data[0, 8:, 2, 3], ramp.data[0, 4, 5, 6] = 31000.0, np.nan
    written(ramp, tmp_path)
    with fits.open(tmp_path / "x_ramp.fits") as hdus:
        reads, bits = hdus["SCI"].data, hdus["GROUPDQ"].data
    assert (reads[0, 8:, 2, 3] == 31000.0).all() and (bits[0, 8:, 2, 3] == SATURATED).all()
    assert np.isnan(reads[0, 4, 5, 6]) and bits[0, 4, 5, 6] == DO_NOT_USE


def test_rates_have_the_variances_of_the_jwst_pipeline(tmp_path: Path) -> None:
    """Read noise alone: 12 s^2 / (dt^2 (n^3 - n)); photons alone: a / (t_n - t_1); in DN/s."""
    read = 12 * NOISE**2 / (100.0 * (N**3 - N)) / GAIN**2
    for rate, noise, name in ((0.0, NOISE, "VAR_RNOISE"), (4000.0, 0.05, "VAR_POISSON")):
        ramp = replace(made(rate=rate), read_noise=noise)
        written(ramp, tmp_path, steps=replace(Processing().steps, average=0.0))
        with fits.open(tmp_path / "x_rate.fits") as hdus:
            assert [hdu.name for hdu in hdus[1:]] == ["SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"]
            assert hdus["SCI"].header["BUNIT"] == "DN/s"
            found = {hdu.name: hdu.data for hdu in hdus[1:]}
        quiet = found["DQ"] == 0
        assert quiet.mean() > 0.9
        expected = read if name == "VAR_RNOISE" else rate / (10.0 * (N - 1)) / GAIN**2
        # A rate of about 0 counts some photons by chance.
        assert np.median(found[name][quiet]) == pytest.approx(expected, rel=0.03)
        np.testing.assert_allclose(found["ERR"] ** 2, found["VAR_POISSON"] + found["VAR_RNOISE"], rtol=1e-5)
        spread = (found["SCI"][quiet] - rate / GAIN).std() / np.median(found["ERR"][quiet])
        assert spread == pytest.approx(1.0, abs=0.1)


def test_integrations_are_combined_by_their_variances(tmp_path: Path) -> None:
    ramp = made(3)
    ramp.data[0, :, 2, 2] = np.nan
    written(ramp, tmp_path)
    each = fits.getdata(tmp_path / "x_rateints.fits", "SCI")
    image = {name: fits.getdata(tmp_path / "x_rate.fits", name) for name in ("SCI", "ERR", "DQ")}
    assert each.shape == (3, SIZE, SIZE) and np.isnan(each[0, 2, 2]) and np.isfinite(image["SCI"][2, 2])
    assert image["ERR"][2, 2] / np.median(image["ERR"]) == pytest.approx(np.sqrt(1.5), rel=0.05)
    assert image["DQ"][2, 2] == 0 and fits.getdata(tmp_path / "x_rateints.fits", "DQ")[0, 2, 2] & DO_NOT_USE
    rate, variance = (np.array([[[a]], [[b]]], np.float32) for a, b in ((1, 4), (1, 2)))
    two = Rates(rate, variance, variance, np.zeros((2, 1, 1), np.uint32))
    both = combined(two)
    assert both.rate.item() == pytest.approx((1 / 2 + 4 / 4) / (1 / 2 + 1 / 4))
    assert both.error.item() ** 2 == pytest.approx(1 / (1 / 2 + 1 / 4))


def test_a_map_of_the_gain_and_jumps_in_the_rates(tmp_path: Path) -> None:
    gain = np.full((SIZE, SIZE), GAIN, np.float32)
    gain[:, 12:] = 4.0
    ramp = replace(made(), gain=gain)
    ramp.data[0, :, :, 12:] = 500 + (ramp.data[0, :, :, 12:] - 500) / 2
    ramp.data[0, 7:, 4, 5] += 300.0
    written(ramp, tmp_path, PipelineFiles(ramp=False))
    rate, dq = (fits.getdata(tmp_path / "x_rate.fits", name) for name in ("SCI", "DQ"))
    assert np.median(rate[:, :12]) == pytest.approx(2.0, abs=0.05) and np.median(rate[:, 12:]) == pytest.approx(
        1, abs=0.03
    )
    assert dq[4, 5] == JUMP_DET
    assert not (tmp_path / "x_ramp.fits").exists()


def test_asdf_of_roman_goes_in_and_comes_out(tmp_path: Path) -> None:
    asdf = pytest.importorskip("asdf", reason="the extra roman is not installed")
    source, ramp = tmp_path / "r_uncal.asdf", made()
    pattern = [[k] for k in range(1, N + 1)]
    meta = {"telescope": "ROMAN", "exposure": {"read_pattern": pattern, "frame_time": 10.0}, "own": {"word": "kept"}}
    counts = np.rint(ramp.data[0]).astype(np.uint16)
    counts[7:, 4, 5] += 300
    asdf.AsdfFile({"roman": {"meta": meta, "data": counts}}).write_to(source)
    done = PredictRamps(str(source), str(tmp_path / "out"), RampOptions(gain=GAIN, read_noise=NOISE)).run()
    assert done["failed"] == 0
    folder = tmp_path / "out" / "r_uncal"
    again = read_ramp(folder / "r_uncal_ramp.asdf", RampOptions(gain=GAIN, read_noise=NOISE))
    np.testing.assert_allclose(again.data[0], counts, atol=1e-2)
    np.testing.assert_allclose(again.group_times, ramp.group_times)
    assert again.dq is not None and np.flatnonzero(np.asarray(again.dq)[0, :, 4, 5]).tolist() == [7]
    with asdf.open(folder / "r_uncal_rate.asdf") as file:
        roman = file["roman"]
        assert roman["meta"]["own"]["word"] == "kept"
        assert set(roman) == {"meta", "data", "err", "dq", "var_poisson", "var_rnoise"}
        assert np.median(roman["data"]) == pytest.approx(2.0, abs=0.1)
    with pytest.raises(UserError, match="one integration"):
        AsdfRamp(tmp_path / "y.asdf", made(2))


def test_headers_of_the_input_come_along_and_results_are_no_exposures(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    cards = {"GAIN": GAIN, "READNOIS": NOISE, "TGROUP": 10.0, "BUNIT": "DN", "SATURATE": 60000, "OBSERVER": "Payne"}
    cards["CRPIX1"] = 7.5
    fits.writeto(raw / "x.fits", made().data[0], fits.Header(cards))
    for _ in range(2):
        assert PredictRamps(str(raw), str(raw / "out")).run() == {
            "exposures": 1, "failed": 0, "output_dir": str(raw / "out"),
        }  # fmt: skip
    for name in ("x_ramp.fits", "x_rate.fits"):
        header = fits.getheader(raw / "out" / "x" / name)
        assert (header["OBSERVER"], header["CRPIX1"], header["TGROUP"], header["NAXIS"]) == ("Payne", 7.5, 10.0, 0)
    assert exposures_in(str(raw), RampOptions()) == [raw / "x.fits"]
    named = raw / "out" / "x" / "x_ramp.fits"
    assert exposures_in(str(named), RampOptions()) == [named]


def test_planes_are_what_astropy_reads(tmp_path: Path) -> None:
    values = {"uint8": np.arange(24), "uint32": np.arange(24) * 2**27, "float32": np.linspace(-1, 1, 24)}
    file = FitsPlanes(
        tmp_path / "a.fits", [ImagePlane(kind, (2, 3, 4), kind) for kind in values], fits.Header({"WHO": "me"})
    )
    for kind, numbers in values.items():
        file.write(kind, 0, numbers.reshape(2, 3, 4)[0])
        file.write(kind, (1, slice(1, 3)), numbers.reshape(2, 3, 4)[1, 1:])
    assert not (tmp_path / "a.fits").exists()
    file.close(fits.ImageHDU(np.ones((2, 2)), name="MORE"))
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus.verify("exception")
        assert (hdus[0].header["WHO"], hdus["MORE"].data.sum()) == ("me", 4)
        for kind, numbers in values.items():
            whole = numbers.reshape(2, 3, 4).astype(kind)
            np.testing.assert_array_equal(hdus[kind].data[0], whole[0])
            np.testing.assert_array_equal(hdus[kind].data[1, 1:], whole[1, 1:])
