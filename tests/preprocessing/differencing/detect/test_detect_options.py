"""DAOStarFinder and sep as detectors: the same table as the peaks', and cuts that cut what they should."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.options import (
    PEAK_COLUMNS,
    DaoFind,
    Peaks,
    SepExtract,
    response_fwhm,
)
from astrid_ml.preprocessing.differencing.pixels.fourier import transform
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp

STEPS: list[Any] = [DaoFind(), SepExtract()]
SHAPE = (200, 220)
NONE = torch.zeros(SHAPE, dtype=torch.bool)


def bump(x: float, y: float, height: float, sigma: float = 2.0, elongation: float = 1.0) -> torch.Tensor:
    t, u = torch.arange(SHAPE[0])[:, None] - y, torch.arange(SHAPE[1])[None, :] - x
    return height * torch.exp(-(t**2 / sigma**2 + u**2 / (sigma * elongation) ** 2) / 2)


def noise(seed: int = 0) -> torch.Tensor:
    """Matched-filter noise: unit variance, correlated as a star of sigma 2 px looks in it."""
    kernel = transform(gaussian_stamp(2**0.5, 21), SHAPE)
    white = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    smooth: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * kernel, s=SHAPE)
    return smooth / smooth.std()


@pytest.mark.parametrize("step", STEPS)
def test_sources_of_both_signs_are_found_where_the_peaks_are(step: Any) -> None:
    image = noise() + bump(50.3, 60.4, 20) + bump(90.0, 30.0, -9) + bump(150.6, 120.1, 12) + bump(100, 160, -30)
    found, peaks = step(image, NONE), Peaks()(image, NONE)
    assert tuple(found.columns) == PEAK_COLUMNS and found.dtypes.equals(peaks.dtypes)
    assert found["sign"].tolist() == [-1, 1, 1, -1]
    assert np.allclose(found[["x", "y", "snr"]], peaks[["x", "y", "snr"]].head(4), atol=1e-6)


@pytest.mark.parametrize("step", STEPS)
def test_faint_sources_are_found_as_often_as_by_peaks(step: Any) -> None:
    generator = np.random.default_rng(3)
    found, peaks = 0, 0
    for seed in range(4):
        image = noise(seed)
        for x, y in [(30 + 40 * i, 30 + 40 * j) for i in range(5) for j in range(4)]:
            image = image + bump(x + generator.uniform(-0.5, 0.5), y + generator.uniform(-0.5, 0.5), 6.0)
        found, peaks = found + len(step(image, NONE)), peaks + len(Peaks()(image, NONE))
    assert peaks >= 56 and found >= 0.9 * peaks


@pytest.mark.parametrize("step", STEPS)
def test_masked_and_infinite_pixels_hold_no_source(step: Any) -> None:
    image = noise() + bump(50, 60, 20) + bump(120, 100, 15)
    mask = NONE.clone()
    mask[57:64, 47:54] = True
    image[10, 10], image[12, 80] = float("nan"), float("inf")
    table = step(image, mask)
    assert [(round(x), round(y)) for x, y in table[["x", "y"]].to_numpy() if 40 < x < 60 and 50 < y < 70] == []
    assert np.isfinite(table[["x", "y", "snr"]].to_numpy()).all()
    assert (table["snr"].abs() > 14).sum() == 1


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_an_empty_table_and_too_many_are_cut(step: Any, caplog: pytest.LogCaptureFixture) -> None:
    empty = step(torch.zeros(SHAPE), NONE)
    assert tuple(empty.columns) == PEAK_COLUMNS and len(empty) == 0
    with caplog.at_level(logging.WARNING):
        table = type(step)(threshold=1.5, max_candidates=9)(noise(), NONE)
    assert len(table) == 9 and table["snr"].abs().is_monotonic_decreasing and "9 most significant" in caplog.text


def test_a_hot_pixel_and_a_trail_fail_the_shape_cuts() -> None:
    image = noise() + bump(50, 60, 25) + bump(150, 60, 25, 0.4) + bump(110, 150, 25, 2.0, 12.0)
    loose, strict = DaoFind(sharphi=50, roundness=50), DaoFind(sharphi=1.0, roundness=0.5)
    near = {(150, 60), (50, 60)}
    assert near <= {(round(x), round(y)) for x, y in loose(image, NONE)[["x", "y"]].to_numpy()}
    assert [(round(x), round(y)) for x, y in strict(image, NONE)[["x", "y"]].to_numpy()] == [(50, 60)]
    long = SepExtract(max_elongation=30)(image, NONE)
    short = SepExtract(max_elongation=3)(image, NONE)
    assert ((long["y"] - 150).abs() < 4).any() and not ((short["y"] - 150).abs() < 4).any()


def test_width_of_a_star_is_read_from_the_noise() -> None:
    assert response_fwhm(noise(5), NONE) == pytest.approx(2.0 * 2.3548, rel=0.05)
    assert response_fwhm(noise(5)[:20, :20], NONE[:20, :20]) == 3.0


def test_limits_that_exclude_everything_are_refused() -> None:
    with pytest.raises(UserError, match="sharplo"):
        DaoFind(sharplo=1.0, sharphi=0.5)(noise(), NONE)
    with pytest.raises(UserError, match="max_elongation"):
        SepExtract(max_elongation=0.5)(noise(), NONE)
