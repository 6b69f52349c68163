"""Photometry of candidates, against a library that sums the same pixels in its own way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from photutils.aperture import CircularAperture

from astrid_ml.preprocessing.differencing.detect.measure import measure
from astrid_ml.preprocessing.differencing.difference import Difference

NONE = np.zeros((0, 2))


def detections(done: Difference, seed: int = 3) -> pd.DataFrame:
    """Positions all over the frame: between pixels, on them, at the corners and beyond the outermost centres."""
    h, w = done.science.shape
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.5, w - 0.5, 200), rng.uniform(-0.5, h - 0.5, 200)
    x[:20], y[:20] = np.round(x[:20]), np.round(y[:20])
    x[20:24], y[20:24] = [-0.5, w - 0.5, 0, w - 1], [-0.5, h - 0.5, h - 1, 0]
    return pd.DataFrame({"x": x, "y": y, "snr": 9.0, "sign": 1, "flags": 0})


@pytest.mark.parametrize("fwhm", [1.0, 1.5, 3.3, 12.0])
def test_apertures_count_pixels_by_the_exact_share_that_lies_within(subtracted: Difference, fwhm: float) -> None:
    table, result = detections(subtracted), subtracted.result
    measured = measure(table, result, subtracted.science, NONE, fwhm)
    total, error = CircularAperture(table[["x", "y"]].to_numpy(), fwhm).do_photometry(
        result.diff.double().numpy(), error=result.variance.double().sqrt().numpy()
    )
    assert np.allclose(measured["aperture_flux"], total, rtol=0, atol=1e-9 * error.min())
    assert np.allclose(measured["aperture_flux_err"], error, rtol=1e-9, atol=0)


def test_a_pixel_without_a_value_spoils_the_apertures_that_it_lies_in_and_no_other(subtracted: Difference) -> None:
    diff = subtracted.result.diff.clone()
    diff[100, 120] = torch.nan
    table = detections(subtracted).head(3).assign(x=[120.0, 123.0, 130.0], y=[100.0, 100.0, 100.0])
    measured = measure(table, replace(subtracted.result, diff=diff), subtracted.science, NONE, 3.0)
    assert np.isnan(measured["aperture_flux"]).tolist() == [True, True, False]


def test_no_detection_has_no_aperture(subtracted: Difference) -> None:
    measured = measure(detections(subtracted).head(0), subtracted.result, subtracted.science, NONE, 3.0)
    assert len(measured) == 0 and {"aperture_flux", "aperture_flux_err"} <= set(measured.columns)
