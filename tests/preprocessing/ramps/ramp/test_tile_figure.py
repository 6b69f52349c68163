"""The picture of a tile shows the pixel of its event."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread

from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY
from astrid_ml.preprocessing.ramps.ramp.tile_figure import _brightest, tile_png


def tile() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    cube = np.random.default_rng(0).normal(size=(8, 20, 20)).cumsum(axis=0).astype(np.float32)
    cube[4:, 5, 7] += 30.0
    codes = np.zeros(cube.shape, np.uint8)
    codes[4, 12, 3] = COSMIC_RAY
    return cube, codes


def test_the_known_event_is_shown_even_where_something_else_is_brighter() -> None:
    cube, codes = tile()
    largest = np.abs(np.diff(cube, axis=0)).max(axis=0)
    assert _brightest(largest, []) == (5, 7)
    rows, columns = np.nonzero(codes.any(axis=0))
    assert _brightest(largest, [(rows, columns)]) == (12, 3)


@pytest.mark.parametrize("lost", [0, 20, 400])
def test_a_tile_with_lost_pixels_is_drawn_without_a_warning(lost: int) -> None:
    cube, codes = tile()
    cube.reshape(8, -1)[:, :lost] = np.nan
    picture = imread(io.BytesIO(tile_png(cube, codes)), format="png")
    assert picture.shape[1] > 700 and picture.std() > 0.02
