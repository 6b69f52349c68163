"""Maps wherever a number is allowed, and reference files of JWST, against the pipeline's own formulas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.build import conf_folder
from astrid_ml.cli.overrides import rewrite
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure.dq import lost_bits
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, NO_GAIN_VALUE, REFERENCE_PIXEL, SATURATED
from astrid_ml.preprocessing.ramps.ramp.linearity import Linearity
from astrid_ml.preprocessing.ramps.readers.auto import maps_of, read_ramp
from astrid_ml.preprocessing.ramps.readers.crds import reference_files
from astrid_ml.preprocessing.ramps.readers.maps import detector_maps, read_map
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array, Floats32

H, W = 12, 14
RANDOM = np.random.default_rng(3)
GAIN = RANDOM.uniform(1.5, 2.0, (H, W)).astype(np.float32)
NOISE = RANDOM.uniform(8, 12, (H, W)).astype(np.float32)
CUBE = (1000 + 30 * np.arange(6)[:, None, None] + RANDOM.integers(0, 9, (6, H, W))).astype(np.float32)
SAID = RampOptions(unit="DN", gain=2.0, read_noise=10.0, group_time=5.0)
CARDS = {"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "TGROUP": 10.0, "NFRAMES": 1, "GROUPGAP": 0}


def map_at(path: Path, values: Array, cards: dict[str, Any] | None = None, **more: Array) -> str:
    """A reference file: SCI, or the named extensions."""
    primary = fits.PrimaryHDU()
    primary.header.update(cards or {})
    parts = {"SCI": values} | more
    fits.HDUList([primary, *(fits.ImageHDU(part, name=name) for name, part in parts.items())]).writeto(path)
    return str(path)


def cube_at(folder: Path, data: Array = CUBE, **cards: Any) -> Path:
    path = folder / "ramp.fits"
    fits.writeto(path, data, fits.Header(cards), overwrite=True)
    return path


def uncal_at(folder: Path, day: str = "2024-01-01", **cards: Any) -> Path:
    primary = fits.PrimaryHDU()
    primary.header.update(CARDS | {"NGROUPS": 6, "NINTS": 1, "DATE-OBS": day} | cards)
    path = folder / "jw_uncal.fits"
    fits.HDUList([primary, fits.ImageHDU(CUBE[None], name="SCI")]).writeto(path, overwrite=True)
    return path


def test_a_map_stands_wherever_a_number_does(tmp_path: Path) -> None:
    np.save(tmp_path / "noise.npy", NOISE)
    limit = np.full((H, W), 1100.0, np.float32)
    limit[3, 4], limit[5, 6] = 1050.0, np.nan
    said = replace(
        SAID,
        gain=map_at(tmp_path / "gain.fits", GAIN),
        read_noise=str(tmp_path / "noise.npy"),
        saturation=map_at(tmp_path / "full.fits", limit),
    )
    ramp = read_ramp(cube_at(tmp_path), said)
    np.testing.assert_allclose(ramp.electrons(0, slice(2, 5), slice(1, 9)), (CUBE * GAIN)[:, 2:5, 1:9], rtol=1e-6)
    np.testing.assert_array_equal(ramp.noise(slice(1, 4), slice(None)), NOISE[1:4])
    bits = lost_bits(Exposure(ramp), 0, slice(2, 6))
    full = (bits & SATURATED) != 0
    assert np.array_equal(full, np.maximum.accumulate(np.nan_to_num(limit, nan=np.inf) <= CUBE, axis=0)[:, 2:6])
    reads = next(Exposure(ramp, Processing(reference=None)).strips(0)).reads
    assert np.array_equal(np.isnan(reads[:, 2:6]), full)


@pytest.mark.parametrize("key", ["gain", "read_noise", "saturation", "superbias", "mask"])
def test_a_map_of_another_shape_is_refused(tmp_path: Path, key: str) -> None:
    path = map_at(tmp_path / "map.fits", np.ones((H, W + 1), np.float32))
    said: dict[str, Any] = {key: path}
    if key == "superbias":
        said["linearity"] = map_at(tmp_path / "lin.fits", GAIN, COEFFS=np.ones((2, H, W), np.float32))
    with pytest.raises(UserError, match=rf"a map of {H} x {W} pixels; got {key} \(map\.fits\) of {H} x {W + 1}"):
        read_ramp(cube_at(tmp_path), replace(SAID, **said))


def test_a_subarray_takes_its_part_of_a_whole_map(tmp_path: Path) -> None:
    whole = np.arange(40 * 50, dtype=np.float32).reshape(40, 50) + 1
    said = replace(SAID, gain=map_at(tmp_path / "gain.fits", whole, {"SUBSTRT1": 1, "SUBSTRT2": 1}), unit=None)
    ramp = read_ramp(uncal_at(tmp_path, SUBSTRT1=6, SUBSTRT2=11), said)
    np.testing.assert_array_equal(ramp.gain, whole[10 : 10 + H, 5 : 5 + W])
    with pytest.raises(UserError, match="a map of"):
        read_ramp(uncal_at(tmp_path, SUBSTRT1=48, SUBSTRT2=11), said)


def test_pixels_without_a_gain_or_a_noise_are_not_used(tmp_path: Path) -> None:
    gain, noise = GAIN.copy(), NOISE.copy()
    gain[1, 2], gain[2, 3], noise[4, 5] = np.nan, 0.0, np.nan
    said = replace(SAID, gain=map_at(tmp_path / "g.fits", gain), read_noise=map_at(tmp_path / "n.fits", noise))
    ramp = read_ramp(cube_at(tmp_path), said)
    assert ramp.pixel_dq is not None
    assert np.argwhere(ramp.pixel_dq).tolist() == [[1, 2], [2, 3], [4, 5]]
    assert set(ramp.pixel_dq[ramp.pixel_dq > 0]) == {DO_NOT_USE | NO_GAIN_VALUE}
    lost = np.isnan(ramp.electrons(0, slice(None), slice(None))).all(0)
    assert np.argwhere(lost).tolist() == [[1, 2], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("cards", "said", "factor"),
    [
        ({}, {}, 1.0),
        ({}, {"read_noise_is_cds": True}, 2**-0.5),
        ({"BUNIT": "e-"}, {}, 1.0),
        ({"BUNIT": "DN"}, {}, GAIN),
        ({"TELESCOP": "JWST", "REFTYPE": "READNOISE"}, {}, GAIN * 2**-0.5),
    ],
    ids=["e-", "cds", "e- said", "DN", "reference file of JWST"],
)
def test_a_map_of_noise_says_its_unit(
    tmp_path: Path, cards: dict[str, Any], said: dict[str, Any], factor: Floats32 | float
) -> None:
    """JWST's reference files hold the noise of a difference of two reads in DN: jwst's ramp fit divides by sqrt(2)."""
    options = replace(
        SAID, gain=map_at(tmp_path / "g.fits", GAIN), read_noise=map_at(tmp_path / "n.fits", NOISE, cards), **said
    )
    ramp = read_ramp(cube_at(tmp_path), options)
    np.testing.assert_allclose(ramp.read_noise, NOISE * factor, rtol=1e-6)
    assert any("read noise of n.fits" in note for note in ramp.notes)


def dq_def(**values: int) -> fits.BinTableHDU:
    names = list(values)
    columns = [
        fits.Column("BIT", "J", array=range(len(names))),
        fits.Column("VALUE", "J", array=list(values.values())),
        fits.Column("NAME", "20A", array=names),
    ]
    return fits.BinTableHDU.from_columns(columns, name="DQ_DEF")


def test_bits_of_a_mask_are_known_by_their_names(tmp_path: Path) -> None:
    dq = np.zeros((H, W), np.uint8)
    dq[0, 0], dq[1, 1], dq[2, 2], dq[3, 3] = 1, 2, 4, 5
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(dq, name="DQ"), dq_def(HOT=1, DO_NOT_USE=2, REFERENCE_PIXEL=4)]
    fits.HDUList(hdus).writeto(tmp_path / "mask.fits")
    ramp = read_ramp(cube_at(tmp_path), replace(SAID, mask=str(tmp_path / "mask.fits")))
    assert ramp.pixel_dq is not None and ramp.reference is not None
    assert [int(ramp.pixel_dq[k, k]) for k in range(4)] == [0, DO_NOT_USE, REFERENCE_PIXEL, REFERENCE_PIXEL]
    assert np.argwhere(ramp.reference).tolist() == [[2, 2], [3, 3]]
    plain = map_at(tmp_path / "plain.fits", dq)
    bits = read_ramp(cube_at(tmp_path), replace(SAID, mask=plain)).pixel_dq
    assert bits is not None and np.array_equal(bits, np.where(dq > 0, DO_NOT_USE, 0))


def linearity_at(path: Path, **cards: Any) -> tuple[str, Floats32]:
    """c_1 = 1, c_2 and c_3 small; a pixel that its DQ marks, and one of NaN."""
    terms = np.zeros((4, H, W), np.float32)
    terms[1], terms[2], terms[3] = 1.0, RANDOM.uniform(1e-6, 2e-6, (H, W)), 1e-11
    dq = np.zeros((H, W), np.uint32)
    dq[6, 7], terms[2, 8, 9] = 1, np.nan
    primary = fits.PrimaryHDU()
    primary.header.update(cards)
    hdus = [primary, fits.ImageHDU(terms, name="COEFFS"), fits.ImageHDU(dq, name="DQ"), dq_def(NO_LIN_CORR=1)]
    fits.HDUList(hdus).writeto(path)
    return str(path), terms


def test_linear_reads_are_the_pipelines_polynomial(tmp_path: Path) -> None:
    """jwst: sum_k c_k F^k of superbias-subtracted DN; pixels without coefficients stay as they are."""
    path, terms = linearity_at(tmp_path / "lin.fits")
    bias = RANDOM.uniform(400, 500, (H, W)).astype(np.float32)
    said = replace(SAID, gain=map_at(tmp_path / "g.fits", GAIN), linearity=path)
    with pytest.raises(UserError, match="linearity without superbias"):
        read_ramp(cube_at(tmp_path), said)
    said = replace(said, superbias=map_at(tmp_path / "bias.fits", bias))
    bright = CUBE * np.float32(20)
    ramp = read_ramp(cube_at(tmp_path, bright), said)
    signal = bright - bias
    wanted = sum(terms[k] * signal**k for k in range(4))
    wanted[:, 6, 7], wanted[:, 8, 9] = signal[:, 6, 7], signal[:, 8, 9]
    reads = next(Exposure(ramp, Processing(reference=None)).strips(0)).reads
    np.testing.assert_allclose(reads, (wanted - wanted[0]) * GAIN, rtol=2e-5, atol=0.05)


def test_linear_reads_are_not_made_linear_twice(tmp_path: Path) -> None:
    path, _ = linearity_at(tmp_path / "lin.fits")
    said = RampOptions(gain=2.0, read_noise=10.0, linearity=path)
    with pytest.raises(UserError, match="S_LINEAR = COMPLETE"):
        read_ramp(uncal_at(tmp_path, S_LINEAR="COMPLETE"), said)
    ramp = read_ramp(uncal_at(tmp_path, S_SUPERB="COMPLETE"), said)
    assert ramp.linearity is not None and not ramp.linearity.bias.any()


def test_matching_shapes_of_a_polynomial() -> None:
    with pytest.raises(UserError, match="give matching files"):
        Linearity(np.zeros((2, 3, 4), np.float32), np.zeros((4, 3), np.float32))


def cache(folder: Path) -> Path:
    """A folder as CRDS keeps it."""
    place = folder / "references" / "jwst" / "nircam"
    place.mkdir(parents=True)
    of = {"TELESCOP": "JWST", "DETECTOR": "NRCA1", "USEAFTER": "2022-01-01T00:00:00"}
    map_at(place / "jwst_nircam_gain_0001.fits", GAIN, of)
    map_at(place / "jwst_nircam_gain_0002.fits", GAIN * 2, of | {"DETECTOR": "NRCB1"})
    map_at(place / "jwst_nircam_gain_0003.fits", GAIN * 3, of | {"USEAFTER": "2023-01-01T00:00:00"})
    map_at(place / "jwst_nircam_readnoise_0001.fits", NOISE, of | {"REFTYPE": "READNOISE", "READPATT": "ANY"})
    map_at(place / "jwst_nircam_superbias_0001.fits", GAIN * 100, of | {"READPATT": "RAPID"})
    linearity_at(place / "jwst_nircam_linearity_0001.fits", **of)
    return folder


def test_reference_files_of_a_folder_by_what_they_are_of(tmp_path: Path) -> None:
    crds = str(cache(tmp_path / "crds"))
    ramp = read_ramp(uncal_at(tmp_path, READPATT="RAPID", day="2022-07-01"), RampOptions(crds=crds))
    np.testing.assert_allclose(ramp.gain, GAIN)
    np.testing.assert_allclose(ramp.read_noise, NOISE * GAIN / 2**0.5, rtol=1e-6)
    assert ramp.linearity is not None
    np.testing.assert_allclose(ramp.linearity.bias, GAIN * 100)
    assert "gain of jwst_nircam_gain_0001.fits" in ramp.notes
    later = read_ramp(uncal_at(tmp_path, READPATT="RAPID", day="2024-07-01"), RampOptions(crds=crds))
    np.testing.assert_allclose(later.gain, GAIN * 3)
    own = read_ramp(uncal_at(tmp_path, READPATT="RAPID"), RampOptions(crds=crds, gain=1.5))
    assert own.gain == 1.5
    linear = read_ramp(uncal_at(tmp_path, S_LINEAR="COMPLETE"), RampOptions(crds=crds))
    assert linear.linearity is None
    with pytest.raises(UserError, match="linearity without superbias"):  # none of this read pattern
        read_ramp(uncal_at(tmp_path, READPATT="BRIGHT1"), RampOptions(crds=crds))


def test_reference_files_that_a_header_names(tmp_path: Path) -> None:
    folder = cache(tmp_path / "crds")
    named = reference_files(folder, CARDS | {"R_GAIN": "crds://jwst_nircam_gain_0002.fits"})
    assert named["gain"].name == "jwst_nircam_gain_0002.fits"
    with pytest.raises(UserError, match=r"the file that R_GAIN names; got no jwst_nircam_gain_0099"):
        reference_files(folder, CARDS | {"R_GAIN": "crds://jwst_nircam_gain_0099.fits"})
    with pytest.raises(UserError, match="a folder of reference files"):
        reference_files(tmp_path / "nowhere", CARDS)
    place = folder / "references" / "jwst" / "nircam"
    map_at(place / "jwst_nircam_gain_0004.fits", GAIN, {"DETECTOR": "NRCA1", "USEAFTER": "2023-01-01T00:00:00"})
    with pytest.raises(UserError, match=r"gain_0003\.fits, jwst_nircam_gain_0004"):
        reference_files(folder, CARDS)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a number or a file for gain"):
        read_map(tmp_path / "none.fits", "gain")
    np.save(tmp_path / "cube.npy", CUBE)
    with pytest.raises(UserError, match=r"3 axes of float32 in cube\.npy"):
        read_map(tmp_path / "cube.npy", "gain")
    two = map_at(tmp_path / "two.fits", GAIN, None, OTHER=GAIN)
    assert np.array_equal(read_map(Path(two), "gain")[0], GAIN)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(GAIN, name="A"), fits.ImageHDU(GAIN, name="B")]
    fits.HDUList(hdus).writeto(tmp_path / "nameless.fits")
    with pytest.raises(UserError, match="2 images of two axes"):
        read_map(tmp_path / "nameless.fits", "gain")
    with pytest.raises(UserError, match="COEFFS of three axes"):
        detector_maps(replace(SAID, linearity=two, superbias=0.0), {}, "DN", (H, W), {})
    (tmp_path / "half.fits").write_bytes(Path(two).read_bytes()[:4000])
    with pytest.raises(UserError, match=r"half\.fits"):
        read_map(tmp_path / "half.fits", "gain")


def test_what_is_typed_is_a_number_or_a_path(tmp_path: Path) -> None:
    """Numbers stay numbers; a path may hold what the configuration's language reads otherwise."""
    odd = map_at(tmp_path / "gain (1)=x,y.fits", GAIN)
    words = [
        f"preprocessing.load.gain={odd}",
        "preprocessing.load.read_noise=12",
        "preprocessing.load.saturation=6.5e4",
    ]
    cfg = compose("predict", rewrite(["task=ramps", *words], "predict", conf_folder()))
    load = cfg.preprocessing.load
    assert (load.gain, load.read_noise, load.saturation) == (odd, 12, 6.5e4)
    pattern = ["preprocessing.load.read_pattern=[[1],[2,3]]", "preprocessing.load.gain=.5"]
    load = compose("predict", rewrite(["task=ramps", *pattern], "predict", conf_folder())).preprocessing.load
    assert list(load.read_pattern) == [[1], [2, 3]] and load.gain == 0.5


