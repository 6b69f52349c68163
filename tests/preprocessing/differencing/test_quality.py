"""The flat record of a pair's quality: every figure under its name, each frame's under its side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from astrid_ml.files import write_json
from astrid_ml.preprocessing.differencing.detect.significance import SignificanceCheck
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.quality import FrameQuality, Quality
from astrid_ml.preprocessing.differencing.sky.noise import ImageNoise


def frame(fwhm: float, mjd: float | None, scale: float | None) -> FrameQuality:
    plane = torch.ones(3, 3)
    noise = ImageNoise(plane, plane, plane, measured=scale is not None, scale=scale)
    return FrameQuality(fwhm, "stars", 12, 200.0 * fwhm, mjd, noise)


@pytest.fixture
def quality() -> Quality:
    check = SignificanceCheck(0.01, 1.0, 1.04, 1.04, (1.0, 0.9), -0.02, 0.01, {(0, 1): (-0.02, 0.01)}, {"t": 3.0}, ())
    return Quality(
        science=frame(2.5, 60000.5, 1.1),
        reference=frame(3.5, None, None),
        significance=check,
        overlap=0.9,
        realigned=True,
        matched_stars=40,
        flux_ratio=1.25,
        flux_ratio_err=None,
        astrometric_sigma=0.02,
        registration_left=0.03,
        gain_known=False,
        variance_from="header",
        mission="ztf",
        filter=None,
        candidates=7,
        figures={"residual_share": 0.01},
        warnings=("few stars",),
    )


def test_each_frames_figures_stand_under_its_side(quality: Quality) -> None:
    said = quality.record()
    assert (said["fwhm_science"], said["fwhm_reference"]) == (2.5, 3.5)
    assert (said["background_science"], said["background_reference"]) == (500.0, 700.0)
    assert (said["mjd_science"], said["mjd_reference"]) == (60000.5, None)
    assert (said["science_noise_measured"], said["reference_noise_measured"]) == (1.0, 0.0)
    assert said["science_noise_scale"] == 1.1 and "reference_noise_scale" not in said  # not measured, so not said


def test_the_record_is_flat_json_with_the_figures_of_every_step(quality: Quality, tmp_path: Path) -> None:
    write_json(tmp_path / "quality.json", quality.record())
    said = json.loads((tmp_path / "quality.json").read_text())
    expected = {"sig_std_raw": 1.04, "t": 3.0, "residual_share": 0.01, "flux_ratio": 1.25, "realigned": 1.0}
    assert expected.items() <= said.items()
    assert said["flux_ratio_err"] is None and said["warnings"] == ["few stars"]
    nested = {name for name, value in said.items() if isinstance(value, dict)}
    assert nested <= {"neighbour_corr_lags", "header_science", "header_reference"}


def test_a_real_pairs_record_agrees_with_its_fields(subtracted: Difference) -> None:
    said = subtracted.quality.record()
    assert said["candidates"] == len(subtracted.candidates)
    assert said["matched_stars"] == int(subtracted.matched.stars["kept"].sum())
    assert said["sig_scale"] == subtracted.quality.significance.scale
    assert replace(subtracted.quality, realigned=False).record()["realigned"] == 0.0
