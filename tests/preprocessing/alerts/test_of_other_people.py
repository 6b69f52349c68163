"""Packets as other people send them: larger stamps, bands of no data, milliseconds, ends, named extensions."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.io import fits
from made.surveys import packet_of

import astrid_ml.preprocessing.surveys as surveys
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.stamp_files import is_stamp_file
from astrid_ml.preprocessing.labels import ScoreThresholdLabel, TruthLabel
from astrid_ml.preprocessing.surveys.registry import surveys_of

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def _with_images(packet: dict[str, Any], images: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {**packet, **{key: image.tolist() for key, image in zip(CUTOUTS, images, strict=True)}}


def _images(height: int, width: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(100, 5, (3, height, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "size"), [((31, 31), 31), ((71, 71), 71), ((30, 22), 30), ((71, 50), 71), ((30, 30), 30)]
)
def test_rubins_stamps_have_the_size_that_they_need(shape: tuple[int, int], size: int) -> None:
    record, stamps = read_packet(_with_images(packet_of("rubin"), _images(*shape)))
    assert stamps.shape == (3, size, size) and (record["stamp_h"], record["stamp_w"]) == shape
    assert (
        np.isfinite(stamps[:, : shape[0], : shape[1]]).all()
        and int(np.isfinite(stamps).sum()) == 3 * shape[0] * shape[1]
    )


def test_a_survey_of_one_size_refuses_larger_ones() -> None:
    with pytest.raises(PacketError, match="stamps of 71 x 71 pixels, ZTF has 63"):
        read_packet(_with_images(packet_of("ztf"), _images(71, 71)))


@pytest.mark.parametrize("mark", [-32768.0, float(-(2**31)), -999.0])
def test_a_band_of_the_least_integer_is_no_data(mark: float) -> None:
    images = _images(63, 63)
    images[:, :, :6] = mark
    account: Counter[str] = Counter()
    _, stamps = read_packet(_with_images(packet_of("ztf"), images), account=account)
    assert np.isnan(stamps[:, :, :6]).all() and np.isfinite(stamps[:, :, 6:]).all()
    assert account["pixels_without_data_marked_by_a_number"] == 3 * 63 * 6


@pytest.mark.parametrize(
    ("said", "seconds", "counted"),
    [
        (30.0, 30.0, None),
        (300, 300.0, None),
        (30000.0, 30.0, "exposures_in_milliseconds"),
        *((none, None, "exposures_that_are_none") for none in (3e8, 0.001, -1.0)),
    ],
)
def test_an_exposure_is_in_seconds_or_it_is_counted(said: float, seconds: float | None, counted: str | None) -> None:
    packet, account = copy.deepcopy(packet_of("ztf")), Counter[str]()
    packet["candidate"] |= {"exptime": said, "jd": 2460000.5}
    record, _ = read_packet(packet, account=account)
    assert record["mjd"] == pytest.approx(60000 + (seconds or 0) / 172800, abs=1e-8)
    assert record["time_ref"] == ("mid-exposure" if seconds else "start of exposure")
    assert [name for name in account if name.startswith("exposures")] == ([counted] if counted else [])


def _ztf(**packet: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((Path(surveys.__file__).parent / "ztf.yaml").read_text())
    content["packet"] |= packet
    return content


@pytest.mark.parametrize(
    ("exposure", "days", "ref"), [(30.0, -15 / 86400, "mid-exposure"), (None, 0.0, "end of exposure")]
)
def test_a_time_may_be_that_of_the_end(exposure: float | None, days: float, ref: str) -> None:
    packet = copy.deepcopy(packet_of("ztf"))
    packet["candidate"] |= {"exptime": exposure, "jd": 2460000.5}
    record, _ = read_packet(packet, surveys_of(_ztf(reference="end")))
    assert record["mjd"] == pytest.approx(60000 + days, abs=1e-8) and record["time_ref"] == ref


def test_exposures_of_a_description_are_two() -> None:
    for wrong in ([30], [30, 1]):
        with pytest.raises(UserError, match=r"packet.exposures in .* \[shortest, longest\]"):
            surveys_of(_ztf(exposures=wrong))


@pytest.mark.parametrize("names", [("science", "template", "difference"), ("SCI", "REF", "DIFF"), CUTOUTS])
def test_stamps_of_named_extensions(tmp_path: Path, names: tuple[str, ...]) -> None:
    images = _images(63, 63)
    hdus = [fits.ImageHDU(image, name=name) for name, image in reversed(list(zip(names, images, strict=True)))]
    path = tmp_path / "ZTF20abc_1234567890123.fits"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    assert is_stamp_file(path)
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([tmp_path]):
        pipeline.process(unit, writer, 0)
    source = writer.source()
    assert source.index["id"].tolist() == ["1234567890123"] and not writer.drops
    np.testing.assert_allclose(source.gather("stamps", np.arange(1))[0], images)
    fits.HDUList([fits.PrimaryHDU(), *hdus[:2]]).writeto(tmp_path / "ZTF20abc_1234567890124.fits")
    assert not is_stamp_file(tmp_path / "ZTF20abc_1234567890124.fits")


def test_packets_without_labels_are_told_how_to_go_on() -> None:
    with pytest.raises(UserError, match="label=none"):
        TruthLabel().apply(pd.DataFrame({"id": ["1"]}))
    with pytest.raises(UserError, match="label=none"):
        ScoreThresholdLabel(column="drb", threshold=0.5).apply(pd.DataFrame({"id": ["1"], "drb": [np.nan]}))
