"""ZScale limits against astropy's, stacking, the NaN policy, any size and type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.visualization import ZScaleInterval

from astrid_ml.preprocessing.roman.job.frames import (
    CHANNELS,
    ImageError,
    Plane,
    common_shape,
    limits_of,
    open_plane,
    stack,
)
from astrid_ml.preprocessing.roman.job.frames import zscale_limits as limits


def image(shape: tuple[int, int], dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    data = rng.normal(3, 2, shape)
    data[rng.random(shape) < 0.01] += rng.exponential(500)
    return data.astype(dtype)


@pytest.mark.parametrize("shape", [(409, 409), (408, 408), (410, 410), (37, 211), (3, 2)])
@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", ">f8", "i2"])
def test_limits_equal_astropys(shape: tuple[int, int], dtype: str) -> None:
    data = image(shape, dtype)
    expected = ZScaleInterval().get_limits(data.astype(np.float64))
    np.testing.assert_allclose(limits(data), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.98])
def test_limits_are_those_of_the_finite_pixels(share: float) -> None:
    data = image((300, 200), "f4")
    rng = np.random.default_rng(1)
    data[rng.random(data.shape) < share] = np.nan
    data[0, :3] = [np.inf, -np.inf, np.nan]
    expected = ZScaleInterval().get_limits(data[np.isfinite(data)].astype(np.float64))
    np.testing.assert_allclose(limits(data), expected, rtol=1e-6)


def test_constant_and_empty_images_have_limits_that_say_so() -> None:
    assert limits(np.full((20, 20), 4.0)) == (4.0, 4.0)
    assert np.isnan(limits(np.full((20, 20), np.nan))).all()


def test_stacking_keeps_values_and_writes_nan_where_nothing_is_finite() -> None:
    planes = {name: Plane(image((130, 90), ">f4", seed), {}) for seed, name in enumerate(CHANNELS)}
    planes["reference"] = Plane(image((130, 90), ">f8", 9), {})
    planes["scorr"].data[4, 5] = np.inf
    planes["difference"].data[100:, 80:] = np.nan
    out = np.empty((130, 90, 4), np.float32)
    assert stack(planes, out) == 1 + 30 * 10
    for place, name in enumerate(CHANNELS):
        known = np.isfinite(planes[name].data)
        np.testing.assert_array_equal(out[..., place][known], planes[name].data[known].astype(np.float32))
        assert np.isnan(out[..., place][~known]).all()


def test_images_of_unequal_size_or_without_pixels_are_refused() -> None:
    planes = {name: Plane(image((30, 20), "f4"), {}) for name in CHANNELS}
    assert common_shape(planes) == (30, 20)
    with pytest.raises(ImageError, match="scorr image has no finite"):
        limits_of({**planes, "scorr": Plane(np.full((30, 20), np.nan), {})})
    with pytest.raises(ImageError, match="unequal"):
        common_shape({**planes, "scorr": Plane(image((30, 21), "f4"), {})})


def test_the_first_image_of_a_file_is_read_with_both_headers(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header["FILTER"] = "Y106"
    data = image((12, 10), "f4")
    extension = fits.ImageHDU(data, name="SCI")
    extension.header["ZPTMAG"] = 17.6
    fits.HDUList([primary, extension]).writeto(tmp_path / "ou.fits")
    plane = open_plane(tmp_path / "ou.fits")
    np.testing.assert_array_equal(plane.data, data)
    assert plane.header["FILTER"] == "Y106"
    assert plane.header["ZPTMAG"] == 17.6


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(image((100, 100), "f4")).writeto(path)
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(ImageError, match=r"a\.fits"):
        open_plane(path)
    path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"a\.fits"):
        open_plane(path)
    fits.PrimaryHDU().writeto(tmp_path / "b.fits")
    with pytest.raises(ImageError, match="no image"):
        open_plane(tmp_path / "b.fits")