def test_a_noise_in_dn_of_a_ramp_in_electrons_needs_a_gain(tmp_path: Path) -> None:
    noise = map_at(tmp_path / "n.fits", NOISE, {"BUNIT": "DN"})
    said = RampOptions(unit="e-", read_noise=noise, group_time=5.0)
    with pytest.raises(UserError, match=r"which makes e- of a noise in DN.*load\.gain"):
        read_ramp(cube_at(tmp_path), said)
    ramp = read_ramp(cube_at(tmp_path), replace(said, gain=2.0))
    np.testing.assert_allclose(ramp.read_noise, NOISE * 2)
    assert ramp.gain == 1.0


def test_a_map_that_has_changed_is_read_again(tmp_path: Path) -> None:
    """An exposure is kept while its file, the settings, and the maps and reference files are as they were."""
    gain = tmp_path / "gain.npy"
    np.save(gain, GAIN)
    refs = cache(tmp_path / "refs")
    said = replace(SAID, gain=str(gain), crds=str(refs), linearity=None, polarity="normal")
    cube = cube_at(tmp_path, S_LINEAR="COMPLETE")

    def slope() -> float:
        PredictRamps(str(cube), str(tmp_path / "out"), said).run()
        with np.load(tmp_path / "out" / "ramp" / "ramp_temporal.npz") as maps:
            return float(np.nanmedian(maps["slope"]))

    first, before = slope(), maps_of(said)
    assert slope() == first and maps_of(said) == before
    np.save(gain, GAIN * 2)
    assert slope() == pytest.approx(2 * first, rel=0.05)
    (refs / "jwst_nircam_mask_0001.fits").write_bytes(b"")
    assert len(maps_of(said)) == len(before) + 1
