"""The variance and the PSF in Rubin's cutouts arrive beside the stamps; what cannot be read of them is said."""

from __future__ import annotations

import base64
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.packet import read_packet
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.planes import PlanesOfCutouts, centred_psf, planes_of
from astrid_ml.preprocessing.alerts.stamp_fits import StampError
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Array, Floats, Floats32

KEYS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
STAMP: Any = survey_named("rubin").stamp


def rubin_planes(given: dict[str, Any]) -> dict[str, Floats32]:
    read = planes_of(given, STAMP)
    assert not read.lost
    return read.planes


def bell(height: int, width: int) -> Floats:
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.exp(-((y - height // 2) ** 2 + (x - width // 2) ** 2) / 8.0))


def cutout(image: Array, variance: Array | None = None, psf: Array | None = None) -> bytes:
    hdus: list[Any] = [fits.PrimaryHDU(image.astype(np.float32))]
    if variance is not None:
        hdus.append(fits.ImageHDU(variance.astype(np.float32), name="UNCERT"))
    if psf is not None:
        hdus.append(fits.ImageHDU(psf, name="PSFIMAGE"))
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def packet(psf: Array | None = None) -> dict[str, Any]:
    """Image number i is i everywhere but one pixel, its variance 10 (i + 1)."""
    out: dict[str, Any] = {"diaSourceId": 5, "diaSource": {"diaObjectId": 3, "midpointMjdTai": 61000.0, "band": "r"}}
    for i, key in enumerate(KEYS):
        image = np.full((30, 30), float(i))
        image[15, 15] = 90.0
        out[key] = cutout(image, np.full((30, 30), 10.0 * (i + 1)), bell(41, 41) if psf is None else psf)
    return out


@pytest.mark.parametrize("shape", [(49, 49), (41, 41), (25, 31), (1, 1)])
def test_a_psf_keeps_its_centre_and_its_form_and_has_the_sum_1(shape: tuple[int, int]) -> None:
    psf = centred_psf(5.0 * bell(*shape), 49)
    assert psf.shape == (49, 49)
    assert float(psf.sum()) == pytest.approx(1.0, abs=1e-6)
    assert int(psf.argmax()) == 24 * 49 + 24
    y, x = shape[0] // 2, shape[1] // 2
    np.testing.assert_allclose(
        psf[24 - y : 25 + y, 24 - x : 25 + x], bell(*shape) / bell(*shape).sum(), rtol=1e-6, atol=1e-12
    )


def test_variance_and_psf_are_those_of_science_reference_and_difference() -> None:
    given = packet()
    given["cutoutTemplate"] = gzip.compress(given["cutoutTemplate"])
    planes = rubin_planes(given)
    assert (planes["variance"].shape, planes["psf"].shape) == ((3, 30, 30), (3, 49, 49))
    assert [np.unique(plane).tolist() for plane in planes["variance"]] == [[10.0], [20.0], [30.0]]
    np.testing.assert_allclose(planes["psf"].sum((1, 2)), 1.0, atol=1e-6)


def test_a_packet_of_images_alone_has_no_planes() -> None:
    image = np.zeros((30, 30))
    assert rubin_planes({key: cutout(image) for key in KEYS}) == {}
    assert rubin_planes({key: cutout(image, image) for key in KEYS}) == {}
    assert rubin_planes(packet() | {"cutoutDifference": None}) == {}


def test_variances_of_stamps_cut_at_an_edge_are_padded_as_the_stamps_are() -> None:
    given = packet()
    for i, key in enumerate(KEYS):
        image = np.full((22, 30), 1.0 + i)
        image[0, 0] += 1.0
        given[key] = cutout(image, 10.0 * image, bell(41, 41))
    record, stamps = read_packet(given)
    variance = rubin_planes(given)["variance"]
    assert (record["stamp_h"], record["stamp_w"], variance.shape) == (22, 30, (3, 30, 30))
    assert variance.dtype == np.float32
    np.testing.assert_array_equal(variance, 10 * stamps)  # NaN where the stamps are NaN


def test_planes_are_found_under_either_spelling() -> None:
    given = packet()
    names = ("cutout_science", "cutout_template", "cutout_difference")
    other = {new: given.pop(old) for old, new in zip(KEYS, names, strict=True)} | given
    expected = rubin_planes(packet())
    assert {name: planes.tobytes() for name, planes in rubin_planes(other).items()} == {
        name: planes.tobytes() for name, planes in expected.items()
    }


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_psf_without_a_sum_is_refused(value: float) -> None:
    with pytest.raises(StampError, match="a PSF of sum"):
        centred_psf(np.full((41, 41), value), 49)
    read = planes_of(packet(np.full((41, 41), value)), STAMP)
    assert list(read.planes) == ["variance"] and "a PSF of sum" in read.lost["psf"]


@pytest.mark.parametrize("wrong", ["cut short", "three sizes", "too large"])
def test_damaged_planes_are_named_and_refused_only_where_they_are_needed(wrong: str) -> None:
    given = packet()
    if wrong == "cut short":
        given["cutoutTemplate"] = given["cutoutTemplate"][:-4000]
    if wrong == "too large":
        given |= {key: cutout(np.zeros((31, 30)), np.zeros((31, 30)), bell(41, 41)) for key in KEYS}
    if wrong == "three sizes":
        given["cutoutScience"] = cutout(np.zeros((30, 30)), np.zeros((20, 30)), bell(41, 41))
    assert "variance" in planes_of(given, STAMP).lost
    with pytest.raises(StampError, match="variance"):
        planes_of(given, replace(STAMP, optional=()))


def test_a_larger_psf_widens_the_plane() -> None:
    given = packet() | {KEYS[1]: cutout(np.zeros((30, 30)), np.ones((30, 30)), bell(77, 77))}
    psf = planes_of(given, STAMP).planes["psf"]
    assert psf.shape == (3, 77, 77) and [int(plane.argmax()) for plane in psf] == [38 * 77 + 38] * 3
    assert planes_of({}, replace(STAMP, variance=None, psf=None)) == PlanesOfCutouts()


def test_a_negative_detection_is_turned_over_as_the_description_says() -> None:
    given = packet()
    given["diaSource"]["isNegative"] = True
    record, stamps = read_packet(given)
    assert record["sign"] == -1 and stamps[2, 15, 15] == -90.0 and stamps[0, 15, 15] == 90.0
    assert read_packet(packet())[1][2, 15, 15] == 90.0


def test_the_pipeline_keeps_the_planes_beside_the_stamps_and_stamps_without_planes(tmp_path: Path) -> None:
    spoiled = packet(np.zeros((41, 41))) | {"diaSourceId": 6}
    text = json.dumps([packet(), spoiled], default=lambda value: base64.b64encode(value).decode())
    (tmp_path / "night.json").write_text(text)
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    [unit] = pipeline.plan([tmp_path])
    pipeline.process(unit, writer, 0)
    source = writer.source()
    assert source.index["id"].tolist() == ["5", "6"] and not writer.drops
    assert source.index["mjd"][0] == pytest.approx(61000 - 37 / 86400, abs=1e-9)
    assert writer.counts["stamps_without_psf"] == 1
    row = np.array([0])
    assert source.gather("stamps", row)[0, :, 15, 15].tolist() == [90.0] * 3
    assert source.gather("variance", row)[0, :, 0, 0].tolist() == [10.0, 20.0, 30.0]
    assert source.gather("psf", row).shape == (1, 3, 49, 49)
