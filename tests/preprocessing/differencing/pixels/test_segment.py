"""Islands above the noise against scipy's labels, and frames of which nearly all is bright."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sep
from scipy import ndimage

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.pixels.segment import segmented

# Neither filtered nor taken apart: what remains is the connected pixels above the threshold.
PLAIN: dict[str, Any] = {"minarea": 1, "filter_kernel": None, "clean": False, "deblend_cont": 1.0, "deblend_nthresh": 1}


def test_islands_are_the_connected_pixels_above_the_threshold() -> None:
    data = np.random.default_rng(1).normal(0, 1, (90, 110)).astype(np.float32)
    smooth = np.ascontiguousarray(ndimage.gaussian_filter(data, 2.0) * 14)
    table, segments = segmented(smooth, 1.5, 2.0, np.zeros(data.shape, bool), **PLAIN)
    labels, n = ndimage.label(smooth > 3.0, np.ones((3, 3)))
    assert len(table) == n > 5
    assert np.array_equal(segments > 0, labels > 0)
    assert len(np.unique(np.stack([segments, labels])[:, labels > 0], axis=1).T) == n  # one number is one island
    for number in range(1, n + 1):
        assert table["npix"][number - 1] == np.count_nonzero(segments == number)


def test_masked_pixels_belong_to_no_island() -> None:
    data = np.zeros((40, 40), np.float32)
    data[10:13, 10:13] = data[30:32, 20:25] = 9.0
    mask = np.zeros(data.shape, bool)
    mask[28:35, 15:30] = True
    table, segments = segmented(data, 5.0, 1.0, mask, **PLAIN)
    assert len(table) == 1
    assert (table["x"][0], table["y"][0]) == (11.0, 11.0) and table["flux"][0] == pytest.approx(81.0)
    assert not segments[mask].any()


def test_a_frame_of_which_nearly_all_is_bright_is_one_island() -> None:
    data = np.full((520, 520), 9.0, np.float32)
    none = np.zeros(data.shape, bool)
    sep.set_extract_pixstack(200_000)
    with pytest.raises(Exception, match="pixel buffer"):
        sep.extract(data, 5.0, err=1.0, mask=none, **PLAIN)
    table, segments = segmented(data, 5.0, 1.0, none, **PLAIN)
    assert table["npix"].tolist() == [520 * 520] and (segments == 1).all()


def test_another_error_of_sep_is_not_taken_for_a_full_buffer() -> None:
    data = np.zeros((20, 20), np.float32)
    with pytest.raises(Exception, match="filter_type"):
        segmented(data, 5.0, 1.0, data > 0, filter_type="none of both")


def test_an_image_that_still_has_its_sky_is_refused_in_words() -> None:
    data = np.random.default_rng(3).normal(100, 1, (1200, 1200)).astype(np.float32)
    with pytest.raises(UserError, match=r"an image without its sky; got 100% of the pixels .+background=sep"):
        segmented(data, 5.0, 1.0, np.zeros(data.shape, bool), **PLAIN)
